//! Two browsers, or sixteen, that settle one question at the same instant: one of them does, and each of the others is told what is
//! there now. And what is sent again under one operation's id.

use std::sync::Barrier;

use serde_json::{Value, json};

use crate::held::{held, is_sound, is_whole};
use crate::support::browser::{Browser, registered};
use crate::support::{Device, Server, version};

/// At the same instant.
const TOGETHER: usize = 16;
const ROUNDS: usize = 4;

/// Two devices have changed one save apart; the two versions' ids.
fn question(one: &Device<'_>, two: &Device<'_>, save: &str, round: usize) -> [String; 2] {
    let stored = |device: &Device<'_>, writer: u8, bytes: &[u8]| {
        let record = version(save, Some(bytes), &[], writer, round as u64 + 1);
        let stored = device.store(&format!("store-{round}-{writer}"), &record, Some(bytes));
        stored["version"].as_str().unwrap_or_else(|| panic!("{stored}")).to_owned()
    };
    [stored(one, 1, format!("left {round}").as_bytes()), stored(two, 2, format!("right {round}").as_bytes())]
}

fn heads(device: &Device<'_>, save: &str) -> Vec<String> {
    let changes: Value = device.get("/changes").ok();
    let saves = changes["saves"].as_array().unwrap();
    let save = saves.iter().find(|known| known["save"] == save).unwrap();
    let heads = save["heads"].as_array().unwrap().iter();
    heads.map(|head| head["version"].as_str().unwrap().to_owned()).collect()
}

/// Calls all at once, each in a thread of its own.
fn at_once<T: Send>(ask: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(TOGETHER);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..TOGETHER)
            .map(|number| {
                let (ask, barrier) = (&ask, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    ask(number)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn of_sixteen_devices_that_answer_one_question_one_does_and_the_others_see_what_happened() {
    let server = Server::start();
    server.add_user("ada");
    let (one, two) = (server.pair("Miyoo", "ada"), server.pair("RG35XX", "ada"));
    for round in 0..ROUNDS {
        let save = format!("gb/sram/Tetris {round}");
        let sides = question(&one, &two, &save, round);
        let replies = at_once(|number| {
            let device = if number % 2 == 0 { &one } else { &two };
            let choice = json!({"save": save, "keep": sides[number / 2 % 2], "heads": sides, "note": null});
            device.change("POST", "/saves/resolve", &format!("choice-{round}-{number}"), &choice)
        });
        let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
        assert_eq!((won.len(), lost.len()), (1, TOGETHER - 1));
        let winner = won[0].json();
        for reply in lost {
            assert_eq!(reply.code(), "heads_moved");
            assert_eq!(reply.json()["heads"], winner["heads"], "they are told what is there now");
        }
        assert_eq!(heads(&two, &save), [winner["version"].as_str().unwrap()], "one head, for everybody");
        let history: Value = one.get(&format!("/history?save=gb%2Fsram%2FTetris%20{round}")).ok();
        assert_eq!(history["versions"].as_array().unwrap().len(), 3, "both sides and one choice");
    }
    is_whole(&server);
}

#[test]
fn of_sixteen_browsers_that_answer_one_question_one_does_and_the_others_see_what_happened() {
    let server = Server::start();
    let browser = registered(&server);
    let (one, two) = (server.pair("Miyoo", "ada"), server.pair("RG35XX", "ada"));
    let cookie = browser.cookie.borrow().clone();
    for round in 0..ROUNDS {
        let save = format!("gb/sram/Zelda {round}");
        question(&one, &two, &save, round);
        let link = format!("/save?id=gb%2Fsram%2FZelda%20{round}");
        // Each has loaded the page, so each form is its own.
        let pages: Vec<String> = (0..TOGETHER).map(|_| browser.page(&link)).collect();
        let answers = at_once(|number| {
            let own = Browser::new(&server);
            *own.cookie.borrow_mut() = cookie.clone();
            let side = pages[number].split("<article").nth(1 + number / 2 % 2).unwrap();
            // Odd ones keep both.
            let both: &[(&str, &str)] = if number % 2 == 1 { &[("both", "yes")] } else { &[] };
            own.press(side, "Keep this", both).header("location").to_owned()
        });
        let settled = |answer: &&String| answer.ends_with("&done=resolved") || answer.ends_with("&done=both");
        assert_eq!(answers.iter().filter(settled).count(), 1, "{answers:?}");
        let moved: Vec<&String> = answers.iter().filter(|answer| answer.ends_with("&done=moved")).collect();
        assert_eq!(moved.len(), TOGETHER - 1, "{answers:?}");
        let seen = browser.page(moved[0]);
        assert!(seen.contains("Nothing was changed") && !seen.contains("Which one"), "{seen}");
        assert_eq!(heads(&one, &save).len(), 1);
    }
    is_whole(&server);
}

#[test]
fn one_press_that_was_sent_sixteen_times_is_one_choice_and_one_answer() {
    let server = Server::start();
    server.add_user("ada");
    let (one, two) = (server.pair("Miyoo", "ada"), server.pair("RG35XX", "ada"));
    let sides = question(&one, &two, "gb/sram/Tetris", 0);
    let choice = json!({"save": "gb/sram/Tetris", "keep": sides[0], "heads": sides, "note": null});
    let replies = at_once(|_| one.change("POST", "/saves/resolve", "the-choice", &choice));
    for reply in &replies {
        assert_eq!((reply.status, &reply.body), (200, &replies[0].body), "{}", reply.text());
    }
    let history: Value = one.get("/history?save=gb%2Fsram%2FTetris").ok();
    assert_eq!(history["versions"].as_array().unwrap().len(), 3);
}

/// Each change of the protocol under an id, and another one of the same kind that comes under that id.
fn changes(server: &Server, sides: &[String; 2]) -> Vec<(&'static str, String, Value, Value)> {
    let spare = server.pair("Spare", "ada").id;
    let path = format!("/devices/{spare}");
    let choice =
        |side: usize| json!({"save": "gb/sram/Tetris", "keep": sides[side], "heads": sides, "note": null});
    let restored =
        |note: &str| json!({"save": "gb/sram/Tetris", "version": sides[0], "heads": [], "note": note});
    vec![
        ("POST", "/saves/resolve".into(), choice(0), choice(1)),
        ("PATCH", path.clone(), json!({"name": "Attic"}), json!({"name": "Cellar"})),
        ("DELETE", path, Value::Null, Value::Null),
        ("POST", "/saves/restore".into(), restored("back"), restored("back for good")),
    ]
}

#[test]
fn an_operation_that_is_sent_again_answers_the_same_and_with_other_content_is_refused() {
    let server = Server::start();
    server.add_user("ada");
    server.add_user("eve");
    let (one, two, eve) =
        (server.pair("Miyoo", "ada"), server.pair("RG35XX", "ada"), server.pair("Hers", "eve"));
    let sides = question(&one, &two, "gb/sram/Tetris", 0);
    for (number, (method, path, body, other)) in changes(&server, &sides).into_iter().enumerate() {
        let what = format!("{method} {path}");
        let id = format!("op-{number}");
        let mut body = body;
        if path.ends_with("restore") {
            // They are others since the rows before.
            body["heads"] = json!(heads(&one, "gb/sram/Tetris"));
        }
        let first = one.change(method, &path, &id, &body);
        assert!(first.status < 300, "{what}: {}", first.text());
        let before = held(&one);
        let again = one.change(method, &path, &id, &body);
        assert_eq!((again.status, again.text()), (first.status, first.text()), "{what}");
        if other != body && !other.is_null() {
            assert_eq!(one.change(method, &path, &id, &other).code(), "operation_reused", "{what}");
        }
        assert_eq!(
            one.change(
                "POST",
                "/saves/resolve",
                &id,
                &json!({"save": "gb/sram/x", "keep": sides[0], "heads": []})
            )
            .code(),
            "operation_reused",
            "{what}: another kind of change"
        );
        let foreign = eve.change(method, &path, &id, &body);
        assert_eq!(foreign.code(), "not_found", "{what}: another user's id is another operation");
        assert_eq!(held(&one), before, "{what}");
    }
    is_whole(&server);
}

#[test]
fn a_store_that_is_sent_again_with_other_bytes_is_refused_and_another_devices_id_is_its_own() {
    let server = Server::start();
    server.add_user("ada");
    server.add_user("eve");
    let (one, two, eve) =
        (server.pair("Miyoo", "ada"), server.pair("RG35XX", "ada"), server.pair("Hers", "eve"));
    let record = |bytes: &[u8], writer| version("gb/sram/Tetris", Some(bytes), &[], writer, 1);
    let frame = |bytes: &[u8], writer| crate::support::frames::store(&record(bytes, writer), Some(bytes));
    let first = one.send("/versions", "op-1", &frame(b"mine", 1));
    assert_eq!(first.status, 200);
    let before = held(&one);
    let again = one.send("/versions", "op-1", &frame(b"mine", 1));
    assert_eq!(again.body, first.body);
    assert_eq!(held(&one), before);
    let other = one.send("/versions", "op-1", &frame(b"other bytes", 1));
    assert_eq!(other.code(), "operation_reused");
    let reused: Value = one.send("/versions", "op-2", &frame(b"other bytes", 1)).ok();
    assert_eq!(
        reused["results"][0]["problem"]["code"], "writer_reused",
        "nor may a writer count twice: {reused}"
    );
    assert_eq!(held(&one), before);
    // The same id from another device, and from another user: operations of their own, and no word of the first one's.
    let sister: Value = two.send("/versions", "op-1", &frame(b"hers", 2)).ok();
    assert_eq!(sister["results"][0]["outcome"], "branch");
    let stranger: Value = eve.send("/versions", "op-1", &frame(b"eve's", 3)).ok();
    assert_eq!(stranger["results"][0]["outcome"], "head");
    assert_eq!(stranger["results"][0]["heads"].as_array().unwrap().len(), 1);
    // Bytes come before records: those of the refused one lie there until they are swept.
    is_sound(&server);
}
