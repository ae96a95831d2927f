//! A server of the RetroSync project as a remote: what of the contract it can keep, and that each of its faults costs
//! nothing, with the real program on two devices; then our own server, which speaks the same protocol and is safe.
//!
//! Not of the contract here: it knows no version by its id, so that two devices name the same bytes by two, and what
//! diverges is a question on the device that came second, which one answer settles for both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[macro_use]
#[path = "../../src/remote/suite.rs"]
#[allow(unreachable_pub, dead_code, unused_macros)]
mod suite;
#[path = "../support/mod.rs"]
mod support;

mod between;
mod card;
mod clients;
mod faults;
mod names;
mod programs;

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
