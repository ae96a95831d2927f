//! How a command gets something done on a card that a running daemon has: it asks the daemon.
//!
//! A socket of the kernel's abstract namespace (FAT has no sockets, and nothing is left behind), named after the root's
//! marker. Who asks must prove that it can read the card's identity. One line of JSON there, one line back. Without a
//! daemon the command takes the card itself.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use retrosync_protocol::Digest;
use serde::{Deserialize, Serialize};

use crate::choice::{self, Done, Moment, Wish};
use crate::cycle::Parts;
use crate::daemon::Jobs;
use crate::error::{Error, Kind, Result};
use crate::live::{Now, Trouble};
use crate::logging;
use crate::parts::Ground;
use crate::playing::Hooks;

/// How long a command waits for the daemon: a cycle may be moving large saves.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long a command waits for another command to give the card back.
const TURN: Duration = Duration::from_secs(5);
/// How long a stranger may keep the door open.
const MANNERS: Duration = Duration::from_secs(5);
/// The longest line.
const LINE_BYTES: u64 = 64 << 10;

#[derive(Serialize, Deserialize)]
struct Asked {
    proof: Digest,
    wish: Wish,
}

#[derive(Serialize, Deserialize)]
enum Reply {
    Done(Done),
    Failed(Trouble),
}

/// Does it here if nobody has the card, else asks who has it.
///
/// # Errors
/// When nothing was changed, with the reason.
pub fn carry_out(ground: &Ground, wish: &Wish) -> Result<Done> {
    let began = Instant::now();
    loop {
        let busy = match ground.take() {
            Ok(taken) => return choice::carry_out(&mut ground.parts(taken)?.parts, wish),
            Err(error) if error.kind == Kind::Busy => error,
            Err(error) => return Err(error),
        };
        if let Some(done) = ask(ground, wish) {
            return done;
        }
        // No daemon behind the lock: another command, which will be done in a moment.
        if began.elapsed() > TURN {
            return Err(busy);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Hears from the daemon what it does, until it ends or `heard` wants no more; false if there is none.
pub fn watch(ground: &Ground, heard: &mut dyn FnMut(Now) -> bool) -> bool {
    let ask = || -> Result<UnixStream> {
        let failed = |error: &std::io::Error| Error::io("cannot watch the daemon", error);
        let mut stream = UnixStream::connect_addr(&address(ground)?).map_err(|e| failed(&e))?;
        stream.write_all(&asked(ground, &Wish::Watch)?).map_err(|e| failed(&e))?;
        Ok(stream)
    };
    let Ok(stream) = ask() else { return false };
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = String::new();
        match lines.by_ref().take(LINE_BYTES).read_line(&mut line) {
            Ok(1..) => {}
            _ => return true,
        }
        // A refusal, say of a daemon of an older version, is none either.
        let Ok(now) = serde_json::from_slice(line.as_bytes()) else { return false };
        if !heard(now) {
            return true;
        }
    }
}

/// The line that asks.
fn asked(ground: &Ground, wish: &Wish) -> Result<Vec<u8>> {
    let asked = Asked { proof: proof(ground)?, wish: wish.clone() };
    let mut line = serde_json::to_vec(&asked)
        .map_err(|error| Error::new(Kind::Damaged, "cannot ask the daemon", error))?;
    line.push(b'\n');
    Ok(line)
}

/// Asks the daemon; `None` if there is none.
fn ask(ground: &Ground, wish: &Wish) -> Option<Result<Done>> {
    let stream = UnixStream::connect_addr(&address(ground).ok()?).ok()?;
    Some(converse(ground, stream, wish))
}

fn converse(ground: &Ground, mut stream: UnixStream, wish: &Wish) -> Result<Done> {
    let failed = |cause: &std::io::Error| {
        Error::new(Kind::Busy, "cannot ask the daemon that has the card", cause)
            .help("see its log; nothing is lost either way")
    };
    stream.set_read_timeout(Some(PATIENCE)).map_err(|e| failed(&e))?;
    stream.write_all(&asked(ground, wish)?).map_err(|e| failed(&e))?;
    let mut reply = String::new();
    BufReader::new(stream).take(LINE_BYTES).read_line(&mut reply).map_err(|e| failed(&e))?;
    match serde_json::from_slice(reply.as_bytes()).map_err(|e| failed(&e.into()))? {
        Reply::Done(done) => Ok(done),
        Reply::Failed(trouble) => Err(trouble.into()),
    }
}

/// Opens the door of a daemon: `jobs` takes each wish to the thread that has the card.
///
/// # Errors
/// When another process stands in it.
pub fn open(ground: Arc<Ground>, jobs: Jobs) -> Result<()> {
    let doing = "cannot take wishes from other commands";
    let listener = UnixListener::bind_addr(&address(&ground)?).map_err(|error| Error::io(doing, &error))?;
    let serve = move || {
        for stream in listener.incoming().flatten() {
            match heed(&ground, &jobs.hooks, &stream) {
                Ok(Wish::Watch) => jobs.live.watch(stream),
                // Whoever asked waits for the answer; the door does not: a game that starts cannot wait for a restore.
                Ok(wish) => {
                    let ground = Arc::clone(&ground);
                    jobs.send(Box::new(move |parts| {
                        answer(&stream, parts.and_then(|parts| do_it(&ground, parts, &wish)))
                    }));
                }
                Err(error) => answer(&stream, Err(error)),
            }
        }
    };
    let thread = std::thread::Builder::new().name("door".into()).stack_size(128 << 10).spawn(serve);
    thread.map(drop).map_err(|error| Error::io(doing, &error))
}

fn answer(mut stream: &UnixStream, done: Result<Done>) {
    let reply = match done {
        Ok(done) => Reply::Done(done),
        Err(error) => Reply::Failed(Trouble::from(&error)),
    };
    let mut line = serde_json::to_vec(&reply).unwrap_or_default();
    line.push(b'\n');
    let _ = stream.write_all(&line);
}

/// What is wished, by somebody who may.
fn heed(ground: &Ground, hooks: &Hooks, stream: &UnixStream) -> Result<Wish> {
    let refuse = |cause: &str| Error::new(Kind::Misused, "cannot take this wish", cause);
    let _ = stream.set_read_timeout(Some(MANNERS));
    let mut line = String::new();
    BufReader::new(stream).take(LINE_BYTES).read_line(&mut line).map_err(|_| refuse("nothing was asked"))?;
    let asked: Asked =
        serde_json::from_slice(line.as_bytes()).map_err(|_| refuse("it is of another form"))?;
    if asked.proof != proof(ground)? {
        return Err(refuse("who asks cannot read the card"));
    }
    if let Wish::Moment(moment) = &asked.wish {
        // At once: a cycle that runs just now must not put a save under a game that starts.
        moment.told(hooks);
    }
    Ok(asked.wish)
}

fn do_it(ground: &Ground, parts: &mut Parts, wish: &Wish) -> Result<Done> {
    if *wish == Wish::Moment(Moment::Woke) {
        // The old connection died in its sleep, and would be waited for.
        parts.remote = ground.remote(&parts.identity)?;
    }
    if *wish == Wish::Settings {
        let config = ground.config.again()?;
        logging::start(config.log.unwrap_or(log::LevelFilter::Info));
        parts.settings.conflict = config.conflict;
        parts.settings.fresh_save_s = config.fresh_save_s;
        parts.settings.leave_out = config.leave_out;
        parts.settings.rests_while_playing = config.rests_while_playing;
    }
    choice::carry_out(parts, wish)
}

/// Tells the daemon that the configuration was changed, and waits until it has read it; false if there is none.
///
/// # Errors
/// When it cannot use what is written there.
pub fn tell_settings(ground: &Ground) -> Result<bool> {
    ask(ground, &Wish::Settings).transpose().map(|done| done.is_some())
}

/// Tells the daemon what the firmware tells us, and waits for it to be done; false if there is none.
pub fn tell(ground: &Ground, moment: Moment) -> bool {
    ask(ground, &Wish::Moment(moment)).is_some()
}

/// Named after the root's marker: one card, one door.
fn address(ground: &Ground) -> Result<SocketAddr> {
    let name = format!("retrosync/{}", ground.mark_of_primary()?);
    SocketAddr::from_abstract_name(name).map_err(|error| Error::io("cannot name the daemon's door", &error))
}

/// What only those know who can read the card.
fn proof(ground: &Ground) -> Result<Digest> {
    let identity = ground.identity_as_it_is()?;
    let token = identity.facts.token.as_ref().map(|token| token.digest().to_string()).unwrap_or_default();
    Ok(Digest::of(format!("retrosync door {} {token}", identity.writer()).as_bytes()))
}
