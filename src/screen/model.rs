//! What the screen knows comes from here: looks at the card, hears the daemon, has wishes carried out.
//!
//! Whatever takes time is done by a thread, never by the one that draws. Reads beside a running daemon and takes the card
//! only as every command does, through the door. Where the daemon ends or the card is pulled, that is news like any other.
//! Three kinds of threads: one that reads and sets, one for wishes (a server may be slow), one for each question to a server.

use std::io::{PipeReader, PipeWriter, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use retrosync_protocol::{Digest, SaveId};

use crate::boot::Boot;
use crate::choice::Wish;
use crate::config::{Config, file};
use crate::discover::{self, Found};
use crate::door;
use crate::error::{Error, Kind, Result};
use crate::facts;
use crate::live::Now;
use crate::network;
use crate::parts::Ground;
use crate::root::STATE_FOLDER;
use crate::screen::errands::{Replies, Reply};
use crate::screen::known::{Card, Outcome, Past, Shown, Source, State};
use crate::survey::{self, Survey};

/// How often the time that goes by is looked at, and a card that is not there.
const MINUTE: Duration = Duration::from_secs(60);
const GONE: Duration = Duration::from_secs(3);
const FOREVER: Duration = Duration::from_secs(86_400);
/// How long to wait before a daemon that was not there is looked for again: at first, and at most.
const AWAY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(60));
/// The end of the log that is shown, in lines.
const LOG_LINES: usize = 200;
const STACK_BYTES: usize = 256 << 10;

/// What is to be done. Numbers come back with the answer, so that each belongs to its order.
pub(super) enum Order {
    /// Look at the card.
    Look,
    /// Carry this out.
    Wish(u64, Wish),
    /// Bring all versions of a save.
    History(u64, SaveId),
    /// Look for servers.
    Find,
    /// Write a line of the configuration and tell the daemon.
    Set(&'static str, String),
    /// Leave that out, or take it in again: in the file as it is then.
    LeaveOut(String, bool),
    /// Read the end of the log.
    Log,
    /// List the firmwares.
    Profiles,
}

/// What became known.
pub(super) enum News {
    /// A look at the card, after so many lines of the configuration were set.
    Looked(u64, Box<Result<Card>>),
    /// The daemon says what it does.
    Now(Now),
    /// There is no daemon.
    Alone,
    /// Servers that answered.
    Found(Vec<Found>),
    /// What the errand of that number says.
    Errand(u64, Reply),
    /// The versions of a save; `None` beside them: the server is being asked.
    Past(u64, Vec<Past>, Option<Result<()>>),
    /// The wish of that number was carried out.
    Done(u64, Outcome),
    /// A line of the configuration was not written, or the daemon cannot use it.
    NotSet(Error),
    /// The end of the log.
    Log(Vec<String>),
    /// Names and titles of the firmwares.
    Profiles(Vec<(String, String)>),
    /// So many orders are answered.
    Through(usize),
    /// A minute went by.
    Minute,
}

/// What threads hand to one another. (Two channels of `std` are 8 KB on the card.)
struct Queue<T>(Mutex<Vec<T>>, Condvar);

impl<T> Queue<T> {
    fn new() -> Arc<Queue<T>> {
        Arc::new(Queue(Mutex::new(Vec::new()), Condvar::new()))
    }

    fn put(&self, one: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(one);
        self.1.notify_one();
    }

    /// All that there is; where there is nothing, waits for it that long.
    fn take(&self, wait: Duration) -> Vec<T> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.is_empty() && !wait.is_zero() {
            all = self.1.wait_timeout(all, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
        std::mem::take(&mut *all)
    }
}

/// Where threads tell what they know.
#[derive(Clone)]
struct Teller {
    news: Arc<Queue<News>>,
    wake: Arc<PipeWriter>,
}

impl Teller {
    fn tell(&self, news: News) {
        self.news.put(news);
        let _ = (&*self.wake).write(&[0]);
    }
}

/// Where orders are handed in, and news come from.
pub(super) struct Model {
    orders: Arc<Queue<Order>>,
    wishes: Arc<Queue<Order>>,
    watcher: Thread,
    /// Has a byte for each news.
    pub(super) woken: PipeReader,
    news: Arc<Queue<News>>,
}

impl Model {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives no pipe or no thread.
    pub(super) fn begin(config: &Config, ask: SocketAddr, replies: Replies) -> Result<Model> {
        let failed = |error: &std::io::Error| Error::io("cannot open the screen", error);
        let (woken, wake) = std::io::pipe().map_err(|e| failed(&e))?;
        let teller = Teller { news: Queue::new(), wake: Arc::new(wake) };
        let (orders, wishes) = (Queue::new(), Queue::new());
        for (orders, patience) in [(&orders, MINUTE), (&wishes, FOREVER)] {
            let (config, orders, teller) = (config.clone(), Arc::clone(orders), teller.clone());
            thread(Box::new(move || work(config, ask, patience, &orders, &teller)))?;
        }
        let (watch_config, to_watch, to_hear) = (config.clone(), teller.clone(), teller.clone());
        let watcher = thread(Box::new(move || watch(&watch_config, &to_watch)))?;
        thread(Box::new(move || hear(replies, &to_hear)))?;
        Ok(Model { orders, wishes, watcher, woken, news: teller.news })
    }

    /// One without a thread: what is ordered stays, to be looked at.
    #[cfg(test)]
    pub(super) fn still() -> Model {
        let (woken, _) = std::io::pipe().unwrap_or_else(|error| unreachable!("{error}"));
        let watcher = std::thread::current();
        Model { orders: Queue::new(), wishes: Queue::new(), watcher, woken, news: Queue::new() }
    }

    /// What was ordered of a model without a thread.
    #[cfg(test)]
    pub(super) fn ordered(&self) -> Vec<Order> {
        let mut all = self.orders.take(Duration::ZERO);
        all.extend(self.wishes.take(Duration::ZERO));
        all
    }

    /// There may be a daemon now.
    pub(super) fn look_for_daemon(&self) {
        self.watcher.unpark();
    }

    /// Hands one in.
    pub(super) fn order(&self, order: Order) {
        let queue = if matches!(order, Order::Wish(..)) { &self.wishes } else { &self.orders };
        queue.put(order);
    }

    /// What became known.
    pub(super) fn news(&self) -> Vec<News> {
        self.news.take(Duration::ZERO)
    }
}

/// One kind of closure for all: each kind is 400 bytes on the card.
fn thread(run: Box<dyn FnOnce() + Send>) -> Result<Thread> {
    let handle = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(run);
    handle.map(|handle| handle.thread().clone()).map_err(|error| Error::io("cannot open the screen", &error))
}

fn hear(replies: Replies, teller: &Teller) {
    replies.for_each(|(number, reply)| teller.tell(News::Errand(number, reply)));
}

/// Hears the daemon for ever; one that is not there is looked for now and then.
fn watch(config: &Config, teller: &Teller) {
    let mut away = AWAY.0;
    loop {
        let ground = config.again().and_then(Ground::find);
        let heard = ground.is_ok_and(|ground| {
            door::watch(&ground, &mut |now| {
                teller.tell(News::Now(now));
                true
            })
        });
        teller.tell(News::Alone);
        if heard {
            away = AWAY.0;
        }
        let began = Instant::now();
        std::thread::park_timeout(away);
        // Whoever woke us has just started one.
        away = if began.elapsed() < away { AWAY.0 } else { (away * 2).min(AWAY.1) };
    }
}

/// Carries out what is ordered. `patience`: after so long without an order it is time for a look at the clock, and whether
/// the card is there.
fn work(mut config: Config, ask: SocketAddr, patience: Duration, orders: &Queue<Order>, teller: &Teller) {
    let (mut pause, mut sets) = (patience, 0);
    loop {
        let ordered = orders.take(pause);
        // One look does for all that were ordered meanwhile.
        let mut looks = ordered.is_empty() && patience == MINUTE && (pause == GONE || !has_card(&config));
        if ordered.is_empty() {
            teller.tell(News::Minute);
        }
        let (mut through, before) = (ordered.len(), sets);
        for order in ordered {
            match order {
                Order::Look => looks = true,
                Order::Wish(number, wish) => teller.tell(News::Done(number, carry_out(&config, &wish))),
                // A server that does not answer holds up nothing else.
                Order::History(..) | Order::Find => {
                    let (config, teller) = (config.clone(), teller.clone());
                    through -=
                        usize::from(thread(Box::new(move || inquire(config, ask, order, &teller))).is_ok());
                }
                Order::Set(name, value) => {
                    sets += 1;
                    set(&config, name, &value, teller);
                }
                Order::LeaveOut(word, out) => {
                    sets += 1;
                    match config.again() {
                        Ok(Config { mut leave_out, .. }) => {
                            leave_out.leave_out(&word, out);
                            set(&config, "leave_out", &leave_out.text(), teller);
                        }
                        Err(error) => teller.tell(News::NotSet(error)),
                    }
                }
                Order::Profiles => {
                    let (profiles, _) = facts::profiles(Path::new(""));
                    let named = profiles.into_iter().map(|profile| (profile.name, profile.title));
                    teller.tell(News::Profiles(named.collect()));
                }
                Order::Log => teller.tell(News::Log(end_of_log(&config))),
            }
        }
        if sets != before {
            looks = true;
            if let Err(error) = tell_daemon(&config) {
                teller.tell(News::NotSet(error));
            }
        }
        if looks {
            if let Ok(again) = config.again() {
                config = again;
            }
            let card = look(config.clone());
            pause = if card.is_ok() { MINUTE } else { GONE };
            teller.tell(News::Looked(sets, Box::new(card)));
        }
        if through > 0 {
            teller.tell(News::Through(through));
        }
    }
}

/// Is there a card with our marker?
fn has_card(config: &Config) -> bool {
    Ground::find(config.clone()).is_ok_and(|ground| ground.mark_of_primary().is_ok())
}

/// What is asked of servers.
fn inquire(config: Config, ask: SocketAddr, order: Order, teller: &Teller) {
    match order {
        Order::History(number, save) => history(config, number, &save, teller),
        _ => teller.tell(News::Found(discover::servers(ask))),
    }
    teller.tell(News::Through(1));
}

fn set(config: &Config, name: &str, value: &str, teller: &Teller) {
    if let Err(error) = file::write(config, name, value) {
        teller.tell(News::NotSet(error));
    }
}

/// The daemon reads what was written, if there is one; else its next start does.
fn tell_daemon(config: &Config) -> Result<()> {
    let ground = Ground::find(config.again()?)?;
    if ground.is_taken() {
        door::tell_settings(&ground)?;
    }
    Ok(())
}

fn look(config: Config) -> Result<Card> {
    let ground = Ground::find(config)?;
    let hooks = file::beside("hooks.toml");
    let boot = hooks.as_deref().and_then(Path::parent).and_then(|app| Boot::of(app).ok());
    let state_dir = ground.primary()?.join(STATE_FOLDER);
    let mut card = Card {
        server: ground.config.server.clone().unwrap_or_default(),
        device: ground.device_name(),
        firmware: ground.profile.title.clone(),
        profile: ground.profile.name.clone(),
        boot: boot.map(|boot| boot.state()),
        config: ground.config.clone(),
        given_up: given_up(&state_dir),
        ..Card::default()
    };
    match Survey::of(&ground) {
        Ok(survey) => fill(&mut card, &ground, survey),
        // It has no marker yet: there is nothing to tell, and nothing is wrong.
        Err(error) if error.kind == Kind::Unpaired && !state_dir.exists() && is_mounted(&ground) => {}
        Err(error) => return Err(error),
    }
    Ok(card)
}

/// A supervisor that gave up says why, in the line below its number.
fn given_up(state_dir: &Path) -> String {
    let text = std::fs::read_to_string(state_dir.join("supervisor")).unwrap_or_default();
    text.lines().nth(1).map(|why| why.trim_end().to_owned()).unwrap_or_default()
}

/// Is there anything where the card should be?
fn is_mounted(ground: &Ground) -> bool {
    ground
        .primary()
        .and_then(|dir| std::fs::read_dir(dir).map_err(|e| Error::io("", &e)))
        .is_ok_and(|mut dir| dir.next().is_some())
}

fn fill(card: &mut Card, ground: &Ground, survey: Survey) {
    let facts = &survey.looked.identity.facts;
    card.paired = survey::is_paired(ground, &survey.looked);
    card.user = facts.user.clone().unwrap_or_default();
    card.server = facts.server.clone().unwrap_or(std::mem::take(&mut card.server));
    if !facts.device_name.is_empty() {
        card.device.clone_from(&facts.device_name);
    }
    card.unsafe_because = survey.unsafe_because(ground);
    card.last_exchange_unix_s = survey::last_exchange(ground);
    let standing = survey.standing();
    (card.safe, card.queued) = (standing.safe, standing.alone + standing.unsure + survey.unread());
    card.strangers = survey.found.left_out.len();
    card.saves = shown(ground, &survey);
    card.questions = survey.plan.questions;
    card.halts = survey.plan.halts;
    card.problems = survey.problems.into_iter().map(|problem| problem.error).collect();
}

/// Every save with its state, by system, then by title.
fn shown(ground: &Ground, survey: &Survey) -> Vec<Shown> {
    let asked = survey.plan.questions.iter().map(|question| question.save()).collect();
    let (queued, unsure) = survey.queued();
    let [queued, comes, asked] =
        [[queued, unsure].concat(), survey.incoming(), asked].map(|mut saves: Vec<&SaveId>| {
            saves.sort();
            saves
        });
    let is_in = |saves: &[&SaveId], save: &SaveId| saves.binary_search(&save).is_ok();
    let here = &survey.found.local.saves;
    let mut all = survey::known(&survey.looked);
    all.extend(here.keys().cloned());
    let state = |save: &SaveId| match save {
        save if ground.config.leave_out.skips(save) => State::LeftOut,
        save if is_in(&asked, save) => State::Asked,
        save if is_in(&queued, save) => State::Queued,
        save if is_in(&comes, save) => State::Comes,
        save if here.contains_key(save) && survey.is_held(save) => State::Safe,
        save if here.contains_key(save) => State::Queued,
        _ => State::Away,
    };
    all.into_iter().map(|save| Shown { state: state(&save), save }).collect()
}

fn carry_out(config: &Config, wish: &Wish) -> Outcome {
    let save = match wish {
        Wish::Resolve { save, .. } | Wish::Restore { save, .. } | Wish::RestoreKept { save, .. } => {
            Some(save)
        }
        _ => None,
    };
    let ground = match Ground::find(config.clone()) {
        Ok(ground) => ground,
        Err(error) => return Outcome { done: Err(error), undo: None },
    };
    let is_here = |save: &SaveId| survey::here(&ground, &ground.look().ok()?, save);
    let before = save.and_then(is_here);
    let done = door::carry_out(&ground, wish);
    let replaced = done.is_ok() && before.is_some() && save.and_then(is_here) != before;
    let undo = save.zip(before).filter(|_| replaced).and_then(|(save, before)| {
        let kept = survey::kept(&ground.look().ok()?, save);
        let (root, entry) = kept.into_iter().find(|(_, entry)| entry.content.digest == before)?;
        Some(Wish::RestoreKept { save: save.clone(), root, number: entry.number })
    });
    Outcome { done, undo }
}

/// The kept copies at once; with the server's versions as soon as it answers.
fn history(config: Config, number: u64, save: &SaveId, teller: &Teller) {
    let tell = |past, asked| teller.tell(News::Past(number, past, asked));
    let ground = match Ground::find(config) {
        Ok(ground) => ground,
        Err(error) => return tell(Vec::new(), Some(Err(error))),
    };
    let looked = match ground.look() {
        Ok(looked) => looked,
        Err(error) => return tell(Vec::new(), Some(Err(error))),
    };
    let here = survey::here(&ground, &looked, save);
    let kept: Vec<(Digest, Past)> = survey::kept(&looked, save)
        .into_iter()
        .map(|(root, entry)| {
            let digest = entry.content.digest;
            let past = Past {
                source: Source::Kept(root, entry.number),
                unix_s: entry.kept.unix_s,
                device: String::new(),
                size_bytes: Some(entry.content.size_bytes),
                here: here == Some(digest),
                newest: false,
                doubted: false,
            };
            (digest, past)
        })
        .collect();
    tell(kept.iter().map(|(_, past)| past.clone()).collect(), None);
    let asked = ground.remote(&looked.identity).and_then(|mut remote| survey::all(&mut *remote, save));
    let (versions, asked) = match asked {
        Ok(versions) => (versions, Ok(())),
        Err(error) if matches!(error.kind, Kind::Refused(_)) => (Vec::new(), Ok(())),
        Err(error) => (Vec::new(), Err(error)),
    };
    let stored: Vec<Digest> =
        versions.iter().filter_map(|entry| entry.record.content).map(|content| content.digest).collect();
    let mut past: Vec<Past> = versions
        .into_iter()
        .map(|entry| Past {
            source: Source::Server(entry.version),
            unix_s: entry.received_unix_s,
            device: entry.device_name,
            size_bytes: entry.record.content.map(|content| content.size_bytes),
            here: here.is_some() && entry.record.content.map(|content| content.digest) == here,
            newest: entry.head,
            doubted: entry.record.suspect,
        })
        .collect();
    // What the server has too need not be listed twice.
    past.extend(kept.into_iter().filter(|(digest, _)| !stored.contains(digest)).map(|(_, past)| past));
    tell(past, Some(asked));
}

fn end_of_log(config: &Config) -> Vec<String> {
    let path = Ground::find(config.clone()).and_then(|ground| {
        let card = ground.primary()?.join(STATE_FOLDER);
        Ok(card.join("log.txt"))
    });
    // It is cut at 128 KiB, so it may be read whole; a card that fails in between is no reason for no screen.
    let bytes = path.ok().and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let mut lines: Vec<String> = text.lines().rev().take(LOG_LINES).map(str::to_owned).collect();
    if lines.is_empty() {
        lines.push("-".into());
    }
    lines
}

/// Is there a way out of this device?
pub(super) fn has_route() -> bool {
    network::has_route()
}
