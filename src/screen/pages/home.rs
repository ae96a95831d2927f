//! PURE. The first page: whether the saves are safe, at a glance; what is going on; the way to all other pages.

use super::{Act, Deed, Page, Seen, quiet, row};
use crate::choice::{Moment, Wish};
use crate::plan::Question;
use crate::screen::known::Card;
use crate::screen::model::Order;
use crate::screen::pages::conflict::Conflict;
use crate::screen::pages::pair::Pair;
use crate::screen::pages::problems::{self, Problems};
use crate::screen::pages::saves::Saves;
use crate::screen::pages::settings::Settings;
use crate::screen::view::{Block, Button, Mark, Row, Tone, View};
use crate::screen::words::text;
use crate::survey::Unsafe;

/// The first page.
#[derive(Default)]
pub(in crate::screen) struct Home {
    /// The way that was chosen last: lines come and go before it. `None`: nobody has chosen yet.
    way: Option<Way>,
    /// Where its line was, for when it is gone.
    focus: usize,
}

/// Where a line leads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Pair,
    Decide,
    Saves,
    Sync,
    Problems,
    Settings,
}

impl Home {
    /// Which of these lines is chosen.
    fn place(&self, ways: &[(Way, Row)]) -> usize {
        let same = ways.iter().position(|(way, _)| Some(*way) == self.way);
        same.unwrap_or(self.focus.min(ways.len().saturating_sub(1)))
    }
}

fn ways(seen: &Seen<'_>) -> Vec<(Way, Row)> {
    let Some(card) = &seen.known.card else { return Vec::new() };
    let count = |number: usize| if number == 0 { String::new() } else { number.to_string() };
    let conflicts = card.questions.iter().filter(|q| matches!(q, Question::Conflict { .. })).count();
    let faults = problems::all(seen).len();
    let marked = |way, which, number, mark| (way, Row { mark, ..row(seen.say(which), count(number)) });
    let mut ways = Vec::new();
    if !card.paired {
        ways.push(marked(Way::Pair, text::PAIR, 0, Mark::More));
    }
    if conflicts > 0 {
        ways.push(marked(Way::Decide, text::R_DECIDE, conflicts, Mark::Look));
    }
    ways.push(marked(Way::Saves, text::R_SAVES, card.saves.len(), Mark::More));
    if faults > 0 {
        ways.push(marked(Way::Problems, text::R_PROBLEMS, faults, Mark::Look));
    }
    if card.paired && seen.known.runs {
        ways.push(marked(Way::Sync, text::R_SYNC, 0, Mark::None));
    }
    ways.push(marked(Way::Settings, text::R_SETTINGS, 0, Mark::More));
    ways
}

/// How far the sync is, if one goes on.
pub(super) fn bar(seen: &Seen<'_>) -> Option<Block> {
    let moving = seen.known.now.moving.as_ref()?;
    let (done, total) = (moving.done, moving.total);
    let which = if moving.sends { text::SENDING } else { text::FETCHING };
    let label = seen.fill(which, &[&done.to_string(), &total.to_string()]);
    Some(Block::Bar { done, total, label })
}

/// The large line: are they safe?
fn heading(card: &Card, seen: &Seen<'_>) -> Block {
    // What is left out, and what is on other devices only, is none of this device's worries.
    let safe = card.safe;
    let gone = if let Some(Unsafe::Gone(count, _)) = card.unsafe_because { count } else { 0 };
    let not = card.queued + gone;
    let all = safe + not;
    let (tone, text) = match (all, not) {
        _ if !card.paired => (Tone::Look, seen.say(text::UNSAVED_CARD)),
        (0, _) => (Tone::Plain, seen.say(text::NO_SAVES)),
        (1, 0) => (Tone::Good, seen.say(text::ONE_SAFE)),
        (_, 0) => (Tone::Good, seen.fill(text::ALL_SAFE, &[&all.to_string()])),
        _ => (Tone::Look, seen.fill(text::SOME_SAFE, &[&safe.to_string(), &all.to_string()])),
    };
    Block::Heading { tone, text }
}

/// When the server and this device last spoke.
fn last_sync(card: &Card, seen: &Seen<'_>) -> String {
    let known = seen.known;
    let ago_min = known.now.contact_boot_ms.map(|then_ms| known.boot_ms.saturating_sub(then_ms) / 60_000);
    match (ago_min, card.last_exchange_unix_s) {
        (Some(0), _) => seen.say(text::SYNC_NOW),
        (Some(minutes @ 1..120), _) => seen.fill(text::SYNC_MINUTES, &[&minutes.to_string()]),
        (Some(minutes), _) => seen.fill(text::SYNC_HOURS, &[&(minutes / 60).to_string()]),
        (None, Some(unix_s)) => seen.fill(text::SYNC_AT, &[&super::time(unix_s)]),
        (None, None) => seen.say(text::SYNC_NEVER),
    }
}

/// Nothing that is not true: what holds the sync up, and whether it may be switched off.
fn lines(card: &Card, seen: &Seen<'_>) -> Vec<Block> {
    let known = seen.known;
    let mut blocks = Vec::new();
    let offline = !known.route || known.now.failed.is_some();
    if let Some(bar) = bar(seen) {
        blocks.push(bar);
    } else {
        blocks.push(quiet(last_sync(card, seen)));
        let trouble = match () {
            () if !known.runs => Some(text::NOT_RUNNING),
            () if !known.route => Some(text::NO_NETWORK),
            () if known.now.failed.is_some() => Some(text::NO_ANSWER),
            () if known.now.playing.is_some() => Some(text::PLAYING),
            () => None,
        };
        // Where there is trouble too, the large line says how many.
        if card.queued > 0 && trouble.is_none() {
            blocks.push(quiet(seen.words.count(text::QUEUED_ONE, text::QUEUED, card.queued)));
        }
        blocks.extend(trouble.map(|which| Block::Text { tone: Tone::Look, text: seen.say(which) }));
    }
    // A game keeps what was played in its memory until it saves.
    if known.now.playing.is_some() {
        return blocks;
    }
    let (tone, off) = match &card.unsafe_because {
        None if known.now.moving.is_none() => (Tone::Good, text::OFF_SAFE),
        Some(Unsafe::Queued(_) | Unsafe::Unsure(_)) if offline => (Tone::Quiet, text::OFF_LATER),
        // No moment helps there: a person has to look.
        Some(Unsafe::Card(_) | Unsafe::Gone(..)) => (Tone::Look, text::HALT_OFFLINE),
        _ => (Tone::Look, text::OFF_WAIT),
    };
    blocks.push(Block::Text { tone, text: seen.say(off) });
    blocks
}

impl Page for Home {
    fn view(&self, seen: &Seen<'_>) -> View {
        let known = seen.known;
        let badge = match () {
            () if known.card.is_none() => None,
            () if known.now.moving.is_some() => Some(text::BADGE_SYNCING),
            () if !known.route || known.now.failed.is_some() => Some(text::BADGE_OFFLINE),
            () if !known.runs => Some(text::BADGE_STOPPED),
            () => None,
        };
        let mut blocks = Vec::new();
        let mut hints = Vec::new();
        match (&known.card, &known.failed) {
            (_, Some(error)) => blocks.extend(problems::no_card(error, seen)),
            (None, None) => blocks.push(quiet(seen.say(text::LOADING))),
            (Some(card), None) => {
                blocks.push(heading(card, seen));
                if card.paired {
                    blocks.extend(lines(card, seen));
                }
                let ways = ways(seen);
                let focus = self.place(&ways);
                let rows: Vec<Row> = ways.into_iter().map(|(_, row)| row).collect();
                blocks.push(Block::List { rows, focus });
                hints.push((Button::Accept, seen.say(text::B_OPEN)));
            }
        }
        hints.push((Button::Back, seen.say(text::B_CLOSE)));
        let host = known.card.as_ref().map(|card| card.server.split("://").last().unwrap_or_default());
        let title = host.filter(|host| !host.is_empty()).map(str::to_owned).unwrap_or("RetroSync".into());
        let paired = known.card.as_ref().is_some_and(|card| card.paired);
        let badge = badge.or(paired.then_some(text::BADGE_WIFI));
        View { title, badge: badge.map(|which| seen.say(which)).unwrap_or_default(), blocks, hints }
    }

    fn press(&mut self, button: Button, seen: &Seen<'_>) -> Act {
        let ways = ways(seen);
        self.focus = self.place(&ways);
        let has_moved = super::moves(&mut self.focus, button, ways.len());
        let chosen = ways.get(self.focus).map(|(way, _)| *way);
        if has_moved || button == Button::Accept {
            self.way = chosen;
        }
        if has_moved {
            return Act::Draw;
        }
        let way = match button {
            Button::Back => return Act::Back,
            Button::Menu if seen.known.card.is_some() => Way::Settings,
            Button::Accept if seen.known.failed.is_none() => match chosen {
                Some(way) => way,
                None => return Act::Same,
            },
            _ => return Act::Same,
        };
        match way {
            Way::Pair => Act::Open(Box::new(Pair::default())),
            Way::Decide => match Conflict::first(seen) {
                Some(page) => Act::Open(Box::new(page)),
                None => Act::Same,
            },
            Way::Saves => Act::Open(Box::new(Saves::default())),
            Way::Sync => Act::Do(Deed::Order(Order::Wish(seen.number, Wish::Moment(Moment::Woke)))),
            Way::Problems => Act::Open(Box::new(Problems::default())),
            Way::Settings => Act::Open(Box::new(Settings::default())),
        }
    }
}
