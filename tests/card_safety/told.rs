//! What `status` says of a card on which something is not as it was: never that all is on the server where that is known to
//! be false, or cannot be known.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

use super::support::card::{Card, Firmware};
use super::support::device::{Device, bytes};
use super::support::server::Server;
use super::{GAME, SAVE, one_ahead, safe, wrong};

fn yes() -> (bool, String) {
    (true, "safe to switch off: everything played here is on the server".to_owned())
}

fn no(why: &str) -> (bool, String) {
    (false, format!("not yet safe to switch off: {why}"))
}

fn status(device: &Device) -> Value {
    device.program().run(["status", "--json"]).json()
}

/// A device with so many saves more, all of them sent.
fn with_more(device: &Device, count: usize) -> Vec<Card> {
    let lay =
        |number: usize| Card::lay_out(&device.card.root, Firmware::Onion, &format!("Game {number}")).unwrap();
    let cards: Vec<Card> = (0..count).map(lay).collect();
    for (number, card) in cards.iter().enumerate() {
        fs::write(card.save(), &*bytes(&format!("game {number}"))).unwrap();
    }
    device.once();
    cards
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

#[test]
fn plays_that_vanished_unsent_are_not_told_as_safe() {
    let (_server, a, _b) = one_ahead();
    let folder = a.card.save().parent().unwrap().to_owned();
    let away = a.folder().join("away");
    let row = |what: &str, change: &dyn Fn(), told: (bool, String)| {
        fs::rename(&folder, &away).unwrap();
        change();
        assert_eq!(safe(&a), told, "{what}");
        if folder.is_symlink() {
            fs::remove_file(&folder).unwrap();
        } else if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        fs::rename(&away, &folder).unwrap();
    };
    let gone = |count: usize| no(&format!("{count} of its {count} saves vanished or look damaged"));
    // Too few to halt for, and enough.
    for count in [1, 6] {
        let cards = if count == 6 { with_more(&a, 5) } else { Vec::new() };
        assert_eq!(safe(&a), yes());
        for card in &cards {
            fs::write(card.save(), &*bytes("unsent")).unwrap();
        }
        row("the folder is gone", &|| {}, gone(count));
        row("the folder is empty", &|| fs::create_dir(&folder).unwrap(), gone(count));
        row("the folder is a link", &|| symlink(&away, &folder).unwrap(), gone(count));
    }
    assert_eq!(safe(&a), no("5 saves are not on the server yet"), "they are back");
    a.once();
    fs::remove_dir_all(&folder).unwrap();
    a.run(&["once"]).ends(3);
    assert_eq!(safe(&a), gone(6), "a round later");
    a.run(&["once", "--accept-mass-change"]);
    assert!(safe(&a).0, "a person meant it: {:?}", status(&a));
}

#[test]
fn a_file_that_is_not_synced_is_not_told_as_being_on_the_server() {
    let (_server, a, _b) = one_ahead();
    let saves = a.card.save().parent().unwrap().parent().unwrap().to_owned();
    fs::create_dir(saves.join("mGBA")).unwrap();
    fs::write(saves.join("mGBA").join(format!("{GAME}.srm")), &*bytes("with another core")).unwrap();
    let told = |files: &str| {
        (true, format!("safe to switch off: all that is synced is on the server ({files} not)"))
    };
    assert_eq!(safe(&a), told("1 file is"));
    symlink(a.folder(), saves.join("Gambatte of old")).unwrap();
    assert_eq!(safe(&a), told("2 files are"), "behind a link there may be more");
    let left_out = status(&a)["left_out"].to_string();
    assert!(left_out.contains("it is a link, which is not followed"), "{left_out}");
    assert!(a.run(&["doctor"]).out.contains("Gambatte of old`: it is a link, which is not followed"));
}

#[test]
fn a_guests_saves_are_neither_queued_nor_missed() {
    let (_server, a, _b) = one_ahead();
    with_more(&a, 5);
    let profile = a.card.root.join("Saves/CurrentProfile");
    fs::rename(&profile, a.card.root.join("Saves/MainProfile")).unwrap();
    a.plays(&bytes("a guest's"));
    let why = "guest mode is on: its saves are not yours";
    assert_eq!(safe(&a), no(&format!("`{}`: {why}", a.card.root.display())));
    let told = status(&a);
    assert_eq!(
        (&told["queued"], &told["safe"], &told["halts"][0]["cause"]),
        (&json!(0), &json!(0), &json!(why)),
        "{told}"
    );
    assert_eq!(wrong(&a).into_iter().map(|(cause, _)| cause).collect::<Vec<_>>(), [why]);
    fs::remove_dir_all(&profile).unwrap();
    fs::rename(a.card.root.join("Saves/MainProfile"), &profile).unwrap();
    assert_eq!(safe(&a), yes());
}

#[test]
fn saves_of_an_old_image_have_to_be_compared_and_are_not_told_as_unsent() {
    let server = Server::start();
    let a = Device::new(Firmware::Onion, GAME);
    a.pair(&server);
    a.plays(&bytes("first"));
    let cards = with_more(&a, 5);
    let image = a.folder().join("image");
    copy(&a.card.root, &image);
    for round in 0..3 {
        for (number, card) in cards.iter().enumerate() {
            fs::write(card.save(), &*bytes(&format!("game {number}, round {round}"))).unwrap();
        }
        a.once();
    }
    fs::remove_dir_all(&a.card.root).unwrap();
    fs::rename(&image, &a.card.root).unwrap();
    assert_eq!(safe(&a), yes(), "what lies here is on the server, which has newer");
    a.plays(&bytes("played on the image"));
    a.run(&["once"]).ends(3);
    assert_eq!(safe(&a), no("5 saves are to be compared with what the server has"));
    assert_eq!(status(&a)["queued_saves"], json!([]));
}

#[test]
fn an_empty_file_is_told_as_what_it_is_and_is_waited_for_by_nobody() {
    let (_server, a, _b) = one_ahead();
    fs::write(a.card.save(), b"").unwrap();
    a.once_asks();
    assert_eq!(safe(&a), yes());
    let text = a.run(&["status"]).out;
    let question = format!(
        "question: `{SAVE}` looks damaged: it is empty (`Saves/CurrentProfile/saves/Gambatte/{GAME}.srm`)\n  \
         nothing is sent, and the last good version stands; `retrosync history \"{GAME}\"` shows what can be restored\n"
    );
    assert!(text.contains(&question), "{text}");
}
