//! `retrosync resolve`: one answer to a question; it settles it on every device.

use retrosync_protocol::SaveId;
use serde_json::json;

use crate::choice::{Keep, Wish};
use crate::cli::{Call, Command, Flag, misused, questions, restore, saves};
use crate::door;
use crate::error::Result;
use crate::parts::Ground;
use crate::plan::Question;
use crate::report::Exit;
use crate::survey::{self, Survey};

/// `retrosync resolve`.
pub const COMMAND: Command = Command {
    name: "resolve",
    summary: "choose between versions of a save",
    words: (1, 2),
    flags: &[Flag { name: "note", takes_value: true }],
    run,
};

fn run(call: &Call) -> Result<Exit> {
    let ground = Ground::find(call.config()?)?;
    let survey = Survey::of(&ground)?;
    let known = survey::known(&survey.looked);
    let asked: Vec<&Question> =
        survey.plan.questions.iter().filter(|q| matches!(q, Question::Conflict { .. })).collect();
    let word = call.words.first().map_or("", String::as_str);
    // What is asked goes before what merely exists.
    let save = saves::find(word, asked.iter().map(|question| question.save()))
        .or_else(|_| saves::find(word, known.iter()))?;
    let question = asked.into_iter().find(|question| *question.save() == save);
    let Some(choice) = call.words.get(1) else { return show(call, &save, question) };
    let keep = match choice.as_str() {
        // `both`: this one as the save; the others stay in the history, as they do anyway.
        "this" | "both" => Keep::This,
        "other" => Keep::Other,
        word => Keep::Version(restore::digits(word).ok_or_else(|| {
            let why = format!(
                "`{word}` is not `this`, `other`, `both`, and not at least 4 digits of a version's id"
            );
            misused(why, Some(&COMMAND))
        })?),
    };
    let wish = Wish::Resolve { save: save.clone(), keep, note: call.value("note").map(str::to_owned) };
    drop(survey);
    let done = door::carry_out(&ground, &wish)?;
    let kept = match choice.as_str() {
        "this" | "both" => "what was on this device",
        "other" => "the other device's version",
        digits => digits,
    };
    Ok(restore::say(call, &save, kept, &done))
}

fn show(call: &Call, save: &SaveId, question: Option<&Question>) -> Result<Exit> {
    let Some(question) = question else {
        call.output.value(&json!({ "save": save, "versions": [] }));
        call.output.line(format!("`{save}` has no question: nothing to choose"));
        return Ok(Exit::Well);
    };
    call.output.value(&questions::value(question));
    call.output.line(questions::text(question));
    Ok(Exit::Problems)
}
