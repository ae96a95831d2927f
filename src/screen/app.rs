//! The pages and what they know, behind the four verbs that the loop needs: `view`, `press`, `news`, `hear`.
//!
//! Never draws, never blocks: whatever takes time is done by the model's threads or by an errand, which write a byte into a
//! pipe when they know more.

use std::ffi::OsString;
use std::io::Read;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::parts::open::needs_route;
use crate::playing::boot_ms;
use crate::screen::errands::{self, AND, Errands, Reply, THEN};
use crate::screen::known::{Card, Known};
use crate::screen::model::{Model, News, Order, has_route};
use crate::screen::pages::{Act, Deed, Home, Note, Page, Pair, Seen};
use crate::screen::view::{Button, Turn, View};
use crate::screen::words::{Words, text};

/// A command's arguments with the flags that `screen` was given.
pub type Arguments = dyn Fn(&[&str]) -> Vec<OsString>;

/// What the app needs of the command that opens it.
pub struct Start {
    /// The configuration.
    pub config: Config,
    /// Runs a command of this program in the process that calls it; answers its exit code.
    pub run: fn(Vec<OsString>) -> i32,
    /// A command's arguments with the flags that this command was given.
    pub with: Box<Arguments>,
    /// Where servers are asked for.
    pub ask: SocketAddr,
}

/// What is on the screen.
pub struct App {
    known: Known,
    words: Words,
    language: String,
    pages: Vec<Box<dyn Page>>,
    model: Model,
    errands: Errands,
    with: Box<Arguments>,
    /// The daemon was asked to start, and a card without a pairing was led to it: once.
    greeted: bool,
}

impl App {
    /// The first page. Must be called while this process has one thread: a part of it goes its own way.
    ///
    /// # Errors
    /// When the system gives no pipe, process or thread.
    pub fn open(start: Start) -> Result<App> {
        let (errands, replies) =
            errands::begin(start.run).map_err(|error| Error::io("cannot open the screen", &error))?;
        let language = language(&start.config);
        Ok(App {
            known: Known { route: has_route(), boot_ms: boot_ms(), ..Known::default() },
            words: Words::of(&language),
            language,
            pages: vec![Box::new(Home::default())],
            model: Model::begin(&start.config, start.ask, replies)?,
            errands,
            with: start.with,
            greeted: false,
        })
    }

    /// What is to be seen now.
    pub fn view(&self) -> View {
        let seen = Seen { known: &self.known, words: &self.words };
        // The first page says what is wrong with the card; the others would tell of what is not there.
        let page = if self.known.failed.is_some() { self.pages.first() } else { self.pages.last() };
        page.map(|page| page.view(&seen)).unwrap_or_default()
    }

    /// A button was pressed, or is held and repeats.
    pub fn press(&mut self, button: Button) -> Turn {
        self.known.boot_ms = boot_ms();
        if self.known.failed.is_some() {
            return if button == Button::Back { Turn::End } else { Turn::Same };
        }
        let seen = Seen { known: &self.known, words: &self.words };
        let act = self.pages.last_mut().map_or(Act::Same, |page| page.press(button, &seen));
        self.act(act)
    }

    /// Readable when [`App::hear`] should be called: poll it beside the buttons, without a timeout.
    pub fn news(&self) -> BorrowedFd<'_> {
        self.model.woken.as_fd()
    }

    /// Takes what became known meanwhile; call it only when [`App::news`] is readable.
    pub fn hear(&mut self) -> Turn {
        let _ = self.model.woken.read(&mut [0; 64]);
        self.known.boot_ms = boot_ms();
        let near = self.known.card.as_ref().is_some_and(|card| !needs_route(&card.server));
        self.known.route = near || has_route();
        let mut turn = Turn::Same;
        for mut news in self.model.news() {
            self.take_in(&mut news);
            let seen = Seen { known: &self.known, words: &self.words };
            let act = self.pages.last_mut().map_or(Act::Same, |page| page.hear(&news, &seen));
            if self.act(act) != Turn::Same {
                turn = Turn::Draw;
            }
        }
        turn
    }

    /// What concerns every page.
    fn take_in(&mut self, news: &mut News) {
        match news {
            News::Looked(looked) => match std::mem::replace(&mut **looked, Ok(Card::default())) {
                Ok(card) => self.looked(card),
                Err(error) => self.known.failed = Some(error),
            },
            News::Now(now) => {
                let look = now.cycles != self.known.now.cycles || !self.known.runs;
                self.known.runs = true;
                self.known.now = now.clone();
                if look {
                    self.model.order(Order::Look);
                }
            }
            News::Alone if self.known.runs => {
                self.known.runs = false;
                self.known.now = crate::live::Now::default();
                self.model.order(Order::Look);
            }
            News::Errand(Reply::Ended(_)) => {
                self.model.order(Order::Look);
                self.model.look_for_daemon();
            }
            News::Set(Err(error)) => {
                let text = format!("{}: {}", error.doing, error.cause);
                self.open_page(Box::new(Note(self.words.say(text::FAILED), text)));
            }
            // A card that was pulled, a clock that goes on.
            News::Minute => self.model.order(Order::Look),
            _ => {}
        }
    }

    fn looked(&mut self, card: Card) {
        let language = language(&card.config);
        if language != self.language {
            self.words = Words::of(&language);
            self.language = language;
        }
        self.known.failed = None;
        if !self.greeted {
            self.greeted = true;
            if card.paired {
                // What an update of the firmware removed comes back; a daemon that runs already stays.
                self.errand(if card.boot.is_some() { &["boot", "keep", THEN, "start"] } else { &["start"] });
            } else {
                self.open_page(Box::new(Pair::default()));
            }
        }
        self.known.card = Some(card);
    }

    fn act(&mut self, act: Act) -> Turn {
        match act {
            Act::Same => return Turn::Same,
            Act::Draw => {}
            Act::Open(page) => self.open_page(page),
            Act::Swap(page) => {
                self.pages.pop();
                self.open_page(page);
            }
            Act::Back => {
                self.pages.pop();
            }
            Act::Do(deed) => self.deed(deed),
            Act::Both(first, second) => {
                self.deed(first);
                self.deed(second);
            }
            Act::DoBack(deed) => {
                self.deed(deed);
                self.pages.pop();
            }
        }
        if self.pages.is_empty() { Turn::End } else { Turn::Draw }
    }

    fn open_page(&mut self, mut page: Box<dyn Page>) {
        let deed = page.begins();
        self.pages.push(page);
        // Whoever goes on should not read what was so an hour ago.
        self.model.order(Order::Look);
        if let Some(deed) = deed {
            self.deed(deed);
        }
    }

    fn deed(&mut self, deed: Deed) {
        match deed {
            Deed::Order(order) => self.model.order(order),
            Deed::Errand(words) => self.errand(&words.iter().map(String::as_str).collect::<Vec<_>>()),
            Deed::Cancel => self.errands.cancel(),
        }
    }

    /// Each of the commands gets the flags that we were given.
    fn errand(&mut self, words: &[&str]) {
        let is_between = |word: &&str| **word == *AND || **word == *THEN;
        let mut arguments = Vec::new();
        for (number, command) in words.split(is_between).enumerate() {
            if number > 0 {
                let between = words.iter().filter(|word| is_between(word)).nth(number - 1);
                arguments.extend(between.map(OsString::from));
            }
            arguments.extend((self.with)(command));
        }
        self.errands.send(&arguments);
    }
}

/// What was chosen, else what the device speaks.
pub(crate) fn language(config: &Config) -> String {
    let of = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    config.language.clone().or_else(|| of("LC_ALL")).or_else(|| of("LANG")).unwrap_or_default()
}

/// Nothing here can show it.
pub fn no_screen() -> Error {
    Error::new(Kind::Misused, "cannot open the screen", "there is no framebuffer and no terminal")
        .help("`retrosync status` and `retrosync pair` do without")
}
