//! What the program's own pages look like on every screen: held against pictures and texts that somebody looked at.
//!
//! Compiled into the library's tests (`src/screen/pages/tests.rs`), since nothing else sees a page. The card is described
//! here, so that every run shows the same. `RETROSYNC_WRITE_GOLDEN=1` writes `golden/` anew: look at each picture that
//! changed before it is committed. Never looks at a file of this machine but those.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use retrosync_protocol::{Digest, Head};
use serde_json::json;

use super::super::*;
use super::sample::{head, known, past, save, version};
use super::{Hand, all_views};
use crate::discover::Found;
use crate::error::{Error, Kind};
use crate::live::Moving;
use crate::plan::Question;
use crate::screen::canvas::Canvas;
use crate::screen::errands::Reply;
use crate::screen::font::Font;
use crate::screen::glyphs::Glyphs;
use crate::screen::known::{Card, Shown, State};
use crate::screen::panel::Geometry;
use crate::screen::picture::{self, Names};
use crate::screen::png;
use crate::screen::text as letters;
use crate::survey::Unsafe;
use Button::{Accept, Down};

/// The firmwares' resolutions, the smallest, the largest, and one that nobody has.
const SIZES: [(u32, u32); 8] =
    [(320, 240), (640, 480), (720, 480), (720, 720), (750, 560), (1280, 720), (1920, 1152), (410, 502)];
/// On these all pages are looked at.
const USUAL: [(u32, u32); 2] = [(320, 240), (640, 480)];
/// On the others those that are hardest to lay out.
const HARD: [&str; 6] = ["home", "nobody", "code", "conflict", "saves", "keyboard"];

/// A card as people have it: 214 saves, titles in many scripts, one question.
fn card_of_a_person() -> Known {
    let shown = |text: String, state| Shown { save: save(&text), state };
    let titles = [
        ("Advance Wars 2 - Black Hole Rising", State::Safe),
        ("Final Fantasy VI Advance — Édition spéciale", State::Queued),
        ("Pokémon Emerald", State::Asked),
        ("Super Mario World 2 - Yoshi's Island (Europe) (En,Fr,De)", State::Safe),
        ("Tetris World", State::Away),
        ("Ζέλντα: Ο Θρύλος", State::Safe),
        ("Ведьмак: Дикая Охота", State::Comes),
        ("ポケットモンスター 金", State::Safe),
        ("口袋妖怪 绿宝石", State::LeftOut),
        ("메이플스토리", State::Safe),
    ];
    let mut known = known();
    let card = known.card.as_mut().unwrap();
    card.saves = (1..=204).map(|n| shown(format!("gb/sram/Game {n}"), State::Safe)).collect();
    card.saves.extend(titles.map(|(title, state)| shown(format!("gba/sram/{title}"), state)));
    (card.safe, card.queued, card.unsafe_because) = (214, 0, None);
    (card.halts, card.strangers) = (Vec::new(), 3);
    let played = |to_unix_s| Some(retrosync_protocol::Played { from_unix_s: to_unix_s - 60, to_unix_s });
    card.questions = vec![Question::Conflict {
        save: save("gba/sram/Pokémon Emerald"),
        heads: vec![
            Head { played: played(1_763_699_000), ..head(1, "Miyoo Mini") },
            Head {
                played: played(1_763_711_000),
                received_unix_s: 1_763_712_345,
                ..head(2, "Anbernic RG35XX")
            },
        ],
        here: Some(Digest::of(&[1])),
        suggestion: Some(version(2)),
    }];
    known.now.contact_boot_ms = Some(420_000);
    known
}

/// A card that no server knows yet, as a new one is.
fn new_card() -> Known {
    Known { card: Some(Card::default()), route: true, ..Known::default() }
}

fn on(page: Box<dyn Page>) -> Hand {
    Hand::new(card_of_a_person(), "en").at(page)
}

/// The pages that are looked at, each with its name.
fn pages() -> Vec<(&'static str, View)> {
    let mut all = vec![("home", Hand::new(card_of_a_person(), "en").view())];
    let mut known = card_of_a_person();
    let card = known.card.as_mut().unwrap();
    (card.safe, card.queued, card.unsafe_because) = (202, 12, Some(Unsafe::Queued(12)));
    known.now.moving = Some(Moving { sends: true, done: 3, total: 12 });
    all.push(("syncing", Hand::new(known, "en").view()));

    let mut hand = Hand::new(new_card(), "en").at(Box::new(Pair::default()));
    hand.hear(News::Found(Vec::new()));
    all.push(("nobody", hand.view()));
    let mut hand = Hand::new(new_card(), "en").at(Box::new(Pair::default()));
    hand.hear(two_servers());
    hand.press(&[Down]);
    all.push(("servers", hand.view()));
    hand.press(&[Down, Accept]);
    hand.press(&"nas.local".chars().map(Button::Letter).collect::<Vec<_>>());
    hand.press(&[Down, Button::Right]);
    all.push(("keyboard", hand.view()));
    let mut hand = Hand::new(new_card(), "en").at(Box::new(Pair::default()));
    hand.hear(two_servers());
    hand.press(&[Accept]);
    let url = "http://192.168.1.10:8377/pair";
    let complete = format!("{url}?code=WXRT-4KQM");
    hand.hear(News::Errand(
        hand.last_errand().0,
        Reply::Said(json!({"code": "WXRT-4KQM", "url": url, "url_complete": complete})),
    ));
    all.push(("code", hand.view()));

    let mut hand = on(Box::new(conflict::Conflict::of(&save("gba/sram/Pokémon Emerald"))));
    all.push(("conflict", hand.view()));
    hand.press(&[Button::Right, Accept]);
    all.push(("ask", hand.view()));
    let mut hand = on(Box::new(saves::Saves::default()));
    hand.press(&[Down, Accept, Down, Down]);
    all.push(("saves", hand.view()));
    let mut hand = on(Box::new(history::History::of(&save("gba/sram/Pokémon Emerald"), 7)));
    hand.hear(News::Past(7, past(), Some(Ok(()))));
    hand.press(&[Down, Down]);
    all.push(("history", hand.view()));
    let mut hand = on(Box::new(settings::Settings::default()));
    hand.press(&[Down]);
    all.push(("settings", hand.view()));
    let mut known = card_of_a_person();
    let trouble = Error::new(Kind::Offline, "cannot reach the server", "no answer from 192.168.1.10:8377");
    known.now.failed = Some((&trouble).into());
    let mut hand = Hand::new(known, "en").at(Box::new(problems::Problems::default()));
    all.push(("problems", hand.view()));
    hand.press(&[Accept]);
    all.push(("problem", hand.view()));
    all
}

/// One that answers for itself, and one of which another host tells.
fn two_servers() -> News {
    let found = |address: &str, sender: &str| Found { address: address.into(), sender: sender.into() };
    News::Found(vec![found("http://192.168.1.10:8377", ""), found("https://saves.example", "192.168.1.66")])
}

fn font() -> Font {
    let cjk = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/fonts/cjk.font");
    Font::new(Box::new(Glyphs::open(&cjk).unwrap()))
}

/// Fails where these bytes are not the ones that were looked at; leaves what came instead in `target/`.
fn compare(name: &str, bytes: &[u8]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("tests/screen/golden").join(name);
    if std::env::var_os("RETROSYNC_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, bytes).unwrap();
    }
    if std::fs::read(&path).unwrap_or_default() != bytes {
        let other = root.join("target").join(name);
        std::fs::write(&other, bytes).unwrap();
        panic!("{} is not what was looked at: compare it with {}", path.display(), other.display());
    }
}

/// The picture with its colours in the order in which they come: a panel's memory makes the same file.
fn file(canvas: &Canvas) -> Vec<u8> {
    let palette = canvas.palette();
    let mut colours: Vec<u32> = Vec::new();
    let number = |cell: &u8| {
        let colour = palette[usize::from(*cell)];
        let known = colours.iter().position(|known| *known == colour);
        known.unwrap_or_else(|| {
            colours.push(colour);
            colours.len() - 1
        }) as u8
    };
    let cells: Vec<u8> = canvas.cells.iter().map(number).collect();
    png::encode(canvas.width, canvas.height, &colours, &cells)
}

#[test]
fn every_page_looks_as_it_was_looked_at_on_every_screen() {
    let font = font();
    for (name, view) in pages() {
        for (width, height) in SIZES {
            if USUAL.contains(&(width, height)) || HARD.contains(&name) {
                let canvas = picture::draw(&view, &font, (width, height), Names::default());
                compare(&format!("{name}-{width}x{height}.png"), &file(&canvas));
            }
        }
    }
}

#[test]
fn every_page_reads_as_it_was_looked_at_in_a_terminal() {
    for (columns, rows) in [(80, 24), (40, 15)] {
        let mut all = String::new();
        for (name, view) in pages() {
            let lines = letters::draw(&view, (columns, rows), Names::KEYS);
            assert_eq!(lines.len(), rows as usize, "{name}");
            all.push_str(&format!("== {name}\n{}\n", lines.join("\n").replace('\x1b', "^")));
        }
        compare(&format!("text-{columns}x{rows}.txt"), all.as_bytes());
    }
}

/// Scanned by a telephone, which wants light around the square.
#[test]
fn a_camera_reads_the_address_from_every_screen() {
    let font = font();
    let (_, view) = pages().into_iter().find(|(name, _)| *name == "code").unwrap();
    for (width, height) in SIZES {
        let canvas = picture::draw(&view, &font, (width, height), Names::default());
        let light: Vec<u8> = colours(&canvas, 32).iter().map(|[_, green, _]| *green as u8).collect();
        let at = |x: usize, y: usize| light[y * width as usize + x];
        let mut seen = rqrr::PreparedImage::prepare_from_greyscale(width as usize, height as usize, at);
        let read: Vec<String> = seen.detect_grids().iter().map(|square| square.decode().unwrap().1).collect();
        assert_eq!(read, ["http://192.168.1.10:8377/pair?code=WXRT-4KQM"], "{width}x{height}");
    }
}

/// What a person sees of a panel's memory: turned as the panel is mounted, row by row, red, green and blue of eight bits.
fn seen(geometry: &Geometry, memory: &[u8]) -> Vec<[u32; 3]> {
    let panel = &geometry.panel;
    let at = |x: usize, y: usize| {
        let from = y * panel.stride_bytes + x * panel.pixel_bytes;
        match memory[from..from + panel.pixel_bytes] {
            [low, high] => {
                let pixel = u32::from(u16::from_le_bytes([low, high]));
                [pixel >> 11 << 3, (pixel >> 5 & 63) << 2, (pixel & 31) << 3]
            }
            [blue, green, red, ..] => [red, green, blue].map(u32::from),
            _ => unreachable!(),
        }
    };
    let (wide, high) = (panel.width as usize, panel.height as usize);
    let mut pixels = Vec::with_capacity(wide * high);
    // Read as an eye does when the panel is turned clockwise by that much.
    match panel.rotation {
        90 => (0..wide).rev().for_each(|x| pixels.extend((0..high).map(|y| at(x, y)))),
        180 => (0..high).rev().for_each(|y| pixels.extend((0..wide).rev().map(|x| at(x, y)))),
        270 => (0..wide).for_each(|x| pixels.extend((0..high).rev().map(|y| at(x, y)))),
        _ => (0..high).for_each(|y| pixels.extend((0..wide).map(|x| at(x, y)))),
    }
    pixels
}

fn colours(canvas: &Canvas, depth: u32) -> Vec<[u32; 3]> {
    let palette = canvas.palette();
    let parts = |colour: u32| [colour >> 16 & 255, colour >> 8 & 255, colour & 255];
    let cut = |[red, green, blue]: [u32; 3]| match depth {
        16 => [red & !7, green & !3, blue & !7],
        _ => [red, green, blue],
    };
    canvas.cells.iter().map(|cell| cut(parts(palette[usize::from(*cell)]))).collect()
}

#[test]
fn every_page_is_the_same_picture_however_a_panel_is_mounted_and_at_every_depth() {
    let font = font();
    for (width, height) in [(320, 240), (750, 560)] {
        let canvases = pages()
            .into_iter()
            .map(|(name, view)| (name, picture::draw(&view, &font, (width, height), Names::default())));
        let canvases: Vec<_> = canvases.collect();
        for depth in [16, 24, 32] {
            for rotation in [0, 90, 180, 270] {
                let (wide, high) = if rotation % 180 == 0 { (width, height) } else { (height, width) };
                let text = format!("{wide}x{high}x{depth}@{rotation}+32");
                let geometry = Geometry::parse(&text).unwrap();
                assert_eq!(geometry.panel.upright(), (width, height), "{text}");
                let mut memory = vec![0xAA; geometry.panel.page_bytes()];
                let mut shown = None;
                for (name, canvas) in &canvases {
                    // Each over the one before: only what differs is written.
                    geometry.panel.paint(canvas, shown, &mut memory);
                    assert!(seen(&geometry, &memory) == colours(canvas, depth), "{name} at {text}");
                    shown = Some(canvas);
                }
            }
        }
    }
}

/// A text that no page of [`all_views`] shows is measured by nobody.
#[test]
fn every_text_of_the_screen_is_on_a_page_that_is_measured() {
    let english: toml::Table = include_str!("../../src/screen/texts/en.toml").parse().unwrap();
    crate::screen::words::said();
    all_views("en");
    let said = crate::screen::words::said();
    let mut names: Vec<&String> = english.keys().collect();
    names.sort();
    assert_eq!(names[text::LANGUAGE_NAME], "language_name", "texts are numbered by their names");
    let unseen: Vec<&&String> = (0..names.len())
        .filter(|number| !said.contains(number))
        .map(|number| &names[number])
        .filter(|name| name.as_str() != "language_name")
        .collect();
    assert!(unseen.is_empty(), "on no page: {unseen:?}");
}
