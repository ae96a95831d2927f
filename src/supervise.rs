//! Keeps a piece of work running in the background, apart from whoever started it.
//!
//! Firmwares wait for their boot scripts, stop the children of their menus (Onion's suspend) and kill the process groups
//! of their tasks (muOS). So what runs here has init for its parent, a session of its own and no descriptor of its
//! caller's: two forks and a `setsid`; where systemd rules, also no part in the caller's service, with which it would die.
//! The supervisor sleeps until its daemon has ended, starts it again after a pause, and after [`MOST`] quick ends in a row
//! tries once an hour only, until a person looks (safe mode). Must be called while the process has one thread. Knows
//! nothing of cards.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;
use std::process::exit;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Ends as quick as this are counted.
const QUICK: Duration = Duration::from_secs(60);
/// That many in a row are enough.
pub const MOST: u32 = 5;
/// The pause after the first of them; each further one doubles it.
const PAUSE: Duration = Duration::from_secs(1);
/// The pause in safe mode: what was wrong may have passed, and nobody has to look.
const SAFE_PAUSE: Duration = Duration::from_secs(3_600);
/// Is there where systemd rules [sd_booted(3)].
const SYSTEMD: &str = "/run/systemd/system";
/// No process here has more descriptors.
const DESCRIPTORS: RawFd = 1024;

/// Why the work ended, by its own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Trying again may help.
    Again = 1,
    /// Only a person can help.
    ForGood = 2,
}

/// Runs `work` in a process of its own and returns at once.
///
/// # Errors
/// When the system gives no process.
pub fn in_background(work: impl FnOnce()) -> io::Result<()> {
    apart(None, work)
}

/// Runs `work` in a process of its own, again and again; returns when that has no point any more, and why. `tell` hears why
/// it is left alone for so long, and `None` when it is tried again.
pub fn keep_running(work: &mut dyn FnMut() -> Ended, tell: &mut dyn FnMut(Option<&str>)) -> String {
    let mut quick = 0;
    loop {
        let began = Instant::now();
        match once(work) {
            Ok(Some(Ended::ForGood)) => return "it needs a person".into(),
            Ok(_) => {}
            Err(error) => log::warn!("cannot start the daemon: {error}"),
        }
        let pause = pause(&mut quick, began.elapsed());
        if pause == SAFE_PAUSE {
            tell(Some(&format!("safe mode: it ended {MOST} times within a minute of its start")));
        }
        sleep(pause);
        if pause == SAFE_PAUSE {
            tell(None);
        }
    }
}

/// How long to wait before the next start, after a run of that length.
fn pause(quick: &mut u32, lasted: Duration) -> Duration {
    *quick = if lasted < QUICK { *quick + 1 } else { 0 };
    if *quick < MOST {
        return PAUSE * 2u32.pow(quick.saturating_sub(1));
    }
    // One more quick end, and it is left alone again.
    *quick = MOST - 1;
    SAFE_PAUSE
}

/// One run: `None` where it ended without a word, as by a signal.
fn once(work: &mut dyn FnMut() -> Ended) -> io::Result<Option<Ended>> {
    // Its other end closes with the daemon's process, however that ends: nothing has to be asked meanwhile.
    let (mut reader, writer) = io::pipe()?;
    let descriptor = writer.as_raw_fd();
    apart(Some(descriptor), || {
        let word = [work() as u8];
        let _ = (&writer).write_all(&word);
    })?;
    drop(writer);
    let mut word = Vec::new();
    reader.read_to_end(&mut word)?;
    Ok(match word.first() {
        Some(1) => Some(Ended::Again),
        Some(2) => Some(Ended::ForGood),
        _ => None,
    })
}

/// Two forks and a session: the process that runs `work` is nobody's child but init's.
fn apart(kept: Option<RawFd>, work: impl FnOnce()) -> io::Result<()> {
    // SAFETY: this process has one thread (the caller's promise), so the child may do whatever it could.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // SAFETY: no arguments; a child that was just forked leads no group, so it cannot fail.
            unsafe { libc::setsid() };
            // SAFETY: as above.
            if unsafe { libc::fork() } == 0 {
                leave_service(Path::new("/sys/fs/cgroup"), Path::new(SYSTEMD));
                leave(kept);
                work();
            }
            exit(0)
        }
        child => {
            let mut status = 0;
            // SAFETY: `status` lives until the call returns.
            unsafe { libc::waitpid(child, &mut status, 0) };
            Ok(())
        }
    }
}

/// systemd ends all processes of a service with it, however far apart they are: what a menu started would die with the
/// menu. Who may (root, which these menus are) goes where no service is: the top, of the tree that systemd counts by.
fn leave_service(groups: &Path, systemd: &Path) {
    if systemd.exists() {
        // The one tree of today; of old, systemd had one of its own, or both.
        for tree in ["cgroup.procs", "systemd/cgroup.procs", "unified/cgroup.procs"] {
            let _ =
                File::options().write(true).open(groups.join(tree)).and_then(|mut file| file.write_all(b"0"));
        }
    }
}

/// Lets go of all that the caller had: its descriptors, its working directory, its deafness to the signal that ends us.
fn leave(kept: Option<RawFd>) {
    // SAFETY: plain numbers.
    unsafe { libc::signal(libc::SIGTERM, libc::SIG_DFL) };
    let _ = std::env::set_current_dir("/");
    close_all_but(kept.as_slice());
    if let Ok(null) = File::options().read(true).write(true).open("/dev/null") {
        for standard in 0..3 {
            // SAFETY: both are descriptors of ours.
            unsafe { libc::dup2(null.as_raw_fd(), standard) };
        }
    }
}

/// Closes all descriptors but the standard ones and these. Whatever owned them must be in a frame of the caller's, to which
/// this process never returns.
pub(crate) fn close_all_but(kept: &[RawFd]) {
    for descriptor in (3..DESCRIPTORS).filter(|descriptor| !kept.contains(descriptor)) {
        // SAFETY: a plain number, and nobody here uses what it was (the caller's promise).
        unsafe { libc::close(descriptor) };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_daemon_that_keeps_ending_is_started_ever_more_slowly_and_then_once_an_hour() {
        let (mut quick, second) = (0, Duration::from_secs(1));
        let pauses: Vec<_> = (0..7).map(|_| pause(&mut quick, second).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 3600, 3600, 3600]);
        assert_eq!((pause(&mut quick, QUICK), quick), (second, 0), "a long run makes good for all");
    }

    #[test]
    fn what_a_service_s_menu_started_does_not_die_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("cgroup.procs");
        std::fs::write(&own, "").unwrap();
        leave_service(dir.path(), &dir.path().join("no systemd"));
        assert_eq!(std::fs::read_to_string(&own).unwrap(), "", "without systemd nothing is moved");
        leave_service(dir.path(), dir.path());
        assert_eq!(std::fs::read_to_string(&own).unwrap(), "0", "the one who writes");
        assert!(!dir.path().join("systemd").exists(), "no tree is made");
    }
}
