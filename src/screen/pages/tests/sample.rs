//! A card of which everything can be told.

use retrosync_protocol::{Content, Digest, Head, SaveId, VersionId, WriterId};

use crate::error::{Error, Kind};
use crate::plan::{Halt, Question};
use crate::screen::known::{Card, Known, Past, Shown, Source, State};
use crate::snapshot::{Doubt, Place, RelativePath};
use crate::survey::Unsafe;

pub(in crate::screen) fn save(text: &str) -> SaveId {
    text.parse().unwrap()
}

pub(in crate::screen) fn version(n: u8) -> VersionId {
    Digest::from_bytes([n; 32]).to_string().parse().unwrap()
}

pub(in crate::screen) fn head(n: u8, device_name: &str) -> Head {
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

pub(in crate::screen) fn conflict() -> Question {
    Question::Conflict {
        save: save("gb/sram/Tetris"),
        heads: vec![head(1, "Miyoo Mini"), head(2, "Anbernic")],
        here: Some(Digest::of(&[1])),
        suggestion: Some(version(2)),
    }
}

pub(in crate::screen) fn card() -> Card {
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

pub(in crate::screen) fn known() -> Known {
    let boot_ms = 600_000;
    Known { card: Some(card()), runs: true, route: true, has_pad: true, boot_ms, ..Known::default() }
}

pub(in crate::screen) fn past() -> Vec<Past> {
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

pub(in crate::screen) fn error(kind: Kind) -> Error {
    Error::new(kind, "cannot", "so")
}
