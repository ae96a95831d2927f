//! What a card that somebody else had cannot make the daemon do, what is told of a card that is failing, and whether the
//! device may be switched off now.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;
#[path = "card_safety/told.rs"]
mod told;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use retrosync::durable::seal;
use serde_json::{Value, json};
use support::card::{Card, Firmware};
use support::device::{Bytes, Device, bytes};
use support::not_allowed;
use support::server::Server;

const GAME: &str = "Tetris (World)";
const SAVE: &str = "gb/sram/Tetris (World)";

/// `a` has a save that `b` has not; `b` knows of nothing yet.
fn one_ahead() -> (Server, Device, Device) {
    let server = Server::start();
    let (a, b) = (Device::new(Firmware::Onion, GAME), Device::new(Firmware::Minui, GAME));
    a.pair(&server);
    b.pair(&server);
    a.plays(&bytes("first"));
    a.once();
    (server, a, b)
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_link_planted_among_the_saves_writes_nothing_outside_of_the_card() {
    let (_server, _a, b) = one_ahead();
    let outside = b.folder().join("outside");
    fs::create_dir(&outside).unwrap();
    let save = b.card.save();
    let folder = save.parent().unwrap();
    fs::remove_dir_all(folder).unwrap_or_default();
    fs::create_dir_all(folder.parent().unwrap()).unwrap();

    symlink(&outside, folder).unwrap();
    let round = b.run(&["once"]);
    assert!(round.code == 1 || round.code == 3, "{round:?}");
    assert!(round.err.contains("links are not followed on a card"), "{}", round.err);
    assert_eq!(entries(&outside), 0, "a save was written through the link");

    fs::remove_file(folder).unwrap();
    fs::create_dir(folder).unwrap();
    fs::write(outside.join("secret"), b"not a save").unwrap();
    symlink(outside.join("secret"), &save).unwrap();
    let round = b.run(&["once"]);
    assert!(round.code == 1 || round.code == 3, "{round:?}");
    assert_eq!(fs::read(outside.join("secret")).unwrap(), b"not a save");
    assert!(save.is_symlink(), "what is no file of ours stays");

    fs::remove_file(&save).unwrap();
    b.once();
    assert_eq!(b.save(), Some(bytes("first")), "without the link the save comes");
}

#[test]
fn a_link_planted_in_our_own_folder_is_not_followed_either() {
    let (_server, a, b) = one_ahead();
    let outside = b.folder().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), b"another's file").unwrap();
    let state = b.card.root.join(".retrosync");
    for (name, to) in
        [("lock", outside.join("file")), ("incoming", outside.clone()), ("attic", outside.clone())]
    {
        let (path, aside) = (state.join(name), state.join("aside"));
        fs::rename(&path, &aside).unwrap_or_default();
        symlink(&to, &path).unwrap();
        let round = b.run(&["once"]).ends(1);
        assert!(round.err.contains("error: "), "{name}: {}", round.err);
        fs::remove_file(&path).unwrap();
        fs::rename(&aside, &path).unwrap_or_default();
    }
    assert_eq!(fs::read(outside.join("file")).unwrap(), b"another's file");
    assert_eq!(entries(&outside), 1);
    a.plays(&bytes("second"));
    a.once();
    b.once();
    assert_eq!(b.save(), Some(bytes("second")));
}

#[test]
fn an_address_that_may_not_be_used_leaves_nothing_on_the_card() {
    for (address, cause) in [
        ("ftp://nas", "it does not begin with `https://`, `http://`, `retrosync:` or `folder:`"),
        ("nas:8377", "it does not begin with `https://`, `http://`, `retrosync:` or `folder:`"),
        ("http://8.8.8.8", "plain http to 8.8.8.8 would show the token to others"),
        ("http://192.168.7.7:8377", "plain http to 192.168.7.7 would show the token to others"),
        ("https://ada:secret@nas", "it holds a user or a password"),
        ("folder:/nowhere/at/all", "there is no such folder"),
    ] {
        let device = Device::new(Firmware::Onion, GAME);
        let refused = device.run(&["pair", address]);
        assert!(refused.code == 1 || refused.code == 2, "{address}: {refused:?}");
        assert!(refused.err.contains(cause), "{address}: {}", refused.err);
        assert!(!device.card.root.join(".retrosync").exists(), "{address}: something was made");
        if address.starts_with("folder:") {
            continue; // It may be plugged in later: `once` waits for it.
        }
        device.set(&format!("server = \"{address}\"\ncode = \"WXRT-4KQM\"\n"));
        assert!(device.run(&["once"]).err.contains(cause), "{address}");
        assert!(!device.card.root.join(".retrosync").exists(), "{address}: something was made by `once`");
    }
}

/// The same game on a computer, whose file system takes any name, and on a card, which does not.
#[test]
fn a_save_whose_name_fat_does_not_take_is_the_same_save_on_a_computer_and_on_a_card() {
    let titles = [
        ("Sonic: 3?", "Sonic%3A 3%3F"),
        ("CON", "%43ON"),
        ("a|b<c>\"d*e\\f", "a%7Cb%3Cc%3E%22d%2Ae%5Cf"),
        ("looks like%3A it", "looks like%253A it"),
        ("100%25 Pure", "100%25 Pure"),
    ];
    let server = Server::start();
    let (pc, b) = (Device::new(Firmware::Retropie, GAME), Device::new(Firmware::Onion, GAME));
    pc.pair(&server);
    b.pair(&server);
    let cards = titles.map(|(title, spelled)| {
        let there = Card::lay_out(&pc.card.root, Firmware::Retropie, title).unwrap();
        fs::write(there.save(), &*bytes(&format!("{title} on the computer"))).unwrap();
        (title, there, Card::lay_out(&b.card.root, Firmware::Onion, spelled).unwrap())
    });
    // These have no game on the card: one that could have, and one for which no name is short enough.
    for title in ["AUX", &"?".repeat(100)] {
        let there = Card::lay_out(&pc.card.root, Firmware::Retropie, title).unwrap();
        fs::write(there.save(), &*bytes("nowhere else")).unwrap();
    }
    let odd = pc.card.save().with_file_name("bell\u{7}.srm");
    fs::write(&odd, &*bytes("a name that travels nowhere")).unwrap();
    pc.once();
    b.once();
    for (title, there, here) in &cards {
        let saved = fs::read(here.save()).ok().map(Bytes);
        assert_eq!(saved, Some(bytes(&format!("{title} on the computer"))), "{title}");
        let explained = b.json(&["doctor", "--explain", here.save().to_str().unwrap()]);
        assert_eq!(explained["save"], format!("gb/sram/{title}"));
        fs::write(here.save(), &*bytes(&format!("{title} on the card"))).unwrap();
        assert!(there.save().exists());
    }
    b.once();
    // Most of what it has: it is meant.
    let said = pc.run(&["once", "--accept-mass-change", "--json"]).ends(0).json();
    for (title, there, _) in &cards {
        let saved = fs::read(there.save()).ok().map(Bytes);
        assert_eq!(saved, Some(bytes(&format!("{title} on the card"))), "{title}: {said}");
    }
    let told = |device: &Device| device.json(&["doctor"])["facts"].to_string();
    assert!(told(&b).contains("`gb/sram/AUX`: this card takes no such name; call its game `%41UX` here"));
    assert!(told(&b).contains("this card takes no name as long"));
    assert!(told(&pc).contains("control character"), "{}", told(&pc));
    assert!(!told(&pc).contains("no place here"));
}

#[track_caller]
fn safe(device: &Device) -> (bool, String) {
    let status = device.program().run(["status", "--json"]).json();
    let text = device.run(&["status"]).out;
    let line = text.lines().find(|line| line.contains("safe to switch off")).unwrap_or_default().to_owned();
    (status["safe_to_switch_off"].as_bool().unwrap(), line)
}

#[test]
fn status_says_in_one_line_whether_it_is_safe_to_switch_off() {
    let (_server, a, b) = one_ahead();
    let yes = || (true, "safe to switch off: everything played here is on the server".to_owned());
    let no = |why: &str| (false, format!("not yet safe to switch off: {why}"));
    assert_eq!(safe(&a), yes());
    a.plays(&bytes("played in the train"));
    assert_eq!(safe(&a), no("1 save is not on the server yet"));
    a.once();
    assert_eq!(safe(&a), yes());

    // As a cut leaves it in the middle of a replacement.
    b.once();
    assert_eq!(safe(&b), yes());
    let digest = "0".repeat(64);
    let content = json!({"digest": digest, "size_bytes": 8192});
    let intent = json!({"way": "inplace", "save": SAVE, "path": "Saves/GB/Tetris (World).gb.sav", "old":
        {"file": content, "payload": content}, "new": {"name": "00000001", "content": content}, "number": 1,
        "away": "00000002"});
    let record = json!({"open": intent, "spares": [], "strays": []});
    let (line, _) = seal(0, &json!({"generation": 1000, "record": record})).unwrap();
    fs::write(b.card.root.join(".retrosync/slot.0"), line).unwrap();
    assert_eq!(safe(&b), no("a save is being replaced"));
    b.run(&["recover"]);
    assert_eq!(safe(&b), yes(), "what was cut is finished or undone");

    let fresh = Device::new(Firmware::Onion, GAME);
    assert_ne!(fresh.run(&["status"]).code, 0, "not paired: nothing is safe anywhere else");
}

#[test]
fn a_card_that_halts_tells_what_was_played_and_is_nowhere_else() {
    let (_server, a, _b) = one_ahead();
    let lay = |number: u32| Card::lay_out(&a.card.root, Firmware::Onion, &format!("Game {number}")).unwrap();
    let cards: Vec<Card> = (0..10).map(lay).collect();
    for (number, card) in cards.iter().enumerate() {
        fs::write(card.save(), &*bytes(&format!("game {number}"))).unwrap();
    }
    a.once();
    assert!(safe(&a).0);
    cards[..8].iter().for_each(|card| fs::remove_file(card.save()).unwrap());
    fs::write(cards[9].save(), &*bytes("played on")).unwrap();
    a.run(&["once"]).ends(3);
    let status = a.program().run(["status", "--json"]).json();
    assert_eq!((&status["safe"], status["halts"].as_array().unwrap().len()), (&json!(2), 1), "{status}");
    assert_eq!(safe(&a), (false, "not yet safe to switch off: 1 save is not on the server yet".to_owned()));
}

/// A file system of its own, if we may mount one.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn on(dir: &'a Path, size: &str) -> Option<Mounted<'a>> {
        let option = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &option, "tmpfs"]).arg(dir).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Mounted(dir))
    }

    fn read_only(&self) {
        let done = Command::new("mount").args(["-o", "remount,ro"]).arg(self.0).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

/// What `doctor` found wrong: causes and helps.
fn wrong(device: &Device) -> Vec<(String, String)> {
    let told: Value = device.program().run(["doctor", "--json"]).json();
    let text = |problem: &Value, key: &str| problem[key].as_str().unwrap_or_default().to_owned();
    let problems = told["problems"].as_array().unwrap();
    problems.iter().map(|problem| (text(problem, "cause"), text(problem, "help"))).collect()
}

#[test]
fn doctor_says_what_is_wrong_with_a_card_and_what_to_do() {
    let (_server, _a, b) = one_ahead();
    assert_eq!(wrong(&b), []);
    fs::write(b.card.root.join("FSCK0000.REC"), b"pieces").unwrap();
    let found = wrong(&b);
    assert!(found.len() == 1 && found[0].0.starts_with("`FSCK0000.REC` and the like, 1 in all"), "{found:?}");
    assert!(found[0].1.contains("if a save is missing or damaged, look there"), "{found:?}");
    fs::remove_file(b.card.root.join("FSCK0000.REC")).unwrap();

    let aside = b.folder().join("aside");
    fs::rename(&b.card.root, &aside).unwrap();
    fs::create_dir(&b.card.root).unwrap();
    let Some(card) = Mounted::on(&b.card.root, "4m") else {
        not_allowed("doctor on a full and on a read-only card", "mount");
        return;
    };
    let found = wrong(&b);
    assert!(
        found.iter().any(|(cause, _)| cause.contains("not paired") || cause.contains("marker")),
        "{found:?}"
    );
    let copied = Command::new("cp").arg("-a").arg(aside.join(".")).arg(&b.card.root).status().unwrap();
    assert!(copied.success());
    let found = wrong(&b);
    assert!(found.len() == 1 && found[0].0.ends_with("are free"), "{found:?}");
    assert!(found[0].1.starts_with("games cannot save on a full card"), "{found:?}");
    card.read_only();
    let found = wrong(&b);
    let read_only = found.iter().find(|(cause, _)| cause == "`tmpfs` is mounted read-only");
    assert!(
        read_only.is_some_and(|(_, help)| help.contains("copy the saves while they can be read")),
        "{found:?}"
    );
}
