//! Views as the pages would answer them, with the texts that are hardest on a layout.

use retrosync::screen::view::{Block, Button, Mark, Row, Side, Tone, View};

fn row(label: &str, detail: &str, mark: Mark) -> Row {
    Row { label: label.into(), detail: detail.into(), mark }
}

fn hints(of: &[(Button, &str)]) -> Vec<(Button, String)> {
    of.iter().map(|(button, text)| (*button, (*text).to_owned())).collect()
}

fn heading(tone: Tone, text: &str) -> Block {
    Block::Heading { tone, text: text.into() }
}

fn text(tone: Tone, text: &str) -> Block {
    Block::Text { tone, text: text.into() }
}

/// All that a person wants to know.
pub fn home() -> View {
    View {
        title: "RetroSync".into(),
        badge: "Wi-Fi · home".into(),
        blocks: vec![
            heading(Tone::Good, "All 214 saves are safe"),
            text(Tone::Quiet, "Last sync 3 minutes ago. Safe to switch off."),
            Block::List {
                rows: vec![
                    row("Saves", "214", Mark::More),
                    row("Problems", "none", Mark::More),
                    row("Sync now", "", Mark::None),
                    row("Settings", "", Mark::More),
                ],
                focus: 0,
            },
        ],
        hints: hints(&[(Button::Accept, "Open"), (Button::Back, "Close"), (Button::Menu, "Settings")]),
    }
}

/// While something moves.
pub fn syncing() -> View {
    let mut view = home();
    view.badge = "syncing".into();
    view.blocks[0] = heading(Tone::Plain, "Sending 3 of 12 saves");
    view.blocks[1] = Block::Bar {
        done: 3,
        total: 12,
        label: "The Legend of Zelda - Oracle of Ages (USA, Australia)".into(),
    };
    view
}

/// A code for the dashboard.
pub fn pair() -> View {
    View {
        title: "Pair this device".into(),
        badge: "waiting".into(),
        blocks: vec![
            text(Tone::Plain, "Scan this, or open the address below and type the code."),
            Block::Code("WXRT-4KQM".into()),
            text(Tone::Quiet, "http://192.168.1.10:8377/pair"),
            Block::Qr("http://192.168.1.10:8377/pair?code=WXRT-4KQM".into()),
        ],
        hints: hints(&[(Button::Accept, "New code"), (Button::Back, "Cancel")]),
    }
}

/// Titles in many scripts.
pub fn saves() -> View {
    let titles = [
        ("Advance Wars 2 - Black Hole Rising", "yesterday", Mark::Good),
        ("Chrono Trigger", "3 minutes ago", Mark::Good),
        ("Final Fantasy VI — Édition spéciale", "12 May", Mark::Waits),
        ("Ведьмак: Дикая Охота", "2 days ago", Mark::Good),
        ("ポケットモンスター 金", "1 hour ago", Mark::Look),
        ("口袋妖怪 绿宝石", "Monday", Mark::Good),
        ("메이플스토리 DS", "Sunday", Mark::Good),
        ("Ζέλντα: Ο Θρύλος", "10 June", Mark::Good),
        ("Super Mario World 2 - Yoshi's Island (Europe) (En,Fr,De)", "2 weeks ago", Mark::Good),
        ("Tetris (World)", "never", Mark::None),
    ];
    View {
        title: "Game Boy Advance".into(),
        badge: "5 of 10".into(),
        blocks: vec![Block::List {
            rows: titles.iter().map(|(label, detail, mark)| row(label, detail, *mark)).collect(),
            focus: 4,
        }],
        hints: hints(&[
            (Button::Accept, "History"),
            (Button::Back, "Back"),
            (Button::PageDown, "Next letter"),
        ]),
    }
}

/// Two versions and a question.
pub fn conflict() -> View {
    let side = |title: &str, when: &str, size: &str, suggested| Side {
        title: title.into(),
        facts: vec![
            ("Saved".into(), when.into()),
            ("Played".into(), "12 h 40 min".into()),
            ("Size".into(), size.into()),
        ],
        suggested,
    };
    View {
        title: "Which one goes on?".into(),
        badge: "1 of 2".into(),
        blocks: vec![
            text(Tone::Plain, "Pokémon Emerald was played on both."),
            Block::Columns {
                sides: vec![
                    side("Miyoo Mini", "today 21:40", "128 KB", true),
                    side("Anbernic RG35XX", "today 19:05", "128 KB", false),
                ],
                focus: 0,
            },
            text(Tone::Quiet, "The other one is kept, and can be brought back."),
        ],
        hints: hints(&[(Button::Accept, "Keep this"), (Button::Extra, "Keep both"), (Button::Back, "Later")]),
    }
}

/// Switches.
pub fn settings() -> View {
    View {
        title: "Settings".into(),
        badge: String::new(),
        blocks: vec![Block::List {
            rows: vec![
                row("Start with the device", "", Mark::On),
                row("Sync while playing", "", Mark::Off),
                row("Save states", "", Mark::On),
                row("Questions", "ask me", Mark::More),
                row("Profile", "onion", Mark::More),
                row("Unpair this device", "", Mark::More),
            ],
            focus: 1,
        }],
        hints: hints(&[(Button::Accept, "Change"), (Button::Back, "Back")]),
    }
}

/// An address to be typed.
pub fn keyboard() -> View {
    let keys = [
        "1 2 3 4 5 6 7 8 9 0",
        "q w e r t y u i o p",
        "a s d f g h j k l -",
        "z x c v b n m . : /",
        "Abc space del done",
    ];
    View {
        title: "Server address".into(),
        badge: String::new(),
        blocks: vec![Block::Keyboard {
            rows: keys.iter().map(|row| row.split(' ').map(str::to_owned).collect()).collect(),
            at: (2, 3),
            typed: "http://nas.local:8377".into(),
        }],
        hints: hints(&[(Button::Accept, "Type"), (Button::Back, "Delete"), (Button::Menu, "Done")]),
    }
}

/// What does not work, and what to do.
pub fn problem() -> View {
    View {
        title: "Problems".into(),
        badge: "offline".into(),
        blocks: vec![
            heading(Tone::Bad, "The server does not answer since yesterday"),
            text(
                Tone::Plain,
                "Is it switched on, and are both in the same network? Your saves stay on this card until it is reached; nothing is lost.",
            ),
            text(Tone::Look, "3 saves wait."),
            text(Tone::Quiet, "http://192.168.1.10:8377"),
        ],
        hints: hints(&[(Button::Accept, "Try again"), (Button::Back, "Back")]),
    }
}

/// Every one, with its name.
pub fn all() -> Vec<(&'static str, View)> {
    vec![
        ("home", home()),
        ("syncing", syncing()),
        ("pair", pair()),
        ("saves", saves()),
        ("conflict", conflict()),
        ("settings", settings()),
        ("keyboard", keyboard()),
        ("problem", problem()),
    ]
}
