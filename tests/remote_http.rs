//! Our server as a store: the contract of every remote against the real program, and what only a server has.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[macro_use]
#[path = "../src/remote/suite.rs"]
#[allow(unreachable_pub, dead_code)]
mod suite;
mod support;

use std::io::Read;

use retrosync::error::{Error, Kind};
use retrosync::remote::{Answer, HttpRemote, PairingClient, Remote, RemoteSettings};
use retrosync_protocol::{
    ChangesRequest, ClaimRequest, Code, Content, PairingRequest, StoreResult, Token, Version, WriterId,
};
use suite::{Ground, Handheld, SAVE, noise};
use support::relay::Relay;
use support::server::Server;

impl Ground for Server {
    fn device(&mut self, name: &str, _: &WriterId) -> Box<dyn Remote> {
        Box::new(pair(self, &self.url(), name).0)
    }

    fn devices_delete(&self) -> bool {
        false
    }
}

suite! { Server::start() }

fn settings(url: &str, token: Option<Token>) -> RemoteSettings {
    RemoteSettings { server: url.into(), token, client: "retrosync/test".into(), ..RemoteSettings::default() }
}

fn draw_token() -> Token {
    let mut random = [0; 32];
    getrandom::fill(&mut random).unwrap();
    Token::from_random(&random)
}

fn request(token: &Token, name: &str) -> PairingRequest {
    PairingRequest {
        token_sha256: token.digest(),
        device_name: name.into(),
        profile: "onion".into(),
        client: "retrosync/test".into(),
    }
}

/// Pairs a device as the handheld does: it shows a code, the user approves.
fn pair(server: &Server, url: &str, name: &str) -> (HttpRemote, Token) {
    let token = draw_token();
    let mut client = PairingClient::open(&settings(url, None)).unwrap();
    let offer = client.start(&request(&token, name)).unwrap();
    server.approve(&offer.user_code.to_string());
    let Answer::Paired(paired) = client.wait(&token, 20).unwrap() else { panic!("still pending") };
    assert_eq!((paired.device_name.as_str(), paired.user.as_str()), (name, support::server::USER));
    (HttpRemote::open(&settings(url, Some(token.clone()))).unwrap(), token)
}

#[test]
fn a_code_is_pending_until_the_user_approves_and_the_same_while_it_lives() {
    let server = Server::start();
    let token = draw_token();
    let mut client = PairingClient::open(&settings(&server.url(), None)).unwrap();
    let offer = client.start(&request(&token, "A")).unwrap();
    assert_eq!(client.start(&request(&token, "A")).unwrap().user_code, offer.user_code);
    assert_eq!(client.wait(&token, 0).unwrap(), Answer::Pending);
    let stranger = client.wait(&draw_token(), 0).unwrap_err();
    assert_eq!(stranger.kind, Kind::Unpaired, "{stranger}");
    server.approve(&offer.user_code.to_string());
    assert!(matches!(client.wait(&token, 20).unwrap(), Answer::Paired(_)));
    assert!(
        matches!(client.wait(&token, 20).unwrap(), Answer::Paired(_)),
        "a lost answer is asked for again"
    );
}

#[test]
fn a_code_of_the_dashboard_lets_a_headless_device_in_once() {
    let server = Server::start();
    let code = server.user_code().parse().unwrap();
    let token = draw_token();
    let mut client = PairingClient::open(&settings(&server.url(), None)).unwrap();
    let claim = |code, token: &Token| ClaimRequest { user_code: code, device: request(token, "Headless") };
    let wrong = client.claim(&claim("AAAA-AAAA".parse().unwrap(), &token)).unwrap_err();
    assert_eq!(wrong.kind, Kind::Refused(Code::CodeUnknown), "{wrong}");
    assert_eq!(client.claim(&claim(code, &token)).unwrap().device_name, "Headless");
    let mut remote = HttpRemote::open(&settings(&server.url(), Some(token))).unwrap();
    remote.list(&ChangesRequest::default()).unwrap();
    let code = server.user_code().parse().unwrap();
    client.claim(&claim(code, &draw_token())).unwrap();
    assert_eq!(remote.account().unwrap().devices, 2);
}

#[test]
fn a_revoked_device_hears_so_and_the_others_go_on() {
    let server = Server::start();
    let (mut a, _) = pair(&server, &server.url(), "A");
    let (mut b, _) = pair(&server, &server.url(), "B");
    let devices = a.devices().unwrap().devices;
    assert_eq!(devices.len(), 2);
    let lost = devices.iter().find(|device| device.name == "B").unwrap();
    assert!(!lost.this_device);
    a.rename_device(&lost.device, "Lost in the train").unwrap();
    assert!(a.devices().unwrap().devices.iter().any(|device| device.name == "Lost in the train"));
    a.revoke_device(&lost.device).unwrap();
    let error = b.list(&ChangesRequest::default()).unwrap_err();
    assert_eq!(error.kind, Kind::Unpaired, "{error}");
    a.list(&ChangesRequest::default()).unwrap();
    assert_eq!(a.health().unwrap().protocol, 1);
}

/// A handheld whose traffic is counted.
struct Counted {
    server: Server,
    relay: Relay,
}

impl Counted {
    fn start() -> Counted {
        let server = Server::start();
        let port = server.url().rsplit(':').next().unwrap().parse().unwrap();
        Counted { relay: Relay::to(port).unwrap(), server }
    }
}

impl Ground for Counted {
    fn device(&mut self, name: &str, _: &WriterId) -> Box<dyn Remote> {
        let token = pair(&self.server, &self.server.url(), name).1;
        Box::new(HttpRemote::open(&settings(&self.relay.url(), Some(token))).unwrap())
    }
}

#[test]
fn quiet_is_one_request_a_change_is_one_and_a_thousand_saves_are_few() {
    let mut ground = Counted::start();
    let mut a = Handheld::new(&mut ground, "A");
    let before = ground.relay.traffic();
    a.list(0, None);
    a.put(SAVE, &[7; 8192], &[]);
    let changed = ground.relay.traffic() - before;
    assert_eq!((changed.requests, changed.connections), (2, 1), "one each, over one connection");
    assert!(changed.up_bytes < 4000, "8 KiB of one byte travel packed: {changed:?}");

    let versions: Vec<Version> = (0..1000u64)
        .map(|n| a.version(&format!("gb/sram/Game {n}"), Some(&noise(n, 8192 + n as usize)), &[]))
        .collect();
    let before = ground.relay.traffic();
    assert!(a.store(&versions).iter().all(|result| matches!(result, StoreResult::Head { .. })));
    let sent = ground.relay.traffic() - before;
    assert!(sent.requests <= 10, "{sent:?}");

    let mut b = Handheld::new(&mut ground, "B");
    let before = ground.relay.traffic();
    let listed = b.list(0, None);
    let wanted: Vec<Content> =
        listed.saves.iter().flat_map(|save| &save.heads).filter_map(|head| head.content).collect();
    let (came, failed) = b.fetch(&wanted);
    assert_eq!((came.len(), failed.len()), (wanted.len(), 0));
    let fetched = ground.relay.traffic() - before;
    assert!(fetched.requests <= 10, "{fetched:?}");
}

#[test]
fn a_memory_card_that_changed_a_little_sends_a_little() {
    let mut ground = Counted::start();
    let mut a = Handheld::new(&mut ground, "A");
    let mut card = noise(1, 8 << 20);
    let first = a.put("psx/card.0/Card", &card, &[]);
    card[5_000_000] ^= 1;
    let before = ground.relay.traffic();
    a.put("psx/card.0/Card", &card, &[first]);
    let sent = ground.relay.traffic() - before;
    assert!(sent.up_bytes < 200_000, "one block of 64 KiB, not 8 MiB: {sent:?}");
}

#[test]
fn an_upload_that_was_cut_goes_on_where_it_was() {
    let mut ground = Counted::start();
    let mut a = Handheld::new(&mut ground, "A");
    let bytes = noise(1, 12 << 20);
    let version = a.version(SAVE, Some(&bytes), &[]);
    // The first pass reads all; the second is cut in the middle, as a device that goes to sleep cuts it.
    let passes = std::cell::Cell::new(0);
    let source = |_: &Version| -> Result<Box<dyn Read + '_>, Error> {
        passes.set(passes.get() + 1);
        let stops = if passes.get() == 1 { bytes.len() } else { 8 << 20 };
        Ok(Box::new(&bytes[..stops]))
    };
    let cut = a.remote.store(std::slice::from_ref(&version), &source).unwrap();
    assert!(
        matches!(&cut[0], StoreResult::Refused { problem } if problem.code == Code::ContentMissing),
        "{cut:?}"
    );
    let before = ground.relay.traffic();
    let results = a.store(std::slice::from_ref(&version));
    assert!(matches!(&results[0], StoreResult::Head { .. }), "{results:?}");
    let sent = ground.relay.traffic() - before;
    assert!(sent.up_bytes < 7 << 20, "what had arrived is not sent again: {sent:?}");
}

#[test]
fn a_server_that_was_killed_is_met_again_unseen() {
    let mut server = Server::start();
    let (mut a, _) = pair(&server, &server.url(), "A");
    let first = a.list(&ChangesRequest::default()).unwrap();
    server.kill();
    let error = a.list(&ChangesRequest::default()).unwrap_err();
    assert_eq!(error.kind, Kind::Offline, "{error}");
    server.up();
    assert_eq!(a.list(&ChangesRequest::default()).unwrap().epoch, first.epoch);
    // This connection is stale without our knowledge; nobody notices.
    server.kill();
    server.up();
    a.list(&ChangesRequest::default()).unwrap();
}
