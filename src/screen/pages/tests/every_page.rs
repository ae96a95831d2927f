//! Every page in every language on the smallest screen, and on screens that nobody has.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use serde_json::json;

use super::super::*;
use super::sample::{card, error, known, past, save};
use super::{Hand, found};
use crate::choice::{Done, Wish};
use crate::config::Config;
use crate::discover::Found;
use crate::error::Kind;
use crate::live::{Moving, Now};
use crate::plan::Question;
use crate::screen::buttons::Learning;
use crate::screen::errands::Reply;
use crate::screen::font::{Font, NoMore};
use crate::screen::glyphs::Glyphs;
use crate::screen::known::{Card, Known, Outcome};
use crate::screen::picture::{self, Names, Role};
use crate::screen::png;
use crate::screen::turns::LoopWords;
use crate::screen::words::languages;
use crate::screen::wrap;
use crate::survey::Unsafe;

const SMALL: (u32, u32) = (320, 240);
/// The number under which histories are asked for here.
const HISTORY: u64 = 1_000;

/// Every page in every state that has words of its own.
pub(in crate::screen) fn all_views(language: &str) -> Vec<(String, View)> {
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
    for (name, unsafe_because) in [
        ("home: vanished", Unsafe::Gone(90, 100)),
        ("home: another card", Unsafe::Card("no marker".into())),
        ("home: to compare", Unsafe::Unsure(14)),
    ] {
        let known = |known: &mut Known| {
            known.card =
                Some(Card { queued: 0, safe: 0, unsafe_because: Some(unsafe_because.clone()), ..card() });
        };
        see(name, &home(&known));
    }
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
    hand.hear(found("http://10.0.0.9:1"));
    see("pair: found", &hand);
    hand.hear(News::Found(vec![Found {
        address: "https://a.example".into(),
        sender: "192.168.178.100".into(),
    }]));
    hand.press(&[Down]);
    see("pair: told by another", &hand);
    hand.press(&[Button::Up]);
    hand.hear(found("http://10.0.0.9:1"));
    hand.press(&[Down, Down, Accept]);
    see("pair: typing", &hand);
    let mut hand = pair();
    hand.app.known.card.as_mut().unwrap().server.clear();
    hand.hear(News::Found(Vec::new()));
    see("pair: none", &hand);
    let mut hand = pair();
    hand.hear(News::Found(Vec::new()));
    hand.press(&[Accept]);
    see("pair: asking", &hand);
    let url = "http://192.168.178.100:8377/pair";
    let complete = format!("{url}?code=WXRT-4KQM");
    hand.hear(News::Errand(
        hand.last_errand().0,
        Reply::Said(json!({"code": "WXRT-4KQM", "url": url, "url_complete": complete})),
    ));
    see("pair: shown", &hand);
    hand.hear(News::Errand(hand.last_errand().0, Reply::Said(json!({"offline": "x"}))));
    see("pair: trying", &hand);
    hand.hear(News::Errand(hand.last_errand().0, Reply::Said(json!({"paired": true, "user": "ada"}))));
    see("pair: paired", &hand);
    hand.hear(News::Errand(
        hand.last_errand().0,
        Reply::Said(json!({"error": {"doing": "a", "cause": "b", "help": "c"}})),
    ));
    see("pair: failed", &hand);
    for said in [json!({"key": "0123456789abcdef".repeat(4)}), json!({"error": {"cause": "b"}})] {
        hand.hear(News::Errand(hand.last_errand().0, Reply::Said(said)));
    }
    see("pair: comparing", &hand);

    let mut hand = Hand::new(known(), language).at(Box::new(conflict::Conflict::of(&save("gb/sram/Tetris"))));
    see("conflict", &hand);
    let questions = &mut hand.app.known.card.as_mut().unwrap().questions;
    if let Some(Question::Conflict { heads, .. }) = questions.first_mut() {
        heads[0].content = None;
        let to_unix_s = 1_763_699_000;
        heads[1].played = Some(retrosync_protocol::Played { from_unix_s: to_unix_s - 60, to_unix_s });
    }
    see("conflict: played, deleted", &hand);
    hand.press(&[Accept]);
    see("conflict: ask", &hand);
    hand.press(&[Accept]);
    see("conflict: working", &hand);
    let done = |hand: &Hand, done: Done| {
        News::Done(hand.last_wish(), Outcome { done: Ok(done), undo: Some(Wish::AcceptMassChange) })
    };
    hand.hear(done(&hand, Done { here: true, stored: true, ..Done::default() }));
    see("conflict: done", &hand);
    hand.hear(done(&hand, Done { waiting: Some("it runs".into()), ..Done::default() }));
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
        hand.hear(News::Done(hand.last_wish(), Outcome { done: Err(error(kind)), undo: None }));
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

    let history = || {
        let page = history::History::of(&save("gb/sram/Tetris"), HISTORY);
        Hand::new(known(), language).at(Box::new(page))
    };
    let mut hand = history();
    see("history: asking", &hand);
    for (asked, name) in [(Some(Ok(())), "history"), (Some(Err(error(Kind::Offline))), "history: offline")] {
        hand.hear(News::Past(HISTORY, past(), asked));
        for at in 0..past().len() {
            see(&format!("{name} {at}"), &hand);
            hand.press(&[Down]);
        }
    }
    hand.press(&[Accept]);
    see("history: here", &hand);
    hand.press(&[Button::Back, Down, Accept]);
    see("history: ask", &hand);
    let mut hand = history();
    hand.hear(News::Past(HISTORY, Vec::new(), Some(Ok(()))));
    see("history: none", &hand);

    let mut hand = Hand::new(known(), language).at(Box::new(select::What::default()));
    hand.press(&[Down, Down, Accept]);
    see("what: a system", &hand);
    let mut hand = Hand::new(known(), language).at(Box::new(settings::Settings::default()));
    hand.app.known.card.as_mut().unwrap().config =
        Config::load(&[("sync_while_playing", "false".into())], &|_| None, None).unwrap();
    hand.press(&[Down]);
    see("settings: fixed", &hand);

    for at in 0..12 {
        let mut hand = Hand::new(known(), language).at(Box::new(settings::Settings::default()));
        hand.press(&[Down].repeat(at));
        see(&format!("settings {at}"), &hand);
        hand.press(&[Accept]);
        hand.hear(News::Profiles(vec![("onion".into(), "OnionOS".into())]));
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
    let mut hand = Hand::new(known(), language).at(Box::new(settings::Settings::default()));
    hand.press(&[Button::Accept]);
    let said = json!({"error": {"kind": "busy", "doing": "a", "cause": "b", "help": "c"}});
    hand.hear(News::Errand(hand.last_errand().0, Reply::Said(said)));
    see("not done", &hand);
    let none = Known { card: Some(Card { paired: true, ..Card::default() }), runs: true, ..known() };
    see("problems: none", &Hand::new(none, language).at(Box::new(problems::Problems::default())));
    // The loop's own.
    let words = LoopWords::of(&Words::of(language));
    views.push(("no buttons".into(), words.lonely()));
    for is_known in [false, true] {
        let mut learning = Learning::new(is_known);
        learning.begin(0);
        for key in 700..706 {
            views.push((format!("learning {key}"), learning.view(&words.learning)));
            learning.take(key, 0);
        }
    }
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
                faults.push(format!("{language}: {page}: cut: {text}"));
            }
        }
    }
    faults.sort();
    faults.dedup();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn no_panel_is_too_small_or_too_odd_for_any_page() {
    let font = Font::new(Box::new(NoMore));
    let sizes = [1, 2, 7, 15, 16, 40, 101];
    for (page, view) in all_views("en") {
        for (wide, high) in sizes.iter().flat_map(|wide| sizes.map(|high| (*wide, high))) {
            let canvas = picture::draw(&view, &font, (wide, high), Names::default());
            assert_eq!((canvas.width, canvas.height), (wide, high), "{page}");
        }
    }
}
