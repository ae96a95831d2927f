//! PURE. Two devices changed one save: the versions side by side, and one answer. Later is an answer too.

use retrosync_protocol::{Digest, Head, SaveId, VersionId};

use super::ask::Ask;
use super::{Act, Page, Seen, plain, time};
use crate::choice::{Keep, Wish};
use crate::plan::Question;
use crate::report;
use crate::screen::view::{Block, Button, Side, View};
use crate::screen::words::text;

/// The question about one save.
pub(super) struct Conflict {
    save: SaveId,
    focus: usize,
}

impl Conflict {
    /// About that save.
    pub(super) fn of(save: &SaveId) -> Conflict {
        Conflict { save: save.clone(), focus: 0 }
    }

    /// About the first one that is asked.
    pub(super) fn first(seen: &Seen<'_>) -> Option<Conflict> {
        let questions = &seen.known.card.as_ref()?.questions;
        questions.iter().find(|q| matches!(q, Question::Conflict { .. })).map(|q| Conflict::of(q.save()))
    }

    /// Is there such a question about that save?
    pub(super) fn is_asked(save: &SaveId, seen: &Seen<'_>) -> bool {
        Conflict::of(save).question(seen).is_some()
    }

    /// Its versions, what is here first; the digest of what is here; the one that is suggested.
    fn question<'a>(&self, seen: &'a Seen<'_>) -> Option<(Vec<&'a Head>, Option<Digest>, Option<VersionId>)> {
        seen.known.card.as_ref()?.questions.iter().find_map(|question| match question {
            Question::Conflict { save, heads, here, suggestion } if *save == self.save => {
                let mut heads: Vec<&Head> = heads.iter().collect();
                heads.sort_by_key(|head| !is_here(head, *here));
                Some((heads, *here, *suggestion))
            }
            _ => None,
        })
    }

    fn keep(&self, keep: Keep, text: String) -> Act {
        let wish = Wish::Resolve { save: self.save.clone(), keep, note: None };
        Ask::wish(self.save.title().to_owned(), text, wish)
    }
}

fn is_here(head: &Head, here: Option<Digest>) -> bool {
    head.content.is_some_and(|content| Some(content.digest) == here)
}

fn name(head: &Head, here: Option<Digest>, seen: &Seen<'_>) -> String {
    if is_here(head, here) { seen.say(text::THIS_DEVICE) } else { head.device_name.clone() }
}

impl Page for Conflict {
    fn view(&self, seen: &Seen<'_>) -> View {
        let title = seen.title(&self.save);
        let Some((heads, here, suggestion)) = self.question(seen) else {
            let blocks = vec![plain(seen.say(text::DONE))];
            return View { title, blocks, hints: seen.hint_back(), ..View::default() };
        };
        let side = |head: &&Head| {
            let size = head
                .content
                .map_or_else(|| seen.say(text::DELETED), |content| report::size(content.size_bytes));
            let mut facts = vec![(seen.say(text::F_STORED), time(head.received_unix_s))];
            facts.extend(head.played.map(|played| (seen.say(text::F_PLAYED), time(played.to_unix_s))));
            facts.push((seen.say(text::F_SIZE), size));
            let suggested = (suggestion == Some(head.version)).then(|| seen.say(text::SUGGESTED));
            Side { title: name(head, here, seen), facts, suggested }
        };
        let sides: Vec<Side> = heads.iter().map(side).collect();
        let focus = self.focus.min(sides.len().saturating_sub(1));
        View {
            title,
            blocks: vec![plain(seen.say(text::CONFLICT_ASK)), Block::Columns { sides, focus }],
            hints: vec![
                (Button::Accept, seen.say(text::B_CHOOSE)),
                (Button::Extra, seen.say(text::B_BOTH)),
                (Button::Back, seen.say(text::B_LATER)),
            ],
            ..View::default()
        }
    }

    fn press(&mut self, button: Button, seen: &Seen<'_>) -> Act {
        let Some((heads, here, _)) = self.question(seen) else { return Act::Back };
        match button {
            Button::Left | Button::Up => self.focus = self.focus.saturating_sub(1),
            Button::Right | Button::Down => self.focus = (self.focus + 1).min(heads.len().saturating_sub(1)),
            Button::Accept | Button::Extra => {
                let both = button == Button::Extra;
                // Both: the card goes on with what it has, which is the first; if it has none of them, with the first.
                let Some(head) = heads.get(if both { 0 } else { self.focus }) else { return Act::Same };
                let is_here = is_here(head, here);
                let keep = Keep::Version(head.version.to_string());
                let text = if both {
                    seen.fill(text::ASK_BOTH, &[&name(head, here, seen)])
                } else {
                    seen.fill(text::ASK_KEEP, &[&head.device_name])
                };
                return self.keep(if is_here { Keep::This } else { keep }, text);
            }
            Button::Back => return Act::Back,
            _ => return Act::Same,
        }
        Act::Draw
    }
}
