//! `retrosync restore`: an older version back in place; what was there goes to the attic first.

use retrosync_protocol::SaveId;
use serde_json::json;

use crate::choice::{Done, Wish};
use crate::cli::{Call, Command, misused, saves};
use crate::door;
use crate::error::Result;
use crate::parts::Ground;
use crate::report::Exit;
use crate::survey;

/// `retrosync restore`.
pub const COMMAND: Command =
    Command { name: "restore", summary: "bring an older version back", words: (2, 2), flags: &[], run };

fn run(call: &Call) -> Result<Exit> {
    let ground = Ground::find(call.config()?)?;
    let looked = ground.look()?;
    let [word, version, ..] = call.words.as_slice() else {
        return Err(misused("two words are missing", None));
    };
    let save = saves::find(word, survey::known(&looked).iter())?;
    let wish = match version.strip_prefix("attic:") {
        Some(label) => {
            let (root, number) = label.split_once('.').unwrap_or(("0", label));
            let (Ok(root), Ok(number)) = (root.parse(), number.parse()) else {
                return Err(misused(format!("`{version}` is not `attic:` and a number"), Some(&COMMAND)));
            };
            Wish::RestoreKept { save: save.clone(), root, number }
        }
        None => Wish::Restore {
            save: save.clone(),
            digits: digits(version).ok_or_else(|| {
                let why = format!("`{version}` is not `attic:N` and not at least 4 digits of a version's id");
                misused(why, Some(&COMMAND))
            })?,
        },
    };
    drop(looked);
    let done = door::carry_out(&ground, &wish)?;
    Ok(say(call, &save, version, &done))
}

/// The first digits of a version's id.
pub(super) fn digits(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let is_id = (4..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then_some(text)
}

/// Says what became of it.
pub(super) fn say(call: &Call, save: &SaveId, version: &str, done: &Done) -> Exit {
    let mut value = serde_json::to_value(done).unwrap_or_default();
    value["save"] = json!(save);
    call.output.value(&value);
    let here = match (done.here, &done.waiting) {
        (true, _) => format!("`{save}` is now {version} on this device"),
        (false, Some(why)) => {
            format!("`{save}` will be {version} on this device as soon as it may be written: {why}")
        }
        (false, None) => format!("`{save}` will be {version} on this device"),
    };
    call.output.line(here);
    call.output.line(if done.stored {
        "the server has it as the newest version; your other devices follow"
    } else {
        "the server learns of it at the next contact; your other devices follow then"
    });
    if done.here {
        call.output.line("to undo it: `retrosync history` shows what was there before, in the attic")
    }
    if done.stored { Exit::Well } else { Exit::Problems }
}
