//! `retrosync run` and `retrosync once`: keep the saves in step, for ever or one time.

mod teller;

use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;
use std::time::Duration;

use retrosync_protocol::SaveId;
use serde_json::json;

use crate::apply::Deed;
use crate::choice::Wish;
use crate::cli::pair::flow::{self, News};
use crate::cli::{Call, Command, Flag, questions};
use crate::cycle::{self, CycleReport, Request};
use crate::daemon::{self, Setup};
use crate::door;
use crate::error::{Error, Kind, Result};
use crate::logging;
use crate::pace::{Times, Trigger};
use crate::parts::{Ground, open::Taken};
use crate::plan::Step;
use crate::remote;
use crate::report::{self, Exit};
use crate::root::STATE_FOLDER;
use crate::watch::Sweeps;

use teller::Teller;

/// How long a long poll waits: below the two minutes after which many proxies cut.
const LONG_POLL_S: u64 = 110;
/// The pause before a remote that is not there is tried again at start.
const PAUSE: Duration = Duration::from_secs(30);

const FULL: Flag = Flag { name: "full", takes_value: false };
const ACCEPT: Flag = Flag { name: "accept-mass-change", takes_value: false };

/// `retrosync run`.
pub const RUN: Command = Command {
    name: "run",
    summary: "keep this device's saves in step with the server, for ever",
    words: (0, 0),
    flags: &[],
    run,
};

/// `retrosync once`.
pub const ONCE: Command = Command {
    name: "once",
    summary: "do one round and say what it did",
    words: (0, 0),
    flags: &[FULL, ACCEPT],
    run: once,
};

fn run(call: &Call) -> Result<Exit> {
    daemon(call)?;
    Err(Error::io("cannot start anew", &start_anew()))
}

/// This program in its own place, with the words that it was called with: no descriptor and no thread goes with it.
fn start_anew() -> io::Error {
    let text = |word: OsString| CString::new(word.into_vec()).ok();
    let program = std::env::current_exe().ok().and_then(|path| text(path.into()));
    let words: Vec<CString> = std::env::args_os().filter_map(text).collect();
    let mut pointers: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
    pointers.push(std::ptr::null());
    if let Some(program) = program {
        // SAFETY: texts that end, and a list of them that ends; all live until the call returns, which it does on failure only.
        unsafe { libc::execv(program.as_ptr(), pointers.as_ptr()) };
    }
    io::Error::last_os_error()
}

/// Keeps the saves in step until this process ends, or until it must be started anew.
///
/// # Errors
/// When it could not start.
pub(crate) fn daemon(call: &Call) -> Result<Exit> {
    let ground = Arc::new(Ground::find(call.config()?)?);
    let (mut held, news) = loop {
        let mut taken = take_or_mark(&ground)?;
        logging::keep_in(ground.primary()?.join(STATE_FOLDER).join("log.txt"));
        if !is_paired(&ground, &taken) {
            pair_by_itself(&ground, &mut taken)?;
        }
        let news = ground.remote(&taken.identity);
        match ground.parts(taken) {
            Ok(held) => break (held, news.ok()),
            // A folder that is not mounted yet, say: it may come.
            Err(error) if error.kind == Kind::Offline => {
                log::warn!("{error}; trying again in {} s", PAUSE.as_secs());
                std::thread::sleep(PAUSE);
            }
            Err(error) => return Err(error),
        }
    };
    for problem in &held.problems {
        log::warn!("{}", problem.error);
    }
    let setup = Setup {
        watch: ground.config.watch,
        sweeps: Sweeps::default(),
        times: Times { settle_ms: ground.config.settle_ms, ..Times::default() },
        news,
        wait_s: LONG_POLL_S,
        door: Some(Box::new({
            let ground = Arc::clone(&ground);
            move |jobs| {
                if let Err(error) = door::open(ground, jobs) {
                    log::warn!("{error}; other commands must wait until this one ends");
                }
            }
        })),
    };
    log::info!("watching `{}` as {}", ground.primary()?.display(), ground.profile.title);
    let mut teller = Teller::default();
    daemon::run(&mut held, setup, |parts, report| teller.tell(&ground.site.roots, parts, report))?;
    Ok(Exit::Well)
}

fn once(call: &Call) -> Result<Exit> {
    let ground = Ground::find(call.config()?)?;
    let mut taken = match take_or_mark(&ground) {
        Err(error) if error.kind == Kind::Busy && call.has(ACCEPT.name) => {
            return accept_by_daemon(call, &ground);
        }
        taken => taken?,
    };
    if !is_paired(&ground, &taken) {
        // With a code it needs nobody; without, somebody should look at the screen: `retrosync pair`.
        let settings = ground.remote_settings(&taken.identity)?;
        if ground.config.code.is_none() && !settings.server.starts_with("folder:") {
            ground.paired(&taken.identity)?;
        }
        pair_by_itself(&ground, &mut taken)?;
    }
    let mut held = ground.parts(taken)?;
    held.settings.accept_mass_change = call.has(ACCEPT.name);
    let trigger = if call.has(FULL.name) { Trigger::Full } else { Trigger::Changed };
    let mut report = cycle::run(&mut held, Request::new(trigger));
    if report.moved && trigger != Trigger::Full {
        // Bytes were not what their date and size promised: now all are read.
        let deeds = std::mem::take(&mut report.deeds);
        report = cycle::run(&mut held, Request::new(Trigger::Full));
        report.deeds.splice(0..0, deeds);
    }
    report.problems.splice(0..0, held.problems.iter().cloned());
    Ok(say(call, &ground, &report))
}

/// The daemon has the card, so the round is the daemon's.
fn accept_by_daemon(call: &Call, ground: &Ground) -> Result<Exit> {
    let done = door::carry_out(ground, &Wish::AcceptMassChange)?;
    call.output.value(&serde_json::to_value(&done).unwrap_or_default());
    call.output.line("accepted; the running daemon goes on");
    if let Some(why) = &done.waiting {
        call.output.line(format!("some of it waits: {why}"));
    }
    Ok(if done.stored { Exit::Well } else { Exit::Problems })
}

/// Takes the card; one that this device pairs with for the first time gets its marker now.
fn take_or_mark(ground: &Ground) -> Result<Taken> {
    match ground.take() {
        // The configuration says where to pair with: this is the first run. The card itself is known by the profile's marks.
        Err(error) if error.kind == Kind::Unpaired && ground.config.server.is_some() => {
            // A folder may be plugged in later; an address that may not be used stays one.
            match remote::check(&ground.remote_settings(&ground.identity_as_it_is()?)?) {
                Err(error) if error.kind == Kind::Misused => return Err(error),
                _ => ground.mark()?,
            }
            ground.take()
        }
        taken => taken,
    }
}

fn is_paired(ground: &Ground, taken: &Taken) -> bool {
    let facts = &taken.identity.facts;
    let same = ground.config.server.is_none() || ground.config.server == facts.server;
    let folder = facts.server.as_deref().is_some_and(|server| server.starts_with("folder:"));
    ground.config.token.is_some() || (same && (facts.device.is_some() || folder))
}

/// Shows the code in the log and waits, for ever if need be.
fn pair_by_itself(ground: &Ground, taken: &mut Taken) -> Result<()> {
    if ground.remote_settings(&taken.identity)?.server.starts_with("folder:") {
        return flow::use_folder(ground, taken);
    }
    let paired = flow::pair(ground, taken, true, &mut |news| match news {
        News::Offer(offer) => log::warn!(
            "not paired yet: approve the code {} at {} (it lives {} minutes)",
            offer.code,
            offer.url,
            offer.expires_in_s.div_ceil(60)
        ),
        News::Waiting(waited_s) => log::debug!("waiting for the approval, {waited_s} s"),
        News::Offline(error) => log::warn!("{error}; trying again"),
    })?;
    log::info!("paired: this is `{}` of `{}`", paired.device_name, paired.user);
    Ok(())
}

/// Says what a round did.
fn say(call: &Call, ground: &Ground, report: &CycleReport) -> Exit {
    let roots = &ground.site.roots;
    let (mut uploaded, mut downloaded, mut retired, mut aside) = (vec![], vec![], vec![], vec![]);
    for deed in &report.deeds {
        match deed {
            Deed::Stored { save, .. } | Deed::Chosen { save, .. } => uploaded.push(save),
            Deed::Placed { save, .. } => downloaded.push(save),
            Deed::Retired { save, .. } => retired.push(save),
            Deed::SetAside { save, .. } => aside.push(save),
        }
    }
    let waiting: Vec<&SaveId> = report.waiting.iter().map(Step::save).collect();
    let queued: Vec<&SaveId> = report.queued.iter().map(Step::save).collect();
    let mut value = json!({
        "saves": report.saves.len(), "in_step": report.in_step(), "uploaded": uploaded, "downloaded": downloaded, "retired": retired,
        "set_aside": aside, "waiting": waiting, "queued": queued, "playing": report.playing,
        "questions": report.questions.iter().map(questions::value).collect::<Vec<_>>(),
        "halts": report.halts.iter().map(|halt| questions::halt_value(halt, roots)).collect::<Vec<_>>(),
        "problems": report::problem_values(&report.problems),
    });
    if let Some(error) = &report.failed {
        value["error"] = report::error_value(error);
    }
    call.output.value(&value);
    let out = call.output;
    let lists = [
        ("sent", &uploaded),
        ("fetched", &downloaded),
        ("moved to the attic", &retired),
        ("set aside", &aside),
    ];
    for (what, saves) in lists {
        for save in saves {
            out.line(format!("{what}: `{save}`"));
        }
    }
    for save in &waiting {
        out.line(format!(
            "waits: `{save}`: {}",
            report.playing.as_deref().unwrap_or("it was played a moment ago")
        ));
    }
    for question in &report.questions {
        out.line(questions::text(question));
    }
    for halt in &report.halts {
        out.problems(&[questions::halt(halt, roots).into()]);
    }
    out.problems(&report.problems);
    if let Some(error) = &report.failed {
        if !out.json {
            out.error(error);
        }
        return Exit::Failed;
    }
    out.line(format!("{} in step", report::count(report.in_step(), "save")));
    if report.wants_attention() { Exit::Problems } else { Exit::Well }
}
