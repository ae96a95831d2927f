//! `retrosync unpair`: this device leaves its account; no save is touched.

use serde_json::json;

use crate::cli::{Call, Command};
use crate::error::{Kind, Problem, Result};
use crate::parts::Ground;
use crate::remote::{self, HttpRemote};
use crate::report::{self, Exit};

/// `retrosync unpair`.
pub const COMMAND: Command = Command {
    name: "unpair",
    summary: "leave your account; saves stay here, versions stay on the server",
    words: (0, 0),
    flags: &[],
    run,
};

fn run(call: &Call) -> Result<Exit> {
    let ground = Ground::find(call.config()?)?;
    let mut taken = ground.take()?;
    let device = taken.identity.facts.device.clone();
    // First there: once the token is gone nobody can.
    let told = match (&device, ground.paired(&taken.identity)) {
        // There, with a device go all versions that it brought.
        (_, Ok(settings)) if settings.server.starts_with(remote::RETROSYNC) => None,
        (Some(device), Ok(settings)) => {
            match HttpRemote::open(&settings).and_then(|mut remote| remote.revoke_device(device)) {
                Err(error) if error.kind != Kind::Unpaired => Some(error),
                _ => None,
            }
        }
        _ => None,
    };
    let facts = &mut taken.identity.facts;
    (facts.token, facts.begun, facts.device, facts.user) = (None, None, None, None);
    // The address stays: it is the first that pairing offers. A folder has nothing else to forget.
    if facts.server.as_deref().is_some_and(|server| server.starts_with("folder:")) {
        facts.server = None;
    }
    taken.identity.save()?;
    let problems: Vec<Problem> =
        told.map(|error| error.help("remove the device on the dashboard").into()).into_iter().collect();
    call.output.value(&json!({
        "paired": false,
        "server_told": problems.is_empty(),
        "problems": report::problem_values(&problems),
    }));
    call.output.line("not paired any more; no save was touched");
    call.output.problems(&problems);
    Ok(if problems.is_empty() { Exit::Well } else { Exit::Problems })
}
