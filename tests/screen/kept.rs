//! What was pressed is done, all of it, and nothing else: switches in a hurry, an app that is closed early, one picture, a
//! daemon that outlives the screen, a launcher with odd habits.
//!
//! Natively only: qemu's user mode hears nothing of `MADV_DONTFORK`, and its processes are not called `retrosync`, which `stop`
//! looks at.

use std::os::unix::process::CommandExt;
use std::path::Path;

use super::device;
use super::person::Key::{A, B, Down, Start, Up};
use super::stories::{HOME, Home};
use super::support::device::Device;
use super::support::wait_for;

/// How long a step may take on a busy machine, in seconds.
const PATIENCE_S: u64 = 120;

fn signal(process: i32, signal: i32) {
    // SAFETY: plain numbers; the process is ours, or one that a test of ours began.
    assert_eq!(unsafe { libc::kill(process, signal) }, 0);
}

/// A process that stands still for as long as this lives.
struct Still(i32);

impl Still {
    fn stop(process: i32) -> Still {
        signal(process, libc::SIGSTOP);
        Still(process)
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        signal(self.0, libc::SIGCONT);
    }
}

/// The processes that the screen has started by itself, as soon as there are any: it knows the card then.
fn daemon(device: &Device) -> [i32; 2] {
    ["supervisor", "lock"].map(|name| {
        let file = device.card.root.join(".retrosync").join(name);
        wait_for(name, PATIENCE_S, || {
            let text = std::fs::read_to_string(&file).ok()?;
            let id: i32 = text.lines().next()?.trim().parse().ok()?;
            Path::new(&format!("/proc/{id}/maps")).exists().then_some(id)
        })
    })
}

#[test]
fn switches_pressed_in_a_hurry_are_all_in_the_file_and_the_daemon_has_nothing_of_the_panel() {
    let home = Home::paired();
    let mut screen = home.screen();
    for process in daemon(&home.first) {
        let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
        assert!(!maps.contains("/panel"), "the panel's memory lives on in the daemon:\n{maps}");
    }
    let file = home.first.folder().join("retrosync.toml");
    let wait = |what: &str, holds: &dyn Fn(&str) -> bool| {
        wait_for(what, PATIENCE_S, || holds(&std::fs::read_to_string(&file).unwrap()).then_some(()));
    };
    // Battery saves off, on and off again; states off.
    screen.press(&[Start, Down, A, A, A, A, Down, A]);
    wait("both kinds are left out", &|text| text.contains("leave_out = \"saves | states\""));
    // Both on again; sync while playing off, on, off.
    screen.press(&[A, Up, A, B, Up, A, A, A]);
    wait("nothing is left out, and it rests", &|text| {
        text.contains("sync_while_playing = \"false\"") && !text.contains("leave_out")
    });
}

#[test]
fn a_sync_that_hangs_holds_up_no_setting() {
    let home = Home::paired();
    let mut screen = home.screen();
    let [_, busy] = daemon(&home.first);
    screen.shows("story-4-home", HOME);
    let still = Still::stop(busy);
    // Sync now; then sync while playing off.
    screen.press(&[Down, A, Start, A]);
    let file = home.first.folder().join("retrosync.toml");
    wait_for("the setting is in the file", PATIENCE_S, || {
        std::fs::read_to_string(&file).unwrap().contains("sync_while_playing = \"false\"").then_some(())
    });
    drop(still);
}

#[test]
fn what_was_begun_is_finished_though_the_app_is_closed() {
    let home = Home::paired();
    let mut screen = home.screen();
    daemon(&home.first);
    // A server that says nothing just now: whoever leaves the account waits for it.
    let still = Still::stop(home.server.id().cast_signed());
    screen.press(&[Start, Up, Up, A, A]);
    wait_for("the daemon is stopped first", PATIENCE_S, || {
        let lock = home.first.card.root.join(".retrosync/supervisor");
        std::fs::File::open(lock).unwrap().try_lock().is_ok().then_some(())
    });
    screen.press(&[B, B]);
    assert_eq!(screen.ended(), 0);
    drop(still);
    wait_for("the device has left the account", PATIENCE_S, || {
        (home.first.json(&["status"])["paired"] == false).then_some(())
    });
}

#[test]
fn a_launcher_that_does_not_want_to_hear_of_its_children_gets_the_menu_back() {
    let device = device::Device::open_with("320x240x16", |command| {
        // SAFETY: one plain call between fork and exec.
        unsafe {
            command.pre_exec(|| {
                libc::signal(libc::SIGCHLD, libc::SIG_IGN);
                Ok(())
            });
        }
    });
    device.wait_for_picture();
    signal(device.drawer(), libc::SIGKILL);
    let (code, said, memory) = device.ended();
    assert_eq!(code, 1, "{said}");
    assert!(memory.iter().all(|byte| *byte == 0), "a picture was left behind");
}

#[test]
fn one_picture_shows_the_page_that_was_asked_for_and_starts_no_daemon() {
    let home = Home::paired();
    let device = &home.first;
    let events = device.folder().join("events");
    let shot = device.folder().join("shot.png");
    let take = |keys: &[u16]| {
        let _ = std::fs::remove_file(&shot);
        std::fs::write(&events, keys.iter().flat_map(|key| device::events(*key)).collect::<Vec<_>>())
            .unwrap();
        let mut command = device.program().into_command();
        command.args(["screen", "--find", "127.0.0.1:9", "--geometry", "320x240x16", "--language", "en"]);
        command.arg("--input").arg(&events).arg("--shot").arg(&shot);
        let ended = command.output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        (ended.status.code(), said, std::fs::read(&shot).unwrap_or_default())
    };
    let [home_page, settings, systems] =
        [&[][..], &[Start as u16], &[Down as u16, Up as u16, A as u16]].map(|keys| {
            let (code, said, first) = take(keys);
            assert_eq!((code, said.as_str()), (Some(0), ""), "{keys:?}");
            for _ in 0..3 {
                assert!(take(keys).2 == first, "{keys:?}: another picture, now and then");
            }
            first
        });
    assert!(home_page != settings && settings != systems && systems != home_page);
    let supervisor = device.card.root.join(".retrosync/supervisor");
    assert!(!supervisor.exists(), "who wants a picture starts no daemon");
    let (code, said, bytes) = take(&[B as u16]);
    assert_eq!((code, bytes.len()), (Some(2), 0), "{said}");
    assert!(said.contains("a button closed the screen before it was taken"), "{said}");
}
