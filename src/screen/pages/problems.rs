//! PURE. What does not work, each with what to do about it.

use super::ask::Ask;
use super::{Act, Deed, Page, Seen, plain, quiet, row};
use crate::choice::Wish;
use crate::error::{Error, Kind};
use crate::plan::{Halt, Question};
use crate::screen::pages::history::History;
use crate::screen::view::{Block, Button, Mark, Row, Tone, View};
use crate::screen::words::{Words, text};

/// All problems, or one of them.
#[derive(Default)]
pub(super) struct Problems {
    focus: usize,
    /// The one that is looked at, by its line: others come and go meanwhile.
    open: Option<String>,
}

/// One thing that a person should know of.
pub(super) struct Problem {
    label: String,
    blocks: Vec<Block>,
    /// What can be done about it here, and how the button for it is called.
    way: Option<(usize, Way)>,
}

enum Way {
    /// Its history may help.
    History(retrosync_protocol::SaveId),
    /// A mass change was meant.
    Meant,
    /// The daemon should run.
    Start,
}

/// What to do about an error of that kind.
fn advice(kind: Kind) -> usize {
    match kind {
        Kind::Offline => text::P_OFFLINE,
        Kind::Busy => text::P_BUSY,
        Kind::Full => text::P_FULL,
        Kind::Damaged => text::P_DAMAGED,
        Kind::ClockWrong => text::P_CLOCK,
        Kind::Unpaired => text::P_UNPAIRED,
        Kind::Misused => text::P_MISUSED,
        Kind::Refused(_) => text::P_REFUSED,
    }
}

/// An error: what to do in the person's language, and its own words.
pub(super) fn told(error: &Error, words: &Words) -> Vec<Block> {
    vec![Block::Text { tone: Tone::Look, text: words.say(advice(error.kind)) }, own(error)]
}

/// An error's own words.
fn own(error: &Error) -> Block {
    let help = error.help.as_deref().unwrap_or_default();
    quiet(format!("{}: {}. {help}", error.doing, error.cause))
}

/// Why the card cannot be looked at: mostly it is not there.
pub(super) fn no_card(error: &Error, seen: &Seen<'_>) -> Vec<Block> {
    if error.kind == Kind::Misused {
        return told(error, seen.words);
    }
    let text = seen.say(text::HALT_OFFLINE);
    vec![Block::Heading { tone: Tone::Bad, text }, plain(seen.say(text::HALT_OFFLINE_HELP)), own(error)]
}

/// All that a person should know of, the most urgent first.
pub(super) fn all(seen: &Seen<'_>) -> Vec<Problem> {
    let Some(card) = &seen.known.card else { return Vec::new() };
    let mut all = Vec::new();
    let simple =
        |label: String, help: usize, way| Problem { label, blocks: vec![plain(seen.say(help))], way };
    for halt in &card.halts {
        let counted =
            |which, count: &usize, of: &usize| seen.fill(which, &[&count.to_string(), &of.to_string()]);
        let meant = Some((text::MEANT, Way::Meant));
        all.push(match halt {
            Halt::Offline { reason, .. } => {
                let mut problem = simple(seen.say(text::HALT_OFFLINE), text::HALT_OFFLINE_HELP, None);
                problem.blocks.push(quiet(reason.clone()));
                problem
            }
            Halt::Vanished { count, of, .. } => {
                simple(counted(text::HALT_VANISHED, count, of), text::HALT_VANISHED_HELP, meant)
            }
            Halt::Replaced { count, of } => {
                simple(counted(text::HALT_REPLACED, count, of), text::HALT_REPLACED_HELP, meant)
            }
        });
    }
    if card.paired && !seen.known.runs {
        let start = Some((text::START_IT, Way::Start));
        let mut problem = simple(seen.say(text::NOT_RUNNING), text::ASK_START, start);
        problem.blocks.extend((!card.given_up.is_empty()).then(|| quiet(card.given_up.clone())));
        all.push(problem);
    }
    let now = &seen.known.now;
    let told_now = now.failed.iter().chain(&now.problems).map(|trouble| Error::from(trouble.clone()));
    let mut errors: Vec<Error> = told_now.collect();
    for error in seen.known.errand.iter().chain(&card.problems) {
        if !errors.contains(error) {
            errors.push(error.clone());
        }
    }
    all.extend(errors.iter().map(|error| Problem {
        label: error.doing.clone(),
        blocks: told(error, seen.words),
        way: None,
    }));
    for question in &card.questions {
        let (which, help, save) = match question {
            Question::Suspect { save, .. } => (text::SUSPECT, text::SUSPECT_HELP, save),
            Question::Deleted { save, .. } => (text::DELETED_THERE, text::DELETED_THERE_HELP, save),
            Question::Conflict { .. } => continue,
        };
        let way = Some((text::B_OPEN, Way::History(save.clone())));
        all.push(simple(format!("{}: {}", seen.say(which), seen.title(save)), help, way));
    }
    if card.strangers > 0 {
        let label = seen.fill(text::STRANGERS, &[&card.strangers.to_string()]);
        all.push(simple(label, text::STRANGERS_HELP, None));
    }
    all
}

impl Problems {
    /// The one that is looked at, if it is a problem still.
    fn opened(&self, all: &mut Vec<Problem>) -> Option<Problem> {
        let at = all.iter().position(|problem| Some(&problem.label) == self.open.as_ref())?;
        Some(all.swap_remove(at))
    }
}

impl Page for Problems {
    fn view(&self, seen: &Seen<'_>) -> View {
        let mut view = View { title: seen.say(text::PROBLEMS), hints: seen.hint_back(), ..View::default() };
        let mut all = all(seen);
        if let Some(problem) = self.opened(&mut all) {
            view.blocks.push(plain(problem.label));
            view.blocks.extend(problem.blocks);
            if let Some((verb, _)) = problem.way {
                view.hints = seen.hints(verb);
            }
        } else if all.is_empty() {
            view.blocks.push(quiet(seen.say(text::NO_PROBLEMS)));
        } else {
            let focus = self.focus.min(all.len().saturating_sub(1));
            let rows: Vec<Row> = all
                .into_iter()
                .map(|problem| Row { mark: Mark::Look, ..row(problem.label, String::new()) })
                .collect();
            view.blocks.push(Block::List { rows, focus });
            view.hints = seen.hints(text::B_OPEN);
        }
        view
    }

    fn press(&mut self, button: Button, seen: &Seen<'_>) -> Act {
        let mut all = all(seen);
        if let Some(problem) = self.opened(&mut all) {
            return match (button, problem.way) {
                (Button::Back, _) => {
                    self.open = None;
                    Act::Draw
                }
                (Button::Accept, Some((_, Way::History(save)))) => {
                    Act::Open(Box::new(History::of(&save, seen.number)))
                }
                (Button::Accept, Some((_, Way::Meant))) => {
                    Ask::wish(problem.label, seen.say(text::ASK_MEANT), Wish::AcceptMassChange)
                }
                (Button::Accept, Some((_, Way::Start))) => {
                    Act::DoBack(Deed::Errand(seen.number, vec!["start".into()]))
                }
                _ => Act::Same,
            };
        }
        self.focus = self.focus.min(all.len().saturating_sub(1));
        match button {
            Button::Back => return Act::Back,
            Button::Accept if all.is_empty() => return Act::Same,
            Button::Accept => self.open = Some(all.swap_remove(self.focus).label),
            _ if super::moves(&mut self.focus, button, all.len()) => {}
            _ => return Act::Same,
        }
        Act::Draw
    }
}
