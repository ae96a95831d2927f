//! The real programs over such a server, and over our own server's side of the same protocol.

use crate::*;

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
