//! `retrosync doctor`: what this device is, where each setting came from, and what is wrong.

mod explain;
mod mount;
mod probe;

use std::borrow::Cow;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::cli::{Call, Command, Flag, saves, start};
use crate::config::DEFAULT;
use crate::disk;
use crate::error::{Error, Kind, Problem, Result};
use crate::network;
use crate::parts::{self, Ground};
use crate::remote::{self, HttpRemote, Retrosync};
use crate::report::{self, Exit};
use crate::snapshot::RootState;

/// `retrosync doctor`.
pub const COMMAND: Command = Command {
    name: "doctor",
    summary: "explain everything that decides what this device does",
    words: (0, 0),
    flags: &[Flag { name: "explain", takes_value: true }],
    run,
};

fn run(call: &Call) -> Result<Exit> {
    let ground = Ground::find(call.config()?)?;
    if let Some(path) = call.value("explain") {
        return explain::explain(call, &ground, Path::new(path));
    }
    let mut checkup = Checkup::default();
    checkup.device(&ground);
    checkup.settings(&ground);
    checkup.card(&ground);
    checkup.network(&ground);
    call.output.value(&json!({
        "facts": checkup.facts.iter().map(|(name, text)| json!([name, text])).collect::<Vec<_>>(),
        "settings": settings(&ground).iter().map(|(key, value, from)| json!({
            "key": key, "value": value, "from": from
        })).collect::<Vec<_>>(),
        "problems": report::problem_values(&checkup.problems),
    }));
    let width = checkup.facts.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    for (name, text) in &checkup.facts {
        call.output.line(format!("{name:<width$} {text}"));
    }
    call.output.problems(&checkup.problems);
    if checkup.problems.is_empty() {
        call.output.line("no problem found");
        return Ok(Exit::Well);
    }
    Ok(Exit::Problems)
}

/// What was found out, in the order of the page, and what is wrong.
#[derive(Default)]
struct Checkup {
    facts: Vec<(String, String)>,
    problems: Vec<Problem>,
}

impl Checkup {
    fn fact<'t>(&mut self, name: &str, text: impl Into<Cow<'t, str>>) {
        self.tell(name, text.into());
    }

    // Once in the program, not at each fact: 4 KB.
    #[inline(never)]
    fn tell(&mut self, name: &str, text: Cow<'_, str>) {
        self.facts.push((name.to_owned(), text.into_owned()));
    }

    #[inline(never)]
    fn problem(&mut self, error: Option<Error>) {
        self.problems.extend(error.map(Problem::from));
    }

    fn note<T>(&mut self, name: &str, found: Result<T>, text: impl FnOnce(&T) -> String) -> Option<T> {
        match found {
            Ok(value) => {
                self.fact(name, text(&value));
                Some(value)
            }
            Err(error) => {
                self.tell(name, Cow::from(&error.cause));
                self.problem(Some(error));
                None
            }
        }
    }

    fn device(&mut self, ground: &Ground) {
        self.fact("program", parts::client());
        self.fact(
            "device",
            format!("{} (`{}`): {}", ground.profile.title, ground.profile.name, ground.reason),
        );
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |past| past.as_secs());
        let now_unix_s = i64::try_from(now).unwrap_or_default();
        self.fact("clock", format!("{} UTC; saves do not depend on it", report::time(now_unix_s)));
        self.problems.extend(clock(now_unix_s).map(Problem::from));
        self.problems.extend(ground.problems.iter().cloned());
    }

    fn settings(&mut self, ground: &Ground) {
        match &ground.config.file {
            Some(path) => self.fact("configuration", path.display().to_string()),
            None => self.fact("configuration", "no file; `retrosync.toml` beside the program would be read"),
        }
        for (key, value, from) in settings(ground) {
            self.fact(&format!("  {key}"), format!("{value}  ({from})"));
        }
    }

    fn card(&mut self, ground: &Ground) {
        let looked = match ground.look() {
            Ok(looked) => Some(looked),
            Err(error) => {
                self.problem(Some(error));
                None
            }
        };
        for (number, dir) in ground.site.roots.iter().enumerate() {
            let state = looked.as_ref().and_then(|looked| looked.roots.get(number));
            let text = match state {
                Some(RootState::Online) => "its marker is there".to_owned(),
                Some(RootState::Offline(why)) => why.clone(),
                None => "not paired".to_owned(),
            };
            self.fact(&format!("root {number}"), format!("{}: {text}", dir.display()));
            self.file_system(dir);
            let attic = looked.as_ref().and_then(|looked| looked.attics.get(number)?.as_ref());
            self.problems.extend(attic.and_then(|attic| disk::found_by_checks(&ground.volume(), dir, attic)));
            match state {
                None => continue,
                Some(RootState::Offline(why)) => {
                    let error =
                        Error::new(Kind::Busy, format!("cannot use the card `{}`", dir.display()), why)
                            .help("is it in its slot and mounted? a new card wants `retrosync pair --again`");
                    self.problem(Some(error));
                    continue;
                }
                Some(RootState::Online) => {}
            }
            if self.note("  writable", probe::can_write(dir), |()| "yes".into()).is_none() {
                continue;
            }
            self.note("  file events", probe::tells_changes(dir), |told| {
                if *told { "arrive" } else { "do not arrive here: changes are found by polling" }.to_owned()
            });
        }
        let listed = looked.iter().flat_map(|looked| looked.journal.listing().saves.keys());
        let (counted, problems) = saves::count(ground, listed);
        self.fact("saves", format!("{} in {}", counted.saves, report::count(counted.games, "known game")));
        for (path, why) in &counted.left_out {
            self.fact("  not synced", format!("`{path}`: {why}"));
        }
        for save in &counted.of_one_core {
            let core = save.core().unwrap_or_default();
            self.fact(
                "  not converted",
                format!("`{save}`: its bytes load in {core} only, and go where that is"),
            );
        }
        for save in &counted.with_clock {
            self.fact(
                "  stays here",
                format!("the clock in the file of `{save}`; the save itself goes everywhere"),
            );
        }
        for (save, why) in &counted.homeless {
            self.fact("  no place here", format!("`{save}`: {why}"));
        }
        self.problems.extend(problems);
        self.fact("daemon", start::daemon_text(ground));
        self.problems.extend(looked.into_iter().flat_map(|looked| looked.problems));
    }

    /// What lies under a root.
    fn file_system(&mut self, dir: &Path) {
        if let Some(mount) = mount::of(dir) {
            let how = if mount.read_only { "read-only" } else { "can be written" };
            self.fact("  mount", format!("{} ({}) on {}, {how}", mount.source, mount.kind, mount.point));
            self.problem(mount::read_only(dir, &mount));
        }
        if let Some(free_bytes) = mount::free_bytes(dir) {
            self.fact("  free", report::size(free_bytes));
            self.problem(mount::scarce(dir, free_bytes));
        }
    }

    fn network(&mut self, ground: &Ground) {
        let route = network::has_route();
        self.fact("route", if route { "there is one" } else { "none: no network, or only this machine" });
        let settings = ground.identity_as_it_is().and_then(|identity| ground.remote_settings(&identity));
        let Some(settings) = self.note("server", settings, |settings| settings.server.clone()) else {
            return;
        };
        if settings.server.starts_with("folder:") {
            self.note("  reachable", remote::open(&settings), |_| "yes".into());
            return;
        }
        if settings.server.starts_with(remote::RETROSYNC) {
            let shared = Retrosync::open(&settings).and_then(|mut remote| {
                ground.paired(&ground.identity_as_it_is()?)?;
                remote.shared()
            });
            self.note("  account", shared, |saves| report::count(*saves, "save"));
            return;
        }
        let opened = HttpRemote::open(&settings);
        let Some(mut remote) = self.note("  address", opened, |_| "is well formed".into()) else { return };
        let health = remote.health();
        if self.note("  health", health, |health| format!("{}, {}", health.status, health.server)).is_none() {
            return;
        }
        let account = ground.identity_as_it_is().and_then(|identity| {
            ground.paired(&identity)?;
            remote.account()
        });
        self.note("  account", account, |account| {
            let count = |number, noun| report::count(usize::try_from(number).unwrap_or(usize::MAX), noun);
            format!(
                "`{}`: {}, {}",
                account.user,
                count(account.saves, "save"),
                count(account.versions, "version")
            )
        });
    }
}

/// What is wrong with the device's clock, which costs no save.
fn clock(now_unix_s: i64) -> Option<Error> {
    if remote::is_plausible(now_unix_s) {
        return None;
    }
    let text = format!("it shows {} UTC, which cannot be", report::time(now_unix_s));
    Some(Error::new(Kind::Busy, "cannot believe the clock", text).help(
        "set the date in the firmware's menu, or let it ask the network; no save and no certificate depends on it, \
         only the times that you are shown do",
    ))
}

/// Each setting as it counts here, and where it came from: what pairing has kept stands where nobody said otherwise.
fn settings(ground: &Ground) -> Vec<(&'static str, String, String)> {
    let kept = ground.identity_as_it_is().map(|identity| identity.facts).ok();
    let from_pairing = |key: &str| {
        let facts = kept.as_ref()?;
        match key {
            "server" => facts.server.clone(),
            "token" => facts.token.as_ref().map(|_| "…".to_owned()),
            "name" => Some(facts.device_name.clone()).filter(|name| !name.is_empty()),
            "pin" => facts.pins.last().cloned(),
            "plain_http" => facts.plain_http.then(|| "true".to_owned()),
            "ca_file" => facts.ca_file.as_ref().map(|path| path.display().to_string()),
            _ => None,
        }
    };
    let shown = ground.config.shown().into_iter();
    shown
        .map(|(key, value, from)| match from_pairing(key.name).filter(|_| from == DEFAULT) {
            Some(kept) => (key.name, kept, "pairing".to_owned()),
            None => (key.name, value, from),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_clock_that_was_never_set_or_is_decades_ahead_is_told_with_what_to_do() {
        for (shown, now_unix_s) in [("1970-01-01 00:01", 60), ("2099-05-12 08:00", 4_082_256_000)] {
            let error = clock(now_unix_s).unwrap();
            assert_eq!(error.cause, format!("it shows {shown} UTC, which cannot be"));
            assert!(error.help.unwrap().starts_with("set the date"));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        assert!(clock(i64::try_from(now).unwrap_or_default()).is_none());
    }
}
