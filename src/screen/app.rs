//! The pages and what they know, behind the four verbs that the loop needs: `view`, `press`, `news`, `hear`.
//!
//! Never draws, never blocks: whatever takes time is done by the model's threads or by an errand, which write a byte into a
//! pipe when they know more. All pages hear all news; only the one in front may open and leave pages.

use std::ffi::OsString;
use std::io::Read;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use crate::boot::State;
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::parts::open::needs_route;
use crate::playing::boot_ms;
use crate::screen::errands::{self, AND, Errands, Reply, THEN};
use crate::screen::known::{Card, Known, Outcome};
use crate::screen::model::{Model, News, Order, has_route};
use crate::screen::pages::{Act, Deed, Home, Note, PLAYING, Page, Pair, Seen};
use crate::screen::view::{Button, Turn, View};
use crate::screen::words::Words;

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
    /// Start the daemon if it does not run.
    pub starts_daemon: bool,
    /// There is a pad whose buttons can be learned.
    pub has_pad: bool,
}

/// What is on the screen.
pub struct App {
    pub(super) known: Known,
    words: Words,
    language: String,
    pub(super) pages: Vec<Box<dyn Page>>,
    pub(super) model: Model,
    errands: Errands,
    with: Box<Arguments>,
    pub(super) starts_daemon: bool,
    /// The daemon was asked to start, and a card without a pairing was led to it: once.
    greeted: bool,
    /// The number of the next order: none has the number of another.
    number: u64,
    /// So many orders are not answered yet.
    open_orders: usize,
    /// So many of them were lines of the configuration.
    sets: u64,
    /// The last errand; the one that ended last; the one that nobody asked for.
    errand: u64,
    ended: u64,
    greeting: u64,
    /// It is known whether there is a daemon.
    has_watched: bool,
    /// The buttons should be learned anew.
    learns: bool,
}

impl App {
    /// The first page. Must be called while this process has one thread: a part of it goes its own way.
    ///
    /// # Errors
    /// When the system gives no pipe, process or thread.
    pub fn open(start: Start) -> Result<App> {
        let (errands, replies) =
            errands::begin(start.run).map_err(|error| Error::io("cannot open the screen", &error))?;
        let model = Model::begin(&start.config, start.ask, replies)?;
        let known =
            Known { route: has_route(), boot_ms: boot_ms(), has_pad: start.has_pad, ..Known::default() };
        let mut app = App::of(known, &language(&start.config), model, errands, start.with);
        app.starts_daemon = start.starts_daemon;
        app.order(Order::Look);
        Ok(app)
    }

    /// With all that it is made of.
    pub(super) fn of(
        known: Known,
        language: &str,
        model: Model,
        errands: Errands,
        with: Box<Arguments>,
    ) -> App {
        App {
            known,
            words: Words::of(language),
            language: language.to_owned(),
            pages: vec![Box::new(Home::default())],
            model,
            errands,
            with,
            starts_daemon: false,
            greeted: false,
            number: 1,
            open_orders: 0,
            sets: 0,
            errand: 0,
            ended: 0,
            greeting: 0,
            has_watched: false,
            learns: false,
        }
    }

    /// Is all known that was asked for?
    pub fn is_settled(&self) -> bool {
        self.open_orders == 0 && self.has_watched
    }

    fn order(&mut self, order: Order) {
        self.open_orders += 1;
        self.model.order(order);
    }

    /// What is to be seen now.
    pub fn view(&self) -> View {
        let seen = Seen { known: &self.known, words: &self.words, number: self.number };
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
        self.number += 1;
        let seen = Seen { known: &self.known, words: &self.words, number: self.number };
        let act = self.pages.last_mut().map_or(Act::Same, |page| page.press(button, &seen));
        let turn = self.act(act);
        if std::mem::take(&mut self.learns) { Turn::Learn } else { turn }
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
        for news in self.model.news() {
            if self.hear_one(news) != Turn::Same {
                turn = Turn::Draw;
            }
        }
        turn
    }

    /// One of the news, for everybody.
    pub(super) fn hear_one(&mut self, mut news: News) -> Turn {
        let page = self.take_in(&mut news);
        let (mut turn, front) = (Turn::Same, self.pages.len().saturating_sub(1));
        for at in 0..=front {
            self.number += 1;
            let seen = Seen { known: &self.known, words: &self.words, number: self.number };
            let act = self.pages.get_mut(at).map_or(Act::Same, |page| page.hear(&news, &seen));
            // Who is not in front does not come to the front.
            if at == front || matches!(act, Act::Do(_)) {
                turn = self.act(act);
            }
        }
        if let Some(page) = page {
            self.open_page(page);
        }
        turn
    }

    /// What concerns all pages; what nobody waits for any more gets a page of its own.
    fn take_in(&mut self, news: &mut News) -> Option<Box<dyn Page>> {
        match news {
            News::Looked(sets, looked) => match std::mem::replace(&mut **looked, Ok(Card::default())) {
                Ok(card) => self.looked(card, *sets),
                Err(error) => self.known.failed = Some(error),
            },
            News::Now(now) => {
                self.has_watched = true;
                let look = now.cycles != self.known.now.cycles || !self.known.runs;
                self.known.runs = true;
                self.known.now = now.clone();
                if look {
                    self.order(Order::Look);
                }
            }
            News::Alone => {
                self.has_watched = true;
                if self.known.runs {
                    self.known.runs = false;
                    self.known.now = crate::live::Now::default();
                    self.order(Order::Look);
                }
            }
            News::Errand(number, reply) => return self.errand_says(*number, reply),
            News::Done(number, Outcome { done, .. }) => {
                self.order(Order::Look);
                let error = done.as_ref().err().filter(|_| !self.is_awaited(*number));
                return error.cloned().map(Note::failed);
            }
            News::NotSet(error) => return Some(Note::failed(error.clone())),
            News::Through(count) => self.open_orders = self.open_orders.saturating_sub(*count),
            _ => {}
        }
        None
    }

    /// Does a page wait for what has that number?
    fn is_awaited(&self, number: u64) -> bool {
        self.pages.iter().any(|page| page.awaits(number))
    }

    fn errand_says(&mut self, number: u64, reply: &Reply) -> Option<Box<dyn Page>> {
        let failed = match reply {
            Reply::Said(value) => {
                errands::error(&value["error"]).or_else(|| errands::error(&value["problems"][0]))?
            }
            Reply::Ended(code) => {
                self.ended = number;
                self.order(Order::Look);
                self.model.look_for_daemon();
                if *code == 0 {
                    self.known.errand = None;
                }
                return None;
            }
        };
        if self.is_awaited(number) {
            return None;
        }
        let page = (number != self.greeting).then(|| Note::failed(failed.clone()));
        self.known.errand = Some(failed);
        page
    }

    fn looked(&mut self, mut card: Card, sets: u64) {
        if let Some(old) = &self.known.card {
            // What was chosen since that look began holds.
            if sets < self.sets {
                card.config.leave_out.clone_from(&old.config.leave_out);
                card.config.rests_while_playing = old.config.rests_while_playing;
            }
            if self.ended < self.errand {
                card.boot = old.boot;
            }
        }
        let language = language(&card.config);
        if language != self.language {
            self.words = Words::of(&language);
            self.language = language;
        }
        self.known.failed = None;
        if !self.greeted {
            self.greeted = true;
            if !card.paired {
                self.open_page(Box::new(Pair::default()));
            } else if self.starts_daemon {
                // What an update of the firmware removed comes back; a daemon that runs already stays.
                self.number += 1;
                self.greeting = self.number;
                let words =
                    if card.boot.is_some() { &["boot", "keep", THEN, "start"][..] } else { &["start"] };
                self.errand(self.number, words);
            }
        }
        if !self.known.runs {
            self.model.look_for_daemon();
        }
        self.known.card = Some(card);
    }

    pub(super) fn act(&mut self, act: Act) -> Turn {
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
        self.order(Order::Look);
        if let Some(deed) = deed {
            self.deed(deed);
        }
    }

    fn deed(&mut self, deed: Deed) {
        match deed {
            Deed::Order(order) => {
                self.foresee(&order);
                self.order(order);
            }
            Deed::Errand(number, words) => {
                self.errand(number, &words.iter().map(String::as_str).collect::<Vec<_>>());
            }
            Deed::Cancel => {
                self.ended = self.errand;
                self.errands.cancel();
            }
            Deed::Learn => self.learns = true,
        }
    }

    /// A switch shows at once what it was set to, so that the next press means what is seen.
    fn foresee(&mut self, order: &Order) {
        let config = self.known.card.as_mut().map(|card| &mut card.config);
        match (order, config) {
            (Order::LeaveOut(word, out), Some(config)) => config.leave_out.leave_out(word, *out),
            (Order::Set(PLAYING, value), Some(config)) => config.rests_while_playing = value == "false",
            _ => {}
        }
        self.sets += u64::from(matches!(order, Order::LeaveOut(..) | Order::Set(..)));
    }

    /// Each of the commands gets the flags that we were given.
    fn errand(&mut self, number: u64, words: &[&str]) {
        if let (["boot", word], Some(card)) = (words, &mut self.known.card) {
            card.boot = Some(if *word == "on" { State::On } else { State::Off });
        }
        let is_between = |word: &&str| **word == *AND || **word == *THEN;
        let mut arguments = Vec::new();
        for (number, command) in words.split(is_between).enumerate() {
            if number > 0 {
                let between = words.iter().filter(|word| is_between(word)).nth(number - 1);
                arguments.extend(between.map(OsString::from));
            }
            arguments.extend((self.with)(command));
        }
        self.errand = number;
        if let Err(error) = self.errands.send(number, &arguments) {
            self.open_page(Note::failed(error));
        }
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
