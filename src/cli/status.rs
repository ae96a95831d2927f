//! `retrosync status`: what is safe, what is queued, what needs a person; offline, from the card alone.

use serde_json::json;

use crate::cli::{Call, Command, questions, saves, start};
use crate::error::{Error, Kind, Problem, Result};
use crate::parts::Ground;
use crate::report::{self, Exit};
use crate::survey::{self, Survey, Unsafe};

/// `retrosync status`.
pub const COMMAND: Command = Command {
    name: "status",
    summary: "count what is safe, queued or asked; works offline",
    words: (0, 0),
    flags: &[],
    run,
};

fn run(call: &Call) -> Result<Exit> {
    let ground = Ground::find(call.config()?)?;
    let survey = match Survey::of(&ground) {
        // A card that is new, or is another one: that is this device's status, and no failure to tell it.
        Err(error) if error.kind == Kind::Unpaired => return Ok(unpaired(call, error)),
        found => found?,
    };
    let ((queued, _), incoming) = (survey.queued(), survey.incoming());
    let facts = &survey.looked.identity.facts;
    let paired = survey::is_paired(&ground, &survey.looked);
    let (running, gave_up) = start::daemon(&ground);
    let roots = &ground.site.roots;
    let of_one_core: Vec<_> =
        survey.found.local.saves.keys().filter(|save| saves::is_of_one_core(save)).collect();
    let with_clock: Vec<_> = (survey.found.local.saves.iter())
        .filter(|(save, here)| saves::keeps_a_clock(save, here.stamp.size_bytes))
        .map(|(save, _)| save)
        .collect();
    let unsafe_because = survey.unsafe_because(&ground).map(words);
    let standing = survey.standing();
    call.output.value(&json!({
        "device_name": facts.device_name, "user": facts.user, "server": facts.server,
        "paired": paired,
        "running": running, "gave_up": gave_up, "last_exchange_unix_s": survey::last_exchange(&ground),
        "saves": survey.found.local.saves.len(), "safe": standing.safe,
        "safe_to_switch_off": unsafe_because.is_none(), "unsafe_because": unsafe_because,
        "queued": queued.len(), "queued_saves": queued, "incoming_saves": incoming,
        "questions": survey.plan.questions.iter().map(questions::value).collect::<Vec<_>>(),
        "halts": survey.plan.halts.iter().map(|halt| questions::halt_value(halt, roots)).collect::<Vec<_>>(),
        "of_one_core": of_one_core, "clock_stays": with_clock,
        "left_out": survey.found.left_out.iter().map(|(place, why)| json!({
            "root": place.root, "path": place.path.as_str(), "why": why
        })).collect::<Vec<_>>(),
        "problems": report::problem_values(&survey.problems),
    }));
    let out = call.output;
    let server = ground.config.server.as_ref().or(facts.server.as_ref()).filter(|_| paired);
    match (server, facts.user.as_deref()) {
        (Some(server), Some(user)) => out.line(format!("`{}` of `{user}`, on {server}", facts.device_name)),
        (Some(server), None) => out.line(format!("`{}`, on {server}", ground.device_name())),
        _ => out.line("not paired: run `retrosync pair URL`"),
    }
    out.line(format!(
        "{} safe, {} queued, {}, {}",
        standing.safe,
        queued.len(),
        report::count(survey.plan.questions.len(), "question"),
        report::count(survey.problems.len() + survey.plan.halts.len(), "problem")
    ));
    out.line(match &unsafe_because {
        None if standing.left_out > 0 => {
            let files = are(standing.left_out, "file");
            format!("safe to switch off: all that is synced is on the server ({files} not)")
        }
        None => "safe to switch off: everything played here is on the server".to_owned(),
        Some(why) => format!("not yet safe to switch off: {why}"),
    });
    let when = survey::last_exchange(&ground)
        .map_or("never".into(), |unix_s| format!("{} (this device's clock)", report::time(unix_s)));
    out.line(format!("last exchange: {when}; the daemon {}", start::daemon_text(&ground)));
    for save in queued {
        out.line(format!("queued: `{save}`"));
    }
    if !survey.found.left_out.is_empty() {
        let files = report::count(survey.found.left_out.len(), "file");
        out.line(format!("{files} in the save folders not synced: `retrosync doctor` says which and why"));
    }
    if !of_one_core.is_empty() {
        let saves = report::count(of_one_core.len(), "save");
        out.line(format!("{saves} not converted: `retrosync doctor` says which and why"));
    }
    for save in with_clock {
        out.line(format!("`{save}` goes without the clock in its file, which stays on this device"));
    }
    for save in incoming {
        out.line(format!("waits for its place here: `{save}`"));
    }
    for question in &survey.plan.questions {
        out.line(questions::text(question));
    }
    for halt in &survey.plan.halts {
        out.line(report::three_lines("halt", &questions::halt(halt, roots)).trim_end());
    }
    out.problems(&survey.problems);
    let quiet = paired
        && gave_up.is_none()
        && survey.plan.questions.is_empty()
        && survey.plan.halts.is_empty()
        && survey.problems.is_empty();
    Ok(if quiet { Exit::Well } else { Exit::Problems })
}

/// Tells of a card without our marker: nothing on it is known to be anywhere else.
fn unpaired(call: &Call, error: Error) -> Exit {
    let problems = [Problem::from(error)];
    call.output.value(&json!({
        "paired": false, "safe_to_switch_off": false, "unsafe_because": problems[0].error.cause,
        "problems": report::problem_values(&problems),
    }));
    call.output.problems(&problems);
    Exit::Problems
}

/// Why it should stay on, in words.
fn words(why: Unsafe) -> String {
    match why {
        Unsafe::Replaces => "a save is being replaced".into(),
        Unsafe::Card(why) => why,
        Unsafe::Queued(saves) => format!("{} not on the server yet", are(saves, "save")),
        Unsafe::Unread(saves) => format!("{} being written, or cannot be read", are(saves, "save")),
        Unsafe::Gone(count, of) => {
            format!("{count} of its {of} saves vanished or look damaged")
        }
        Unsafe::Unsure(saves) => format!("{} to be compared with what the server has", are(saves, "save")),
        Unsafe::InDoubt => "what the server has must be asked anew".into(),
    }
}

fn are(count: usize, noun: &str) -> String {
    format!("{} {}", report::count(count, noun), if count == 1 { "is" } else { "are" })
}
