//! `retrosync history`: the attic (offline) and the server's versions of one save in one list.

use retrosync_protocol::{Code, Digest, HistoryEntry, SaveId};
use serde_json::{Value, json};

use crate::attic::AtticEntry;
use crate::cli::{Call, Command, questions, saves};
use crate::error::{Error, Kind, Result};
use crate::parts::Ground;
use crate::report::{self, Exit};
use crate::set::Set;
use crate::survey::{self, Survey};

/// `retrosync history`.
pub const COMMAND: Command = Command {
    name: "history",
    summary: "list the versions of a save, here and on the server",
    words: (0, 1),
    flags: &[],
    run,
};

fn run(call: &Call) -> Result<Exit> {
    let ground = Ground::find(call.config()?)?;
    let Survey { looked, found, .. } = Survey::of(&ground)?;
    let mut known = survey::known(&looked);
    known.extend(found.local.saves.keys().cloned());
    let Some(word) = call.words.first() else { return Ok(list(call, &known)) };
    let save = saves::find(word, known.iter())?;
    let kept = survey::kept(&looked, &save);
    let asked = ground.remote(&looked.identity).and_then(|mut remote| survey::all(&mut *remote, &save));
    let (versions, failed) = match asked {
        Ok(versions) => (versions, None),
        Err(error) if error.kind == Kind::Refused(Code::NotFound) => (Vec::new(), None),
        Err(error) => (Vec::new(), Some(error)),
    };
    if versions.is_empty() && kept.is_empty() && failed.is_none() && !known.contains(&save) {
        return Err(Error::new(
            Kind::Refused(Code::NotFound),
            format!("cannot show `{save}`"),
            "there is no such save",
        )
        .help("`retrosync history` lists the saves"));
    }
    let here = survey::here(&ground, &looked, &save);
    call.output.value(&json!({
        "save": save,
        "here": here,
        "versions": versions.iter().map(|entry| version_value(entry, here)).collect::<Vec<_>>(),
        "attic": kept.iter().map(|(root, entry)| kept_value(*root, entry)).collect::<Vec<_>>(),
        "server_error": failed.as_ref().map(report::error_value),
    }));
    call.output.line(format!("`{save}`"));
    for entry in &versions {
        call.output.line(version_text(entry, here));
    }
    for (root, entry) in &kept {
        call.output.line(kept_text(*root, entry, here));
    }
    if versions.is_empty() && kept.is_empty() && failed.is_none() {
        call.output.line("  no version of it is stored yet: it follows at the next contact");
    }
    match failed {
        Some(error) => {
            call.output.problems(&[error.into()]);
            Ok(Exit::Problems)
        }
        None => Ok(Exit::Well),
    }
}

fn list(call: &Call, known: &Set<SaveId>) -> Exit {
    call.output.value(&json!({ "saves": known }));
    for save in known {
        call.output.line(save.as_str());
    }
    if known.is_empty() {
        call.output.line("no save is known on this card yet");
    }
    Exit::Well
}

fn version_value(entry: &HistoryEntry, here: Option<Digest>) -> Value {
    let digest = entry.record.content.map(|content| content.digest);
    json!({
        "version": entry.version, "content": entry.record.content, "parents": entry.record.parents,
        "device_name": entry.device_name, "received_unix_s": entry.received_unix_s, "played": entry.record.played,
        "head": entry.head, "suspect": entry.record.suspect, "note": entry.record.note,
        "here": digest.is_some() && digest == here,
    })
}

fn version_text(entry: &HistoryEntry, here: Option<Digest>) -> String {
    let digest = entry.record.content.map(|content| content.digest);
    let star = if digest.is_some() && digest == here { '*' } else { ' ' };
    let size = entry.record.content.map_or("deleted".into(), |content| report::size(content.size_bytes));
    let when = report::time(entry.received_unix_s);
    let mut text =
        format!("{star} {}  {when}  {}  {size}", questions::short(&entry.version), entry.device_name);
    if entry.head {
        text.push_str("  (newest)");
    }
    if entry.record.suspect {
        text.push_str("  (looks damaged)");
    }
    if let Some(note) = &entry.record.note {
        text.push_str(&format!("  \"{note}\""));
    }
    text
}

/// How a kept copy is called: `attic:3`, or `attic:1.3` in the attic of root 1.
pub(super) fn label(root: usize, number: u64) -> String {
    if root == 0 { format!("attic:{number}") } else { format!("attic:{root}.{number}") }
}

fn kept_value(root: usize, entry: &AtticEntry) -> Value {
    json!({
        "number": entry.number, "root": root, "label": label(root, entry.number), "content": entry.content,
        "path": entry.path.as_str(), "kept_unix_s": entry.kept.unix_s, "kept_trusted": entry.kept.trusted,
        "reason": entry.reason.to_string(),
    })
}

fn kept_text(root: usize, entry: &AtticEntry, here: Option<Digest>) -> String {
    let star = if Some(entry.content.digest) == here { '*' } else { ' ' };
    let when = report::time(entry.kept.unix_s);
    let doubt = if entry.kept.trusted { "" } else { " (this device's clock)" };
    format!(
        "{star} {}  {when}{doubt}  {}  {}  (on this card)",
        label(root, entry.number),
        entry.reason,
        report::size(entry.content.size_bytes)
    )
}
