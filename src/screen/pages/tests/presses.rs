//! What buttons and news do, through the app as it is.
#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::json;

use super::super::*;
use super::sample::{error, known, past, save, version};
use super::{Hand, found};
use crate::choice::{Done, Keep, Wish};
use crate::config::Config;
use crate::error::Kind;
use crate::screen::errands::Reply;
use crate::screen::known::{Card, Known, Outcome};
use crate::screen::view::Button::{
    Accept, Back, Down, Erase, Extra, Left, Letter, Menu, Other, PageDown, PageUp, Right, Up,
};
use crate::screen::view::Turn;

const TETRIS: &str = "gb/sram/Tetris";

fn asked_tetris() -> Hand {
    Hand::new(known(), "en").at(Box::new(conflict::Conflict::of(&save(TETRIS))))
}

fn history_of_tetris() -> Hand {
    Hand::new(known(), "en").at(Box::new(history::History::of(&save(TETRIS), 7)))
}

/// It is done, and nothing was replaced.
fn well() -> Outcome {
    Outcome { done: Ok(Done { here: true, stored: true, ..Done::default() }), undo: None }
}

fn not_well() -> Outcome {
    Outcome { done: Err(error(Kind::Offline)), undo: None }
}

#[test]
fn an_answer_is_said_before_it_is_given() {
    let mut hand = Hand::new(known(), "en");
    hand.press(&[Accept]);
    assert!(hand.text().contains("Both are kept. Which one goes on?"), "{}", hand.text());
    hand.press(&[Right, Accept]);
    assert!(hand.text().contains("The version of Anbernic goes on everywhere."), "{}", hand.text());
    assert!(hand.wishes().is_empty(), "nothing is done yet");
    hand.press(&[Accept, Accept, Down]);
    let keep = Keep::Version(version(2).to_string());
    let wishes: Vec<&Wish> = hand.wishes().into_iter().map(|(_, wish)| wish).collect();
    assert_eq!(
        wishes,
        [&Wish::Resolve { save: save(TETRIS), keep, note: None }],
        "once, however often pressed"
    );
}

#[test]
fn a_line_that_appears_before_the_chosen_one_does_not_open_in_its_place() {
    let mut calm = known();
    calm.card.as_mut().unwrap().questions.clear();
    let mut hand = Hand::new(calm, "en");
    // The ends meet: settings.
    hand.press(&[Up]);
    hand.app.known = known();
    hand.press(&[Accept]);
    assert_eq!(hand.view().title, "Settings");
    hand.press(&[Back, Down]);
    hand.app.known.card.as_mut().unwrap().paired = false;
    let chosen = |hand: &Hand| {
        hand.view().blocks.into_iter().find_map(|block| match block {
            crate::screen::view::Block::List { rows, focus } => Some(rows[focus].label.clone()),
            _ => None,
        })
    };
    assert_eq!(chosen(&hand).as_deref(), Some("Choose a version"), "still the one");
    hand.app.known.card.as_mut().unwrap().questions.clear();
    assert_eq!(chosen(&hand).as_deref(), Some("Pair"), "what is in its place when it is gone");
}

#[test]
fn both_goes_on_with_what_is_here_and_with_a_version_that_there_is_where_nothing_is() {
    let both = |hand: &mut Hand| {
        hand.press(&[Extra]);
        let text = hand.text();
        hand.press(&[Accept]);
        let Some((_, Wish::Resolve { keep, .. })) = hand.wishes().pop() else { panic!("{text}") };
        (keep.clone(), text)
    };
    let (keep, text) = both(&mut asked_tetris());
    assert!(keep == Keep::This && text.contains("This device: this version goes on everywhere."), "{text}");
    let mut hand = asked_tetris();
    for question in &mut hand.app.known.card.as_mut().unwrap().questions {
        if let crate::plan::Question::Conflict { here, .. } = question {
            // It was played on since, or taken off the card.
            *here = None;
        }
    }
    let (keep, text) = both(&mut hand);
    assert!(keep == Keep::Version(version(1).to_string()), "{keep:?}");
    assert!(text.contains("Miyoo Mini: this version goes on everywhere."), "{text}");
}

#[test]
fn what_is_here_is_not_restored_over_itself_and_a_deletion_has_no_bytes() {
    let mut hand = history_of_tetris();
    let mut past = past();
    past[1].size_bytes = None;
    hand.hear(News::Past(7, past, Some(Ok(()))));
    hand.press(&[Accept, Back, Down, Accept]);
    assert!(hand.wishes().is_empty() && hand.text().contains("History") | hand.text().contains("Tetris"));
    hand.press(&[Down, Down, Down, Accept, Accept]);
    let kept = Wish::RestoreKept { save: save(TETRIS), root: 0, number: 7 };
    assert_eq!(hand.wishes().pop().map(|(_, wish)| wish), Some(&kept));
}

#[test]
fn back_after_a_restore_shows_the_history_as_it_is_then() {
    let mut hand = history_of_tetris();
    hand.hear(News::Past(7, past(), Some(Ok(()))));
    hand.press(&[Down, Accept, Accept]);
    assert!(hand.text().contains("Working"));
    // The answer comes while the history lies behind; it asks again, and hears while it lies there.
    hand.hear(News::Done(hand.last_wish(), well()));
    let Some(Order::History(number, of)) = hand.orders.pop() else { panic!("it did not ask again") };
    assert_eq!(of, save(TETRIS));
    let mut newer = past();
    newer.truncate(2);
    newer[1].device = "the device that restored".into();
    newer[1].newest = false;
    hand.hear(News::Past(number, newer, Some(Ok(()))));
    // What was asked before and comes late is not the last word.
    hand.hear(News::Past(7, past(), Some(Ok(()))));
    assert!(hand.text().contains("It is in place on this device."), "{}", hand.text());
    hand.press(&[Back]);
    assert!(hand.text().contains("the device that restored"), "{}", hand.text());
}

#[test]
fn an_outcome_is_told_to_who_ordered_it_and_a_failure_that_nobody_waits_for_to_the_person() {
    let mut hand = asked_tetris();
    hand.press(&[Accept, Accept]);
    let first = hand.last_wish();
    // Not waited for; the other answer is given at once.
    hand.press(&[Back, Right, Accept, Accept]);
    let second = hand.last_wish();
    assert_ne!(first, second);
    hand.hear(News::Done(first, well()));
    assert!(hand.text().contains("Working"), "that was the other one: {}", hand.text());
    hand.hear(News::Done(second, not_well()));
    assert!(hand.text().contains("Nothing was changed."), "{}", hand.text());

    let mut hand = asked_tetris();
    hand.press(&[Accept, Accept, Back, Back]);
    hand.hear(News::Done(hand.last_wish(), not_well()));
    assert!(hand.text().contains("Not done") && hand.text().contains("Goes on by itself when the server"));
    hand.press(&[Back]);
    assert!(hand.text().contains("of 1014 saves are safe"), "home again: {}", hand.text());
}

#[test]
fn an_errand_that_fails_is_told_with_what_to_do() {
    let says = |hand: &Hand| {
        let value = json!({"error": {"kind": "full", "doing": "cannot write the hook", "cause": "no room"}});
        News::Errand(hand.last_errand().0, Reply::Said(value))
    };
    let mut hand = Hand::new(known(), "en").at(Box::new(settings::Settings::default()));
    hand.press(&[Accept]);
    assert_eq!(hand.last_errand().1, "boot off");
    hand.hear(says(&hand));
    let text = hand.text();
    assert!(text.contains("cannot write the hook: no room") && text.contains("There is no room."), "{text}");
    hand.hear(News::Errand(hand.last_errand().0, Reply::Ended(1)));
    hand.press(&[Back]);
    let mut hand = hand.at(Box::new(problems::Problems::default()));
    assert!(hand.text().contains("cannot write the hook"), "it stays a problem: {}", hand.text());
    // One that does it takes the problem away.
    hand.press(&[Back, Accept]);
    hand.hear(News::Errand(hand.last_errand().0, Reply::Ended(0)));
    assert!(hand.app.known.errand.is_none());

    // Who did errands was killed: that is told too.
    let mut hand = Hand::new(known(), "en").at(Box::new(settings::Settings::default()));
    hand.errands = std::io::pipe().unwrap().0;
    hand.press(&[Accept]);
    assert!(hand.text().contains("close it and open it again"), "{}", hand.text());

    // Of the start that nobody asked for the list of problems tells.
    let paired = Card { paired: true, ..Card::default() };
    let mut hand = Hand::new(Known::default(), "en");
    hand.app.starts_daemon = true;
    hand.hear(News::Looked(0, Box::new(Ok(paired))));
    assert_eq!(hand.last_errand().1, "start");
    hand.hear(says(&hand));
    assert!(hand.text().contains("No saves here yet"), "no page jumps up: {}", hand.text());
    assert!(hand.text().contains("Problems"), "{}", hand.text());
}

#[test]
fn switches_pressed_quickly_are_all_set() {
    let mut hand = Hand::new(known(), "en").at(Box::new(select::What::default()));
    let out = |hand: &Hand| hand.text().matches("mark: Off").count();
    // Nothing is heard of the card between; a look that began before brings nothing back.
    hand.press(&[Accept, Down, Accept]);
    assert_eq!(out(&hand), 2, "both are seen at once");
    hand.hear(News::Looked(0, Box::new(Ok(known().card.unwrap()))));
    assert_eq!(out(&hand), 2, "an old look");
    hand.press(&[Accept]);
    let orders: Vec<(&str, bool)> = hand
        .orders
        .iter()
        .filter_map(|order| match order {
            Order::LeaveOut(word, out) => Some((word.as_str(), *out)),
            _ => None,
        })
        .collect();
    assert_eq!(orders, [("saves", true), ("states", true), ("states", false)], "each by itself");
    hand.hear(News::Looked(3, Box::new(Ok(known().card.unwrap()))));
    assert_eq!(out(&hand), 0, "what the card says after all of them holds");

    let mut hand = Hand::new(known(), "en").at(Box::new(settings::Settings::default()));
    hand.press(&[Down, Accept, Accept, Accept]);
    let sets: Vec<&str> = hand
        .orders
        .iter()
        .filter_map(|order| match order {
            Order::Set(PLAYING, value) => Some(value.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(sets, ["false", "true", "false"]);
    hand.press(&[Up, Accept, Accept]);
    let words: Vec<&str> = hand.done.iter().map(|(_, words)| words.as_str()).collect();
    assert_eq!(words, ["boot off", "boot on"]);
}

#[test]
fn leaving_a_game_out_names_just_that_game() {
    let mut hand = Hand::new(known(), "en");
    hand.app.known.card.as_mut().unwrap().config =
        Config::load(&[("leave_out", "states | snes".into())], &|_| None, None).unwrap();
    let mut hand = hand.at(Box::new(select::What::default()));
    // Battery saves, states, GB, its line for all, the first game.
    hand.press(&[Down, Down, Accept, Down, Accept]);
    assert!(matches!(hand.orders.last(), Some(Order::LeaveOut(word, true)) if word == "gb/Metroid II"));
    let config = &hand.app.known.card.as_ref().unwrap().config;
    assert_eq!(config.leave_out.text(), "states | snes | gb/Metroid II");
}

#[test]
fn buttons_are_learned_again_when_a_person_wants_it() {
    let mut hand = Hand::new(known(), "en").at(Box::new(settings::Settings::default()));
    assert_eq!(hand.press(&[Up, Up, Up]), Turn::Draw);
    assert!(hand.text().contains("Press one button after the other"), "{}", hand.text());
    assert_eq!(hand.press(&[Accept]), Turn::Learn);
    let mut hand = Hand::new(Known { has_pad: false, ..known() }, "en");
    hand.press(&[Menu]);
    assert!(!hand.text().contains("\"Buttons\""), "a terminal has none to learn");
}

#[test]
fn a_problem_that_is_looked_at_stays_the_one_when_others_come() {
    let mut hand =
        Hand::new(Known { runs: false, ..known() }, "en").at(Box::new(problems::Problems::default()));
    hand.press(&[Down, Down, Down, Accept]);
    assert!(hand.text().contains("starts in the background"), "{}", hand.text());
    let card = hand.app.known.card.as_mut().unwrap();
    card.halts.clear();
    card.given_up = "safe mode: it ended 5 times".into();
    assert!(hand.text().contains("safe mode: it ended 5 times"), "{}", hand.text());
    assert!(hand.text().contains("starts in the background"), "{}", hand.text());
    hand.press(&[Accept]);
    assert_eq!(hand.last_errand().1, "start");
}

#[test]
fn pairing_with_another_server_forgets_the_line_that_names_the_old_one() {
    let mut hand = Hand::new(known(), "en");
    let card = hand.app.known.card.as_mut().unwrap();
    card.server.clear();
    card.config.server = Some("https://old.example".into());
    let mut hand = hand.at(Box::new(Pair::default()));
    hand.hear(found("http://10.0.0.9:1"));
    hand.press(&[Accept]);
    assert!(matches!(hand.orders.last(), Some(Order::Set("server", url)) if url == "http://10.0.0.9:1"));
    let (number, words) = hand.last_errand();
    assert_eq!(words, "stop ; pair http://10.0.0.9:1 --plain-http true && boot keep ; start");
    hand.press(&[Back]);
    assert_eq!(hand.last_errand(), (0, ""), "who goes back does not pair");
    let code = json!({"code": "WXRT-4KQM", "url": "u", "url_complete": "u"});
    hand.hear(News::Errand(number, Reply::Said(code)));
    assert!(!hand.text().contains("WXRT"), "what was called off shows no code: {}", hand.text());
}

#[test]
fn whatever_is_pressed_nothing_breaks() {
    let all = [Up, Down, Left, Right, Accept, Back, Menu, Extra, Other, PageUp, PageDown, Letter('ß'), Erase];
    let mut chance: u32 = 7;
    for known in [known(), Known::default(), Known { card: Some(Card::default()), ..Known::default() }] {
        let mut hand = Hand::new(known, "de");
        for _ in 0..5_000 {
            chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if hand.press(&[all[(chance >> 16) as usize % all.len()]]) == Turn::End {
                hand = hand.at(Box::new(Home::default()));
            }
            assert!(hand.app.pages.len() < 12, "pages do not pile up");
            let _ = hand.view();
        }
    }
}

#[test]
fn a_server_that_signs_itself_is_paired_with_only_after_its_key_was_compared() {
    let mut hand =
        Hand::new(Known { runs: false, ..known() }, "en").at(Box::new(super::super::Pair::default()));
    hand.app.known.card.as_mut().unwrap().server.clear();
    hand.hear(found("https://10.0.0.9:8377"));
    hand.press(&[Accept]);
    let key = "0123456789abcdef".repeat(4);
    let refuse = |hand: &mut Hand| {
        for value in [json!({"key": key}), json!({"error": {"kind": "offline", "doing": "a", "cause": "b"}})]
        {
            hand.hear(News::Errand(hand.last_errand().0, Reply::Said(value)));
        }
        hand.hear(News::Errand(hand.last_errand().0, Reply::Ended(1)));
    };
    refuse(&mut hand);
    assert!(hand.text().contains("01234567 89abcdef 01234567"), "{}", hand.text());

    // No: nothing is done, and another try does not remember it.
    let before = hand.done.len();
    hand.press(&[Back]);
    assert_eq!(hand.done.len(), before);
    hand.press(&[Accept]);
    assert!(!hand.last_errand().1.contains("--pin"), "{}", hand.last_errand().1);

    refuse(&mut hand);
    hand.press(&[Accept]);
    let words = hand.last_errand().1;
    assert!(words.contains(&format!("pair https://10.0.0.9:8377 --pin {key} ")), "{words}");
}
