//! What must not strand a person before a dead picture: signals, crashes, missing and vanishing devices, odd files.

use std::io::Write;
use std::process::{Command, Stdio};

use super::device::{Device, card, events, pipe, program, rests};

const SIZE: &str = "320x240x16";

fn signal(process: i32, signal: i32) {
    // SAFETY: plain numbers; the process is ours and was not waited for.
    assert_eq!(unsafe { libc::kill(process, signal) }, 0);
}

#[track_caller]
fn is_black(memory: &[u8]) {
    assert!(!memory.is_empty() && memory.iter().all(|byte| *byte == 0), "a picture was left behind");
}

#[test]
fn a_firmware_that_ends_the_app_gets_a_clean_screen() {
    for name in [libc::SIGTERM, libc::SIGHUP, libc::SIGINT] {
        let device = Device::open(SIZE);
        device.wait_for_picture();
        signal(device.id(), name);
        let (code, said, memory) = device.ended();
        assert_eq!((code, said.as_str()), (0, ""), "signal {name}");
        is_black(&memory);
    }
}

#[test]
fn an_app_that_breaks_off_leaves_no_dead_picture_and_says_so() {
    // What a panic is in the programs for cards, and what the kernel does without memory.
    for name in [libc::SIGABRT, libc::SIGKILL] {
        let device = Device::open(SIZE);
        device.wait_for_picture();
        signal(device.drawer(), name);
        let (code, said, memory) = device.ended();
        assert_eq!(code, 1);
        // An emulated processor says something of its own first.
        assert!(said.contains("error: the screen broke off\n  cause: it ended by itself"), "{said}");
        is_black(&memory);
    }
}

#[test]
fn a_handheld_that_slept_wakes_to_the_app_it_had() {
    let mut device = Device::open(SIZE);
    device.wait_for_picture();
    // What a firmware does before it sleeps, and after.
    let all = [device.drawer(), device.id()];
    for process in all {
        signal(process, libc::SIGSTOP);
        crate::support::wait_for("a process that stands still", 120, || {
            let state = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
            state.contains(") T ").then_some(())
        });
    }
    all.iter().for_each(|process| signal(*process, libc::SIGCONT));
    // Longer than a child that was told to end is waited for.
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(device.drawer(), all[0], "the app was ended");
    let seen = device.wait_for_picture();
    device.press(108);
    device.wait_for_other(&seen);
    assert_eq!(device.drawer(), all[0]);
    // And it can still be ended.
    signal(device.id(), libc::SIGTERM);
    let (code, said, memory) = device.ended();
    assert_eq!((code, said.as_str()), (0, ""));
    is_black(&memory);
}

#[test]
fn an_app_whose_parent_is_killed_does_not_go_on_alone() {
    let device = Device::open(SIZE);
    device.wait_for_picture();
    let drawer = device.drawer();
    signal(device.id(), libc::SIGKILL);
    crate::support::wait_for("the end of the process that draws", 120, || {
        let state = std::fs::read_to_string(format!("/proc/{drawer}/stat")).unwrap_or_default();
        (state.is_empty() || state.contains(") Z ")).then_some(())
    });
}

#[test]
fn buttons_that_vanish_leave_a_text_and_at_last_the_menu() {
    let folder = tempfile::tempdir().unwrap();
    let events = folder.path().join("events");
    // A file that ends is a device that was pulled out.
    std::fs::write(&events, []).unwrap();
    let device = Device::open_with(SIZE, |command| {
        command.arg("--input").arg(&events);
    });
    device.wait_for_picture();
    let (code, said, memory) = device.ended();
    assert_eq!(code, 2);
    assert!(said.contains("there is no device with buttons"), "{said}");
    is_black(&memory);
}

#[test]
fn a_pad_that_loses_its_link_and_comes_back_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (pads, pad) = (folder.path().join("input"), folder.path().join("input/event3"));
    std::fs::create_dir(&pads).unwrap();
    let mut other = pipe(&pad);
    let device = Device::open_with(SIZE, |command| {
        command.arg("--input").arg(&pads);
    });
    let first = device.wait_for_picture();
    std::fs::remove_file(&pad).unwrap();
    drop(other);
    let alone = device.wait_for_other(&first);
    other = pipe(&pad);
    let again = device.wait_for_other(&alone);
    assert!(again == device.wait_for_picture(), "what was there is there again");
    // Escape leaves both pages.
    for _ in 0..2 {
        other.write_all(&events(1)).unwrap();
    }
    let (code, said, memory) = device.ended();
    assert_eq!((code, said.as_str()), (0, ""));
    is_black(&memory);
}

#[test]
fn keys_that_nobody_described_are_learned_and_kept() {
    // A firmware whose profile names no button.
    let mut device = Device::open_with(SIZE, |command| {
        command.args(["--profile", "garlicos"]);
    });
    let first = device.wait_for_picture();
    // Its cross is as usual, and works.
    let first = device.press_until_other(108, &first);
    // Its first look at the card was at an empty one; what is learned has a place from now on.
    std::fs::create_dir_all(device.folder().join("card/.retrosync")).unwrap();
    device.press(700);
    device.press(701);
    let asks = device.wait_for_other(&first);
    // A, B, up, down, left, right; a key that was taken counts once.
    for key in [700, 701, 701, 702, 703, 704, 705] {
        device.press(key);
    }
    device.wait_for_other(&asks);
    let kept = device.folder().join("card/.retrosync/buttons.txt");
    crate::support::wait_for("what was learned, on the card", 120, || {
        let text = std::fs::read_to_string(&kept).ok()?;
        (text == "a 700\nb 701\nup 702\ndown 703\nleft 704\nright 705\n").then_some(())
    });
    // B leaves one page after the other now.
    device.press(701);
    device.press(701);
    let (code, said, _) = device.ended();
    assert_eq!((code, said.as_str()), (0, ""));
}

#[test]
fn what_cannot_be_shown_is_said_and_nothing_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let card = card(folder.path());
    let plain = folder.path().join("plain");
    std::fs::write(&plain, "no framebuffer").unwrap();
    let rows: [(&[&str], i32, &str); 7] = [
        (&["--framebuffer", "/nonexistent/fb0"], 2, "cannot draw on `/nonexistent/fb0`"),
        (&["--framebuffer", plain.to_str().unwrap()], 2, "a regular file needs `--geometry` too"),
        (&["--framebuffer", "/dev/null", "--geometry", "640x480x16"], 2, "cannot draw on `/dev/null`"),
        (&["--geometry", "640x480x8"], 2, "`640x480x8` is not like 640x480x16"),
        (&["--text"], 2, "there is no framebuffer and no terminal"),
        (&["--shot", "/nonexistent/shot.png"], 1, "cannot write `/nonexistent/shot.png`"),
        (&["--shot", "/tmp/never", "--input", "/nonexistent/event"], 1, "cannot read `/nonexistent/event`"),
    ];
    for (words, code, text) in rows {
        let mut command: Command = program();
        command.arg("screen").arg("--root").arg(&card).args(["--find", "127.0.0.1:9"]).args(words);
        let ended = command.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(code), "{words:?}: {said}");
        assert!(said.contains(text), "{words:?}: {said}");
    }
    assert_eq!(std::fs::read(&plain).unwrap(), b"no framebuffer");
}

#[test]
fn a_screen_of_a_size_never_seen_gets_a_picture() {
    for geometry in ["160x128x16", "1x1x16", "64x1000x32", "2000x40x16", "3840x2160x32"] {
        let folder = tempfile::tempdir().unwrap();
        let shot = folder.path().join("shot.png");
        let mut command = program();
        command.arg("screen").arg("--root").arg(card(folder.path())).args(["--find", "127.0.0.1:9"]);
        let ended = command.arg("--shot").arg(&shot).args(["--geometry", geometry]).output().unwrap();
        assert!(ended.status.success(), "{geometry}: {}", String::from_utf8_lossy(&ended.stderr));
        assert!(std::fs::read(&shot).unwrap().starts_with(b"\x89PNG"), "{geometry}");
    }
}

#[test]
fn an_idle_screen_costs_no_processor() {
    let device = Device::open(SIZE);
    device.wait_for_picture();
    // The search for a server at the start ends by itself.
    rests(&[device.id(), device.drawer()]);
}
