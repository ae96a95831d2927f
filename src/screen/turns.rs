//! The loop: buttons and news to the app, its view to the place, and between them nothing but waiting.
//!
//! Wakes for a button, for news, for a held button that repeats, and for a terminal of another size. Draws only a view that
//! differs from the one that is seen.

use std::io::{self, PipeReader};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use super::app::App;
use super::buttons::{Held, Learning, LearningWords, Mapping};
use super::evdev::{Change, Evdev, Press};
use super::font::Font;
use super::picture::Names;
use super::place::Place;
use super::terminal::{self, Typed};
use super::view::{Block, Button, Tone, Turn, View};
use super::words::{Words, text};
use crate::boot::replace::replace;
use crate::error::{Error, Kind, Result};
use crate::volume::Os;

/// How long a screen without any button stays: the menu must come back.
const LONELY: Duration = Duration::from_secs(20);
/// The same where nothing can come back: the buttons were a file that was named.
const LONELY_FOR_GOOD: Duration = Duration::from_secs(2);
/// How long one picture waits for what the card says.
const SHOT: Duration = Duration::from_secs(10);

/// From what was learned and whether a pad counts its buttons in a row, which key means what.
pub type Map = dyn Fn(&str, bool) -> Mapping;

/// What the loop needs beside the app and the place.
pub struct Loop {
    /// The pads and keys; `None`: only a terminal's.
    pub evdev: Option<Evdev>,
    /// Which key means what.
    pub map: Box<Map>,
    /// What was learned, and where it is kept.
    pub learned: (String, Option<PathBuf>),
    /// Somebody has described the buttons of this device.
    pub is_described: bool,
    /// What stands on the buttons.
    pub names: Names,
    /// The letters.
    pub font: Font,
    /// The texts of this module.
    pub words: LoopWords,
}

/// The texts of the loop's own two views.
#[derive(Clone, Debug, Default)]
pub struct LoopWords {
    /// Learning.
    pub learning: LearningWords,
    /// No buttons were found.
    pub lonely: String,
    /// What to do about it.
    pub lonely_why: String,
}

impl LoopWords {
    /// In that language.
    pub fn of(words: &Words) -> LoopWords {
        let learning = LearningWords {
            title: words.say(text::KEYS_TITLE),
            press: words.say(text::KEYS_PRESS),
            why: words.say(text::KEYS_WHY),
            again: words.say(text::KEYS_AGAIN),
            leave: words.say(text::KEYS_LEAVE),
        };
        LoopWords { learning, lonely: words.say(text::NO_KEYS), lonely_why: words.say(text::NO_KEYS_WHY) }
    }

    /// There are no buttons.
    pub fn lonely(&self) -> View {
        View {
            title: "RetroSync".into(),
            blocks: vec![
                Block::Heading { tone: Tone::Look, text: self.lonely.clone() },
                Block::Text { tone: Tone::Plain, text: self.lonely_why.clone() },
            ],
            ..View::default()
        }
    }
}

/// What is going on.
struct Turns<'a> {
    with: &'a mut Loop,
    app: &'a mut App,
    place: &'a mut Place,
    mapping: Mapping,
    held: Held,
    learning: Learning,
    typed: Typed,
    /// What one picture waits to press.
    ahead: Vec<Press>,
    shown: Option<View>,
    began: Instant,
    /// When a button was pressed last for one picture.
    since: Instant,
    /// Since when there is no device with buttons.
    lonely: Option<Instant>,
    /// What was learned is not on the card yet.
    is_unkept: bool,
}

/// Runs until the person is done.
///
/// # Errors
/// There are no buttons.
pub fn run(with: &mut Loop, app: &mut App, place: &mut Place) -> Result<()> {
    let resized = resizes();
    let mut turns = Turns {
        mapping: (with.map)("", false),
        learning: Learning::new(with.is_described || !with.learned.0.is_empty()),
        with,
        app,
        place,
        held: Held::default(),
        typed: Typed::default(),
        ahead: Vec::new(),
        shown: None,
        began: Instant::now(),
        since: Instant::now(),
        lonely: None,
        is_unkept: false,
    };
    turns.remap();
    loop {
        turns.notice_buttons()?;
        turns.draw();
        if turns.is_shot_ready() {
            return turns.place.write_shot();
        }
        if turns.wait(resized.as_ref())? == Turn::End {
            turns.keep();
            return turns.is_allowed_to_end();
        }
    }
}

impl Turns<'_> {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Is there a terminal to type on?
    fn types(&self) -> bool {
        matches!(self.place, Place::Terminal(_))
    }

    fn is_shot(&self) -> bool {
        matches!(self.place, Place::Shot(..))
    }

    /// One picture is taken when all was pressed and all is known that the card and the server say.
    fn is_shot_ready(&self) -> bool {
        let is_pressed = self.ahead.is_empty() && self.with.evdev.as_ref().is_none_or(Evdev::is_empty);
        self.is_shot() && is_pressed && self.is_settled()
    }

    /// Is there nothing to wait for? After a while a picture is taken of the waiting.
    fn is_settled(&self) -> bool {
        self.app.is_settled() || self.since.elapsed() > SHOT
    }

    /// Who asked for one picture gets it, or is told.
    fn is_allowed_to_end(&self) -> Result<()> {
        if !self.is_shot() {
            return Ok(());
        }
        let cause = "a button closed the screen before it was taken";
        Err(Error::new(Kind::Misused, "cannot take a picture of the screen", cause)
            .help("press Back less often"))
    }

    fn remap(&mut self) {
        let in_a_row = self.with.evdev.as_ref().is_some_and(Evdev::counts_in_a_row);
        self.mapping = (self.with.map)(&self.with.learned.0, in_a_row);
    }

    fn notice_buttons(&mut self) -> Result<()> {
        let has_buttons =
            self.types() || self.is_shot() || self.with.evdev.as_ref().is_some_and(|all| !all.is_empty());
        if has_buttons {
            self.lonely = None;
            return Ok(());
        }
        let since = *self.lonely.get_or_insert_with(Instant::now);
        if since.elapsed() < self.lonely_limit() {
            return Ok(());
        }
        Err(Error::new(
            Kind::Misused,
            "cannot use the screen",
            "there is no device with buttons in `/dev/input`",
        )
        .help("`retrosync status` and `retrosync pair` do without"))
    }

    fn lonely_limit(&self) -> Duration {
        let may_come = self.with.evdev.as_ref().is_none_or(Evdev::may_come);
        if may_come { LONELY } else { LONELY_FOR_GOOD }
    }

    fn view(&self) -> View {
        let words = &self.with.words;
        if self.lonely.is_some() {
            return words.lonely();
        }
        if self.learning.is_on() { self.learning.view(&words.learning) } else { self.app.view() }
    }

    fn draw(&mut self) {
        let view = self.view();
        if self.shown.as_ref() != Some(&view) {
            self.place.show(&view, &self.with.font, self.with.names);
            self.shown = Some(view);
        }
    }

    /// How long to wait at most; `None`: until something happens.
    fn patience_ms(&self) -> Option<u64> {
        let held = self.held.wait_ms(self.now_ms());
        let until = |since: Option<Instant>, limit: Duration| {
            since.map(|since| limit.saturating_sub(since.elapsed()).as_millis() as u64 + 1)
        };
        let lonely = until(self.lonely, self.lonely_limit());
        let shot = until(self.is_shot().then_some(self.since), SHOT);
        let learning = self.learning.wait_ms(self.now_ms());
        let typed = self.typed.is_open().then_some(Typed::WAIT_MS);
        let ahead = (!self.ahead.is_empty() && self.is_settled()).then_some(0);
        [held, lonely, shot, learning, typed, ahead].into_iter().flatten().min()
    }

    /// Waits for whatever happens next and takes it in.
    fn wait(&mut self, resized: Option<&PipeReader>) -> Result<Turn> {
        let input = std::io::stdin();
        let mut waited: Vec<BorrowedFd<'_>> = vec![self.app.news()];
        if self.types() {
            waited.push(input.as_fd());
            waited.extend(resized.map(AsFd::as_fd));
        }
        let own = waited.len();
        waited.extend(self.with.evdev.iter().flat_map(Evdev::descriptors));
        let ready = poll(&waited, self.patience_ms());
        let is_ready = |at: usize| ready.get(at).copied().unwrap_or_default();
        let (has_news, is_typed, is_resized) = (is_ready(0), own > 1 && is_ready(1), own > 2 && is_ready(2));
        let is_pressed = ready.iter().skip(own).any(|ready| *ready);
        // Time went by, and nothing else.
        let is_quiet = !ready.contains(&true);
        drop(waited);
        let mut turn = Turn::Same;
        self.learning.look(self.now_ms());
        if has_news {
            turn = self.app.hear();
        }
        if is_resized {
            drain(resized);
            self.shown = None;
        }
        if turn != Turn::End && (is_typed || is_quiet && self.typed.is_open()) {
            turn = self.typed(is_typed.then(|| input.as_fd()));
        }
        if is_pressed && turn != Turn::End {
            turn = self.pressed();
        }
        if turn != Turn::End && self.is_settled() && !self.ahead.is_empty() {
            let press = self.ahead.remove(0);
            self.since = Instant::now();
            turn = self.one(press);
        }
        if turn != Turn::End
            && let Some(button) = self.held.due(self.now_ms())
        {
            turn = self.press(button);
        }
        Ok(turn)
    }

    /// What was typed; without an input nothing more came of half a key.
    fn typed(&mut self, input: Option<BorrowedFd<'_>>) -> Turn {
        let Some(input) = input else {
            let buttons = self.typed.end();
            return self.press_all(&buttons);
        };
        // Whoever typed is gone, and so is the terminal.
        let Some(bytes) = terminal::read(input) else { return Turn::End };
        let types = self
            .shown
            .iter()
            .flat_map(|view| &view.blocks)
            .any(|block| matches!(block, Block::Keyboard { .. }));
        let buttons = self.typed.take(&bytes, types);
        self.press_all(&buttons)
    }

    fn press_all(&mut self, buttons: &[Button]) -> Turn {
        if buttons.iter().any(|button| self.press(*button) == Turn::End) { Turn::End } else { Turn::Draw }
    }

    fn press(&mut self, button: Button) -> Turn {
        let turn = self.app.press(button);
        if turn == Turn::Learn {
            self.held.let_go();
            self.learning.begin(self.now_ms());
        }
        turn
    }

    fn pressed(&mut self) -> Turn {
        let Some(evdev) = &mut self.with.evdev else { return Turn::Same };
        let mut pressed = Vec::new();
        let Change { let_go, others } = evdev.read(&mut pressed);
        if others {
            self.remap();
        }
        if self.is_shot() {
            self.ahead.extend(pressed);
            return Turn::Same;
        }
        let mut turn = Turn::Same;
        for press in pressed {
            match self.one(press) {
                Turn::End => return Turn::End,
                Turn::Same => {}
                other => turn = other,
            }
        }
        if let_go {
            // Its keys will not come up any more.
            self.held.let_go();
        }
        turn
    }

    /// One key.
    fn one(&mut self, press: Press) -> Turn {
        if !press.is_down {
            self.held.up(press.key);
            return Turn::Same;
        }
        let now_ms = self.now_ms();
        if self.learning.is_on() {
            if let Some(learned) = self.learning.take(press.key, now_ms) {
                self.with.learned.0 = learned;
                self.is_unkept = true;
                self.remap();
                self.keep();
            }
            return Turn::Draw;
        }
        match self.mapping.button(press.key) {
            Some(button) => {
                self.learning.known(button);
                self.held.down(press.key, button, now_ms);
                self.press(button)
            }
            None => {
                self.learning.strange(press.key, now_ms);
                Turn::Draw
            }
        }
    }

    /// Keeps what was learned. A card that was not paired yet has no place for it; perhaps it has at the end.
    fn keep(&mut self) {
        if let (true, (learned, Some(path))) = (self.is_unkept, &self.with.learned)
            && keep_learned(path, learned).is_ok()
        {
            self.is_unkept = false;
        }
    }
}

/// Keeps what was learned of the buttons; a cut leaves what was known before or this.
///
/// # Errors
/// When the card cannot take it.
pub fn keep_learned(path: &Path, learned: &str) -> io::Result<()> {
    replace(&Os, path.parent().unwrap_or(path), path, learned.as_bytes(), &mut |_| {})
}

/// Which of these can be read; waits so long at most.
fn poll(descriptors: &[BorrowedFd<'_>], patience_ms: Option<u64>) -> Vec<bool> {
    let wanted = |descriptor: &BorrowedFd<'_>| libc::pollfd {
        fd: descriptor.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let mut all: Vec<libc::pollfd> = descriptors.iter().map(wanted).collect();
    let patience = patience_ms.map_or(-1, |wait| i32::try_from(wait).unwrap_or(i32::MAX));
    // SAFETY: `all` lives until the call returns and has that many entries.
    let count = unsafe { libc::poll(all.as_mut_ptr(), all.len() as libc::nfds_t, patience) };
    all.iter().map(|one| count > 0 && one.revents != 0).collect()
}

/// Where a signal handler tells that the terminal has another size.
static RESIZED: AtomicI32 = AtomicI32::new(-1);

extern "C" fn tell_resized(_signal: libc::c_int) {
    // SAFETY: `write` may be called in a handler; a full pipe has told already.
    unsafe { libc::write(RESIZED.load(Ordering::Relaxed), [0u8].as_ptr().cast(), 1) };
}

/// A pipe that gets a byte when the terminal has another size.
fn resizes() -> Option<PipeReader> {
    let (reader, writer) = std::io::pipe().ok()?;
    for descriptor in [reader.as_raw_fd(), writer.as_raw_fd()] {
        // SAFETY: plain numbers.
        unsafe { libc::fcntl(descriptor, libc::F_SETFL, libc::O_NONBLOCK) };
    }
    RESIZED.store(writer.as_raw_fd(), Ordering::Relaxed);
    // The handler keeps it for as long as the process lives.
    std::mem::forget(writer);
    let handler = tell_resized as extern "C" fn(libc::c_int);
    // SAFETY: the handler does nothing but write.
    unsafe { libc::signal(libc::SIGWINCH, handler as libc::sighandler_t) };
    Some(reader)
}

fn drain(reader: Option<&PipeReader>) {
    use std::io::Read as _;
    if let Some(mut reader) = reader {
        while reader.read(&mut [0; 64]).is_ok_and(|length| length > 0) {}
    }
}
