//! The same pages as text, in a real terminal that changes its size.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use super::device::{card, children, program};
use crate::support::wait_for;

/// Both ends of a new terminal of this size.
fn terminal(columns: u16, rows: u16) -> (File, OwnedFd) {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let (mut ours, mut theirs) = (0, 0);
    // SAFETY: all live until the call returns; the descriptors are new and ours alone.
    unsafe {
        let none = std::ptr::null_mut();
        assert_eq!(libc::openpty(&raw mut ours, &raw mut theirs, none, none.cast(), &raw const size), 0);
        (File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs))
    }
}

#[test]
fn the_terminal_of_somebody_who_came_by_ssh_follows_its_size_and_is_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ours, theirs) = terminal(80, 24);
    let mut command = program();
    command.arg("screen").arg("--root").arg(card(folder.path())).args([
        "--language",
        "en",
        "--find",
        "127.0.0.1:9",
    ]);
    let mode = |end: &OwnedFd| retrosync::screen::terminal::mode(end.as_raw_fd()).unwrap().c_lflag;
    let before = mode(&theirs);
    command.stdin(theirs.try_clone().unwrap()).stdout(theirs.try_clone().unwrap()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let said = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&said);
    let mut reader = ours.try_clone().unwrap();
    let ear = std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(length @ 1..) = reader.read(&mut bytes) {
            heard.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
    });
    let wait = |what: &str, text: &str| {
        wait_for(what, 120, || said.lock().unwrap().contains(text).then_some(()));
    };
    wait("the second page of the terminal", "\x1b[?1049h");
    wait("the page for pairing", "Pair");
    wait("24 rows", "\x1b[24;1H");
    assert_ne!(mode(&theirs) & libc::ICANON, before & libc::ICANON, "keys come one by one");
    let size = libc::winsize { ws_row: 31, ws_col: 60, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: `size` lives until the call returns. Telling the terminal tells no process group: nobody leads one here.
    unsafe {
        assert_eq!(libc::ioctl(ours.as_raw_fd(), libc::TIOCSWINSZ, &raw const size), 0);
    }
    let drawer =
        wait_for("the process that draws", 120, || children(child.id().cast_signed()).first().copied());
    // SAFETY: plain numbers.
    unsafe { libc::kill(drawer, libc::SIGWINCH) };
    wait("31 rows", "\x1b[31;1H");
    ours.write_all(b"\x1b").unwrap();
    wait("the first page", "RetroSync");
    ours.write_all(b"\x1b").unwrap();
    let status = wait_for("the end", 120, || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    wait("the terminal's first page", "\x1b[?25h\x1b[?1049l");
    assert_eq!(mode(&theirs), before, "the terminal is as it was");
    drop((theirs, ours));
    drop(ear);
}
