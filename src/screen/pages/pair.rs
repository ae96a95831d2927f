//! PURE. Pairing: a server of this network or one that is typed, the code in big letters, and the wait for a yes.

use serde_json::Value;

use super::keyboard::{ADDRESS, Keyboard};
use super::problems::told;
use super::{Act, Deed, Page, Seen, plain, quiet, row};
use crate::discover::Found;
use crate::error::Error;
use crate::screen::errands::{self, AND, Reply, THEN};
use crate::screen::model::{News, Order};
use crate::screen::view::{Block, Button, Row, Tone, View};
use crate::screen::words::text;

/// Pairing, from the search to the yes.
#[derive(Default)]
pub(in crate::screen) struct Pair {
    phase: Phase,
    /// The servers that answered.
    found: Vec<Found>,
    focus: usize,
    /// What was typed last.
    typed: String,
    /// The pairing that goes on.
    number: u64,
    /// The server that is asked, and the key that it showed, where nobody vouches for it.
    server: String,
    key: String,
}

#[derive(Default)]
enum Phase {
    /// Servers are asked for.
    #[default]
    Looking,
    /// A person chooses.
    Choosing,
    /// A person types.
    Typing(Keyboard),
    /// The server is asked for a code.
    Asking,
    /// The code is shown.
    Shown { code: String, url: String, complete: String, trying: bool },
    /// It was approved, by that user; the sync starts.
    Paired(String),
    /// It did not work, and why.
    Failed(Error),
    /// Nobody vouches for the server: a person compares its key.
    Comparing,
}

fn member(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

impl Pair {
    /// What can be chosen before the two other ways: the server of before, and those that answered.
    fn servers(&self, seen: &Seen<'_>) -> Vec<Found> {
        let known = seen.known.card.as_ref().map(|card| card.server.clone()).unwrap_or_default();
        let before = Found { address: known.clone(), sender: String::new() };
        let mut servers: Vec<Found> =
            self.found.iter().filter(|found| found.address != known).cloned().collect();
        if !known.is_empty() {
            servers.insert(0, before);
        }
        servers
    }

    fn choose(&mut self, seen: &Seen<'_>) -> Act {
        let mut servers = self.servers(seen);
        if self.focus < servers.len() {
            self.key.clear();
            self.server = servers.swap_remove(self.focus).address;
            return self.pair(seen);
        }
        if self.focus == servers.len() {
            let start = if self.typed.is_empty() { "http://" } else { &self.typed };
            self.phase = Phase::Typing(Keyboard::new(ADDRESS, start));
            return Act::Draw;
        }
        self.phase = Phase::Looking;
        Act::Do(Deed::Order(Order::Find))
    }

    /// With the server's key, where a person compared it.
    fn pair(&mut self, seen: &Seen<'_>) -> Act {
        let server = self.server.as_str();
        (self.phase, self.number) = (Phase::Asking, seen.number);
        // A daemon that waits for its first pairing has the card.
        let mut words = vec!["stop", THEN, "pair", server];
        if server.starts_with("http://") {
            words.extend(["--plain-http", "true"]);
        }
        if !self.key.is_empty() {
            words.extend(["--pin", &self.key]);
        }
        // Where nothing is to be installed there is nothing to keep.
        let hooks = seen.known.card.as_ref().is_some_and(|card| card.boot.is_some());
        words.extend(if hooks { &[AND, "boot", "keep", THEN, "start"][..] } else { &[AND, "start"] });
        let config = seen.known.card.as_ref().map(|card| &card.config);
        let other = config.and_then(|config| config.server.as_deref()).is_some_and(|named| named != server);
        // The line that named another server would send the daemon back there.
        let errand = Deed::Errand(self.number, words.into_iter().map(str::to_owned).collect());
        self.key.clear();
        if other {
            Act::Both(Deed::Order(Order::Set("server", self.server.clone())), errand)
        } else {
            Act::Do(errand)
        }
    }

    fn said(&mut self, value: &Value) {
        if value["code"].is_string() {
            self.phase = Phase::Shown {
                code: member(value, "code"),
                url: member(value, "url"),
                complete: member(value, "url_complete"),
                trying: false,
            };
        } else if let Phase::Shown { trying, .. } = &mut self.phase {
            *trying = value["offline"].is_string();
        }
        if value["paired"] == true {
            self.phase = Phase::Paired(member(value, "user"));
        }
        if let Some(error) = errands::error(&value["error"]) {
            self.phase = if self.key.is_empty() { Phase::Failed(error) } else { Phase::Comparing };
        } else if value["key"].is_string() {
            self.key = member(value, "key");
        }
    }
}

impl Page for Pair {
    fn awaits(&self, number: u64) -> bool {
        number == self.number
    }

    fn begins(&mut self) -> Option<Deed> {
        Some(Deed::Order(Order::Find))
    }

    fn hear(&mut self, news: &News, seen: &Seen<'_>) -> Act {
        match news {
            News::Found(found) => {
                self.found.clone_from(found);
                if let Phase::Looking = self.phase {
                    self.focus = 0;
                    self.phase = Phase::Choosing;
                }
            }
            // What is late of a pairing that was called off is not of this one.
            News::Errand(number, Reply::Said(value)) if *number == self.number => self.said(value),
            News::Errand(number, Reply::Ended(_)) if *number == self.number => match &self.phase {
                Phase::Asking | Phase::Shown { .. } => self.phase = Phase::Choosing,
                _ => {}
            },
            _ => {}
        }
        let known = seen.known;
        let synced = known.runs && known.card.as_ref().is_some_and(|card| card.paired);
        if matches!(self.phase, Phase::Paired(_)) && synced { Act::Back } else { Act::Draw }
    }

    fn view(&self, seen: &Seen<'_>) -> View {
        let title = seen.say(text::PAIR);
        let mut view = View { title, hints: seen.hint_back(), ..View::default() };
        match &self.phase {
            Phase::Looking => view.blocks.push(quiet(seen.say(text::LOOKING))),
            Phase::Choosing => {
                let servers = self.servers(seen);
                let which = if servers.is_empty() { text::NONE_FOUND } else { text::IS_IT };
                view.blocks.push(plain(seen.say(which)));
                if let Some(server) = servers.get(self.focus) {
                    // Another host tells of it: that may be a stranger in this network.
                    if !server.sender.is_empty() {
                        let text = seen.fill(text::TOLD_BY, &[&server.sender]);
                        view.blocks.push(Block::Text { tone: Tone::Look, text });
                    } else if server.address.starts_with("http://") {
                        view.blocks.push(quiet(seen.say(text::PLAIN)));
                    }
                }
                let more = [text::TYPE_ADDRESS, text::LOOK_AGAIN].map(|which| seen.say(which));
                let servers = servers.into_iter().map(|found| found.address);
                let rows: Vec<Row> = servers.chain(more).map(|label| row(label, String::new())).collect();
                view.blocks.push(Block::List { rows, focus: self.focus });
                view.hints = seen.hints(text::B_CHOOSE);
            }
            Phase::Typing(board) => {
                view.blocks.push(board.block());
                view.hints = vec![
                    (Button::Accept, seen.say(text::B_TYPE)),
                    (Button::Extra, seen.say(text::B_ERASE)),
                    (Button::Menu, seen.say(text::B_DONE)),
                ];
            }
            Phase::Asking => view.blocks.push(quiet(seen.say(text::ASKING_CODE))),
            Phase::Shown { code, url, complete, trying } => {
                view.blocks.push(Block::Code(code.clone()));
                view.blocks.push(Block::Qr(complete.clone()));
                view.blocks.push(plain(seen.fill(text::SCAN, &[url])));
                let (tone, which) =
                    if *trying { (Tone::Look, text::TRYING) } else { (Tone::Quiet, text::WAITING) };
                view.blocks.push(Block::Text { tone, text: seen.say(which) });
            }
            Phase::Paired(user) => {
                let text = seen.fill(text::PAIRED_WITH, &[user]);
                view.blocks.push(Block::Heading { tone: Tone::Good, text });
            }
            Phase::Failed(error) => {
                view.blocks.push(Block::Heading { tone: Tone::Bad, text: seen.say(text::NOT_PAIRED) });
                view.blocks.extend(told(error, seen.words));
                view.hints = seen.hints(text::B_AGAIN);
            }
            Phase::Comparing => {
                let digits = self.key.as_bytes().chunks(8).map(String::from_utf8_lossy);
                view.blocks.push(Block::Heading { tone: Tone::Look, text: seen.say(text::IS_KEY) });
                view.blocks.push(plain(digits.collect::<Vec<_>>().join(" ")));
                view.blocks.push(quiet(seen.say(text::IS_KEY_HELP)));
                view.hints = seen.hints(text::B_SAME);
            }
        }
        view
    }

    fn press(&mut self, button: Button, seen: &Seen<'_>) -> Act {
        match (&mut self.phase, button) {
            (Phase::Typing(board), Button::Menu | Button::Back) => {
                let typed = board.typed.clone();
                self.phase = Phase::Choosing;
                // An address without a scheme is meant all the same.
                let server = if typed.contains("://") { typed } else { format!("http://{typed}") };
                self.typed.clone_from(&server);
                if button == Button::Menu && server.split("://").nth(1).is_some_and(|host| !host.is_empty()) {
                    self.key.clear();
                    self.server = server;
                    return self.pair(seen);
                }
                Act::Draw
            }
            (Phase::Typing(board), _) => {
                if board.press(button) {
                    Act::Draw
                } else {
                    Act::Same
                }
            }
            (Phase::Choosing, Button::Accept) => self.choose(seen),
            (Phase::Choosing, Button::Back) | (Phase::Looking, Button::Back) => Act::Back,
            (Phase::Choosing, _) => {
                let rows = self.servers(seen).len() + 2;
                if super::moves(&mut self.focus, button, rows) { Act::Draw } else { Act::Same }
            }
            (Phase::Comparing, Button::Accept) => self.pair(seen),
            (Phase::Failed(_), Button::Accept | Button::Back) | (Phase::Comparing, Button::Back) => {
                self.phase = Phase::Choosing;
                Act::Draw
            }
            (Phase::Paired(_), Button::Accept | Button::Back) => Act::Back,
            (Phase::Asking | Phase::Shown { .. }, Button::Back) => {
                (self.phase, self.number) = (Phase::Choosing, 0);
                Act::Do(Deed::Cancel)
            }
            _ => Act::Same,
        }
    }
}
