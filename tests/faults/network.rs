//! Between the daemon and the server: cuts after every byte, of small saves, large ones and in TLS; doubles, delays, wrong answers,
//! dawdlers, damaged bodies. Of the question that waits for news: `waiting`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::cut_wire::Cut;
use crate::support::fault_proxy::{Fault, Sent, What};
use crate::support::wait_for;
use crate::world::{Kind, World, from, long, progress, short_or_long, tell};

/// A well sync's traffic: requests and replies.
fn one_sync(world: &mut World) -> Vec<Sent> {
    let mut sent = Vec::new();
    world.round("nothing is wrong", |world| {
        world.proxy.set(Fault::None);
        world.sync_under_fault("nothing is wrong");
        sent = world.proxy.sent();
    });
    sent
}

/// An answer as our server gives it.
fn answer(status: &str, headers: &str, kind: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{headers}RetroSync-Epoch: {}\r\nContent-Length: {}\r\n\r\n{body}",
        "0".repeat(32),
        body.len()
    )
    .into_bytes()
}

fn cut_everywhere(kind: Kind, name: &str, fault: impl Fn(usize, bool) -> Fault, length: fn(&Sent) -> usize) {
    let began = Instant::now();
    let mut world = World::of(kind);
    let whole: usize = one_sync(&mut world).iter().map(length).sum();
    let mut rounds = 0;
    for after_bytes in (from()..whole).step_by(kind.stride(whole)) {
        progress(name, after_bytes, whole);
        // Every other time the network is back at once, so that what goes on unseen is seen too.
        let fault = fault(after_bytes, rounds % 2 == 1);
        let story = format!("{fault:?} of {whole}");
        world.round(&story, |world| {
            world.proxy.set(fault);
            world.sync_under_fault(&story);
            // Numbers have more and fewer digits: a sync is never twice as long to the byte.
            assert!(world.proxy.hit() || after_bytes + 200 > whole, "{story}: nothing was cut");
        });
        rounds += 1;
    }
    tell("network", name, rounds, began);
}

#[test]
fn a_request_that_is_cut_after_any_byte_loses_and_doubles_nothing() {
    let cut = |after_bytes, heals| Fault::CutRequest { after_bytes, heals };
    cut_everywhere(Kind::Small, "a request cut after k bytes", cut, |sent| sent.bytes.len());
}

#[test]
fn a_reply_that_is_cut_after_any_byte_loses_and_doubles_nothing() {
    let cut = |after_bytes, heals| Fault::CutReply { after_bytes, heals };
    cut_everywhere(Kind::Small, "a reply cut after k bytes", cut, |sent| sent.reply_bytes);
}

#[test]
fn a_large_save_that_is_cut_on_its_way_up_is_there_once_and_whole() {
    let cut = |after_bytes, heals| Fault::CutRequest { after_bytes, heals };
    cut_everywhere(Kind::Large, "saves over 1 MiB: a request cut", cut, |sent| sent.bytes.len());
}

#[test]
fn a_large_save_that_is_cut_on_its_way_down_is_whole_on_the_card() {
    let cut = |after_bytes, heals| Fault::CutReply { after_bytes, heals };
    cut_everywhere(Kind::Large, "saves over 1 MiB: a reply cut", cut, |sent| sent.reply_bytes);
}

/// What came through before a cut is not sent again: else this save would never arrive.
#[test]
fn a_large_save_arrives_over_a_network_that_breaks_each_time_after_a_third_of_it() {
    let began = Instant::now();
    let mut world = World::of(Kind::Large);
    let whole: usize = one_sync(&mut world).iter().map(|sent| sent.bytes.len()).sum();
    let mut syncs = 0;
    world.round("each sync is cut after a third", |world| {
        while !world.has_all() {
            syncs += 1;
            assert!(syncs <= 12, "it begins anew each time");
            world.proxy.set(Fault::CutRequest { after_bytes: whole / 3, heals: false });
            world.sync_under_fault("cut after a third");
        }
    });
    assert!(syncs > 2, "{syncs}: it was not cut");
    // The other way the same sync goes on where it was.
    world.round("a download that is cut in its middle", |world| {
        world.proxy.set(Fault::CutReply { after_bytes: whole / 2, heals: true });
        world.sync_under_fault("a download that is cut in its middle");
        assert!(world.proxy.hit());
        let sent = world.proxy.sent();
        let (most, rest) = (sent.iter().map(|sent| sent.reply_bytes).max(), |sent: &&Sent| {
            String::from_utf8_lossy(&sent.bytes).to_lowercase().contains("\r\nrange: bytes=")
        });
        let rest = sent.iter().find(rest).map(|sent| sent.reply_bytes);
        assert!(rest.is_some() && rest < most, "{rest:?} of {most:?}: what came is not asked for again");
    });
    tell("network", "saves over 1 MiB: what came through stays", syncs, began);
}

/// The bytes of TLS, its handshake too: records end in their middle, and nobody says farewell.
fn cut_sealed(name: &str, up: bool) {
    let began = Instant::now();
    let mut world = World::of(Kind::Sealed);
    let mut whole = 0;
    world.round("nothing is wrong", |world| {
        world.wire.set(Cut::None);
        world.sync_under_fault("nothing is wrong");
        let (there, back) = world.wire.passed();
        whole = if up { there } else { back };
    });
    let mut rounds = 0;
    for bytes in (from()..whole).step_by(Kind::Sealed.stride(whole)) {
        progress(name, bytes, whole);
        let cut = Cut::After { up, bytes, heals: rounds % 2 == 1 };
        let story = format!("{cut:?} of {whole}");
        world.round(&story, |world| {
            world.wire.set(cut);
            world.sync_under_fault(&story);
            assert!(world.wire.hit() || bytes + 200 > whole, "{story}: nothing was cut");
        });
        rounds += 1;
    }
    tell("network", name, rounds, began);
}

#[test]
fn a_sealed_request_that_is_cut_after_any_byte_loses_and_doubles_nothing() {
    cut_sealed("TLS: cut after k bytes, up", true);
}

#[test]
fn a_sealed_reply_that_is_cut_after_any_byte_is_no_reply() {
    cut_sealed("TLS: cut after k bytes, down", false);
}

/// Each fault to each request of a sync; in the short form each fault once, to one request after the other.
fn each_fault(name: &str, rows: &[(&str, What)]) {
    let began = Instant::now();
    let mut world = World::new();
    let requests = one_sync(&mut world).len();
    assert!(requests >= 2, "a sync is {requests} requests");
    let mut rounds = 0;
    for (number, (row, what)) in rows.iter().enumerate() {
        for request in (0..requests).filter(|request| long() || *request == number % requests) {
            progress(name, rounds, rows.len() * requests);
            let story = format!("{row}, request {request}");
            world.round(&story, |world| {
                world.proxy.set(Fault::Once(request, what.clone()));
                world.sync_under_fault(&story);
                assert!(world.proxy.hit(), "{story}: it never came to that request");
            });
            rounds += 1;
        }
    }
    tell("network", name, rounds, began);
}

#[test]
fn a_request_that_comes_twice_or_late_is_one_version() {
    each_fault(
        "twice, twice at once, late, dawdling",
        &[
            ("twice", What::Twice),
            ("twice at once", What::TwiceAtOnce),
            ("late", What::Late(Duration::from_millis(300))),
            ("byte by byte", What::Trickle(Duration::from_millis(1))),
        ],
    );
}

#[test]
fn an_answer_that_is_not_the_servers_own_changes_nothing() {
    let html = "<html><title>Welcome to our hotel</title></html>";
    let problem = |status: &str, code: &str, headers: &str| {
        let number = &status[..3];
        let body = format!(
            r#"{{"type":"about:blank","title":"x","status":{number},"code":"{code}","detail":"as the test wants"}}"#
        );
        answer(status, headers, "application/problem+json", &body)
    };
    let replies = [
        ("500", problem("500 Internal Server Error", "internal", "")),
        ("503 with a time", problem("503 Service Unavailable", "unavailable", "Retry-After: 1\r\n")),
        ("408", problem("408 Request Timeout", "too_slow", "")),
        ("429 with a time", problem("429 Too Many Requests", "slow_down", "Retry-After: 1\r\n")),
        ("507", problem("507 Insufficient Storage", "disk_full", "")),
        ("409", problem("409 Conflict", "heads_moved", "")),
        ("412", problem("412 Precondition Failed", "heads_moved", "")),
        ("a proxy's 502", answer("502 Bad Gateway", "", "text/html", html)),
        ("a hotel's page with 200", answer("200 OK", "", "text/html", html)),
        ("a hotel's page that says it is JSON", answer("200 OK", "", "application/json", html)),
        ("nothing with 200", answer("200 OK", "", "application/json", "")),
    ];
    let rows: Vec<(String, What)> = replies
        .into_iter()
        .flat_map(|(row, reply)| {
            let after = (format!("{row} after the server did it"), What::After(reply.clone()));
            [(format!("{row} instead"), What::Instead(reply)), after]
        })
        .collect();
    let rows: Vec<(&str, What)> = rows.iter().map(|(row, what)| (row.as_str(), what.clone())).collect();
    each_fault("wrong answers, before and after the deed", &rows);
}

#[test]
fn a_reply_that_ends_early_and_says_so_is_not_taken() {
    each_fault(
        "honest but short replies",
        &[("short", What::ShortReply), ("short", What::ShortReply), ("short", What::ShortReply)],
    );
}

#[test]
fn a_request_with_a_damaged_byte_is_refused_or_harmless() {
    let began = Instant::now();
    let mut world = World::new();
    // Frames with versions and their bytes: what the digest and the record's form guard.
    let stores: Vec<usize> = one_sync(&mut world)
        .iter()
        .enumerate()
        .filter(|(_, sent)| sent.line() == "POST /api/v1/versions")
        .map(|(number, _)| number)
        .collect();
    let store = stores[0];
    let mut rounds = 0;
    for at in (0..short_or_long(6, 400)).map(|step| 150 + step * 7) {
        progress("damaged requests", rounds, 400);
        let story = format!("request {store} with a bit of byte {at} flipped");
        world.play();
        world.proxy.set(Fault::Once(store, What::FlipRequest(at)));
        world.sync_under_fault(&story);
        world.heal();
        world.judge(&story);
        rounds += 1;
    }
    tell("network", "requests with a damaged byte", rounds, began);
}

/// A byte on its way to the handheld, in a listing too: one wrong digit of its cursor would hide the other handheld's save for
/// ever, one of a head would ask a person in vain.
#[test]
fn a_reply_with_a_damaged_byte_is_no_reply() {
    let began = Instant::now();
    let mut world = World::new();
    let requests = one_sync(&mut world).len();
    let mut rounds = 0;
    for request in 0..requests {
        for step in 0..short_or_long(3, 200) {
            progress("damaged replies", rounds, requests * 200);
            let at = step * 13 + rounds;
            let story = format!("a bit of byte {at} of the reply to request {request} flipped");
            world.play();
            let before = world.files();
            world.proxy.set(Fault::Once(request, What::FlipReply(at)));
            world.sync_under_fault(&story);
            assert!(world.proxy.hit(), "{story}: it never came to that request");
            for ((title, file), (_, had)) in world.files().iter().zip(&before) {
                let known = file.as_ref().is_some_and(|file| world.was_played(title, file));
                assert!(known, "{story}: {title} is {file:?}, it was {had:?}");
            }
            world.heal();
            world.judge(&story);
            rounds += 1;
        }
    }
    tell("network", "replies with a damaged byte", rounds, began);
}

/// Both ways at once: all that they do is wait.
#[test]
fn a_device_that_hears_nothing_in_the_middle_gives_up_in_time() {
    let began = Instant::now();
    let stalled = |what: What| {
        let mut world = World::new();
        let requests = one_sync(&mut world).len();
        let stalls = (0..requests).filter(|request| long() || *request == 0);
        stalls.fold(0, |rounds, request| {
            let story = format!("{what:?} in request {request}");
            world.round(&story, |world| {
                world.proxy.set(Fault::Once(request, what.clone()));
                world.sync_under_fault(&story);
            });
            rounds + 1
        })
    };
    let rounds = std::thread::scope(|scope| {
        let up = scope.spawn(|| stalled(What::StallRequest));
        stalled(What::StallReply) + up.join().unwrap()
    });
    tell("network", "slow-loris, both ways", rounds, began);
}

/// Sends recorded bytes again, as a network that kept them would.
fn send_again(world: &World, sent: &Sent) -> String {
    let mut server = TcpStream::connect(("127.0.0.1", world.server.port())).unwrap();
    server.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    server.write_all(&sent.bytes).unwrap();
    let mut reply = [0; 12];
    server.read_exact(&mut reply).unwrap();
    String::from_utf8_lossy(&reply).into_owned()
}

#[test]
fn a_request_that_comes_again_an_hour_later_changes_nothing() {
    let began = Instant::now();
    let mut world = World::new();
    let mut recorded = Vec::new();
    let rounds = short_or_long(4, 40);
    for round in 0..rounds {
        let story = format!("round {round}, with everything sent before sent again");
        world.round(&story, |world| {
            world.proxy.set(Fault::None);
            world.sync_under_fault(&story);
            recorded.extend(world.proxy.sent());
        });
        for sent in &recorded {
            let status = send_again(&world, sent);
            assert!(status.starts_with("HTTP/1.1 2"), "{}: {status}", sent.line());
        }
        world.judge(&story);
    }
    tell("network", "every request sent again, rounds later", recorded.len(), began);
}

/// What is new can be asked, and what is asked next fails: each failure once led to the next question at once, 300 a second.
#[test]
fn a_daemon_whose_stores_or_downloads_fail_does_not_ask_all_the_time() {
    let began = Instant::now();
    let (watched_s, busy) = (short_or_long(3, 10), "<html>busy</html>");
    let asks_to_wait = answer("503 Service Unavailable", "Retry-After: 5\r\n", "text/html", busy);
    let rows = [
        ("POST /api/v1/versions", asks_to_wait.clone()),
        ("POST /api/v1/versions", answer("500 Internal Server Error", "", "text/html", busy)),
        ("POST /api/v1/content", asks_to_wait),
    ];
    let mut asked = 0;
    for (line, reply) in rows {
        let mut world = World::new();
        world.play();
        world.proxy.set(Fault::On(line, What::Instead(reply)));
        let daemon = world.a.daemon();
        wait_for("it was struck", 60, || world.proxy.hit().then_some(()));
        let before = world.proxy.requests();
        std::thread::sleep(Duration::from_secs(watched_s));
        let requests = world.proxy.requests() - before;
        // The long poll is asked, and then a question and a store at each retry: after 2.5 s at the least, after 7.5, after 17.5.
        assert!(requests <= 7, "{line}: {requests} requests in {watched_s} s");
        asked += requests;
        world.proxy.set(Fault::None);
        wait_for("it goes on when the server is well", 120, || world.has_all().then_some(()));
        drop(daemon);
        world.heal();
        world.judge(line);
    }
    tell("network", "a daemon whose stores or downloads fail", asked, began);
}

#[test]
fn a_daemon_before_a_broken_server_is_patient_and_then_stores_at_once() {
    let began = Instant::now();
    let mut world = World::new();
    world.play();
    let reply = answer("503 Service Unavailable", "Retry-After: 2\r\n", "text/html", "<html>busy</html>");
    world.proxy.set(Fault::Always(What::Instead(reply)));
    let daemon = world.a.daemon();
    wait_for("it asked and was told to wait", 60, || world.proxy.hit().then_some(()));
    let watched_s = short_or_long(5, 60);
    let before = world.proxy.requests();
    std::thread::sleep(Duration::from_secs(watched_s));
    let requests = world.proxy.requests() - before;
    // One at each wait that the server asked for, and the long poll's beside it.
    assert!(requests as u64 <= 2 + 2 * watched_s, "{requests} requests in {watched_s} s");
    world.proxy.set(Fault::None);
    wait_for("it stores when the server is back", 120, || world.has_all().then_some(()));
    drop(daemon);
    world.heal();
    world.judge("after a broken server");
    tell("network", "a daemon before a server that answers 503", requests, began);
}
