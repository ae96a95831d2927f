//! Whatever ends the screen, somebody is left who puts the console right: the process that was called waits, its child draws.
//!
//! A panic ends a card's program at once, SIGKILL any; so nothing that must happen at the end is left to the one that draws.
//! Must be called while the process has one thread.

use std::io::{Error, Result};
use std::process::exit;

use crate::error::{self, Kind};

/// How long the child may take to end when it was told to, in seconds.
const GOODBYE_S: u8 = 2;
/// What Rust's panics end a process with.
const PANICKED: i32 = 101;

/// Goes on in a child. The process that called never returns: it ends as the child did, after `restore` if that one ended
/// in a way of which it could not clean up itself.
///
/// # Errors
/// When the system gives no process.
pub fn apart(restore: &mut dyn FnMut()) -> Result<()> {
    // A launcher that does not want to hear of its children hands that on: then nobody would be told of ours.
    // Nor does a child that is stopped or goes on concern anybody.
    // SAFETY: all zeros is a value, the default one; it lives until the call returns.
    unsafe {
        let mut ends_only: libc::sigaction = std::mem::zeroed();
        ends_only.sa_flags = libc::SA_NOCLDSTOP;
        libc::sigaction(libc::SIGCHLD, &raw const ends_only, std::ptr::null_mut());
    }
    let all = signals(&[libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGCHLD]);
    block(&all);
    // SAFETY: no arguments.
    let parent = unsafe { libc::getpid() };
    // SAFETY: this process has one thread (the caller's promise), so the child may do whatever it could.
    match unsafe { libc::fork() } {
        -1 => {
            unblock(&all);
            Err(Error::last_os_error())
        }
        0 => {
            // SAFETY: plain numbers. Without its parent nobody would put the console right: it ends too.
            let is_orphan = unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
                libc::getppid() != parent
            };
            unblock(&all);
            if is_orphan {
                exit(0);
            }
            Ok(())
        }
        child => {
            // A card that is pulled takes the program's file with it; what puts the console right must be in memory then.
            // SAFETY: plain numbers. Who may not has what it had.
            unsafe { libc::mlockall(libc::MCL_CURRENT) };
            let (was_told, status) = outlive(&all, child);
            let code = if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { -1 };
            if (0..PANICKED).contains(&code) {
                exit(code);
            }
            restore();
            if was_told {
                exit(0);
            }
            let cause = format!("it ended by itself (status {status})");
            let error = error::Error::new(Kind::Damaged, "the screen broke off", cause)
                .help("nothing is lost; open it again, and report this if it comes back");
            crate::report::Output::default().error(&error);
            exit(1)
        }
    }
}

/// Waits for the child's end: whether it was told to end, and how it did. One that was told and does not end is ended.
fn outlive(all: &libc::sigset_t, child: libc::pid_t) -> (bool, i32) {
    let (mut was_told, mut status) = (false, 0);
    let patience = libc::timespec { tv_sec: GOODBYE_S.into(), tv_nsec: 0 };
    loop {
        // Tells of ends only; a child that was stopped and goes on, as all are where a firmware sleeps, is still there.
        // SAFETY: `status` lives until the call returns.
        if unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) } != 0 {
            return (was_told, status);
        }
        let limit = if was_told { &raw const patience } else { std::ptr::null() };
        // SAFETY: all live until the call returns.
        let signal = unsafe { libc::sigtimedwait(all, std::ptr::null_mut(), limit) };
        let told = match signal {
            libc::SIGCHLD => continue,
            // Going on after a stop breaks off a waiting as well; only one that was too long ends the child.
            -1 if was_told && Error::last_os_error().raw_os_error() == Some(libc::EAGAIN) => libc::SIGKILL,
            -1 => continue,
            _ => libc::SIGTERM,
        };
        was_told = true;
        // SAFETY: plain numbers; the child was not waited for yet, so the number is still its own.
        unsafe { libc::kill(child, told) };
    }
}

fn signals(list: &[i32]) -> libc::sigset_t {
    // SAFETY: all zeros is a value; it lives while it is filled.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in list {
            libc::sigaddset(&raw mut set, *signal);
        }
        set
    }
}

fn block(set: &libc::sigset_t) {
    // SAFETY: `set` lives until the call returns.
    unsafe { libc::sigprocmask(libc::SIG_BLOCK, set, std::ptr::null_mut()) };
}

fn unblock(set: &libc::sigset_t) {
    // SAFETY: as above.
    unsafe { libc::sigprocmask(libc::SIG_UNBLOCK, set, std::ptr::null_mut()) };
}
