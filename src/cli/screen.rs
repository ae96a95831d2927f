//! `retrosync screen`: the app that opens from a handheld's menu.

use std::path::PathBuf;

use crate::cli::{self, Call, Command, Flag, misused};
use crate::config::file::beside;
use crate::discover::EVERYBODY;
use crate::error::{Error, Result};
use crate::parts::Ground;
use crate::profile::ScreenSpec;
use crate::report::Exit;
use crate::root::STATE_FOLDER;
use crate::screen::app::{App, Start, language};
use crate::screen::buttons::Mapping;
use crate::screen::evdev::{self, Evdev};
use crate::screen::font::{Font, More, NoMore};
use crate::screen::glyphs::{self, Glyphs};
use crate::screen::guard;
use crate::screen::panel::Geometry;
use crate::screen::picture::Names;
use crate::screen::place::{self, Place, Wanted};
use crate::screen::terminal;
use crate::screen::turns::{self, Loop, LoopWords};
use crate::screen::words::Words;

/// Where servers are asked for, in the place of everybody.
const FIND: Flag = Flag { name: "find", takes_value: true };
const FRAMEBUFFER: Flag = Flag { name: "framebuffer", takes_value: true };
const GEOMETRY: Flag = Flag { name: "geometry", takes_value: true };
const INPUT: Flag = Flag { name: "input", takes_value: true };
const TEXT: Flag = Flag { name: "text", takes_value: false };
const SHOT: Flag = Flag { name: "shot", takes_value: true };

/// `retrosync screen`.
pub const COMMAND: Command = Command {
    name: "screen",
    summary: "see, pair, choose and restore with a D-pad and a few buttons",
    words: (0, 0),
    flags: &[FIND, FRAMEBUFFER, GEOMETRY, INPUT, TEXT, SHOT],
    run,
};

fn run(call: &Call) -> Result<Exit> {
    let mut start = start(call)?;
    // A device that no profile knows has a screen all the same.
    let ground = Ground::find(start.config.clone()).ok();
    let specs = ground.as_ref().map(|ground| ground.profile.screens.clone()).unwrap_or_default();
    let mut place = Place::take(&wanted(call)?, &specs)?;
    guard::apart(&mut || place.leave()).map_err(|error| {
        place.leave();
        Error::io("cannot open the screen", &error)
    })?;
    place.keep_from_children();
    // One picture changes nothing.
    start.starts_daemon = call.value(SHOT.name).is_none();
    start.has_pad = place.panel().is_some();
    if terminal::is_terminal(2) {
        // What the log says would stand in the middle of the picture.
        log::set_max_level(log::LevelFilter::Off);
    }
    let learned =
        ground.and_then(|ground| Some(ground.primary().ok()?.join(STATE_FOLDER).join("buttons.txt")));
    let words = Words::of(&language(&start.config));
    let shown = App::open(start).and_then(|mut app| {
        turns::run(&mut with(call, &place, &specs, learned, &words)?, &mut app, &mut place)
    });
    place.leave();
    shown.map(|()| Exit::Well)
}

fn wanted(call: &Call) -> Result<Wanted> {
    let geometry = |text: &str| {
        Geometry::parse(text)
            .ok_or_else(|| misused(format!("`{text}` is not like 640x480x16"), Some(&COMMAND)))
    };
    Ok(Wanted {
        framebuffer: call.value(FRAMEBUFFER.name).map(PathBuf::from),
        geometry: call.value(GEOMETRY.name).map(geometry).transpose()?,
        text: call.has(TEXT.name),
        shot: call.value(SHOT.name).map(PathBuf::from),
    })
}

/// What the loop needs: buttons, letters, texts.
fn with(
    call: &Call,
    place: &Place,
    specs: &[ScreenSpec],
    learned: Option<PathBuf>,
    words: &Words,
) -> Result<Loop> {
    let spec = place::spec(specs, place.panel()).cloned().unwrap_or_default();
    // Whoever types on a terminal may be far from the pad; a picture that nobody waits for needs none.
    let usual = matches!(place, Place::Framebuffer(..) | Place::Drm(..)).then_some(evdev::FOLDER);
    let open = |path: &str| {
        // Without any device a text says so, and the menu comes back.
        let failed = |error| Error::io(format!("cannot read `{path}`"), &error);
        Evdev::open(path.as_ref()).map_err(failed)
    };
    let evdev = match call.value(INPUT.name) {
        Some(path) => Some(open(path)?),
        None => usual.and_then(|path| open(path).ok()),
    };
    let kept = learned.as_ref().and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
    let answers = if spec.b_confirms { ["B", "A"] } else { ["A", "B"] };
    let is_described = !spec.buttons.is_empty();
    let map = move |learned: &str, in_a_row| Mapping::new(learned, &spec.buttons, in_a_row, spec.b_confirms);
    let more: Box<dyn More> = match beside(glyphs::NAME).and_then(|path| Glyphs::open(&path)) {
        Some(glyphs) => Box::new(glyphs),
        None => Box::new(NoMore),
    };
    Ok(Loop {
        evdev,
        map: Box::new(map),
        learned: (kept, learned),
        is_described,
        names: Names { answers, ..Names::default() },
        font: Font::new(more),
        words: LoopWords::of(words),
    })
}

/// What the app needs of us.
fn start(call: &Call) -> Result<Start> {
    let ask = match call.value(FIND.name) {
        Some(text) => {
            text.parse().map_err(|_| misused(format!("`{text}` is not ADDR:PORT"), Some(&COMMAND)))?
        }
        None => EVERYBODY,
    };
    Ok(Start {
        config: call.config()?,
        run: |arguments| cli::main(arguments.into_iter()) as i32,
        with: Box::new({
            let call = call.clone();
            move |words| call.with(words)
        }),
        ask,
        starts_daemon: true,
        has_pad: false,
    })
}
