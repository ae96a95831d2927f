//! The real server over HTTP: each endpoint's success and refusals, held against the published document.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use retrosync_protocol::{Digest, PairingOffer};
use serde_json::{Value, json};
use support::{Device, Server, frames, token, token_sha256, version};

const SAVE: &str = "gb/sram/Tetris (World)";

fn with_ada() -> Server {
    let server = Server::start();
    server.add_user("ada");
    server
}

fn ids(heads: &Value) -> Vec<String> {
    heads.as_array().unwrap().iter().map(|head| head["version"].as_str().unwrap().to_owned()).collect()
}

fn changes(device: &Device<'_>, since: u64) -> Value {
    device.get(&format!("/changes?since={since}&epoch=")).ok()
}

#[test]
fn it_says_who_it_is_and_what_it_can() {
    let server = Server::start();
    let health: Value = server.get("/health", None).ok();
    assert_eq!(health["status"], "ok");
    assert!(health["server"].as_str().unwrap().starts_with("retrosync-server/"));
    assert_eq!(server.get("/nothing", None).code(), "not_found");
    assert_eq!(server.api("PUT", "/health", &[], Some(b"x")).code(), "not_found");
    assert_eq!(server.bare("HEAD", "/api/v1/health", &[], None).status, 200);
    assert_eq!(server.get("/account", None).code(), "unauthorized");
    assert_eq!(server.get("/account", Some(&token())).code(), "unauthorized");
}

#[test]
fn every_operation_of_the_document_is_an_endpoint() {
    let server = Server::start();
    let mut asked = 0;
    for operation in server.operations() {
        let (method, path) = operation.split_once(' ').unwrap();
        let path = path.replace("{digest}", &"0".repeat(64)).replace("{device}", "dev_0000000000000000");
        let body = matches!(method, "POST" | "PATCH").then_some(b"?".as_slice());
        let reply = server.api(method, &path, &[], body);
        let open = ["/health", "/openapi.json", "/pairing", "/pairing/claim"].contains(&path.as_str());
        let expected: &[u16] = if open { &[200, 400, 401] } else { &[401] };
        assert!(expected.contains(&reply.status), "{operation}: {} {}", reply.status, reply.text());
        asked += 1;
    }
    assert_eq!(asked, 21);
}

#[test]
fn a_device_pairs_by_the_code_it_shows() {
    let server = Server::start();
    server.add_user("ada");
    let token = token();
    assert_eq!(server.get("/pairing", Some(&token)).code(), "unauthorized");
    let request = json!({"token_sha256": token_sha256(&token), "device_name": "Miyoo Mini Plus",
        "profile": "onion", "client": "retrosync/0.1.0 armv7"});
    let offer: PairingOffer = server.post("/pairing", None, &request).ok();
    let again: PairingOffer = server.post("/pairing", None, &request).ok();
    assert_eq!(offer.user_code, again.user_code, "a lost reply costs nothing");
    assert_eq!(offer.verification_url_complete, format!("{}/pair?code={}", server.url, offer.user_code));
    assert_eq!(server.get("/pairing", Some(&token)).code(), "authorization_pending");
    assert_eq!(server.get("/account", Some(&token)).code(), "unauthorized", "not in yet");

    let began = Instant::now();
    let paired: Value = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| server.get("/pairing?wait_s=30", Some(&token)).ok());
        let output = server.cli(&["approve", &offer.user_code.to_string()]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "`Miyoo Mini Plus` is in: a device of `ada`\n");
        waiting.join().unwrap()
    });
    assert!(began.elapsed() < Duration::from_secs(10), "the waiting device is told: {:?}", began.elapsed());
    assert_eq!(paired["user"], "ada");
    let again: Value = server.get("/pairing", Some(&token)).ok();
    assert_eq!(again, paired, "asked again, it answers the same");
    let account: Value = server.get("/account", Some(&token)).ok();
    assert_eq!(account["devices"], 1);

    let output = server.cli(&["approve", "AAAA-AAAA"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_headless_device_claims_a_code() {
    let server = Server::start();
    server.add_user("ada");
    let output = server.cli(&["user", "code", "ada"]);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let code = said.lines().next().unwrap();
    let token = token();
    let claim = json!({"user_code": code.to_lowercase(), "token_sha256": token_sha256(&token),
        "device_name": "NAS", "profile": "linux", "client": "test"});
    let paired: Value = server.post("/pairing/claim", None, &claim).ok();
    assert_eq!(paired["device_name"], "NAS");
    let account: Value = server.get("/account", Some(&token)).ok();
    assert_eq!(account["user"], "ada");

    let mut other = claim.clone();
    other["token_sha256"] = token_sha256(&support::token()).into();
    let used = server.post("/pairing/claim", None, &other).code();
    assert!(["code_unknown", "expired_token"].contains(&used.as_str()), "one use: {used}");
    other["user_code"] = "not a code".into();
    assert_eq!(server.post("/pairing/claim", None, &other).code(), "malformed");
}

#[test]
fn guessing_codes_is_slowed_down() {
    let server = Server::start();
    server.add_user("ada");
    let mut codes = vec![];
    for _ in 0..8 {
        let claim = json!({"user_code": "AAAA-AAAA", "token_sha256": token_sha256(&token()), "device_name": "x",
            "profile": "", "client": ""});
        let reply = server.post("/pairing/claim", None, &claim);
        if reply.code() == "slow_down" {
            assert!(!reply.header("retry-after").is_empty());
        }
        codes.push(reply.code());
    }
    assert_eq!(codes[..5], vec!["code_unknown"; 5], "the first five are only wrong");
    assert_eq!(codes[7], "slow_down", "{codes:?}");
}

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
    assert!(waited < Duration::from_secs(20), "{waited:?}");
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
    let bearer = support::bearer(&device.token);
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
    let retired: Value = anbernic.change("POST", "/saves/retire", "b-3", &retire).ok();
    assert_eq!(retired["heads"][0]["content"], Value::Null);

    let history: Value = anbernic.get("/history?save=gb/sram/Tetris%20(World)&limit=2").ok();
    assert_eq!((history["versions"].as_array().unwrap().len(), &history["more"]), (2, &json!(true)));
    let before = history["versions"][1]["version"].as_str().unwrap();
    let rest: Value = anbernic.get(&format!("/history?save=gb/sram/Tetris%20(World)&before={before}")).ok();
    assert_eq!(rest["versions"].as_array().unwrap().len(), 4, "nothing is ever gone");
    assert_eq!(anbernic.get("/history?save=gb/sram/Nothing").code(), "not_found");
    let unknown = json!({"save": SAVE, "version": Digest::of(b"?"), "heads": ids(&retired["heads"])});
    assert_eq!(anbernic.change("POST", "/saves/restore", "b-4", &unknown).code(), "not_found");
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

fn outcome(result: &Value) -> &str {
    match result["outcome"].as_str().unwrap() {
        "refused" => result["problem"]["code"].as_str().unwrap(),
        outcome => outcome,
    }
}

#[test]
fn the_plug_is_pulled_between_two_requests_and_nothing_answered_is_lost() {
    let mut server = with_ada();
    let (token, id) = {
        let device = server.pair("Miyoo", "ada");
        (device.token, device.id)
    };
    let mut stored = vec![];
    for n in 1..=5u64 {
        let bytes = n.to_le_bytes();
        let frame =
            frames::store(&version(&format!("gb/sram/Game {n}"), Some(&bytes), &[], 1, n), Some(&bytes));
        let first: Value = {
            let device = Device { server: &server, token: token.clone(), id: id.clone() };
            device.send("/versions", &format!("op-{n}"), &frame).ok()
        };
        server.kill();
        server.run(&[]);
        let device = Device { server: &server, token: token.clone(), id: id.clone() };
        let again: Value = device.send("/versions", &format!("op-{n}"), &frame).ok();
        assert_eq!(again, first, "the reply was lost, the request is sent again");
        let reused = device.send(
            "/versions",
            &format!("op-{n}"),
            &frames::store(&version("gb/sram/z", None, &[], 9, n), None),
        );
        assert_eq!((reused.status, reused.code().as_str()), (422, "operation_reused"));
        stored.push(Digest::of(&bytes));
        for digest in &stored {
            assert_eq!(device.get(&format!("/content/{digest}")).status, 200);
        }
        assert_eq!(changes(&device, 0)["saves"].as_array().unwrap().len(), stored.len());
    }
    assert_eq!(server.stop(), Some(0), "asked to stop, it ends well");
    let output = server.cli(&["check"]);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_server_that_stops_tells_who_waits() {
    let mut server = with_ada();
    let (token, url) = (server.pair("Miyoo", "ada").token, server.url.clone());
    let mut waiting = std::net::TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    let path = "/api/v1/changes?since=0&wait_s=300";
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
    waiting.write_all(request.as_bytes()).unwrap();
    // Until another request on another connection was answered, the first has surely arrived.
    assert_eq!(server.get("/account", Some(&token)).status, 200);
    let began = Instant::now();
    assert_eq!(server.stop(), Some(0));
    assert!(
        began.elapsed() < Duration::from_secs(9),
        "it does not wait for the long poll: {:?}",
        began.elapsed()
    );
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("unavailable"), "{answer}");
}

#[test]
fn the_same_change_sent_many_times_at_once_happens_once() {
    let server = with_ada();
    let device = server.pair("Miyoo", "ada");
    let frame = frames::store(&version(SAVE, Some(b"once"), &[], 1, 1), Some(b"once"));
    let replies: Vec<Value> = std::thread::scope(|scope| {
        let send = || device.send("/versions", "op-1", &frame).ok();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(send)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(replies.iter().all(|reply| *reply == replies[0]), "{replies:#?}");
    let head = replies[0]["results"][0]["version"].clone();
    let restore = json!({"save": SAVE, "version": head, "heads": [head]});
    let replies: Vec<Value> = std::thread::scope(|scope| {
        let send =
            || device.change("POST", "/saves/retire", "op-2", &json!({"save": SAVE, "heads": [head]})).ok();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(send)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(replies.iter().all(|reply| *reply == replies[0]), "{replies:#?}");
    assert_eq!(device.change("POST", "/saves/restore", "op-2", &restore).code(), "operation_reused");
    let account: Value = device.get("/account").ok();
    assert_eq!(account["versions"], 2);
}

#[test]
fn devices_are_listed_renamed_and_revoked() {
    let server = with_ada();
    let (miyoo, lost) = (server.pair("Miyoo", "ada"), server.pair("Lost", "ada"));
    lost.store("op-1", &version(SAVE, Some(b"kept"), &[], 1, 1), Some(b"kept"));
    let path = format!("/devices/{}", lost.id);
    assert_eq!(miyoo.change("PATCH", &path, "n-1", &json!({"name": "Old one"})).status, 204);
    assert_eq!(miyoo.change("PATCH", &path, "n-1", &json!({"name": "Old one"})).status, 204);
    assert_eq!(miyoo.change("PATCH", &path, "n-1", &json!({"name": "Else"})).code(), "operation_reused");
    assert_eq!(miyoo.change("PATCH", &path, "n-2", &json!({"name": ""})).code(), "malformed");
    let listed: Value = miyoo.get("/devices").ok();
    let devices = listed["devices"].as_array().unwrap();
    let names: Vec<&str> = devices.iter().map(|d| d["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Miyoo", "Old one"]);
    assert_eq!(devices.iter().map(|d| d["this_device"] == true).collect::<Vec<_>>(), [true, false]);
    assert_eq!(miyoo.change("DELETE", &path, "d-1", &Value::Null).status, 204);
    assert_eq!(miyoo.change("DELETE", &path, "d-1", &Value::Null).status, 204, "sent again");
    assert_eq!(
        miyoo.change("DELETE", "/devices/dev_0000000000000000", "d-2", &Value::Null).code(),
        "not_found"
    );
    let refused = lost.get("/changes");
    assert_eq!((refused.status, refused.code().as_str()), (401, "revoked"));
    let account: Value = miyoo.get("/account").ok();
    assert_eq!((&account["devices"], &account["versions"]), (&json!(1), &json!(1)), "its versions stay");
    let quiet = support::bearer(&miyoo.token);
    let no_key = server.api("PATCH", &path, &[("authorization", &quiet)], Some(b"{\"name\":\"x\"}"));
    assert_eq!(no_key.code(), "malformed", "a change without an operation id");
}

#[test]
fn users_do_not_see_each_other() {
    let server = with_ada();
    server.add_user("eve");
    let (ada, eve) = (server.pair("Miyoo", "ada"), server.pair("Spy", "eve"));
    let stored = ada.store("op-1", &version(SAVE, Some(b"secret"), &[], 1, 1), Some(b"secret"));
    let content = format!("/content/{}", Digest::of(b"secret"));
    assert_eq!(eve.get(&content).code(), "not_found");
    let frames = frames::read(&eve.post("/content", &json!({"digests": [Digest::of(b"secret")]})).body);
    assert_eq!(frames[0].1, None);
    assert_eq!(changes(&eve, 0)["saves"], json!([]));
    assert_eq!(eve.get("/history?save=gb/sram/Tetris%20(World)").code(), "not_found");
    let claimed = eve.store("op-1", &version(SAVE, Some(b"secret"), &[], 2, 1), None);
    assert_eq!(outcome(&claimed), "content_missing", "knowing a digest is not having the bytes");
    let restore = json!({"save": SAVE, "version": stored["version"], "heads": [stored["version"]]});
    assert_eq!(eve.change("POST", "/saves/restore", "op-2", &restore).code(), "not_found");
    assert_eq!(
        eve.change("DELETE", &format!("/devices/{}", ada.id), "op-3", &Value::Null).code(),
        "not_found"
    );
}

#[test]
fn a_backup_is_another_history_with_every_content() {
    let mut server = with_ada();
    let token = {
        let device = server.pair("Miyoo", "ada");
        device.store("op-1", &version(SAVE, Some(b"kept"), &[], 1, 1), Some(b"kept"));
        device.token
    };
    let epoch = server.get("/health", None).header("retrosync-epoch").to_owned();
    let backup = server.folder.path().join("backup");
    let output = server.cli(&["backup", backup.to_str().unwrap()]);
    assert!(output.status.success(), "of a running server: {output:?}");
    server.kill();
    std::fs::rename(server.data(), server.folder.path().join("broken")).unwrap();
    // A data directory is what a backup becomes, whatever database it is of.
    server.database = None;
    let output = server.cli(&["restore", backup.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    server.run(&[]);
    assert_ne!(server.get("/health", None).header("retrosync-epoch"), epoch);
    let news: Value = server.get(&format!("/changes?since=1&epoch={epoch}"), Some(&token)).ok();
    assert_eq!((&news["reset"], news["saves"].as_array().unwrap().len()), (&json!(true), 1));
    assert_eq!(server.get(&format!("/content/{}", Digest::of(b"kept")), Some(&token)).body, b"kept");
}

#[test]
fn a_check_names_what_is_damaged_or_missing() {
    let server = with_ada();
    let device = server.pair("Miyoo", "ada");
    for (n, bytes) in [b"first", b"other"].into_iter().enumerate() {
        device.store(
            &format!("op-{n}"),
            &version(&format!("gb/sram/{n}"), Some(bytes), &[], 1, n as u64 + 1),
            Some(bytes),
        );
    }
    let file = |bytes: &[u8]| support::find_below(&server.data(), &Digest::of(bytes).to_string()).unwrap();
    let check = || {
        let output = server.cli(&["check"]);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(check(), (Some(0), "2 contents, 10 bytes: all whole\n".into()), "beside a running server");
    let (first, other) = (file(b"first"), file(b"other"));
    std::fs::remove_file(&other).unwrap();
    std::fs::remove_file(&first).unwrap();
    std::fs::write(&first, b"worse").unwrap();
    let (exit, said) = check();
    assert_eq!(exit, Some(1));
    let line =
        |what: &str| said.lines().find(|line| line.starts_with(what)).unwrap_or_else(|| panic!("{said}"));
    assert!(line("damaged").contains(&Digest::of(b"first").to_string()), "{said}");
    assert!(line("missing").contains(&Digest::of(b"other").to_string()), "{said}");
    let gone = device.get(&format!("/content/{}", Digest::of(b"other")));
    assert!(gone.status >= 400, "{}", gone.status);
    let repair = server.cli(&["check", "--repair"]);
    assert!(String::from_utf8_lossy(&repair.stderr).contains("another server"), "not while a server runs");
}
