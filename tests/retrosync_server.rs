//! A server of the RetroSync project as a remote: what of the contract it can keep, and that each of its faults costs
//! nothing, with the real program on two devices; then our own server, which speaks the same protocol and is safe.
//!
//! Not of the contract here: it knows no version by its id, so that two devices name the same bytes by two, and what
//! diverges is a question on the device that came second, which one answer settles for both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[macro_use]
#[path = "../src/remote/suite.rs"]
#[allow(unreachable_pub, dead_code, unused_macros)]
mod suite;
mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use retrosync::error::Kind;
use retrosync::remote::{Remote, RemoteSettings, Retrosync};
use retrosync_protocol::{Ask, ChangesRequest, Digest, StoreResult, Version, WriterId};
use serde_json::{Value, json};
use suite::{Ground, Handheld, SAVE};
use support::card::Firmware;
use support::device::{Device, bytes};
use support::server::Server;
use support::their_server::{Bug, Health, TheirServer};

const GAME: &str = "Tetris (World)";

/// A server, and the cards on which its devices keep what it does not.
struct There {
    server: TheirServer,
    cards: Vec<tempfile::TempDir>,
    opened: Vec<RemoteSettings>,
}

impl There {
    fn new(bugs: &[Bug]) -> There {
        There { server: TheirServer::start(bugs), cards: Vec::new(), opened: Vec::new() }
    }

    /// The program of a device, counted from 0, starts again.
    fn restart(&self, device: usize, handheld: &mut Handheld) {
        handheld.remote = Box::new(Retrosync::open(&self.opened[device]).unwrap());
    }

    /// A device's store on its card.
    fn store(&self, device: usize) -> PathBuf {
        let folder = fs::read_dir(self.cards[device].path()).unwrap().next().unwrap().unwrap();
        folder.path().join("retrosync-store")
    }

    /// A power cut leaves the records and takes the bytes.
    fn take_bytes(&self, device: usize) {
        fs::remove_dir_all(self.store(device).join("blobs")).unwrap();
    }

    fn settings(&mut self, writer: &WriterId) -> RemoteSettings {
        let card = tempfile::tempdir().unwrap();
        let settings = RemoteSettings {
            server: format!("retrosync:{}", self.server.url()),
            token: Some(format!("rst_{}", self.server.device()).parse().unwrap()),
            state_dir: Some(card.path().to_owned()),
            writer: Some(writer.clone()),
            client: "retrosync/test".into(),
            ..RemoteSettings::default()
        };
        self.cards.push(card);
        self.opened.push(settings.clone());
        settings
    }
}

impl Ground for There {
    fn device(&mut self, _: &str, writer: &WriterId) -> Box<dyn Remote> {
        Box::new(Retrosync::open(&self.settings(writer)).unwrap())
    }
}

suite! { There::new(&[]);
    one_content_that_does_not_come_never_stops_the_others
    a_sink_that_fails_takes_the_rest
    another_epoch_resets
    who_waits_hears_of_another_writer_at_once
    who_waits_for_nothing_hears_so_in_time
}

/// The contents of a save's heads.
fn heads(device: &mut Handheld, save: &str) -> Vec<Digest> {
    let mut found: Vec<Digest> =
        device.heads(save).iter().filter_map(|head| Some(head.content?.digest)).collect();
    found.sort_unstable();
    found
}

fn digests(contents: &[&[u8]]) -> Vec<Digest> {
    let mut digests: Vec<Digest> = contents.iter().map(|bytes| Digest::of(bytes)).collect();
    digests.sort_unstable();
    digests
}

/// Stores bytes that go on from what the device has heard of.
fn play(device: &mut Handheld, save: &str, bytes: &[u8]) -> StoreResult {
    let parents: Vec<_> = device.heads(save).iter().map(|head| head.version).collect();
    let version = device.version(save, Some(bytes), &parents);
    device.store(std::slice::from_ref(&version)).remove(0)
}

/// Two devices, and both have `first`.
fn two(there: &mut There) -> (Handheld, Handheld) {
    let (mut a, mut b) = (Handheld::new(there, "A"), Handheld::new(there, "B"));
    assert!(matches!(play(&mut a, SAVE, b"first"), StoreResult::Head { .. }));
    assert_eq!(heads(&mut b, SAVE), digests(&[b"first"]));
    (a, b)
}

#[test]
fn what_one_device_stores_the_other_has_back_and_forth() {
    let mut there = There::new(&[]);
    let (mut a, mut b) = two(&mut there);
    for round in 0..4u8 {
        let (player, other) = if round % 2 == 0 { (&mut b, &mut a) } else { (&mut a, &mut b) };
        let played = [round + 1; 100];
        assert!(matches!(play(player, SAVE, &played), StoreResult::Head { .. }), "{round}");
        assert_eq!(heads(other, SAVE), digests(&[&played]), "{round}");
        let content = other.heads(SAVE)[0].content.unwrap();
        assert_eq!(other.fetch(&[content]).0[&content.digest], played);
    }
}

#[test]
fn a_quiet_look_is_one_request() {
    let mut there = There::new(&[]);
    let (mut a, _b) = two(&mut there);
    let known = a.list(0, None);
    there.server.asked();
    let again = a.list(known.cursor, Some(&known.epoch));
    assert_eq!((again.saves.len(), there.server.asked()), (0, vec!["GET /api/sync/manifest".to_owned()]));
}

#[test]
fn who_had_not_seen_the_newest_is_asked_and_sends_nothing_before_the_answer() {
    let mut there = There::new(&[]);
    let (mut a, mut b) = two(&mut there);
    let seen = b.heads(SAVE)[0].version;
    play(&mut a, SAVE, b"played on a");
    let late = b.version(SAVE, Some(b"played on b"), &[seen]);
    let results = b.store(std::slice::from_ref(&late));
    assert!(matches!(results[0], StoreResult::Branch { .. }), "{results:?}");
    assert_eq!(heads(&mut b, SAVE), digests(&[b"played on a", b"played on b"]));
    assert_eq!(there.server.shown(GAME), Some(b"played on a".to_vec()));
    // The answer settles it for both.
    assert!(matches!(play(&mut b, SAVE, b"played on b"), StoreResult::Head { .. }));
    assert_eq!(heads(&mut a, SAVE), digests(&[b"played on b"]));
    let history = a.remote.history(&SAVE.parse().unwrap(), None).unwrap();
    assert!(history.versions.iter().any(|v| v.record.content.unwrap().digest == Digest::of(b"played on a")));
}

#[test]
fn each_fault_of_the_server_costs_no_version() {
    let rows: [(&[Bug], &str); 9] = [
        (&[], "no fault"),
        (&[Bug::RanksByDate, Bug::TakesLong(8)], "S8: what takes long to arrive is as if fresh"),
        (&[Bug::StoreFails(1)], "S1: the first upload is recorded without its bytes"),
        (&[Bug::IgnoresRestores, Bug::MergesEqualBytes], "S2, S5: known bytes are skipped"),
        (&[Bug::DropsOlder], "S6: an upload dated before the last is dropped"),
        (&[Bug::RanksByDate, Bug::DropsOlder], "S7, S8: fresh dates rank last"),
        (&[Bug::RanksByDate, Bug::DropsOlder, Bug::Clock(-40 * 365 * 86_400)], "its clock is in 1986"),
        (&[Bug::RanksByDate, Bug::DropsOlder, Bug::Clock(20 * 365 * 86_400)], "its clock is in 2046"),
        (&[Bug::IgnoresRestores, Bug::DropsOlder, Bug::RanksByDate, Bug::MergesEqualBytes], "all at once"),
    ];
    for (bugs, what) in rows {
        let has_clock = bugs.iter().any(|bug| matches!(bug, Bug::Clock(_)));
        let mut there = There::new(if has_clock { bugs } else { &[] });
        let (mut a, mut b) = two(&mut there);
        there.server.set(bugs);
        // On, back to old bytes, and on again, in turn.
        for (number, played) in
            [b"one".as_slice(), b"two", b"one", b"three", b"first"].into_iter().enumerate()
        {
            let (player, other) = if number % 2 == 0 { (&mut a, &mut b) } else { (&mut b, &mut a) };
            let parents: Vec<_> = player.heads(SAVE).iter().map(|head| head.version).collect();
            let version = player.version(SAVE, Some(played), &parents);
            let offers = [version];
            let mut result = None;
            for _ in 0..3 {
                let shelf = player.bytes_of(&offers[0]);
                match player.remote.store(&offers, &|_| Ok(Box::new(std::io::Cursor::new(shelf.clone())))) {
                    Ok(mut results) => {
                        result = results.pop();
                        break;
                    }
                    Err(error) => {
                        println!("{what}, {number}: {error}");
                        assert_eq!(error.kind, Kind::Offline, "{what}: {error}");
                    }
                }
            }
            assert!(matches!(result, Some(StoreResult::Head { .. })), "{what}, {number}: {result:?}");
            assert_eq!(there.server.shown(GAME).as_deref(), Some(played), "{what}, {number}");
            assert_eq!(heads(other, SAVE), digests(&[played]), "{what}, {number}");
        }
    }
}

#[test]
fn two_games_whose_bytes_are_equal_stay_two() {
    let mut there = There::new(&[Bug::MergesEqualBytes]);
    let mut a = Handheld::new(&mut there, "A");
    play(&mut a, "gb/sram/One", b"fresh");
    play(&mut a, "gb/sram/Two", b"fresh");
    play(&mut a, "gb/sram/One", b"far");
    let mut b = Handheld::new(&mut there, "B");
    assert_eq!(there.server.keys(), ["One", "Two"]);
    assert_eq!(heads(&mut b, "gb/sram/One"), digests(&[b"far"]));
    assert_eq!(heads(&mut b, "gb/sram/Two"), digests(&[b"fresh"]));
}

#[test]
fn games_of_one_name_on_two_systems_stay_two() {
    let mut there = There::new(&[]);
    let (mut a, mut b) = (Handheld::new(&mut there, "A"), Handheld::new(&mut there, "B"));
    play(&mut a, "gb/sram/Tetris", b"on the handheld");
    play(&mut b, "nes/sram/Tetris", b"on the console");
    play(&mut b, "gb/rtc/Tetris", b"its clock");
    for device in [&mut a, &mut b] {
        assert_eq!(heads(device, "gb/sram/Tetris"), digests(&[b"on the handheld"]));
        assert_eq!(heads(device, "nes/sram/Tetris"), digests(&[b"on the console"]));
        assert_eq!(heads(device, "gb/rtc/Tetris"), digests(&[b"its clock"]));
    }
    assert_eq!(there.server.keys(), ["Tetris", "Tetris [nes]", "Tetris.rtc"]);
}

#[test]
fn another_client_s_save_is_met_by_name_and_never_overwritten_unseen() {
    let mut there = There::new(&[]);
    let mut a = Handheld::new(&mut there, "A");
    there.server.device();
    there.server.other_uploads(
        "/mnt/mmc/MUOS/save/file/mGBA/Tetris (World).srm",
        b"from muOS",
        1_763_644_581_000,
    );
    assert_eq!(heads(&mut a, SAVE), [], "which system it is of nobody has said");
    let mine = a.version(SAVE, Some(b"mine"), &[]);
    let results = a.store(&[mine]);
    assert!(matches!(results[0], StoreResult::Branch { .. }), "{results:?}");
    assert_eq!(
        there.server.versions(GAME),
        [b"from muOS".to_vec()],
        "nothing is sent before a person answers"
    );
    assert!(matches!(play(&mut a, SAVE, b"mine"), StoreResult::Head { .. }));
    assert_eq!(there.server.shown(GAME), Some(b"mine".to_vec()));
    there.server.other_uploads("/mnt/mmc/MUOS/save/file/mGBA/Tetris (World).srm", b"next", 2_000_000_000_000);
    assert_eq!(heads(&mut a, SAVE), digests(&[b"next"]));
}

#[test]
fn a_blank_save_of_another_client_replaces_no_game() {
    let mut there = There::new(&[]);
    let mut a = Handheld::new(&mut there, "A");
    play(&mut a, SAVE, b"far");
    there.server.other_uploads("/x/Tetris (World).srm", &[0; 3], 2_000_000_000_000);
    assert_eq!(heads(&mut a, SAVE), digests(&[b"far"]));
    assert!(matches!(play(&mut a, SAVE, b"farther"), StoreResult::Head { .. }));
    assert_eq!(there.server.shown(GAME), Some(b"farther".to_vec()));
}

#[test]
fn what_came_between_the_look_and_the_upload_is_a_question() {
    let mut there = There::new(&[]);
    let (_a, mut b) = two(&mut there);
    there.server.set(&[Bug::Races(b"played elsewhere")]);
    let result = play(&mut b, SAVE, b"played on b");
    assert!(matches!(result, StoreResult::Branch { .. }), "{result:?}");
    assert_eq!(heads(&mut b, SAVE), digests(&[b"played elsewhere", b"played on b"]));
}

#[test]
fn an_older_version_that_the_server_shows_again_is_a_question() {
    let mut there = There::new(&[]);
    let (mut a, mut b) = two(&mut there);
    play(&mut b, SAVE, b"second");
    assert_eq!(heads(&mut a, SAVE), digests(&[b"second"]));
    there.server.remove_device(1);
    assert_eq!(there.server.shown(GAME), Some(b"first".to_vec()), "S9: with the device went its versions");
    assert_eq!(heads(&mut a, SAVE), digests(&[b"first", b"second"]), "the progress is kept and asked about");
    assert!(matches!(play(&mut a, SAVE, b"second"), StoreResult::Head { .. }));
    assert_eq!(there.server.shown(GAME), Some(b"second".to_vec()), "and is there again");
}

#[test]
fn what_the_server_says_and_does_not_give_is_not_believed() {
    let rows: [(&[Bug], &str); 3] = [
        (&[Bug::ShowsWrongDigests], "S12: another digest than that of the bytes"),
        (&[Bug::StoreFails(9)], "S1: no bytes at all"),
        (&[Bug::CutsDownloads], "half of the bytes, of no length"),
    ];
    for (bugs, what) in rows {
        let mut there = There::new(&[]);
        let (mut a, _b) = two(&mut there);
        let before = a.list(0, None);
        let wrong_upload =
            bugs.iter().filter(|bug| !matches!(bug, Bug::CutsDownloads)).copied().collect::<Vec<_>>();
        there.server.set(&wrong_upload);
        there.server.other_uploads("/x/Tetris (World).srm", b"farther", 2_000_000_000_000);
        there.server.set(bugs);
        let request =
            ChangesRequest { since: before.cursor, epoch: Some(before.epoch), ..ChangesRequest::default() };
        match a.remote.list(&request) {
            Ok(changes) => assert!(
                changes
                    .saves
                    .iter()
                    .all(|save| save.heads.iter().all(|h| h.content.unwrap().digest == Digest::of(b"first"))),
                "{what}: {changes:?}"
            ),
            Err(error) => assert_eq!(error.kind, Kind::Offline, "{what}: {error}"),
        }
    }
}

#[test]
fn what_is_shown_and_does_not_come_is_not_hidden_behind_what_is_played_here() {
    let rows: [(&[Bug], &[Bug], &str); 4] = [
        (&[], &[Bug::CutsDownloads], "its download ends in the middle"),
        (&[Bug::StoreFails(1)], &[], "S1: it has no bytes"),
        (&[], &[Bug::ShowsNoDigests], "S12: no digest that can be read"),
        (&[Bug::ShowsWrongDigests], &[Bug::SaysSize(9)], "S12: another digest and another size"),
    ];
    for (stored_with, shown_with, what) in rows {
        let mut there = There::new(&[]);
        let (_a, mut b) = two(&mut there);
        let seen = b.heads(SAVE)[0].version;
        there.server.set(stored_with);
        there.server.other_uploads("/x/Tetris (World).srm", b"other", 2_000_000_000_000);
        let shown = there.server.shown(GAME);
        there.server.set(shown_with);
        let offer = [b.version(SAVE, Some(b"mine!"), &[seen])];
        for _ in 0..4 {
            let refused = offered(&mut b, &offer).unwrap().remove(0);
            assert!(matches!(refused, StoreResult::Refused { .. }), "{what}: {refused:?}");
        }
        assert_eq!(there.server.shown(GAME), shown, "{what}");
        if shown.is_none() || stored_with == [Bug::ShowsWrongDigests] {
            continue;
        }
        there.server.set(&[]);
        there.restart(1, &mut b);
        let asked = offered(&mut b, &offer).unwrap().remove(0);
        assert!(matches!(asked, StoreResult::Branch { .. }), "{what}: {asked:?}");
        assert_eq!(heads(&mut b, SAVE), digests(&[b"other", b"mine!"]), "{what}");
    }
}

#[test]
fn a_bit_that_flips_on_its_way_hides_no_version() {
    let mut there = There::new(&[]);
    let (mut a, mut b) = two(&mut there);
    play(&mut b, SAVE, b"second");
    there.server.set(&[Bug::Flips(1)]);
    assert_eq!(heads(&mut a, SAVE), digests(&[b"first"]));
    there.restart(0, &mut a);
    assert_eq!(heads(&mut a, SAVE), digests(&[b"second"]));
}

#[test]
fn bytes_that_come_back_again_and_again_go_out_each_time() {
    let mut there = There::new(&[Bug::IgnoresRestores]);
    let (mut a, mut b) = two(&mut there);
    for round in 0..6 {
        let (player, other) = if round % 2 == 0 { (&mut b, &mut a) } else { (&mut a, &mut b) };
        let played: &[u8] = if round % 2 == 0 { b"one" } else { b"two" };
        let result = play(player, SAVE, played);
        assert!(matches!(result, StoreResult::Head { .. }), "{round}: {result:?}");
        assert_eq!(heads(other, SAVE), digests(&[played]), "{round}");
    }
}

/// One game, as two cards spell it.
const SPELLED: [&str; 2] = ["gb/sram/Pok\u{e9}mon", "gb/sram/Poke\u{301}mon"];

#[test]
fn a_game_that_two_cards_spell_in_two_ways_stays_one() {
    let mut there = There::new(&[]);
    let (mut a, mut b) = (Handheld::new(&mut there, "A"), Handheld::new(&mut there, "B"));
    play(&mut a, SPELLED[0], b"first");
    play(&mut b, SPELLED[1], b"second");
    assert_eq!(heads(&mut a, SPELLED[0]), digests(&[b"second"]));
    // Its device is paired anew: what is registered is what the other registered.
    there.server.remove_device(0);
    let played = play(&mut b, SPELLED[1], b"third");
    assert!(matches!(played, StoreResult::Head { .. }), "{played:?}");
    assert_eq!(there.server.keys(), ["Pok\u{e9}mon"]);
}

#[test]
fn two_devices_never_swap_the_two_saves_that_one_game_has_there() {
    let mut there = There::new(&[]);
    let (mut a, mut b) = (Handheld::new(&mut there, "A"), Handheld::new(&mut there, "B"));
    play(&mut a, SPELLED[0], b"first");
    // In the same moment another of ours.
    there.server.other_uploads("/RetroSync/sram/gb/Poke\u{301}mon.srm", b"other", 2_000_000_000_000);
    assert_eq!(there.server.keys().len(), 2);
    for _ in 0..3 {
        assert_eq!(heads(&mut a, SPELLED[0]), digests(&[b"first", b"other"]), "a question, and no swap");
        assert_eq!(heads(&mut b, SPELLED[1]), digests(&[b"other"]));
        there.restart(0, &mut a);
        there.restart(1, &mut b);
    }
    let played = play(&mut a, SPELLED[0], b"answer");
    assert!(matches!(played, StoreResult::Head { .. }), "{played:?}");
    assert_eq!(heads(&mut b, SPELLED[1]), digests(&[b"answer"]));
}

#[test]
fn a_title_that_ends_in_dots_is_synced() {
    let mut there = There::new(&[]);
    let (mut a, mut b) = (Handheld::new(&mut there, "A"), Handheld::new(&mut there, "B"));
    for save in ["n64/sram/Super Smash Bros.", "gb/sram/What...", "gb/rtc/What..."] {
        let played = play(&mut a, save, save.as_bytes());
        assert!(matches!(played, StoreResult::Head { .. }), "{save}: {played:?}");
        assert_eq!(heads(&mut b, save), digests(&[save.as_bytes()]), "{save}");
    }
}

#[test]
fn a_store_that_was_taken_from_under_a_daemon_is_made_again() {
    let mut there = There::new(&[]);
    let (mut a, _b) = two(&mut there);
    fs::remove_dir_all(there.store(0)).unwrap();
    assert_eq!(a.remote.list(&ChangesRequest::default()).unwrap_err().kind, Kind::Offline);
    assert_eq!(heads(&mut a, SAVE), digests(&[b"first"]));
}

#[test]
fn a_captive_portal_s_page_is_no_answer() {
    let mut there = There::new(&[]);
    let (mut a, _b) = two(&mut there);
    there.server.set(&[Bug::Portal]);
    let error = a.remote.list(&ChangesRequest::default()).unwrap_err();
    assert_eq!(error.kind, Kind::Offline, "{error}");
}

#[test]
fn a_mode_that_the_user_chose_there_is_obeyed() {
    for (mode, sends, what) in
        [("upload_only", true, "only sent"), ("disabled", false, "neither sent nor taken")]
    {
        let mut there = There::new(&[]);
        let (mut a, _b) = two(&mut there);
        there.server.set_mode(GAME, mode);
        there.server.other_uploads("/x/Tetris (World).srm", b"theirs", 1_763_644_581_000);
        assert_eq!(heads(&mut a, SAVE), digests(&[b"first"]), "{what}");
        let result = play(&mut a, SAVE, b"mine");
        assert_eq!(matches!(result, StoreResult::Head { .. }), sends, "{what}: {result:?}");
        assert_eq!(there.server.versions(GAME).contains(&b"mine".to_vec()), sends, "{what}: {result:?}");
    }
}

#[test]
fn a_save_that_the_server_keeps_for_one_device_is_kept_there() {
    let mut there = There::new(&[Bug::SharesTwoSaves]);
    let mut a = Handheld::new(&mut there, "A");
    for save in ["gb/sram/One", "gb/sram/Two", "gb/sram/Three"] {
        assert!(matches!(play(&mut a, save, save.as_bytes()), StoreResult::Head { .. }), "{save}");
    }
    assert_eq!(there.server.versions("Three"), [b"gb/sram/Three".to_vec()]);
}

/// What became of one version that is offered, in words.
fn offered(device: &mut Handheld, offers: &[Version]) -> Result<Vec<StoreResult>, retrosync::error::Error> {
    let bytes: Vec<(Version, Vec<u8>)> =
        offers.iter().map(|offer| (offer.clone(), device.bytes_of(offer))).collect();
    device.remote.store(offers, &|version| {
        let found = bytes.iter().find(|(offer, _)| offer == version).unwrap();
        Ok(Box::new(std::io::Cursor::new(found.1.clone())))
    })
}

fn is_stored(result: &Result<Vec<StoreResult>, retrosync::error::Error>) -> bool {
    matches!(result.as_deref(), Ok([StoreResult::Head { .. }]))
}

/// Does the remote say that it has these bytes?
fn is_known(device: &mut Handheld, save: &str, bytes: &[u8]) -> bool {
    let ask = vec![Ask { save: save.parse().unwrap(), digest: Digest::of(bytes) }];
    device.remote.list(&ChangesRequest { ask, ..ChangesRequest::default() }).unwrap().known[0]
}

#[test]
fn an_upload_that_failed_is_sent_again_and_counts_for_nothing_until_it_went() {
    let rows: [(&[Bug], &str); 5] = [
        (&[Bug::StoreFails(2), Bug::IgnoresRestores], "S1, S2: twice not kept, and so known"),
        (&[Bug::Silent(2)], "no answer"),
        (&[Bug::Chokes(GAME)], "a 500"),
        (&[Bug::StoreFails(2)], "S1: taken, and not kept"),
        (&[Bug::LosesReplies], "stored, and the answer lost"),
    ];
    for (bugs, what) in rows {
        let mut there = There::new(&[]);
        let (mut a, mut b) = two(&mut there);
        let seen = a.heads(SAVE)[0].version;
        let offer = [a.version(SAVE, Some(b"played"), &[seen])];
        there.server.set(bugs);
        let failed = offered(&mut a, &offer);
        assert!(!is_stored(&failed), "{what}: {failed:?}");
        let is_lasting = |bug: &&Bug| **bug == Bug::IgnoresRestores;
        there.server.set(&bugs.iter().filter(is_lasting).copied().collect::<Vec<_>>());
        if bugs == [Bug::LosesReplies] {
            // It is there after all: the next look finds it.
            assert_eq!(heads(&mut a, SAVE), digests(&[b"played"]), "{what}");
        } else {
            // With a restart, too: nothing on the card may say that it went.
            there.restart(0, &mut a);
            assert_eq!(heads(&mut a, SAVE), digests(&[b"first"]), "{what}");
            assert!(!is_known(&mut a, SAVE, b"played"), "{what}");
        }
        let stored = offered(&mut a, &offer);
        assert!(is_stored(&stored), "{what}: {stored:?}");
        assert_eq!(there.server.shown(GAME), Some(b"played".to_vec()), "{what}");
        assert_eq!(heads(&mut b, SAVE), digests(&[b"played"]), "{what}");
    }
}

#[test]
fn one_save_that_the_server_cannot_give_keeps_no_other_from_coming() {
    let rows: [(&[Bug], bool, &str); 4] = [
        (&[Bug::Chokes("One")], false, "a 500 for one"),
        (&[Bug::HangsUp("One")], false, "the connection ends at one"),
        (&[Bug::SaysSize(u64::MAX)], true, "S12: sizes that nothing has"),
        (&[Bug::SaysSize(0)], true, "S12: no size"),
    ];
    for (bugs, one_comes, what) in rows {
        let mut there = There::new(&[]);
        let mut a = Handheld::new(&mut there, "A");
        for save in ["gb/sram/One", "gb/sram/Two"] {
            play(&mut a, save, save.as_bytes());
        }
        there.server.set(bugs);
        let mut b = Handheld::new(&mut there, "B");
        // A connection that ends may be the network: then it is the next look.
        let _ = b.remote.list(&ChangesRequest::default());
        assert_eq!(heads(&mut b, "gb/sram/Two"), digests(&[b"gb/sram/Two"]), "{what}");
        let one = if one_comes { digests(&[b"gb/sram/One"]) } else { Vec::new() };
        assert_eq!(heads(&mut b, "gb/sram/One"), one, "{what}");
        let played = play(&mut b, "gb/sram/Two", b"farther");
        assert!(matches!(played, StoreResult::Head { .. }), "{what}: {played:?}");
        there.server.set(&[]);
        there.restart(1, &mut b);
        assert_eq!(heads(&mut b, "gb/sram/One"), digests(&[b"gb/sram/One"]), "{what}");
    }
}

#[test]
fn one_save_that_the_server_does_not_take_keeps_no_other_from_going() {
    for (bug, what) in
        [(Bug::Chokes("One"), "a 500 for one"), (Bug::HangsUp("One"), "the connection ends at one")]
    {
        let mut there = There::new(&[bug]);
        let mut a = Handheld::new(&mut there, "A");
        let saves = ["gb/sram/One", "gb/sram/Two", "gb/sram/Three"];
        let offers = saves.map(|save| a.version(save, Some(save.as_bytes()), &[]));
        for _ in 0..2 {
            let _ = offered(&mut a, &offers);
        }
        for (key, save) in [("Two", saves[1]), ("Three", saves[2])] {
            assert_eq!(there.server.shown(key).as_deref(), Some(save.as_bytes()), "{what}");
            assert_eq!(heads(&mut a, save), digests(&[save.as_bytes()]), "{what}");
        }
        assert_eq!(heads(&mut a, saves[0]), [], "{what}");
        there.server.set(&[]);
        let stored = offered(&mut a, &offers).unwrap();
        assert!(stored.iter().all(|result| matches!(result, StoreResult::Head { .. })), "{what}: {stored:?}");
        assert_eq!(there.server.shown("One").as_deref(), Some(saves[0].as_bytes()), "{what}");
    }
}

#[test]
fn a_download_without_an_end_fills_no_memory_and_costs_no_save() {
    let mut there = There::new(&[]);
    let (mut a, mut b) = two(&mut there);
    play(&mut b, SAVE, b"second");
    there.server.set(&[Bug::Endless]);
    assert_eq!(heads(&mut a, SAVE), digests(&[b"first"]));
    support::wait_for("the server sees that nobody listens", 60, || {
        (there.server.poured() > 0).then_some(())
    });
    assert!(there.server.poured() < 64 << 20, "{} bytes were taken", there.server.poured());
}

#[test]
fn games_of_one_name_that_are_stored_together_stay_as_many() {
    let mut there = There::new(&[]);
    let mut a = Handheld::new(&mut there, "A");
    let saves = [
        "gb/sram/Tetris",
        "nes/sram/Tetris",
        "gb/sram/Wait...What",
        "gb/sram/Wait._.What",
        "gb/sram/Wait._._What",
    ];
    let offers = saves.map(|save| a.version(save, Some(save.as_bytes()), &[]));
    let stored = offered(&mut a, &offers).unwrap();
    assert!(stored.iter().all(|result| matches!(result, StoreResult::Head { .. })), "{stored:?}");
    let mut b = Handheld::new(&mut there, "B");
    for save in saves {
        assert_eq!(heads(&mut b, save), digests(&[save.as_bytes()]), "{save}: {:?}", there.server.keys());
    }
}

#[test]
fn two_games_that_meet_under_one_name_part_again() {
    let mut there = There::new(&[Bug::MeetsAnother("/RetroSync/sram/nes/Tetris.srm", b"on the console")]);
    let (mut a, mut b) = (Handheld::new(&mut there, "A"), Handheld::new(&mut there, "B"));
    let played = play(&mut a, "gb/sram/Tetris", b"on the handheld");
    assert!(matches!(played, StoreResult::Head { .. }), "{played:?}");
    assert_eq!(heads(&mut b, "gb/sram/Tetris"), digests(&[b"on the handheld"]));
    assert_eq!(heads(&mut b, "nes/sram/Tetris"), [], "whose bytes they are is not sure any more");
    // Whose device has it sends it under a name of its own.
    let played = play(&mut b, "nes/sram/Tetris", b"on the console");
    assert!(matches!(played, StoreResult::Head { .. }), "{played:?}");
    assert_eq!(there.server.keys(), ["Tetris", "Tetris [gb]", "Tetris [nes]"]);
    for device in [&mut a, &mut b] {
        assert_eq!(heads(device, "gb/sram/Tetris"), digests(&[b"on the handheld"]));
        assert_eq!(heads(device, "nes/sram/Tetris"), digests(&[b"on the console"]));
    }
}

#[test]
fn another_client_s_game_of_the_same_name_is_a_question_and_replaces_nothing() {
    let mut there = There::new(&[]);
    let mut a = Handheld::new(&mut there, "A");
    play(&mut a, "gb/sram/Tetris", &[1; 32]);
    there.server.device();
    there.server.other_uploads("/mnt/mmc/MUOS/save/file/Nestopia/Tetris.srm", &[2; 8], 2_000_000_000_000);
    assert_eq!(heads(&mut a, "gb/sram/Tetris"), digests(&[&[1; 32], &[2; 8]]), "S3: another size");
}

#[test]
fn what_the_server_lost_is_sent_again_by_who_has_it() {
    let mut there = There::new(&[]);
    let (mut a, mut b) = two(&mut there);
    assert!(is_known(&mut b, SAVE, b"first"));
    // S9, S11: with a device, or by one click, goes the whole history.
    there.server.delete(GAME);
    assert_eq!(heads(&mut b, SAVE), digests(&[b"first"]), "what is not there is not deleted here");
    assert!(!is_known(&mut b, SAVE, b"first"), "but it is not called safe");
    let head = b.heads(SAVE)[0].version;
    let offer = [b.version(SAVE, Some(b"first"), &[head])];
    let stored = offered(&mut b, &offer);
    assert!(is_stored(&stored), "{stored:?}");
    assert_eq!(there.server.shown(GAME), Some(b"first".to_vec()));
    assert!(is_known(&mut b, SAVE, b"first"));
    assert_eq!(heads(&mut a, SAVE), digests(&[b"first"]));
}

#[test]
fn bytes_that_a_power_cut_took_from_the_card_are_brought_again() {
    let mut there = There::new(&[]);
    let (_a, mut b) = two(&mut there);
    there.take_bytes(1);
    there.restart(1, &mut b);
    assert!(!is_known(&mut b, SAVE, b"first"), "the attic must not let go of its copy");
    let content = b.heads(SAVE)[0].content.unwrap();
    assert_eq!(b.fetch(&[content]).0.get(&content.digest), Some(&b"first".to_vec()));
    assert!(is_known(&mut b, SAVE, b"first"));
    // And what is offered again is whole again.
    there.take_bytes(1);
    there.server.set(&[Bug::Chokes(GAME)]);
    let parents = [b.heads(SAVE)[0].version];
    let offer = [b.version(SAVE, Some(b"first"), &parents)];
    let stored = offered(&mut b, &offer);
    assert!(is_stored(&stored), "{stored:?}");
    assert_eq!(b.fetch(&[content]).0.get(&content.digest), Some(&b"first".to_vec()));
}

/// Every file and folder below, with its size, number and times.
fn tree(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stamp = fs::metadata(&path).unwrap();
        let when = (stamp.mtime(), stamp.mtime_nsec(), stamp.ctime(), stamp.ctime_nsec());
        found.push(format!("{} {} {} {when:?}", path.display(), stamp.ino(), stamp.len()));
        if stamp.is_dir() {
            tree(&path, found);
        }
    }
    found.sort();
}

#[test]
fn a_quiet_start_writes_nothing_to_the_card() {
    let mut there = There::new(&[]);
    let (mut a, _b) = two(&mut there);
    let card = there.cards[0].path().to_owned();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    tree(&card, &mut before);
    there.restart(0, &mut a);
    assert_eq!(heads(&mut a, SAVE), digests(&[b"first"]));
    tree(&card, &mut after);
    assert_eq!(after, before);
}

#[test]
fn a_mark_that_a_power_cut_tore_stops_the_device_for_ever_no_more() {
    let mut there = There::new(&[]);
    let (mut a, mut b) = two(&mut there);
    fs::write(there.store(0).join("store.json"), "{\"retro").unwrap();
    there.restart(0, &mut a);
    assert_eq!(heads(&mut a, SAVE), digests(&[b"first"]));
    play(&mut a, SAVE, b"second");
    assert_eq!(heads(&mut b, SAVE), digests(&[b"second"]));
}

#[test]
fn one_of_ours_that_is_down_is_not_paired_with_as_another_kind_of_server() {
    for health in [Health::BadGateway, Health::Unavailable, Health::NotFound, Health::Portal, Health::Silent]
    {
        let server = TheirServer::start(&[Bug::IsOurs(health)]);
        let device = Device::new(Firmware::Onion, GAME);
        let ended = device.run(&["pair", &server.url()]);
        assert!(ended.code != 0 && ended.err.contains("cannot"), "{health:?}: {ended:?}");
        let asked = server.asked();
        assert!(!asked.iter().any(|line| line.contains("/api/devices/")), "{health:?}: {asked:?}");
    }
}

#[test]
fn a_code_that_was_made_there_finds_out_which_kind_of_server_it_is_for() {
    let server = TheirServer::start(&[]);
    let device = Device::new(Firmware::Onion, GAME);
    let ended = device.run(&["pair", &server.url(), "--code", &server.user_code()]);
    assert!(ended.code == 0 && ended.out.contains("retrosync:http"), "{ended:?}");
}

/// Pairs as a person does; `their` approves.
fn pair(device: &Device, url: &str, approve: impl Fn(&str)) {
    let mut pairing = device.start_pairing(url);
    approve(&pairing.code());
    let end = pairing.end();
    assert_eq!(end["paired"], true, "{end}");
    assert_eq!(end["server"], format!("retrosync:{}", url.trim_start_matches("retrosync:")), "{end}");
    assert_eq!(pairing.exit(), 0);
}

#[test]
fn two_handhelds_sync_over_such_a_server_and_no_fault_of_it_loses_a_save() {
    let server = TheirServer::start(&[]);
    let (a, b) = (Device::new(Firmware::Onion, GAME), Device::new(Firmware::Minui, GAME));
    // It finds out by itself which kind of server answers there.
    pair(&a, &server.url(), |code| server.approve(code));
    b.run(&["pair", &format!("retrosync:{}", server.url()), "--code", &server.user_code()]).ends(0);
    server.set(&[Bug::RanksByDate, Bug::DropsOlder, Bug::IgnoresRestores, Bug::MergesEqualBytes]);
    a.plays(&bytes("first"));
    a.once();
    b.once();
    assert_eq!(b.save(), Some(bytes("first")));
    b.plays(&bytes("second"));
    b.once();
    a.once();
    assert_eq!(a.save(), Some(bytes("second")));
    server.asked();
    assert_eq!(a.once()["uploaded"], json!([]));
    assert_eq!(server.asked(), ["GET /api/sync/manifest"], "a quiet round is one request");

    a.plays(&bytes("played on a"));
    b.plays(&bytes("played on b"));
    a.once();
    assert_eq!(b.once_asks()["questions"][0]["save"], SAVE);
    assert_eq!((a.save(), b.save()), (Some(bytes("played on a")), Some(bytes("played on b"))));
    b.run(&["resolve", SAVE, "this"]).ends(0);
    a.once();
    assert_eq!((a.save(), b.save()), (Some(bytes("played on b")), Some(bytes("played on b"))));

    // What was on the other is kept, and goes back to both.
    let history = b.json(&["history", SAVE]);
    let wanted = Digest::of(&bytes("played on a")).to_string();
    let versions = history["versions"].as_array().unwrap();
    assert!(versions.iter().any(|version| version.to_string().contains(&wanted)), "{history}");
    let doctor = b.run(&["doctor"]);
    assert!(doctor.out.contains("retrosync:http") && doctor.out.contains("1 save"), "{doctor:?}");
}

#[test]
fn a_daemon_brings_what_another_stored_there_while_it_runs() {
    let server = TheirServer::start(&[]);
    let devices = [Firmware::Onion, Firmware::Muos].map(|firmware| {
        let device = Device::new(firmware, GAME);
        pair(&device, &server.url(), |code| server.approve(code));
        device
    });
    let daemons = devices.each_ref().map(Device::daemon);
    for round in 0..3 {
        let played = bytes(&format!("round {round}"));
        devices[round % 2].plays(&played);
        for device in &devices {
            support::wait_for("the save is on every card", 90, || {
                (device.save() == Some(played.clone())).then_some(())
            });
        }
    }
    drop(daemons);
}

#[test]
fn over_our_own_server_s_side_of_that_protocol_both_directions_meet() {
    let server = Server::start_empty();
    let account = json!({"email": "ada@example.com", "password": "Correct horse 1", "name": "Ada"});
    let login = post(&server, "/api/auth/register", "", &account)["token"].as_str().unwrap().to_owned();
    let login = format!("Authorization: Bearer {login}\r\n");
    let url = format!("retrosync:{}", server.url());
    let (a, b) = (Device::new(Firmware::Onion, GAME), Device::new(Firmware::Minui, GAME));
    for device in [&a, &b] {
        pair(device, &url, |code| {
            assert_eq!(post(&server, "/api/devices/pair", &login, &json!({"code": code}))["linked"], true);
        });
    }
    a.plays(&bytes("first"));
    a.once();
    b.once();
    assert_eq!(b.save(), Some(bytes("first")));
    for round in 0..4 {
        let (player, other) = if round % 2 == 0 { (&b, &a) } else { (&a, &b) };
        let played = bytes(&format!("round {round}"));
        player.plays(&played);
        player.once();
        other.once();
        assert_eq!(other.save(), Some(played), "{round}");
    }
    a.plays(&bytes("played on a"));
    b.plays(&bytes("played on b"));
    a.once();
    assert_eq!(b.once_asks()["questions"][0]["save"], SAVE);
    b.run(&["resolve", SAVE, "this"]).ends(0);
    a.once();
    assert_eq!((a.save(), b.save()), (Some(bytes("played on b")), Some(bytes("played on b"))));
}

/// What our server answers to JSON.
fn post(server: &Server, path: &str, login: &str, body: &Value) -> Value {
    let mut wire = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n{login}Content-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        server.port(),
        body.len()
    );
    wire.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut reply = String::new();
    wire.read_to_string(&mut reply).unwrap();
    let answer = reply.split_once("\r\n\r\n").unwrap().1;
    serde_json::from_str::<Value>(answer).unwrap_or_else(|error| panic!("{error}: {reply}"))["data"].clone()
}
