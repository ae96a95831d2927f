//! What the README shows.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use retrosync_protocol::{Digest, Head};
use serde_json::json;

use super::super::*;
use super::sample::{head, known, save, version};
use super::{Hand, found};
use crate::plan::Question;
use crate::screen::errands::Reply;
use crate::screen::font::Font;
use crate::screen::known::{Shown, State};
use crate::screen::picture::{self, Names};
use crate::screen::png;

/// The pages themselves, with a card as people have it.
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
    hand.hear(found("http://192.168.1.10:8377"));
    hand.press(&[Button::Accept]);
    let url = "http://192.168.1.10:8377/pair";
    let complete = format!("{url}?code=WXRT-4KQM");
    hand.hear(News::Errand(
        hand.last_errand().0,
        Reply::Said(json!({"code": "WXRT-4KQM", "url": url, "url_complete": complete})),
    ));
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
