//! Saves travel: stored, told of, fetched, forked and settled.

use std::time::{Duration, Instant};

use retrosync_protocol::{Digest, Version};
use serde_json::{Value, json};

use super::support::{bearer, frames, version};
use super::{SAVE, changes, ids, outcome, with_ada};

#[test]
fn a_save_travels_and_the_waiting_device_is_told_at_once() {
    let server = with_ada();
    let (miyoo, anbernic) = (server.pair("Miyoo", "ada"), server.pair("RG35XX", "ada"));
    let start = changes(&anbernic, 0);
    let (cursor, epoch) = (start["cursor"].as_u64().unwrap(), start["epoch"].as_str().unwrap().to_owned());
    let bytes = vec![7u8; 8192];
    let record = version(SAVE, Some(&bytes), &[], 1, 1);

    let (news, waited) = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let began = Instant::now();
            let path = format!("/changes?since={cursor}&epoch={epoch}&wait_s=60");
            let news: Value = anbernic.get(&path).ok();
            (news, began.elapsed())
        });
        let result: Value = miyoo.send("/versions", "op-1", &frames::store_deflated(&record, &bytes)).ok();
        assert_eq!(result["results"][0]["outcome"], "head");
        waiting.join().unwrap()
    });
    assert!(waited < Duration::from_secs(50), "{waited:?}");
    assert_eq!(news["saves"][0]["save"], SAVE);
    assert_eq!(news["reset"], false);
    let head = &news["saves"][0]["heads"][0];
    assert_eq!(head["device_name"], "Miyoo");
    assert_eq!(head["content"]["digest"], Digest::of(&bytes).to_string());

    // Its own news does not wake the device that stored it.
    let cursor = changes(&miyoo, 0)["cursor"].as_u64().unwrap();
    let quiet: Value = miyoo.get(&format!("/changes?since={cursor}&epoch={epoch}&wait_s=1")).ok();
    assert_eq!(quiet["saves"], json!([]));

    let content = anbernic.get(&format!("/content/{}", Digest::of(&bytes)));
    assert_eq!((content.status, content.body.len()), (200, 8192));
    let history: Value = anbernic.get("/history?save=gb/sram/tetris%20(world)").ok();
    assert_eq!(history["save"], SAVE, "found by its compare key, shown as it was spelled");
    assert_eq!(history["versions"][0]["head"], true);
    let asked: Value = anbernic
        .post(
            "/changes",
            &json!({"since": 0, "ask": [{"save": SAVE, "digest": Digest::of(&bytes)}, {"save": SAVE, "digest": Digest::of(b"x")}]}),
        )
        .ok();
    assert_eq!(asked["known"], json!([true, false]));
}

#[test]
fn changes_come_in_pages_and_start_again_in_another_epoch() {
    let server = with_ada();
    let device = server.pair("Miyoo", "ada");
    let mut batch = vec![];
    for n in 0..7u8 {
        batch.extend(frames::store(
            &version(&format!("gb/sram/Game {n}"), Some(&[n]), &[], 1, u64::from(n) + 1),
            Some(&[n]),
        ));
    }
    let stored: Value = device.send("/versions", "op-1", &batch).ok();
    assert_eq!(stored["results"].as_array().unwrap().len(), 7);
    let (mut since, mut seen, mut pages) = (0, vec![], 0);
    loop {
        let page: Value = device.get(&format!("/changes?since={since}&limit=3")).ok();
        let saves = page["saves"].as_array().unwrap().iter().map(|s| s["save"].as_str().unwrap().to_owned());
        seen.extend(saves);
        since = page["cursor"].as_u64().unwrap();
        pages += 1;
        if page["more"] == false {
            break;
        }
    }
    seen.sort();
    assert_eq!(seen, (0..7).map(|n| format!("gb/sram/Game {n}")).collect::<Vec<_>>());
    assert_eq!(pages, 3);
    let other = "0".repeat(32);
    let reset: Value = device.get(&format!("/changes?since={since}&epoch={other}")).ok();
    assert_eq!((&reset["reset"], reset["saves"].as_array().unwrap().len()), (&json!(true), 7));
    assert_eq!(device.get("/changes?since=0&limit=5001").code(), "malformed");
    assert_eq!(device.get("/changes?since=x").code(), "malformed");
}

#[test]
fn contents_come_whole_in_ranges_and_many_at_once() {
    let server = with_ada();
    let device = server.pair("Miyoo", "ada");
    let bytes: Vec<u8> = (0..4096u32).map(|n| (n * 7 % 251) as u8).collect();
    device.store("op-1", &version(SAVE, Some(&bytes), &[], 1, 1), Some(&bytes));
    let empty = version("gb/sram/Empty", Some(b""), &[], 1, 2);
    assert_eq!(device.store("op-2", &empty, Some(b""))["outcome"], "head", "a save of 0 bytes");
    let path = format!("/content/{}", Digest::of(&bytes));
    let bearer = bearer(&device.token);
    let with = |name: &str, value: &str| {
        device.server.api("GET", &path, &[("authorization", &bearer), (name, value)], None)
    };
    let etag = format!("\"{}\"", Digest::of(&bytes));
    let whole = device.get(&path);
    assert_eq!((whole.body == bytes, whole.header("etag")), (true, etag.as_str()));
    let part = with("range", "bytes=100-199");
    assert_eq!((part.status, part.header("content-range")), (206, "bytes 100-199/4096"));
    assert_eq!(part.body, bytes[100..200]);
    let past = with("range", "bytes=4096-");
    assert_eq!((past.status, past.header("content-range")), (416, "bytes */4096"));
    assert_eq!(with("if-none-match", &etag).status, 304);
    let nothing = device.get(&format!("/content/{}", Digest::of(b"")));
    assert_eq!((nothing.status, nothing.body.len()), (200, 0));
    assert_eq!(device.get(&format!("/content/{}", Digest::of(b"?"))).code(), "not_found");
    assert_eq!(device.get("/content/abc").code(), "malformed");

    let asked = json!({"digests": [Digest::of(&bytes), Digest::of(b"unknown"), Digest::of(b"")]});
    let reply = device.post("/content", &asked);
    assert_eq!(reply.header("content-type"), retrosync_protocol::FRAMES_CONTENT_TYPE);
    let frames = frames::read(&reply.body);
    let bodies: Vec<_> = frames.into_iter().map(|(_, body)| body).collect();
    assert_eq!(bodies, vec![Some(bytes), None, Some(vec![])]);
    let many: Vec<String> = (0..1001).map(|n: u32| Digest::of(&n.to_le_bytes()).to_string()).collect();
    assert_eq!(device.post("/content", &json!({ "digests": many })).code(), "malformed");
}

#[test]
fn a_stale_writer_makes_a_question_and_a_choice_settles_it() {
    let server = with_ada();
    let (miyoo, anbernic) = (server.pair("Miyoo", "ada"), server.pair("RG35XX", "ada"));
    let first = miyoo.store("a-1", &version(SAVE, Some(b"first"), &[], 1, 1), Some(b"first"));
    let root = first["version"].as_str().unwrap().to_owned();
    let left = miyoo.store("a-2", &version(SAVE, Some(b"left"), &[&root], 1, 2), Some(b"left"));
    let right = anbernic.store("b-1", &version(SAVE, Some(b"right"), &[&root], 2, 1), Some(b"right"));
    assert_eq!((&left["outcome"], &right["outcome"]), (&json!("head"), &json!("branch")));
    let heads = ids(&right["heads"]);
    assert_eq!(heads.len(), 2);

    let stale = json!({"save": SAVE, "keep": left["version"], "heads": [root]});
    let refused = miyoo.change("POST", "/saves/resolve", "a-3", &stale);
    assert_eq!((refused.status, refused.code().as_str()), (409, "heads_moved"));
    assert_eq!(refused.json()["heads"].as_array().unwrap().len(), 2, "it shows the heads as they are");

    let choice = json!({"save": SAVE, "keep": left["version"], "heads": heads, "note": "mine"});
    let settled: Value = miyoo.change("POST", "/saves/resolve", "a-4", &choice).ok();
    assert_eq!(settled["heads"][0]["content"]["digest"], Digest::of(b"left").to_string());
    assert_eq!(ids(&settled["heads"]).len(), 1);
    let again: Value = miyoo.change("POST", "/saves/resolve", "a-4", &choice).ok();
    assert_eq!(again, settled, "sent again, it answers the same");

    let restore = json!({"save": SAVE, "version": root, "heads": ids(&settled["heads"])});
    let restored: Value = anbernic.change("POST", "/saves/restore", "b-2", &restore).ok();
    assert_eq!(restored["heads"][0]["content"]["digest"], Digest::of(b"first").to_string());

    let retire = json!({"save": SAVE, "heads": ids(&restored["heads"])});
    let refused = anbernic.change("POST", "/saves/retire", "b-3", &retire);
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (403, "access_denied"),
        "whoever finds a lost card"
    );
    let head = restored["version"].as_str().unwrap();
    let refused = anbernic.store("b-4", &version(SAVE, None, &[head], 2, 2), None);
    assert_eq!(refused["problem"]["code"], "access_denied", "the same as a version: {refused}");

    let history: Value = anbernic.get("/history?save=gb/sram/Tetris%20(World)&limit=2").ok();
    assert_eq!((history["versions"].as_array().unwrap().len(), &history["more"]), (2, &json!(true)));
    let before = history["versions"][1]["version"].as_str().unwrap();
    let rest: Value = anbernic.get(&format!("/history?save=gb/sram/Tetris%20(World)&before={before}")).ok();
    assert_eq!(rest["versions"].as_array().unwrap().len(), 3, "nothing is ever gone");
    assert_eq!(anbernic.get("/history?save=gb/sram/Nothing").code(), "not_found");
    let unknown = json!({"save": SAVE, "version": Digest::of(b"?"), "heads": ids(&restored["heads"])});
    assert_eq!(anbernic.change("POST", "/saves/restore", "b-5", &unknown).code(), "not_found");
}

#[test]
fn one_refused_frame_never_stops_the_others() {
    let server = with_ada();
    let device = server.pair("Miyoo", "ada");
    let good = |n: u64| version(&format!("gb/sram/Good {n}"), Some(b"good"), &[], 1, n);
    let unknown = Digest::of(b"nobody").to_string();
    let mut bad_save = good(5);
    bad_save["save"] = "gb/sram/../../etc".into();
    let mut unsorted = good(6);
    unsorted["parents"] = json!([unknown, unknown]);
    let mut big = good(7);
    big["content"] = json!({"digest": unknown, "size_bytes": 2 << 20});
    let mut tomb = good(8);
    tomb["content"] = Value::Null;
    let bomb = miniz_oxide::deflate::compress_to_vec_zlib(&vec![0; 8 << 20], 9);
    let rows: Vec<(&str, Vec<u8>)> = vec![
        ("head", frames::store(&good(1), Some(b"good"))),
        ("digest_mismatch", frames::store(&good(2), Some(b"evil"))),
        ("digest_mismatch", frames::frame(json!({"version": good(2)}), Some(&bomb), "deflate")),
        ("content_missing", frames::store(&version("gb/sram/x", Some(b"never sent"), &[], 1, 3), None)),
        (
            "unknown_parent",
            frames::store(&version("gb/sram/x", Some(b"good"), &[&unknown], 1, 4), Some(b"good")),
        ),
        ("malformed", frames::store(&bad_save, Some(b"good"))),
        ("malformed", frames::store(&unsorted, Some(b"good"))),
        ("too_large", frames::store(&big, Some(&vec![0; 2 << 20]))),
        ("malformed", frames::store(&tomb, Some(b"good"))),
        ("head", frames::store(&good(9), None)),
        ("writer_reused", frames::store(&version("gb/sram/y", Some(b"good"), &[], 1, 9), Some(b"good"))),
    ];
    let batch: Vec<u8> = rows.iter().flat_map(|(_, frame)| frame.clone()).collect();
    let reply: Value = device.send("/versions", "op-1", &batch).ok();
    let outcomes: Vec<&str> = reply["results"].as_array().unwrap().iter().map(outcome).collect();
    assert_eq!(outcomes, rows.iter().map(|(expected, _)| *expected).collect::<Vec<_>>());
    assert_eq!(changes(&device, 0)["saves"].as_array().unwrap().len(), 2);
}

/// One wrong digit in `parents`, and a save would have two heads that nobody played.
#[test]
fn a_request_that_was_damaged_on_its_way_is_refused_and_not_taken_for_another() {
    let server = with_ada();
    let device = server.pair("Miyoo", "ada");
    let bearer = bearer(&device.token);
    let record = version(SAVE, Some(b"played"), &[], 1, 1);
    let sent: Version = serde_json::from_value(record.clone()).unwrap();
    let told = Version::digest_of_all(&[sent.id()]).to_string();
    let store = |record: &Value, told: &str| {
        let frames = frames::store(record, Some(b"played"));
        let kind = retrosync_protocol::FRAMES_CONTENT_TYPE;
        let headers = [("authorization", &*bearer), ("content-type", kind), ("retrosync-digest", told)];
        server.api(
            "POST",
            "/versions",
            &[&headers[..], &[("idempotency-key", "op-1")]].concat(),
            Some(&frames),
        )
    };
    for (field, arrived) in
        [("sequence", json!(3)), ("parents", json!([Digest::of(b"another")])), ("client", json!("sest"))]
    {
        let mut damaged = record.clone();
        damaged[field] = arrived;
        let refused = store(&damaged, &told);
        assert_eq!(refused.code(), "malformed", "{field}");
        assert!(refused.text().contains("damaged on its way"), "{field}: {}", refused.text());
    }
    assert_eq!(store(&record, "no digest").code(), "malformed");
    let ask = |body: &[u8], told: &[u8]| {
        let told = Digest::of(told).to_string();
        let headers = [("authorization", &*bearer), ("retrosync-digest", &*told)];
        server.api("POST", "/changes", &headers, Some(body))
    };
    assert_eq!(ask(br#"{"since":9}"#, br#"{"since":1}"#).code(), "malformed");
    let listed: Value = ask(br#"{"since":0}"#, br#"{"since":0}"#).ok();
    assert_eq!(listed["saves"], json!([]), "nothing of it was stored");
    let stored: Value = store(&record, &told).ok();
    assert_eq!(stored["results"][0]["outcome"], "head", "{stored}");
}
