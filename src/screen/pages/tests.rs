//! Every page in every language on the smallest screen, and what buttons do.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use retrosync_protocol::{Content, Digest, Head, SaveId, VersionId, WriterId};
use serde_json::json;

use super::*;
use crate::choice::{Done, Keep, Wish};
use crate::config::Config;
use crate::discover::Found;
use crate::error::{Error, Kind};
use crate::live::{Moving, Now};
use crate::plan::{Halt, Question};
use crate::screen::errands::Reply;
use crate::screen::font::Font;
use crate::screen::glyphs::Glyphs;
use crate::screen::known::{Card, Outcome, Past, Shown, Source, State};
use crate::screen::picture::{self, Names, Role};
use crate::screen::png;
use crate::screen::words::languages;
use crate::screen::wrap;
use crate::snapshot::{Doubt, Place, RelativePath};
use crate::survey::Unsafe;

#[path = "../../../tests/screen/looks.rs"]
mod looks;

const SMALL: (u32, u32) = (320, 240);

fn save(text: &str) -> SaveId {
    text.parse().unwrap()
}

fn version(n: u8) -> VersionId {
    Digest::from_bytes([n; 32]).to_string().parse().unwrap()
}

fn head(n: u8, device_name: &str) -> Head {
    Head {
        version: version(n),
        content: Some(Content { digest: Digest::of(&[n]), size_bytes: 8192 }),
        writer: WriterId::from_random(&[n; 16]),
        sequence: 1,
        device_name: device_name.into(),
        played: None,
        received_unix_s: 1_763_700_000,
    }
}

fn conflict() -> Question {
    Question::Conflict {
        save: save("gb/sram/Tetris"),
        heads: vec![head(1, "Miyoo Mini"), head(2, "Anbernic")],
        here: Some(Digest::of(&[1])),
        suggestion: Some(version(2)),
    }
}

/// A card of which everything can be told.
fn card() -> Card {
    let shown = |text: &str, state| Shown { save: save(text), state };
    Card {
        paired: true,
        user: "ada".into(),
        server: "http://nas:8377".into(),
        device: "Miyoo Mini".into(),
        firmware: "OnionOS".into(),
        profile: "onion".into(),
        saves: vec![
            shown("gb/sram/Metroid II", State::LeftOut),
            shown("gb/sram/Tetris", State::Asked),
            shown("gba/sram/Advance Wars", State::Safe),
            shown("gba/sram/Mario Kart", State::Queued),
            shown("gba/sram/Metroid", State::Comes),
            shown("gba/state.0@mgba/Metroid", State::Away),
        ],
        safe: 1000,
        queued: 14,
        questions: vec![
            conflict(),
            Question::Suspect {
                save: save("gb/sram/Zelda"),
                place: Place { root: 0, path: RelativePath::new("Saves/Zelda.srm").unwrap() },
                doubt: Doubt::Blank,
            },
            Question::Deleted { save: save("gb/sram/Kirby"), head: version(3) },
        ],
        halts: vec![
            Halt::Offline { root: 0, reason: "no marker".into() },
            Halt::Vanished { root: 0, count: 90, of: 100 },
            Halt::Replaced { count: 90, of: 100 },
        ],
        strangers: 120,
        unsafe_because: Some(Unsafe::Queued(14)),
        last_exchange_unix_s: Some(1_763_700_000),
        boot: Some(crate::boot::State::On),
        ..Card::default()
    }
}

fn known() -> Known {
    Known { card: Some(card()), runs: true, route: true, boot_ms: 600_000, ..Known::default() }
}

/// Presses buttons and hears news, from page to page as the app does.
struct Hand {
    known: Known,
    words: Words,
    pages: Vec<Box<dyn Page>>,
    /// What left the screen.
    done: Vec<Deed>,
}

impl Hand {
    fn new(known: Known, language: &str) -> Hand {
        Hand { known, words: Words::of(language), pages: vec![Box::new(Home::default())], done: Vec::new() }
    }

    fn at(mut self, page: Box<dyn Page>) -> Hand {
        self.act(Act::Open(page));
        self
    }

    fn view(&self) -> View {
        let seen = Seen { known: &self.known, words: &self.words };
        self.pages.last().unwrap().view(&seen)
    }

    fn press(&mut self, buttons: &[Button]) {
        for button in buttons {
            let seen = Seen { known: &self.known, words: &self.words };
            let act = self.pages.last_mut().unwrap().press(*button, &seen);
            self.act(act);
        }
    }

    fn hear(&mut self, news: &News) {
        let seen = Seen { known: &self.known, words: &self.words };
        let act = self.pages.last_mut().unwrap().hear(news, &seen);
        self.act(act);
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Same | Act::Draw => {}
            Act::Open(page) => self.open(page),
            Act::Swap(page) => {
                self.pages.pop();
                self.open(page);
            }
            Act::Back => drop(self.pages.pop()),
            Act::Do(deed) => self.done.push(deed),
            Act::Both(first, second) => self.done.extend([first, second]),
            Act::DoBack(deed) => {
                self.done.push(deed);
                self.pages.pop();
            }
        }
    }

    fn open(&mut self, mut page: Box<dyn Page>) {
        self.done.extend(page.begins());
        self.pages.push(page);
    }

    /// The last wish that left the screen.
    fn wish(&self) -> Option<&Wish> {
        self.done.iter().rev().find_map(|deed| match deed {
            Deed::Order(Order::Wish(wish)) => Some(wish),
            _ => None,
        })
    }

    fn set(&self) -> Option<(&str, &str)> {
        self.done.iter().rev().find_map(|deed| match deed {
            Deed::Order(Order::Set(key, value)) => Some((*key, value.as_str())),
            _ => None,
        })
    }

    fn errand(&self) -> String {
        let last = self.done.iter().rev().find_map(|deed| match deed {
            Deed::Errand(words) => Some(words.join(" ")),
            _ => None,
        });
        last.unwrap_or_default()
    }

    /// All that can be read.
    fn text(&self) -> String {
        format!("{:?}", self.view())
    }
}

fn past() -> Vec<Past> {
    let of = |source, here, newest, doubted| Past {
        source,
        unix_s: 1_763_700_000,
        device: "Miyoo Mini".into(),
        size_bytes: Some(8192),
        here,
        newest,
        doubted,
    };
    vec![
        of(Source::Server(version(1)), true, true, false),
        of(Source::Server(version(2)), false, true, false),
        of(Source::Server(version(3)), false, false, true),
        of(Source::Server(version(4)), false, false, false),
        Past { device: String::new(), ..of(Source::Kept(0, 7), false, false, false) },
    ]
}

fn found(address: &str) -> News {
    News::Found(vec![Found { address: address.into(), sender: String::new() }])
}

fn error(kind: Kind) -> Error {
    Error::new(kind, "cannot", "so")
}

/// Every page in every state that has words of its own.
fn all_views(language: &str) -> Vec<(String, View)> {
    use Button::{Accept, Down, Extra};
    let mut views = Vec::new();
    let mut see = |name: &str, hand: &Hand| views.push((name.to_owned(), hand.view()));
    let home = |change: &dyn Fn(&mut Known)| {
        let mut known = known();
        change(&mut known);
        Hand::new(known, language)
    };
    see("home", &home(&|_| {}));
    see(
        "home: all safe",
        &home(&|known| {
            known.card = Some(Card { queued: 0, unsafe_because: None, ..card() });
            known.now.contact_boot_ms = Some(0);
        }),
    );
    see("home: one", &home(&|known| known.card = Some(Card { queued: 0, safe: 1, ..card() })));
    see("home: none", &home(&|known| known.card = Some(Card { queued: 0, safe: 0, ..card() })));
    see("home: stopped", &home(&|known| known.runs = false));
    see("home: offline", &home(&|known| known.route = false));
    see("home: no answer", &home(&|known| known.now.failed = Some((&error(Kind::Offline)).into())));
    see("home: a game", &home(&|known| known.now.playing = Some("x".into())));
    see("home: loading", &home(&|known| known.card = None));
    see("home: failed", &home(&|known| known.failed = Some(error(Kind::Damaged))));
    see("home: unpaired", &home(&|known| known.card = Some(Card::default())));
    see("home: one queued", &home(&|known| known.card = Some(Card { queued: 1, ..card() })));
    for sends in [true, false] {
        see(
            "home: moving",
            &home(&|known| {
                known.now = Now { moving: Some(Moving { sends, done: 100, total: 1000 }), ..Now::default() };
            }),
        );
    }
    for (name, minutes) in [("now", 0), ("minutes", 59), ("hours", 40 * 60)] {
        see(
            &format!("home: {name}"),
            &home(&|known| {
                known.now.contact_boot_ms = Some(0);
                known.boot_ms = minutes * 60_000;
            }),
        );
    }

    see("home: never", &home(&|known| known.card = Some(Card { last_exchange_unix_s: None, ..card() })));

    // It does not run: nothing goes back by itself.
    let pair = || Hand::new(Known { runs: false, ..known() }, language).at(Box::new(Pair::default()));
    let mut hand = pair();
    see("pair: looking", &hand);
    hand.hear(&found("http://10.0.0.9:1"));
    see("pair: found", &hand);
    hand.hear(&News::Found(vec![Found {
        address: "https://a.example".into(),
        sender: "192.168.178.100".into(),
    }]));
    hand.press(&[Down]);
    see("pair: told by another", &hand);
    hand.press(&[Button::Up]);
    hand.hear(&found("http://10.0.0.9:1"));
    hand.press(&[Down, Down, Accept]);
    see("pair: typing", &hand);
    let mut hand = pair();
    hand.known.card.as_mut().unwrap().server.clear();
    hand.hear(&News::Found(Vec::new()));
    see("pair: none", &hand);
    let mut hand = pair();
    hand.hear(&News::Found(Vec::new()));
    hand.press(&[Accept]);
    see("pair: asking", &hand);
    let url = "http://nas:8377/pair";
    hand.hear(&News::Errand(Reply::Said(json!({"code": "WXRT-4KQM", "url": url, "url_complete": url}))));
    see("pair: shown", &hand);
    hand.hear(&News::Errand(Reply::Said(json!({"offline": "x"}))));
    see("pair: trying", &hand);
    hand.hear(&News::Errand(Reply::Said(json!({"paired": true, "user": "ada"}))));
    see("pair: paired", &hand);
    hand.hear(&News::Errand(Reply::Said(json!({"error": {"doing": "a", "cause": "b", "help": "c"}}))));
    see("pair: failed", &hand);

    let mut hand = Hand::new(known(), language).at(Box::new(conflict::Conflict::of(&save("gb/sram/Tetris"))));
    see("conflict", &hand);
    if let Some(Question::Conflict { heads, .. }) = hand.known.card.as_mut().unwrap().questions.first_mut() {
        heads[0].content = None;
        let to_unix_s = 1_763_699_000;
        heads[1].played = Some(retrosync_protocol::Played { from_unix_s: to_unix_s - 60, to_unix_s });
    }
    see("conflict: played, deleted", &hand);
    hand.press(&[Accept]);
    see("conflict: ask", &hand);
    hand.press(&[Accept]);
    see("conflict: working", &hand);
    let done = |done: Done| News::Done(Outcome { done: Ok(done), undo: Some(Wish::AcceptMassChange) });
    hand.hear(&done(Done { here: true, stored: true, ..Done::default() }));
    see("conflict: done", &hand);
    hand.hear(&done(Done { waiting: Some("it runs".into()), ..Done::default() }));
    see("conflict: waits", &hand);
    hand.press(&[Extra]);
    see("conflict: undo", &hand);
    for kind in [
        Kind::Offline,
        Kind::Busy,
        Kind::Full,
        Kind::Damaged,
        Kind::ClockWrong,
        Kind::Unpaired,
        Kind::Misused,
        Kind::Refused(retrosync_protocol::Code::QuotaFull),
    ] {
        let mut hand =
            Hand::new(known(), language).at(Box::new(conflict::Conflict::of(&save("gb/sram/Tetris"))));
        hand.press(&[Accept, Accept]);
        hand.hear(&News::Done(Outcome { done: Err(error(kind)), undo: None }));
        see(&format!("conflict: {kind:?}"), &hand);
    }
    let mut hand = Hand::new(known(), language).at(Box::new(conflict::Conflict::of(&save("gb/sram/Tetris"))));
    hand.press(&[Extra]);
    see("conflict: both", &hand);

    let mut hand = Hand::new(known(), language).at(Box::new(saves::Saves::default()));
    see("saves: systems", &hand);
    hand.press(&[Accept]);
    see("saves: gb", &hand);
    hand.press(&[Button::Back, Down, Accept]);
    see("saves: gba", &hand);
    hand.press(&[Extra]);
    see("saves: search", &hand);
    hand.press(&[Button::Letter('q'), Button::Menu]);
    see("saves: none", &hand);

    let mut hand = Hand::new(known(), language).at(Box::new(history::History::of(&save("gb/sram/Tetris"))));
    see("history: asking", &hand);
    for (asked, name) in [(Some(Ok(())), "history"), (Some(Err(error(Kind::Offline))), "history: offline")] {
        hand.hear(&News::Past(save("gb/sram/Tetris"), past(), asked));
        for at in 0..past().len() {
            see(&format!("{name} {at}"), &hand);
            hand.press(&[Down]);
        }
    }
    hand.press(&[Accept]);
    see("history: here", &hand);
    hand.press(&[Button::Back, Down, Accept]);
    see("history: ask", &hand);
    let mut hand = Hand::new(known(), language).at(Box::new(history::History::of(&save("gb/sram/Tetris"))));
    hand.hear(&News::Past(save("gb/sram/Tetris"), Vec::new(), Some(Ok(()))));
    see("history: none", &hand);

    let mut hand = Hand::new(known(), language).at(Box::new(select::What::default()));
    hand.press(&[Down, Down, Accept]);
    see("what: a system", &hand);
    let mut hand = Hand::new(known(), language).at(Box::new(settings::Settings::default()));
    hand.known.card.as_mut().unwrap().config =
        Config::load(&[("sync_while_playing", "false".into())], &|_| None, None).unwrap();
    hand.press(&[Down]);
    see("settings: fixed", &hand);

    for at in 0..11 {
        let mut hand = Hand::new(known(), language).at(Box::new(settings::Settings::default()));
        hand.press(&[Down].repeat(at));
        see(&format!("settings {at}"), &hand);
        hand.press(&[Accept]);
        hand.hear(&News::Profiles(vec![("onion".into(), "OnionOS".into())]));
        see(&format!("settings {at}: open"), &hand);
        hand.press(&[Down, Accept]);
        see(&format!("settings {at}: next"), &hand);
    }
    for at in 0..9 {
        let mut hand = Hand::new(known(), language).at(Box::new(problems::Problems::default()));
        hand.press(&[Down].repeat(at));
        see(&format!("problems {at}"), &hand);
        hand.press(&[Accept]);
        see(&format!("problems {at}: open"), &hand);
        hand.press(&[Accept]);
        see(&format!("problems {at}: what can be done"), &hand);
    }
    let stopped = Known { card: Some(Card { paired: true, ..Card::default() }), runs: false, ..known() };
    let mut hand = Hand::new(stopped, language).at(Box::new(problems::Problems::default()));
    hand.press(&[Accept]);
    see("problems: stopped", &hand);
    let none = Known { card: Some(Card { paired: true, ..Card::default() }), runs: true, ..known() };
    see("problems: none", &Hand::new(none, language).at(Box::new(problems::Problems::default())));
    views
}

#[test]
fn no_text_overflows_the_smallest_screen_in_any_language() {
    let cjk = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/fonts/cjk.font");
    let font = Font::new(Box::new(Glyphs::open(&cjk).unwrap()));
    let mut faults = Vec::new();
    // For who translates: RETROSYNC_LOOK_AT=de paints every page of that language.
    let looked_at = std::env::var("RETROSYNC_LOOK_AT").ok();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/look");
    std::fs::create_dir_all(&folder).unwrap();
    for (language, name) in languages() {
        assert!(picture::fits(&font, &name, Role::Text, SMALL), "{language}");
        for (page, view) in all_views(&language) {
            wrap::shortened();
            let canvas = picture::draw(&view, &font, SMALL, Names::default());
            if looked_at.as_deref() == Some(&*language) {
                let bytes = png::encode(canvas.width, canvas.height, &canvas.palette(), &canvas.cells);
                let name = page.replace([':', ' '], "-");
                std::fs::write(folder.join(format!("{language}-{name}.png")), bytes).unwrap();
            }
            for text in wrap::shortened() {
                faults.push(format!("{language}: {page}: shortened: {text}"));
            }
            let hints: String = view.hints.iter().map(|(_, text)| text.as_str()).collect();
            if !picture::fits(&font, &hints, Role::Hints(view.hints.len()), SMALL) {
                faults.push(format!("{language}: {page}: hints: {hints}"));
            }
        }
    }
    faults.sort();
    faults.dedup();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn an_answer_is_said_before_it_is_given() {
    use Button::{Accept, Down, Right};
    let mut hand = Hand::new(known(), "en");
    hand.press(&[Accept]);
    assert!(hand.text().contains("Both are kept. Which one goes on?"), "{}", hand.text());
    hand.press(&[Right, Accept]);
    assert!(hand.text().contains("The version of Anbernic goes on everywhere."), "{}", hand.text());
    assert!(hand.wish().is_none(), "nothing is done yet");
    hand.press(&[Accept, Accept]);
    let keep = Keep::Version(version(2).to_string());
    assert_eq!(hand.wish(), Some(&Wish::Resolve { save: save("gb/sram/Tetris"), keep, note: None }));
    assert_eq!(hand.done.len(), 1, "once, however often the button is pressed");
    hand.press(&[Down]);
}

#[test]
fn what_is_here_is_not_restored_over_itself_and_a_deletion_has_no_bytes() {
    let mut hand = Hand::new(known(), "en").at(Box::new(history::History::of(&save("gb/sram/Tetris"))));
    let mut past = past();
    past[1].size_bytes = None;
    hand.hear(&News::Past(save("gb/sram/Tetris"), past, Some(Ok(()))));
    hand.press(&[Button::Accept, Button::Back, Button::Down, Button::Accept]);
    assert!(hand.wish().is_none() && hand.text().contains("History") | hand.text().contains("Tetris"));
    hand.press(&[Button::Down, Button::Down, Button::Down, Button::Accept, Button::Accept]);
    assert_eq!(hand.wish(), Some(&Wish::RestoreKept { save: save("gb/sram/Tetris"), root: 0, number: 7 }));
}

#[test]
fn leaving_a_game_out_keeps_what_was_left_out_before() {
    let mut hand = Hand::new(known(), "en");
    hand.known.card.as_mut().unwrap().config =
        Config::load(&[("leave_out", "states | snes".into())], &|_| None, None).unwrap();
    let mut hand = Hand { done: Vec::new(), ..hand }.at(Box::new(select::What::default()));
    // Battery saves, states, GB, its line for all, the first game.
    hand.press(&[Button::Down, Button::Down, Button::Accept, Button::Down, Button::Accept]);
    assert_eq!(hand.set(), Some(("leave_out", "states | snes | gb/Metroid II")));
}

#[test]
fn pairing_with_another_server_forgets_the_line_that_names_the_old_one() {
    let mut hand = Hand::new(known(), "en");
    let card = hand.known.card.as_mut().unwrap();
    card.server.clear();
    card.config.server = Some("https://old.example".into());
    let mut hand = hand.at(Box::new(Pair::default()));
    hand.hear(&found("http://10.0.0.9:1"));
    hand.press(&[Button::Accept]);
    assert_eq!(hand.set(), Some(("server", "http://10.0.0.9:1")));
    assert_eq!(hand.errand(), "stop ; pair http://10.0.0.9:1 --plain-http true && boot keep ; start");
    hand.press(&[Button::Back]);
    assert!(matches!(hand.done.last(), Some(Deed::Cancel)), "who goes back does not pair");
}

#[test]
fn whatever_is_pressed_nothing_breaks() {
    use Button::*;
    let all = [Up, Down, Left, Right, Accept, Back, Menu, Extra, Other, PageUp, PageDown, Letter('ß'), Erase];
    let mut chance: u32 = 7;
    for known in [known(), Known::default(), Known { card: Some(Card::default()), ..Known::default() }] {
        let mut hand = Hand::new(known, "de");
        for _ in 0..5_000 {
            chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            hand.press(&[all[(chance >> 16) as usize % all.len()]]);
            if hand.pages.is_empty() {
                hand.open(Box::new(Home::default()));
            }
            assert!(hand.pages.len() < 12, "pages do not pile up");
            let _ = hand.view();
        }
    }
}

/// What the README shows: the pages themselves, with a card as people have it.
fn pictures() -> Vec<(&'static str, View)> {
    let mut known = known();
    let card = known.card.as_mut().unwrap();
    let shown = |text: &str, state| Shown { save: save(text), state };
    card.saves =
        ["Advance Wars", "Golden Sun", "Metroid Fusion", "Mother 3", "Pokémon Emerald", "Wario Land 4"]
            .iter()
            .map(|title| shown(&format!("gba/sram/{title}"), State::Safe))
            .collect();
    card.saves[4].state = State::Asked;
    let others = (1..=208).map(|n| shown(&format!("gb/sram/Game {n}"), State::Safe));
    card.saves.splice(0..0, others.collect::<Vec<_>>());
    (card.safe, card.queued, card.unsafe_because) = (214, 0, None);
    (card.halts, card.strangers) = (Vec::new(), 0);
    let played = |to_unix_s| Some(retrosync_protocol::Played { from_unix_s: to_unix_s - 60, to_unix_s });
    card.questions = vec![Question::Conflict {
        save: save("gba/sram/Pokémon Emerald"),
        heads: vec![
            Head { played: played(1_763_699_000), ..head(1, "Miyoo Mini") },
            Head { played: played(1_763_711_000), received_unix_s: 1_763_712_345, ..head(2, "Anbernic") },
        ],
        here: Some(Digest::of(&[1])),
        suggestion: Some(version(2)),
    }];
    known.now.contact_boot_ms = Some(420_000);
    let hand = Hand::new(known, "en");
    let home = hand.view();
    let mut hand = hand.at(Box::new(conflict::Conflict::of(&save("gba/sram/Pokémon Emerald"))));
    let conflict = hand.view();
    hand.press(&[Button::Back]);
    let mut hand = hand.at(Box::new(saves::Saves::default()));
    hand.press(&[Button::Down, Button::Accept, Button::Down]);
    let saves = hand.view();
    let mut hand = hand.at(Box::new(Pair::default()));
    hand.hear(&found("http://192.168.1.10:8377"));
    hand.press(&[Button::Accept]);
    let url = "http://192.168.1.10:8377/pair";
    let complete = format!("{url}?code=WXRT-4KQM");
    hand.hear(&News::Errand(Reply::Said(json!({"code": "WXRT-4KQM", "url": url, "url_complete": complete}))));
    vec![("home", home), ("conflict", conflict), ("saves", saves), ("pair", hand.view())]
}

#[test]
fn the_readme_shows_the_pages_as_they_are() {
    let font = Font::new(Box::new(crate::screen::font::NoMore));
    for (name, view) in pictures() {
        let canvas = picture::draw(&view, &font, (640, 480), Names::default());
        let bytes = png::encode(canvas.width, canvas.height, &canvas.palette(), &canvas.cells);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/screen/{name}.png"));
        if std::env::var_os("RETROSYNC_WRITE_DOCS").is_some() {
            std::fs::write(&path, &bytes).unwrap();
        }
        assert!(
            std::fs::read(&path).unwrap_or_default() == bytes,
            "{}: RETROSYNC_WRITE_DOCS=1",
            path.display()
        );
    }
}
