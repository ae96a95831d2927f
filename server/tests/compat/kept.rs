//! What is kept besides: odd names and sizes, what a player switched off, and what belongs to one device.

use serde_json::{Value, json};

use crate::client::{
    EMAIL, GBA, GBA_ELSEWHERE, HOUR_MS, Home, THEN_MS, all_kept, choose, data, kept, sha256, version,
};

#[test]
fn an_empty_file_is_kept_and_replaces_nothing() {
    let home = Home::new();
    let (one, two) = (home.device(), home.device());
    one.upload(GBA, b"progress", THEN_MS);
    two.upload(GBA_ELSEWHERE, b"progress", THEN_MS);
    let torn = one.upload(GBA, b"", THEN_MS + HOUR_MS);
    assert_eq!(torn["uploaded"], true);
    assert_eq!(two.line(GBA_ELSEWHERE).unwrap()["latestVersion"]["contentHash"], sha256(b"progress"));
    all_kept(&home, &[b"", b"progress"]);
}

#[test]
fn what_is_played_after_a_torn_file_goes_on_from_the_last_whole_one() {
    let home = Home::new();
    let (one, two) = (home.device(), home.device());
    one.upload(GBA, b"hour 1", THEN_MS);
    two.upload(GBA_ELSEWHERE, b"hour 1", THEN_MS);
    one.upload(GBA, b"", THEN_MS + HOUR_MS);
    one.upload(GBA, b"hour 2", THEN_MS + 2 * HOUR_MS);
    assert_eq!(two.line(GBA_ELSEWHERE).unwrap()["latestVersion"]["contentHash"], sha256(b"hour 2"));
}

#[test]
fn a_path_that_no_file_system_has_is_refused_and_a_long_one_is_kept() {
    let home = Home::new();
    let one = home.device();
    let long = format!("/saves/{}/mGBA/Long.srm", "é".repeat(480));
    one.upload(&long, b"progress", THEN_MS);
    assert!(one.line(&long).is_some());
    let longer = format!("/saves/{}/mGBA/Long.srm", "é".repeat(1 << 18));
    assert_eq!(
        crate::client::error(&one.send(&longer, b"progress", THEN_MS)),
        (400, "Invalid file path".into())
    );
}

#[test]
fn a_game_with_two_dots_in_its_name_is_kept() {
    let home = Home::new();
    let (mut one, mut two) = (home.device(), home.device());
    let (here, there) = ("/saves/mGBA/Wait...What.srm", "/Saves/saves/mGBA/Wait...What.srm");
    one.play(here, b"progress", THEN_MS);
    one.sync();
    assert_eq!(home.saves()[0]["saveKey"], "Wait...What");
    two.play(there, &[0xff; 512], THEN_MS);
    two.sync();
    assert_eq!(two.bytes(there), b"progress");
    assert_eq!(one.failures + two.failures, 0);
}

#[test]
fn a_path_is_told_to_nobody_but_the_handheld_that_named_it() {
    // Their client puts paths into the words of a shell, and writes wherever it is told to.
    let odd = [
        "/saves/mGBA/$(reboot).srm",
        "/saves/mGBA/`reboot`.srm",
        "/saves/mGBA/a\"; reboot; \".srm",
        "/etc/cron.d/x.srm",
    ];
    let home = Home::new();
    let (one, two) = (home.device(), home.device());
    for (number, path) in (0..).zip(odd) {
        one.upload(path, path.as_bytes(), THEN_MS + number * HOUR_MS);
        assert!(one.line(path).is_some(), "{path}: its own");
    }
    two.upload(GBA, b"of the other", THEN_MS);
    let told = two.manifest();
    assert_eq!(told.len(), 1 + odd.len());
    for line in told {
        let path = &line["localPath"];
        assert!(path.is_null() || path == GBA, "{line}");
        assert_eq!(line["needsMapping"], path.is_null(), "{line}");
    }
}

#[test]
fn a_copy_for_netplay_is_kept_and_goes_nowhere() {
    let home = Home::new();
    let (one, two) = (home.device(), home.device());
    one.upload(GBA, b"mine", THEN_MS);
    one.upload("/mnt/mmc/MUOS/save/file/mGBA/.netplay/Pokemon Emerald.srm", b"a friend's", THEN_MS + HOUR_MS);
    assert_eq!(one.line(GBA).unwrap()["latestVersion"]["contentHash"], sha256(b"mine"));
    let lines = two.manifest();
    assert_eq!((lines.len(), lines[0]["latestVersion"]["contentHash"].clone()), (1, json!(sha256(b"mine"))));
    all_kept(&home, &[b"mine", b"a friend's"]);
}

#[test]
fn a_path_of_windows_stays_one() {
    let home = Home::new();
    let one = home.device();
    let path = "C:\\RetroArch\\saves\\mGBA\\Pokemon Emerald.srm";
    one.upload(path, b"progress", THEN_MS);
    assert_eq!(home.saves()[0]["locations"][0]["localPath"], path);
    assert_eq!(home.saves()[0]["saveKey"], "Pokemon Emerald");
    assert!(one.line(path).is_some());
}

#[test]
fn the_tenth_save_of_the_fifth_handheld_is_shared_like_the_first() {
    let home = Home::new();
    let handhelds: Vec<_> = (0..5).map(|_| home.device()).collect();
    for number in 0..10 {
        handhelds[4].upload(
            &format!("/saves/mGBA/game {number}.srm"),
            format!("{number}").as_bytes(),
            THEN_MS,
        );
    }
    assert_eq!(handhelds[0].manifest().len(), 10);
    assert!(home.saves().iter().all(|save| save["syncStrategy"] == "shared"));
}

#[test]
fn what_a_player_switched_off_stays_off() {
    let home = Home::new();
    let (one, mut two) = (home.device(), home.device());
    two.play(GBA_ELSEWHERE, b"hour 1", THEN_MS);
    two.sync();
    one.upload(GBA, b"hour 1", THEN_MS);
    let saves = home.saves();
    let places = saves[0]["locations"].as_array().unwrap();
    let place = places.iter().find(|place| place["localPath"] == GBA_ELSEWHERE).unwrap()["id"].clone();
    let set = |mode: &str| {
        let body = json!({"saveLocationId": place, "syncMode": mode});
        data(&home.user("PATCH", "/api/saves/set-sync-mode", Some(&body)));
    };
    set("upload_only");
    one.upload(GBA, b"hour 2", THEN_MS + HOUR_MS);
    two.sync();
    two.sync();
    assert_eq!(two.bytes(GBA_ELSEWHERE), b"hour 1", "only uploads");
    two.play(GBA_ELSEWHERE, b"of its own", THEN_MS + HOUR_MS);
    two.sync();
    all_kept(&home, &[b"hour 1", b"hour 2", b"of its own"]);
    choose(&home, b"hour 2");
    set("disabled");
    let skipped = two.upload(GBA_ELSEWHERE, b"secret", THEN_MS + 2 * HOUR_MS);
    assert_eq!((skipped["skipped"].clone(), skipped["uploaded"].clone()), (json!(true), json!(false)));
    assert_eq!(two.manifest(), [] as [Value; 0]);
    assert!(kept(&home).iter().all(|(_, digests)| !digests.contains(&sha256(b"secret"))));
    set("sync");
    two.sync();
    assert_eq!(two.bytes(GBA_ELSEWHERE), b"hour 2");
}

#[test]
fn a_save_of_each_device_for_itself_is_kept_and_offered_to_none() {
    let home = Home::new();
    let (one, two) = (home.device(), home.device());
    one.upload(GBA, b"hour 1", THEN_MS);
    two.upload(GBA_ELSEWHERE, b"hour 1", THEN_MS);
    let id = home.saves()[0]["id"].clone();
    let set = |strategy: &str| {
        let body = json!({"saveId": id, "syncStrategy": strategy});
        data(&home.user("PATCH", "/api/saves/set-sync-strategy", Some(&body)));
    };
    set("per_device");
    for (hour, device, path) in [(2, &one, GBA), (3, &two, GBA_ELSEWHERE), (4, &one, GBA)] {
        let bytes = format!("hour {hour}");
        assert_eq!(device.upload(path, bytes.as_bytes(), THEN_MS + hour * HOUR_MS)["uploaded"], true);
    }
    assert_eq!((one.manifest().len(), two.manifest().len()), (0, 0));
    all_kept(&home, &[b"hour 1", b"hour 2", b"hour 3", b"hour 4"]);
    let questions = home.server.pair("w", EMAIL);
    let changes: Value = questions.get("/changes?since=0&epoch=").ok();
    assert!(
        changes["saves"].as_array().unwrap().iter().all(|save| save["heads"].as_array().unwrap().len() == 1)
    );
    set("shared");
    assert_eq!(one.manifest().len(), 1);
}

#[test]
fn a_library_of_years_is_listed_whole_and_a_manifest_names_each_save_once() {
    let home = Home::new();
    let one = home.device();
    for number in 0..60 {
        one.upload("/saves/mGBA/one.srm", format!("{number}").as_bytes(), THEN_MS + number * HOUR_MS);
    }
    one.upload("/saves/mGBA/two.srm", b"x", THEN_MS);
    assert_eq!(one.manifest().len(), 2);
    let files = data(&one.ask("GET", "/api/sync/files", None));
    assert_eq!(files["count"], 2);
    let filtered = data(&one.ask("GET", "/api/sync/files?game=two", None));
    assert_eq!(filtered["count"], 1);
}

#[test]
fn a_save_of_many_megabytes_is_kept_whole() {
    let home = Home::new();
    let (one, two) = (home.device(), home.device());
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let stored = one.upload("/saves/PPSSPP/card.srm", &bytes, THEN_MS);
    assert_eq!(stored["contentHash"], sha256(&bytes));
    assert_eq!(two.download(&version(&stored)).body, bytes);
}

#[test]
fn an_answer_that_was_lost_makes_no_second_version() {
    let home = Home::new();
    let one = home.device();
    for _ in 0..3 {
        one.upload(GBA, b"once", THEN_MS);
    }
    assert_eq!(kept(&home)[0].1.len(), 1);
}
