//! Questions and halts in a person's words, and as JSON: the same in `once`, `status` and `doctor`.

use std::path::PathBuf;

use retrosync_protocol::{Head, SaveId, VersionId};
use serde_json::{Value, json};

use crate::error::{Error, Kind};
use crate::plan::{Halt, Question};
use crate::report;
use crate::snapshot::Doubt;

/// How many digits of a version's id are shown: enough among one save's versions.
const DIGITS: usize = 10;

/// The first digits of a version's id, as people type them.
pub(super) fn short(version: &VersionId) -> String {
    version.to_string().chars().take(DIGITS).collect()
}

/// A save as it can be typed after a command in a shell, whatever is in its title.
fn typed(save: &SaveId) -> String {
    let (title, id) = (save.title(), save.as_str());
    // The whole id begins with a system, so it is never taken for an option.
    let word = if title.starts_with('-') { id } else { title };
    match word.contains(['"', '$', '`', '\\', '!']) {
        true => format!("'{}'", word.replace('\'', "'\\''")),
        false => format!("\"{word}\""),
    }
}

/// A question in lines for people.
pub(super) fn text(question: &Question) -> String {
    match question {
        Question::Conflict { save, heads, here, suggestion } => {
            let mut text = format!("question: `{save}` was changed on more than one device; both are kept");
            for head in heads {
                let is_here = head.content.is_some_and(|content| Some(content.digest) == *here);
                text.push_str("\n  ");
                text.push_str(&head_text(head, is_here, *suggestion == Some(head.version)));
            }
            text.push_str(&format!("\n  choose with `retrosync resolve {} this|other|VERSION`", typed(save)));
            text
        }
        Question::Suspect { save, place, doubt } => format!(
            "question: `{save}` looks damaged: {doubt} (`{}`)\n  {}, and the last good version stands; \
             `retrosync history {}` shows what can be restored",
            place.path,
            if *doubt == Doubt::Empty { "nothing is sent" } else { "it is set aside" },
            typed(save)
        ),
        Question::Deleted { save, .. } => format!(
            "question: `{save}` was deleted on another device and is still here\n  it stays until you play it or delete it"
        ),
    }
}

fn head_text(head: &Head, is_here: bool, suggested: bool) -> String {
    let size = head.content.map_or("deleted".to_owned(), |content| report::size(content.size_bytes));
    let when = head.played.map_or(head.received_unix_s, |played| played.to_unix_s);
    let mut text =
        format!("{}  {}  {}  {}", short(&head.version), report::time(when), head.device_name, size);
    if is_here {
        text.push_str("  (on this device)");
    }
    if suggested {
        text.push_str("  (suggested)");
    }
    text
}

/// A question for scripts.
pub(super) fn value(question: &Question) -> Value {
    match question {
        Question::Conflict { save, heads, here, suggestion } => json!({
            "kind": "conflict", "save": save, "suggestion": suggestion,
            "versions": heads.iter().map(|head| head_value(head, head.content.is_some_and(|c| Some(c.digest) == *here))).collect::<Vec<_>>(),
        }),
        Question::Suspect { save, place, doubt } => json!({
            "kind": "suspect", "save": save, "path": place.path.as_str(), "why": doubt.to_string(),
        }),
        Question::Deleted { save, head } => json!({ "kind": "deleted", "save": save, "version": head }),
    }
}

fn head_value(head: &Head, is_here: bool) -> Value {
    json!({
        "version": head.version, "content": head.content, "device_name": head.device_name, "played": head.played,
        "received_unix_s": head.received_unix_s, "here": is_here,
    })
}

/// A halt as an error with its next step.
pub(super) fn halt(halt: &Halt, roots: &[PathBuf]) -> Error {
    let root = |number: &usize| roots.get(*number).map_or(String::new(), |dir| dir.display().to_string());
    match halt {
        Halt::Offline { root: number, reason } => Error::new(
            Kind::Busy,
            format!("cannot use the card at `{}`", root(number)),
            reason,
        )
        .help(
            "is it in its slot and mounted? nothing was changed. a new card wants `retrosync pair --again`",
        ),
        Halt::Vanished { root: number, count, of } => Error::new(
            Kind::Busy,
            format!("stopped at the card `{}`", root(number)),
            format!("{count} of its {of} saves vanished or look damaged at once"),
        )
        .help("if you meant it: `retrosync once --accept-mass-change`; else put the right card in"),
        Halt::Replaced { count, of } => Error::new(
            Kind::Busy,
            "stopped before most of this device's saves are replaced",
            format!("{count} of {of} would be replaced in one round"),
        )
        .help("if you meant it: `retrosync once --accept-mass-change`"),
    }
}

/// A halt for scripts.
pub(super) fn halt_value(halt_found: &Halt, roots: &[PathBuf]) -> Value {
    let mut value = report::error_value(&halt(halt_found, roots));
    value["halt"] = json!(match halt_found {
        Halt::Offline { .. } => "offline",
        Halt::Vanished { .. } => "vanished",
        Halt::Replaced { .. } => "replaced",
    });
    value
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_suggested_can_be_pasted_into_a_shell() {
        let rows = [
            ("gb/sram/Tetris (World)", r#""Tetris (World)""#),
            ("gb/sram/It's", r#""It's""#),
            ("gb/sram/-dash", r#""gb/sram/-dash""#),
            (r#"gb/sram/It's "so""#, r#"'It'\''s "so"'"#),
            ("gb/sram/$HOME", "'$HOME'"),
        ];
        for (save, text) in rows {
            assert_eq!(typed(&save.parse().unwrap()), text);
        }
    }
}
