//! What players of the original server lost, each as a test of what they keep here. In the order of the known hazards.

use serde_json::{Value, json};

use crate::client::{
    GBA, GBA_ELSEWHERE, HOUR_MS, Handheld, Home, THEN_MS, all_kept, base64, choose, data, error, sha256,
    version,
};

#[test]
fn two_handhelds_take_turns_and_each_has_what_the_other_played_last() {
    let home = Home::new();
    let (mut one, mut two) = (home.device(), home.device());
    one.play(GBA, b"hour 1", THEN_MS);
    one.sync();
    two.play(GBA_ELSEWHERE, b"hour 1", THEN_MS + 5000);
    two.sync();
    for hour in 2..6 {
        let bytes = format!("hour {hour}");
        let (player, other, mine, theirs) = if hour % 2 == 0 {
            (&mut one, &mut two, GBA, GBA_ELSEWHERE)
        } else {
            (&mut two, &mut one, GBA_ELSEWHERE, GBA)
        };
        player.play(mine, bytes.as_bytes(), THEN_MS + hour * HOUR_MS);
        player.sync();
        other.sync();
        assert_eq!(other.bytes(theirs), bytes.as_bytes());
    }
    assert_eq!(one.failures + two.failures, 0);
}

#[test]
fn a_full_disk_is_told_so_that_the_save_is_sent_again() {
    let home = Home::new();
    let one = home.device();
    let blobs = home.server.data().join("blobs");
    let aside = home.server.data().join("blobs-aside");
    std::fs::rename(&blobs, &aside).unwrap();
    std::fs::write(&blobs, b"no folder").unwrap();
    let refused = error(&one.send(GBA, b"progress", THEN_MS));
    assert!(refused.0 >= 500, "{refused:?}");
    assert_eq!(one.manifest(), [] as [Value; 0], "nothing is offered that is not there");
    std::fs::remove_file(&blobs).unwrap();
    std::fs::rename(&aside, &blobs).unwrap();
    let stored = one.upload(GBA, b"progress", THEN_MS);
    assert_eq!(stored["uploaded"], true, "{stored}");
    assert_eq!(one.download(&version(&stored)).body, b"progress");
}

#[test]
fn a_version_whose_bytes_are_gone_is_not_offered_and_its_download_ends_short() {
    let home = Home::new();
    let (one, two) = (home.device(), home.device());
    let stored = one.upload(GBA, b"progress", THEN_MS);
    let blob = crate::support::find_below(&home.server.data().join("blobs"), &sha256(b"progress")).unwrap();
    std::fs::remove_file(&blob).unwrap();
    let line = two.manifest().remove(0);
    assert_eq!(line["latestVersion"], Value::Null);
    // curl's way: whatever comes is the save, unless the transfer fails.
    let url = format!("{}/api/sync/download?saveVersionId={}", home.server.url, version(&stored));
    for url in [url.clone(), url.replace(&version(&stored), "63c1dd95-1ffe-4f6f-8fd9-68ad4efa39b8")] {
        assert!(ends_short(&url, &two.key), "{url}");
    }
    assert!(ends_short(&url, "0"), "nor is a refusal of the key a save");
    let again = one.upload(GBA, b"progress", THEN_MS);
    assert_eq!(again["uploaded"], true, "who has the bytes brings them back");
    assert_eq!(two.download(&version(&again)).body, b"progress");
}

/// Does the answer end before the length that it announced?
fn ends_short(url: &str, key: &str) -> bool {
    use std::io::{Read as _, Write as _};
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {key}\r\nAccept: */*\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    let length = length.unwrap_or_else(|| panic!("no length: {text}"));
    body.len() < length.parse::<usize>().unwrap()
}

#[test]
fn a_fresh_game_does_not_become_another_because_both_are_blank() {
    let home = Home::new();
    let (one, two) = (home.device(), home.device());
    let blank = [0xff_u8; 512];
    let (first, second) = ("/saves/mGBA/Metroid.srm", "/saves/mGBA/Zelda.srm");
    one.upload(first, &blank, THEN_MS);
    one.upload(first, b"metroid, played", THEN_MS + HOUR_MS);
    two.upload(second, &blank, THEN_MS);
    assert_eq!(two.line(second).unwrap()["saveKey"], "Zelda");
    assert_eq!(two.line(second).unwrap()["latestVersion"]["contentHash"], sha256(&blank));
    two.upload(second, b"zelda, played", THEN_MS + HOUR_MS);
    let keys: Vec<Value> = home.saves().iter().map(|save| save["saveKey"].clone()).collect();
    assert_eq!(keys, ["Zelda", "Metroid"]);
    all_kept(&home, &[&blank, b"metroid, played", b"zelda, played"]);
}

#[test]
fn a_blank_save_on_a_handheld_that_never_had_the_game_takes_the_played_one() {
    let home = Home::new();
    let (mut one, mut two) = (home.device(), home.device());
    one.play(GBA, b"forty hours", THEN_MS);
    one.sync();
    two.play(GBA_ELSEWHERE, &[0xff; 512], THEN_MS + HOUR_MS);
    two.sync();
    assert_eq!(two.bytes(GBA_ELSEWHERE), b"forty hours", "though the blank one is newer");
    one.sync();
    assert_eq!(one.bytes(GBA), b"forty hours");
    all_kept(&home, &[&[0xff; 512], b"forty hours"]);
}

#[test]
fn tetris_of_two_consoles_are_two_games() {
    let home = Home::new();
    let (mut one, mut two) = (home.device(), home.device());
    let rows = [("/saves/FCEUmm/Tetris.srm", b"nes".as_slice()), ("/saves/Gambatte/Tetris.srm", b"gb")];
    for (hour, (path, bytes)) in (0..).zip(rows) {
        one.play(path, bytes, THEN_MS + hour * HOUR_MS);
    }
    one.sync();
    one.sync();
    for (path, bytes) in rows {
        assert_eq!(one.bytes(path), bytes);
        assert_eq!(one.line(path).unwrap()["latestVersion"]["contentHash"], sha256(bytes));
    }
    // By system instead of by core, as another firmware sorts them.
    let elsewhere = [("/roms/nes/Tetris.srm", b"nes".as_slice()), ("/roms/gb/Tetris.srm", b"gb")];
    for (path, _) in elsewhere {
        two.play(path, &[0; 64], THEN_MS);
    }
    two.sync();
    for (path, bytes) in elsewhere {
        assert_eq!(two.bytes(path), bytes, "{path}");
    }
    let keys: Vec<Value> = home.saves().iter().map(|save| save["saveKey"].clone()).collect();
    assert_eq!(keys, ["Tetris", "Tetris"]);
}

#[test]
fn a_sav_of_another_size_is_not_written_over_a_srm() {
    let home = Home::new();
    let (mut one, mut two) = (home.device(), home.device());
    let sav = GBA_ELSEWHERE.replace(".srm", ".sav");
    one.play(GBA, b"64 KiB", THEN_MS);
    one.sync();
    two.play(&sav, b"64 KiB", THEN_MS);
    two.sync();
    two.play(&sav, b"64 kib", THEN_MS + HOUR_MS);
    two.sync();
    one.sync();
    assert_eq!(one.bytes(GBA), b"64 kib", "of one size they are the same bytes");
    let mut capitals = home.device();
    let path = "/SAVES/mGBA/Pokemon Emerald.SRM";
    capitals.play(path, b"64 KiB", THEN_MS);
    capitals.sync();
    assert_eq!(
        (capitals.bytes(path), home.saves().len()),
        (&b"64 kib"[..], 1),
        "nor do capitals make a game"
    );
    two.play(&sav, b"128 KiB of another emulator", THEN_MS + 2 * HOUR_MS);
    two.sync();
    one.sync();
    assert_eq!(one.bytes(GBA), b"64 kib", "of two sizes they are not");
    all_kept(&home, &[b"64 KiB", b"64 kib", b"128 KiB of another emulator"]);
}

#[test]
fn an_older_save_that_the_player_put_back_is_what_goes_on() {
    let home = Home::new();
    let (mut one, mut two) = (home.device(), home.device());
    one.play(GBA, b"A", THEN_MS);
    one.sync();
    two.play(GBA_ELSEWHERE, b"A", THEN_MS);
    two.sync();
    one.play(GBA, b"B", THEN_MS + HOUR_MS);
    one.sync();
    two.sync();
    one.play(GBA, b"A", THEN_MS + 2 * HOUR_MS);
    one.sync();
    two.sync();
    assert_eq!((one.bytes(GBA), two.bytes(GBA_ELSEWHERE)), (&b"A"[..], &b"A"[..]));
    all_kept(&home, &[b"A", b"B"]);
}

#[test]
fn progress_of_a_handheld_whose_clock_went_back_is_kept_and_goes_on() {
    let home = Home::new();
    let (one, two) = (home.device(), home.device());
    one.upload(GBA, b"day 1", THEN_MS);
    two.upload(GBA_ELSEWHERE, b"day 1", THEN_MS);
    let stored = one.upload(GBA, b"day 2, by a clock of day 0", THEN_MS - 24 * HOUR_MS);
    assert_eq!((stored["uploaded"].clone(), stored.get("skipped")), (json!(true), None));
    assert_eq!(two.manifest()[0]["latestVersion"]["contentHash"], sha256(b"day 2, by a clock of day 0"));
    all_kept(&home, &[b"day 1", b"day 2, by a clock of day 0"]);
}

#[test]
fn a_clock_that_was_never_set_neither_wins_nor_loses() {
    let home = Home::new();
    let rows = [("1980", 315_532_800_000_i64), ("next year", THEN_MS + 400 * 24 * HOUR_MS), ("now", THEN_MS)];
    for (what, at_ms) in rows {
        let (one, two) = (home.device(), home.device());
        let path = format!("/saves/mGBA/{what}.srm");
        one.upload(&path, b"before", at_ms);
        two.upload(&path, b"before", THEN_MS);
        one.upload(&path, b"after", at_ms + 1000);
        let line = two.line(&path).unwrap();
        assert_eq!(line["latestVersion"]["contentHash"], sha256(b"after"), "{what}");
        assert!(
            line["latestVersion"]["localModifiedAtMs"].as_i64().unwrap() > THEN_MS,
            "{what}: it is taken"
        );
    }
}

#[test]
fn a_save_that_was_sent_within_seconds_is_not_outranked_by_an_old_one() {
    let home = Home::new();
    let (mut one, mut two) = (home.device(), home.device());
    two.play(GBA_ELSEWHERE, b"last week", THEN_MS - 6 * 24 * HOUR_MS);
    two.sync();
    one.play(GBA, b"last week", THEN_MS - 6 * 24 * HOUR_MS);
    one.sync();
    let now_ms =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    one.play(GBA, b"this second", now_ms);
    one.sync();
    two.sync();
    assert_eq!(two.bytes(GBA_ELSEWHERE), b"this second");
}

#[test]
fn a_handheld_that_is_removed_leaves_its_saves() {
    let home = Home::new();
    let (one, mut two) = (home.device(), home.device());
    two.play(GBA_ELSEWHERE, b"hour 1", THEN_MS);
    two.sync();
    one.upload(GBA, b"hour 1", THEN_MS);
    one.upload(GBA, b"hour 2", THEN_MS + HOUR_MS);
    data(&home.user("DELETE", &format!("/api/devices?id={}", one.id), None));
    assert_eq!(error(&one.send(GBA, b"hour 3", THEN_MS)), (401, "Invalid API key".into()));
    two.sync();
    assert_eq!(two.bytes(GBA_ELSEWHERE), b"hour 2");
    all_kept(&home, &[b"hour 1", b"hour 2"]);
}

#[test]
fn two_handhelds_that_both_played_keep_both_and_play_on() {
    let home = Home::new();
    let (mut one, mut two) = (home.device(), home.device());
    one.play(GBA, b"together", THEN_MS);
    one.sync();
    two.play(GBA_ELSEWHERE, b"together", THEN_MS);
    two.sync();
    one.play(GBA, b"one alone", THEN_MS + 2 * HOUR_MS);
    two.play(GBA_ELSEWHERE, b"two alone", THEN_MS + HOUR_MS);
    for _ in 0..2 {
        one.sync();
        two.sync();
    }
    assert_eq!((one.bytes(GBA), two.bytes(GBA_ELSEWHERE)), (&b"one alone"[..], &b"two alone"[..]));
    all_kept(&home, &[b"together", b"one alone", b"two alone"]);
    // A person chooses, on our dashboard or device: both take it.
    choose(&home, b"two alone");
    one.sync();
    two.sync();
    assert_eq!((one.bytes(GBA), two.bytes(GBA_ELSEWHERE)), (&b"two alone"[..], &b"two alone"[..]));
}

#[test]
fn two_uploads_at_once_are_both_kept() {
    let home = Home::new();
    let (one, two) = (home.device(), home.device());
    one.upload(GBA, b"start", THEN_MS);
    two.upload(GBA_ELSEWHERE, b"start", THEN_MS);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| one.upload(GBA, b"one", THEN_MS + HOUR_MS));
        let second = scope.spawn(|| two.upload(GBA_ELSEWHERE, b"two", THEN_MS + HOUR_MS));
        assert_eq!(first.join().unwrap()["uploaded"], true);
        assert_eq!(second.join().unwrap()["uploaded"], true);
    });
    all_kept(&home, &[b"start", b"one", b"two"]);
}

#[test]
fn a_deleted_save_can_be_brought_back_and_stays_deleted_until_it_is_played() {
    let home = Home::new();
    let one = home.device();
    one.upload(GBA, b"hour 1", THEN_MS);
    one.upload(GBA, b"hour 2", THEN_MS + HOUR_MS);
    let id = home.saves()[0]["id"].as_str().unwrap().to_owned();
    data(&home.user("DELETE", &format!("/api/saves?saveId={id}"), None));
    assert_eq!((home.saves().len(), one.manifest().len()), (0, 0));
    all_kept(&home, &[b"hour 1", b"hour 2"]);
    one.upload(GBA, b"hour 2", THEN_MS + HOUR_MS);
    assert_eq!(home.saves().len(), 0, "what lay there already brings nothing back");
    one.upload(GBA, b"hour 3", THEN_MS + 2 * HOUR_MS);
    assert_eq!(one.line(GBA).unwrap()["latestVersion"]["contentHash"], sha256(b"hour 3"));
}

#[test]
fn of_a_deleted_save_any_version_is_listed_and_brought_back_to_the_handheld() {
    let home = Home::new();
    let mut one = home.device();
    one.play(GBA, b"hour 1", THEN_MS);
    one.sync();
    one.play(GBA, b"hour 2", THEN_MS + HOUR_MS);
    one.sync();
    let id = home.saves()[0]["id"].as_str().unwrap().to_owned();
    data(&home.user("DELETE", &format!("/api/saves?saveId={id}"), None));
    let witness = home.server.pair("our own", crate::client::EMAIL);
    let changes: Value = witness.get("/changes?since=0&epoch=").ok();
    let save = &changes["saves"][0];
    let name = serde_urlencoded::to_string([("save", save["save"].as_str().unwrap())]).unwrap();
    let history: Value = witness.get(&format!("/history?{name}")).ok();
    let versions = history["versions"].as_array().unwrap();
    let first =
        versions.iter().find(|known| known["record"]["content"]["digest"] == sha256(b"hour 1")).unwrap();
    let heads: Vec<&Value> = save["heads"].as_array().unwrap().iter().map(|head| &head["version"]).collect();
    let choice = json!({"save": save["save"], "version": first["version"], "heads": heads, "note": null});
    assert_eq!(witness.change("POST", "/saves/restore", "restore", &choice).status, 200);
    one.sync();
    assert_eq!(one.bytes(GBA), b"hour 1");
    all_kept(&home, &[b"hour 1", b"hour 2"]);
}

#[test]
fn a_wrong_hash_is_refused_and_a_wrong_size_is_corrected() {
    let home = Home::new();
    let one = home.device();
    let mut body = json!({"filePath": "x.srm", "action": "upload", "fileContent": base64(b"true"),
        "fileSize": 999, "contentHash": sha256(b"false")});
    assert_eq!(error(&one.ask("POST", "/api/sync/files", Some(&body))).0, 400);
    body["contentHash"] = Value::Null;
    body["localPath"] = Value::Null;
    body["localModifiedAt"] = Value::Null;
    let stored = data(&one.ask("POST", "/api/sync/files", Some(&body)));
    assert_eq!(stored["contentHash"], sha256(b"true"));
    assert_eq!(one.line("/x.srm").unwrap()["latestVersion"]["byteSize"], 4);
}

#[test]
fn a_save_that_changed_unseen_is_sent_before_it_is_replaced() {
    let home = Home::new();
    let (mut one, mut two) = (home.device(), home.device());
    one.play(GBA, b"together", THEN_MS);
    one.sync();
    two.play(GBA_ELSEWHERE, b"together", THEN_MS);
    two.sync();
    one.play(GBA, b"one, later", THEN_MS + 5 * HOUR_MS);
    one.sync();
    // Older than what the server has: their own server never saw it, and their client wrote over it.
    two.play(GBA_ELSEWHERE, b"two, earlier", THEN_MS + 30_000);
    two.sync();
    two.sync();
    assert_eq!(two.bytes(GBA_ELSEWHERE), b"two, earlier");
    all_kept(&home, &[b"one, later", b"two, earlier"]);
}

/// Two handhelds that hold the same, and one has played on.
fn one_is_ahead(home: &Home) -> (Handheld<'_>, Handheld<'_>) {
    let (mut one, mut two) = (home.device(), home.device());
    one.play(GBA, b"together", THEN_MS);
    one.sync();
    two.play(GBA_ELSEWHERE, b"together", THEN_MS);
    two.sync();
    one.play(GBA, b"one, later", THEN_MS + HOUR_MS);
    one.sync();
    (one, two)
}

#[test]
fn what_is_played_after_a_download_that_did_not_arrive_replaces_nothing() {
    let home = Home::new();
    let (mut one, mut two) = one_is_ahead(&home);
    two.lost_downloads = 1;
    two.sync();
    assert_eq!(two.bytes(GBA_ELSEWHERE), b"together", "the Wi-Fi was gone");
    two.play(GBA_ELSEWHERE, b"two alone", THEN_MS + 2 * HOUR_MS);
    two.sync();
    one.sync();
    assert_eq!(
        (one.bytes(GBA), two.bytes(GBA_ELSEWHERE)),
        (&b"one, later"[..], &b"two alone"[..]),
        "two never had what one played"
    );
    choose(&home, b"one, later");
    two.sync();
    assert_eq!(two.bytes(GBA_ELSEWHERE), b"one, later");
    all_kept(&home, &[b"together", b"one, later", b"two alone"]);
}

#[test]
fn a_download_that_did_not_arrive_comes_again() {
    let home = Home::new();
    let (_, mut two) = one_is_ahead(&home);
    two.lost_downloads = 1;
    two.sync();
    two.sync();
    assert_eq!(two.bytes(GBA_ELSEWHERE), b"one, later");
}

#[test]
fn a_download_is_shown_by_the_next_sync_where_nothing_runs_in_the_background() {
    let home = Home::new();
    let (mut one, mut two) = one_is_ahead(&home);
    two.watches = false;
    two.sync();
    assert_eq!(two.bytes(GBA_ELSEWHERE), b"one, later");
    two.sync();
    two.play(GBA_ELSEWHERE, b"two, on top", THEN_MS + 3 * HOUR_MS);
    two.sync();
    one.sync();
    assert_eq!(one.bytes(GBA), b"two, on top", "no question");
    // Played before it was shown: nobody can know, so both are kept.
    one.watches = false;
    one.sync();
    two.play(GBA_ELSEWHERE, b"two, again", THEN_MS + 4 * HOUR_MS);
    two.sync();
    one.sync();
    one.play(GBA, b"one, unshown", THEN_MS + 5 * HOUR_MS);
    one.sync();
    two.sync();
    assert_eq!(two.bytes(GBA_ELSEWHERE), b"two, again");
    all_kept(&home, &[b"two, on top", b"two, again", b"one, unshown"]);
}

#[test]
fn a_second_file_of_a_game_that_fetched_nothing_replaces_nothing() {
    let home = Home::new();
    let (one, two) = (home.device(), home.device());
    let other = GBA_ELSEWHERE.replace(".srm", ".sav");
    one.upload(GBA, b"together", THEN_MS);
    two.upload(GBA_ELSEWHERE, b"together", THEN_MS);
    two.upload(&other, b"together", THEN_MS);
    let newer = version(&one.upload(GBA, b"1, later", THEN_MS + HOUR_MS));
    two.manifest();
    two.upload(GBA_ELSEWHERE, b"together", THEN_MS);
    two.manifest();
    assert_eq!(two.download(&newer).body, b"1, later");
    two.upload(GBA_ELSEWHERE, b"1, later", THEN_MS + HOUR_MS);
    assert_eq!(two.upload(&other, b"together", THEN_MS)["uploaded"], false, "it holds what it held");
    two.upload(&other, b"2, apart", THEN_MS + 2 * HOUR_MS);
    assert_eq!(one.line(GBA).unwrap()["latestVersion"]["contentHash"], sha256(b"1, later"));
    choose(&home, b"1, later");
    all_kept(&home, &[b"together", b"1, later", b"2, apart"]);
}

#[test]
fn what_is_played_while_a_newer_version_is_on_offer_is_not_written_over() {
    let home = Home::new();
    let (mut one, two) = (home.device(), home.device());
    one.play(GBA, b"together", THEN_MS);
    one.sync();
    two.upload(GBA_ELSEWHERE, b"together", THEN_MS);
    one.play(GBA, b"one, by a clock of tomorrow", THEN_MS + 24 * HOUR_MS);
    one.sync();
    two.manifest();
    two.upload(GBA_ELSEWHERE, b"together", THEN_MS);
    let line = two.line(GBA_ELSEWHERE).unwrap();
    let cloud = line["latestVersion"]["localModifiedAtMs"].as_i64().unwrap();
    assert_eq!(cloud, THEN_MS + 1000, "newer than the file, and than nothing that is played from now on");
}

#[test]
fn a_save_of_another_emulators_size_is_not_written_though_a_person_chose_it() {
    let home = Home::new();
    let (mut one, mut two) = (home.device(), home.device());
    let sav = GBA_ELSEWHERE.replace(".srm", ".sav");
    one.play(GBA, b"64 KiB", THEN_MS);
    one.sync();
    two.play(&sav, b"64 KiB", THEN_MS);
    two.sync();
    one.play(GBA, b"64 kib", THEN_MS + HOUR_MS);
    two.play(&sav, b"128 KiB of another emulator", THEN_MS + HOUR_MS);
    for handheld in [&mut one, &mut two] {
        handheld.sync();
    }
    choose(&home, b"128 KiB of another emulator");
    for _ in 0..2 {
        one.sync();
        two.sync();
    }
    assert_eq!(one.bytes(GBA), b"64 kib");
    assert_eq!(two.bytes(&sav), b"128 KiB of another emulator");
}
