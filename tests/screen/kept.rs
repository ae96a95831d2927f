//! What was pressed is done, all of it, and nothing else: switches in a hurry, an app that is closed early, one picture, a
//! daemon that outlives the screen, a launcher with odd habits.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Duration;

use super::device;
use super::person::Key::{A, B, Down, Start, Up};
use super::stories::Home;
use super::support::device::Device;
use super::support::wait_for;

/// How long a step may take on a busy machine, in seconds.
const PATIENCE_S: u64 = 120;

fn signal(process: i32, signal: i32) {
    // SAFETY: plain numbers; the process is ours, or one that a test of ours began.
    assert_eq!(unsafe { libc::kill(process, signal) }, 0);
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
fn what_was_begun_is_finished_though_the_app_is_closed() {
    let home = Home::paired();
    let mut screen = home.screen();
    daemon(&home.first);
    // A server that says nothing just now: whoever leaves the account waits for it.
    let server = home.server.id().cast_signed();
    signal(server, libc::SIGSTOP);
    screen.press(&[Start, Up, Up, A, A]);
    wait_for("the daemon is stopped first", PATIENCE_S, || {
        let lock = home.first.card.root.join(".retrosync/supervisor");
        std::fs::File::open(lock).unwrap().try_lock().is_ok().then_some(())
    });
    screen.press(&[B, B]);
    let code = screen.ended();
    signal(server, libc::SIGCONT);
    assert_eq!(code, 0);
    wait_for("the device has left the account", PATIENCE_S, || {
        (home.first.json(&["status"])["paired"] == false).then_some(())
    });
}

#[test]
fn an_idle_screen_of_a_paired_card_costs_no_processor() {
    let home = Home::paired();
    let screen = home.screen();
    daemon(&home.first);
    let drawer = wait_for("the process that draws", PATIENCE_S, || {
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", screen.id())).ok()?;
        children.split_whitespace().next()?.parse::<i32>().ok()
    });
    let wakes = || {
        let threads = std::fs::read_dir(format!("/proc/{drawer}/task")).unwrap();
        let of = |path: std::path::PathBuf| {
            let text = std::fs::read_to_string(path.join("status")).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with("voluntary_ctxt_switches"));
            line.and_then(|line| line.split_whitespace().last()?.parse::<u64>().ok()).unwrap_or_default()
        };
        threads.map(|thread| of(thread.unwrap().path())).sum::<u64>()
    };
    // Longer than any pause of a loop that only looks whether something has changed.
    wait_for("eight seconds in which no thread of it was woken", PATIENCE_S, || {
        let before = wakes();
        std::thread::sleep(Duration::from_secs(8));
        (before == wakes()).then_some(())
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
