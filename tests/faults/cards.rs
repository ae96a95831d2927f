//! Cards that are taken away, covered, swapped, copied, set back, lent to a guest, and mended by a file-system check.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::support::card::{Card, Firmware};
use crate::support::device::{Bytes, Device, bytes, read};
use crate::support::server::Server;
use crate::support::{not_allowed, wait_for};
use crate::world::contents;

const GAME: &str = "Tetris (World)";
const SAVE: &str = "gb/sram/Tetris (World)";

/// Two handhelds in step, the first an Onion.
fn in_step(other: Firmware) -> (Server, Device, Device) {
    let server = Server::start();
    let (a, b) = (Device::new(Firmware::Onion, GAME), Device::new(other, GAME));
    a.pair(&server);
    b.pair(&server);
    a.plays(&bytes("first"));
    a.once();
    b.once();
    assert_eq!(b.save(), Some(bytes("first")));
    (server, a, b)
}

/// `cp -a`: a card, dates and all.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

/// Every file below a folder with its bytes.
fn files(below: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(below).unwrap().map(Result::unwrap) {
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path)),
            path => found.push((path.clone(), fs::read(&path).unwrap())),
        }
    }
    found.sort();
    found
}

/// An empty file system over a folder, as a card that did not mount leaves its mount point; gone when dropped.
struct Cover<'a>(&'a Path);

impl<'a> Cover<'a> {
    fn put(over: &'a Path) -> Option<Cover<'a>> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(over).output();
        let covered = mounted.is_ok_and(|output| output.status.success());
        if !covered {
            not_allowed("an empty folder mounted over the card", "mount");
        }
        covered.then_some(Cover(over))
    }
}

impl Drop for Cover<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

/// Waits until the daemon has done a whole round: from then on it writes nothing by itself. No card changes within a round.
fn is_at_rest(device: &Device) {
    device.run(&["hook", "game-stop"]).ends(0);
}

#[test]
fn an_empty_folder_over_the_card_stops_everything_and_changes_nothing() {
    let (_server, a, b) = in_step(Firmware::Minui);
    // In a mount namespace of its own: the command sees the empty folder, nobody else does.
    let script = r#"mount -t tmpfs tmpfs "$1" || exit 99; shift; "$@"; code=$?; ls -A "$CARD"; exit $code"#;
    let program = a.program().into_command();
    let mut covered = Command::new("unshare");
    covered.args(["--mount", "sh", "-c", script, "sh"]).arg(&a.card.root).arg(program.get_program());
    covered.args(program.get_args()).arg("once").env("CARD", &a.card.root);
    covered.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let may = Command::new("unshare").args(["--mount", "true"]).output();
    let output = covered.output().unwrap();
    if output.status.code() == Some(99) || !may.is_ok_and(|may| may.status.success()) {
        not_allowed("an empty folder mounted over the card", "have a mount namespace");
        return;
    }
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "nothing was written into the empty folder");
    assert!(String::from_utf8_lossy(&output.stderr).contains("another card is in its place"), "{output:?}");
    b.plays(&bytes("second"));
    b.once();
    a.once();
    assert_eq!(a.save(), Some(bytes("second")));
}

#[test]
fn a_card_that_goes_away_under_a_running_daemon_comes_back_to_everything() {
    let (_server, a, b) = in_step(Firmware::Minui);
    let _daemon = a.daemon();
    is_at_rest(&a);
    let Some(cover) = Cover::put(&a.card.root) else { return };
    b.plays(&bytes("while the card was away"));
    b.once();
    wait_for("the daemon misses its card", 60, || a.log().contains("its marker is missing").then_some(()));
    assert_eq!(
        fs::read_dir(&a.card.root).unwrap().count(),
        0,
        "nothing is written below an empty mount point"
    );
    drop(cover);
    wait_for("what was stored meanwhile comes to the card", 120, || {
        (a.save() == Some(bytes("while the card was away"))).then_some(())
    });
    assert_eq!(contents(&b, SAVE), [bytes("while the card was away"), bytes("first")].map(|b| digest(&b)));
}

/// A card that is taken out, played in another handheld and put back is another mount of another time: whatever the daemon
/// still holds open belongs to nobody, its journal there is old, and its lock keeps nobody out.
#[test]
fn a_card_that_was_in_another_handheld_and_is_back_is_taken_anew() {
    let (_server, a, b) = in_step(Firmware::Minui);
    let aside = a.folder().join("aside");
    fs::rename(&a.card.root, &aside).unwrap();
    fs::create_dir(&a.card.root).unwrap();
    let slot = a.folder().join("slot");
    fs::create_dir(&slot).unwrap();
    // As a card comes: all of it at once.
    let mounted = || {
        let filled = Cover::put(&slot)?;
        let copied = Command::new("cp").arg("-a").arg(aside.join(".")).arg(&slot).status().unwrap();
        assert!(copied.success());
        let shown = Command::new("mount").arg("--bind").arg(&slot).arg(&a.card.root).status().unwrap();
        assert!(shown.success());
        Some((Cover(&a.card.root), filled))
    };
    let Some(card) = mounted() else { return };
    let daemon = a.daemon();
    is_at_rest(&a);
    // Asleep, as a handheld is whose card is changed: the other one's folder stands for its slot too.
    // SAFETY: plain numbers; the daemon is ours and has not been waited for.
    let tell = |which| assert_eq!(unsafe { libc::kill(daemon.id().cast_signed(), which) }, 0);
    tell(libc::SIGSTOP);
    drop(card);
    // In the other handheld, which is another device to its card but for that folder.
    fs::remove_dir(&a.card.root).unwrap();
    fs::rename(&aside, &a.card.root).unwrap();
    a.plays(&bytes("in the other handheld"));
    a.once();
    fs::rename(&a.card.root, &aside).unwrap();
    fs::create_dir(&a.card.root).unwrap();
    tell(libc::SIGCONT);
    // What the other one stores makes the daemon look.
    b.once();
    b.plays(&bytes("while it was out"));
    b.once();
    wait_for("the daemon misses its card", 120, || a.log().contains("its marker is missing").then_some(()));
    let Some(_card) = mounted() else { return };
    b.plays(&bytes("afterwards"));
    b.once();
    wait_for("the daemon takes the card that is back", 120, || {
        a.log().contains("the card is back: starting anew").then_some(())
    });
    wait_for("what is stored comes to the card", 120, || {
        (a.save() == Some(bytes("afterwards"))).then_some(())
    });
    let second = a.run(&["once"]);
    assert!(second.err.contains("another retrosync uses this card"), "a second one is kept out: {second:?}");
    drop(daemon);
    let said = a.once();
    assert_eq!(
        (&said["uploaded"], &said["downloaded"]),
        (&json!([]), &json!([])),
        "its journal knows: {said}"
    );
    let all = ["afterwards", "while it was out", "in the other handheld", "first"];
    assert_eq!(contents(&b, SAVE), all.map(|played| digest(&bytes(played))));
}

/// The card was out and in again while the daemon slept: nothing has failed, and it knows the card as it was. Whatever wakes it first.
#[test]
fn a_card_that_was_played_elsewhere_while_its_handheld_slept_is_taken_anew() {
    type Wake = fn(&Device, &Device);
    let wakes: [(&str, Wake); 2] = [
        ("what another device stores", |_, b| drop(b.once())),
        ("a game that ends", |a, b| {
            a.run(&["hook", "game-stop"]).ends(0);
            b.once();
        }),
    ];
    for (who, wakes) in wakes {
        let (_server, a, b) = in_step(Firmware::Minui);
        let daemon = a.daemon();
        is_at_rest(&a);
        // SAFETY: plain numbers; the daemon is ours and has not been waited for.
        let tell = |which| assert_eq!(unsafe { libc::kill(daemon.id().cast_signed(), which) }, 0);
        tell(libc::SIGSTOP);
        // As a card comes back: other files to the kernel, under the same names.
        let out = a.folder().join("out");
        fs::rename(&a.card.root, &out).unwrap();
        copy(&out, &a.card.root);
        a.plays(&bytes("in the other handheld"));
        a.once();
        tell(libc::SIGCONT);
        wakes(&a, &b);
        b.plays(&bytes("afterwards"));
        b.once();
        wait_for("what is stored comes to the card", 120, || {
            (a.save() == Some(bytes("afterwards"))).then_some(())
        });
        assert!(a.log().contains("the card is back: starting anew"), "{who}: {}", a.log());
        drop(daemon);
        assert_eq!(a.once()["questions"], json!([]), "{who}");
        let all = ["afterwards", "in the other handheld", "first"];
        assert_eq!(contents(&b, SAVE), all.map(|played| digest(&bytes(played))), "{who}");
    }
}

fn digest(bytes: &Bytes) -> String {
    retrosync_protocol::Digest::of(bytes).to_string()
}

#[test]
fn cards_that_swapped_their_handhelds_keep_their_own_saves() {
    let (_server, a, b) = in_step(Firmware::Onion);
    let third = a.folder().join("between");
    for (from, to) in [(&a.card.root, &third), (&b.card.root, &a.card.root), (&third, &b.card.root)] {
        fs::rename(from, to).unwrap();
    }
    a.plays(&bytes("on b's card, in a"));
    a.once();
    b.once();
    assert_eq!(b.save(), Some(bytes("on b's card, in a")));
    b.plays(&bytes("on a's card, in b"));
    b.once();
    let said = a.once();
    assert_eq!((a.save(), &said["questions"]), (Some(bytes("on a's card, in b")), &json!([])));
}

#[test]
fn another_card_under_a_running_daemon_is_left_as_it_is() {
    let (_server, a, b) = in_step(Firmware::Onion);
    let daemon = a.daemon();
    is_at_rest(&a);
    let aside = a.folder().join("aside");
    fs::rename(&a.card.root, &aside).unwrap();
    copy(&b.card.root, &a.card.root);
    let before = files(&a.card.root);
    b.plays(&bytes("second"));
    b.once();
    wait_for("the daemon sees another card", 60, || {
        a.log().contains("another card is in its place").then_some(())
    });
    assert_eq!(files(&a.card.root), before);
    fs::remove_dir_all(&a.card.root).unwrap();
    fs::rename(&aside, &a.card.root).unwrap();
    wait_for("its own card is served again", 120, || (a.save() == Some(bytes("second"))).then_some(()));
    drop(daemon);
}

#[test]
fn a_card_that_was_cloned_into_a_second_handheld_loses_nothing_and_asks_once() {
    let (_server, a, b) = in_step(Firmware::Minui);
    let clone = Device::new(Firmware::Onion, GAME);
    fs::remove_dir_all(&clone.card.root).unwrap();
    copy(&a.card.root, &clone.card.root);
    // Both go on as one writer with one number, each with bytes of its own.
    let mut played = Vec::new();
    for round in 0..3 {
        for (device, who) in [(&a, "a"), (&clone, "the clone")] {
            let bytes = bytes(&format!("round {round} on {who}"));
            device.plays(&bytes);
            let said = device.run(&["once", "--json"]);
            assert!([0, 3].contains(&said.code), "{said:?}");
            let said = said.json();
            assert_eq!(said["problems"], json!([]), "{who}, round {round}: {said}");
            assert!(said["questions"].as_array().unwrap().len() <= 1, "{who}, round {round}: {said}");
            assert_eq!(device.save(), Some(bytes.clone()), "{who} plays on");
            played.push(digest(&bytes));
        }
    }
    let known = contents(&b, SAVE);
    for digest in &played {
        assert_eq!(known.iter().filter(|one| *one == digest).count(), 1, "{known:?}");
    }
    a.run(&["resolve", "tetris", "this"]).ends(0);
    assert_eq!((&clone.once()["questions"], clone.save()), (&json!([]), Some(bytes("round 2 on a"))));
}

#[test]
fn a_card_that_was_set_back_from_an_old_image_gets_what_is_newer_and_goes_on() {
    let (_server, a, b) = in_step(Firmware::Minui);
    let image = a.folder().join("image");
    copy(&a.card.root, &image);
    for round in 2..5 {
        a.plays(&bytes(&format!("version {round}")));
        a.once();
    }
    let set_back = || {
        fs::remove_dir_all(&a.card.root).unwrap();
        copy(&image, &a.card.root);
    };
    set_back();
    let said = a.once();
    assert_eq!((a.save(), &said["questions"]), (Some(bytes("version 4")), &json!([])), "{said}");
    a.plays(&bytes("version 5"));
    assert_eq!(
        a.once()["questions"],
        json!([]),
        "its numbers are not mistaken for those that it used before"
    );
    b.once();
    assert_eq!(b.save(), Some(bytes("version 5")));
    // And once more, played on before it could hear of anything.
    set_back();
    a.plays(&bytes("from the old image"));
    assert_eq!(a.once_asks()["questions"].as_array().unwrap().len(), 1);
    assert_eq!(a.save(), Some(bytes("from the old image")));
    let known = contents(&b, SAVE);
    for kept in ["first", "version 2", "version 3", "version 4", "version 5", "from the old image"] {
        assert!(known.contains(&digest(&bytes(kept))), "{kept}: {known:?}");
    }
}

/// Onion's guest mode, as its script does it: `CurrentProfile` is renamed, and a guest's takes its name.
fn guest_comes(card: &Card) {
    let saves = card.root.join("Saves");
    fs::rename(saves.join("CurrentProfile"), saves.join("MainProfile")).unwrap();
    match saves.join("GuestProfile") {
        guest if guest.exists() => fs::rename(guest, saves.join("CurrentProfile")).unwrap(),
        _ => fs::create_dir_all(card.save().parent().unwrap()).unwrap(),
    }
}

fn guest_goes(card: &Card) {
    let saves = card.root.join("Saves");
    fs::rename(saves.join("CurrentProfile"), saves.join("GuestProfile")).unwrap();
    fs::rename(saves.join("MainProfile"), saves.join("CurrentProfile")).unwrap();
}

#[test]
fn a_guest_on_the_card_neither_gives_nor_gets_a_save() {
    let (_server, a, b) = in_step(Firmware::Minui);
    let guests =
        a.card.root.join("Saves/GuestProfile/saves/Gambatte").join(a.card.save().file_name().unwrap());
    for visit in 0..2 {
        guest_comes(&a.card);
        a.plays(&bytes("the guest's"));
        let stored = bytes(&format!("the owner's, visit {visit}"));
        b.plays(&stored);
        b.once();
        let told = a.run(&["once"]);
        assert!(told.code != 0 && told.err.contains("guest mode is on"), "{told:?}");
        assert_eq!(a.save(), Some(bytes("the guest's")));
        // The second time the daemon is there when the guest goes.
        let _daemon = (visit == 1).then(|| a.daemon());
        guest_goes(&a.card);
        if visit == 0 {
            a.once();
        }
        wait_for("the owner's save comes when the guest is gone", 120, || {
            (a.save().as_ref() == Some(&stored)).then_some(())
        });
        assert_eq!(read(&guests), Some(bytes("the guest's")));
    }
    assert!(!contents(&b, SAVE).contains(&digest(&bytes("the guest's"))));
}

#[test]
fn what_a_file_system_check_put_aside_is_named_where_its_bytes_are_known() {
    let (_server, a, b) = in_step(Firmware::Minui);
    b.plays(&bytes("second"));
    b.once();
    a.once();
    // A check restores whole clusters: behind the save lies what lay there before.
    let clusters = |bytes: &Bytes| [&bytes[..], &[7; 4096]].concat();
    fs::write(a.card.root.join("FSCK0000.REC"), clusters(&bytes("first"))).unwrap();
    fs::write(a.card.root.join("FSCK0001.REC"), clusters(&bytes("second"))).unwrap();
    let told = |a: &Device| a.run(&["once", "--json"]).ends(3).json()["problems"].to_string();
    let known = told(&a);
    // One is in the attic, the other is what both sides agreed on last.
    for name in ["FSCK0000.REC", "FSCK0001.REC"] {
        assert!(known.contains(&format!("`{name}` is {SAVE}")), "{known}");
    }
    assert!(known.contains("nothing of them is lost"), "{known}");
    fs::write(a.card.root.join("FSCK0002.REC"), clusters(&bytes("never seen"))).unwrap();
    let known = told(&a);
    assert!(!known.contains("nothing of them is lost") && !known.contains("`FSCK0002.REC` is"), "{known}");
    assert_eq!(a.save(), Some(bytes("second")));
}
