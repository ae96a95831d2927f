//! Daemons that wait for news, and the reply that brings them in pieces: cut at any byte, late, byte by byte, damaged, another's.
//!
//! Some handhelds wait at the server, each over a bad network of its own; one more plays. What it played is on every card soon
//! after, however the word of it came, and what those played that waited is on the server once.

use std::time::{Duration, Instant};

use retrosync::remote::{HttpRemote, Remote};
use retrosync_protocol::Digest;
use serde_json::json;

use crate::support::card::{Card, Firmware};
use crate::support::device::{Bytes, Device, bytes, read};
use crate::support::fault_proxy::{Fault, FaultProxy, What};
use crate::support::program::Running;
use crate::support::server::Server;
use crate::support::wait_for;
use crate::world::{long, observer, pair, progress, tell};

const GAME: &str = "News (World)";
/// How many wait.
const WAITING: usize = 6;
/// How long a word that did not come well may keep a handheld waiting: two seconds, if it is cut; if it stops in its middle, as
/// long as a silent server is waited for.
const PATIENCE_S: u64 = 300;

/// A handheld that waits.
struct Waiting {
    device: Device,
    proxy: FaultProxy,
    /// A game that only it has.
    title: String,
    played: Vec<Bytes>,
}

struct Room {
    server: Server,
    player: Device,
    observer: HttpRemote,
    waiting: Vec<Waiting>,
    played: Vec<Bytes>,
}

impl Room {
    fn new() -> Room {
        let server = Server::start();
        let player = Device::new(Firmware::Minui, GAME);
        pair(&player, &server, &server.url());
        let waits = |number| {
            let device = Device::new(Firmware::Onion, GAME);
            let title = format!("Own {number} (World)");
            Card::lay_out(&device.card.root, Firmware::Onion, &title).unwrap();
            let proxy = FaultProxy::to(server.port()).unwrap();
            pair(&device, &server, &proxy.url());
            Waiting { device, proxy, title, played: Vec::new() }
        };
        let waiting = (0..WAITING).map(waits).collect();
        let observer = observer(&server, None);
        Room { server, player, observer, waiting, played: Vec::new() }
    }

    /// All wait; the word of what is played now comes to each in its own way. In every other round each plays, too, as soon as
    /// it has not heard.
    fn round(&mut self, ways: &[What]) {
        let number = self.played.len();
        for one in &self.waiting {
            wait_for("it waits for news", PATIENCE_S, || one.proxy.is_waited_on().then_some(()));
        }
        for (one, what) in self.waiting.iter().zip(ways) {
            one.proxy.set(Fault::News(what.clone()));
        }
        let played = bytes(&format!("round {number}"));
        self.player.plays(&played);
        self.player.once();
        let heard = self.waiting.iter_mut().zip(ways);
        for (one, what) in heard {
            wait_for(&format!("{what:?}: a word of news"), PATIENCE_S, || one.proxy.hit().then_some(()));
            if number % 2 == 1 {
                one.plays(number);
            }
        }
        for (one, what) in self.waiting.iter().zip(ways) {
            let what = format!("{what:?}: what was played is on the card");
            wait_for(&what, PATIENCE_S, || (one.device.save() == Some(played.clone())).then_some(()));
        }
        self.played.push(played);
        for number in 0..self.waiting.len() {
            let one = &self.waiting[number];
            let (title, last) = (one.title.clone(), one.played.last().map(|played| Digest::of(played)));
            wait_for("what it played is on the server", PATIENCE_S, || {
                (last.is_none() || self.history(&title).last() == last.as_ref()).then_some(())
            });
        }
    }

    /// With all networks well: each version once, each card with its newest, and nobody is asked.
    fn judge(&mut self) {
        for number in 0..self.waiting.len() {
            let one = &self.waiting[number];
            one.proxy.set(Fault::None);
            let said = one.device.once();
            assert_eq!((&said["problems"], &said["questions"]), (&json!([]), &json!([])), "{said}");
            assert_eq!(one.device.save().as_ref(), self.played.last());
            assert_eq!(read(&one.file()).as_ref(), one.played.last());
            let (title, played) = (one.title.clone(), digests(&one.played));
            assert_eq!(self.history(&title), played, "{title}: each once");
        }
        assert_eq!(self.history(GAME), digests(&self.played), "each once");
        assert!(!self.server.log().contains("panicked"));
    }

    /// The newest versions, oldest first.
    fn history(&mut self, title: &str) -> Vec<Digest> {
        let history = self.observer.history(&format!("gb/sram/{title}").parse().unwrap(), None).unwrap();
        let contents = history.versions.iter().filter_map(|version| version.record.content);
        let mut digests: Vec<Digest> = contents.map(|content| content.digest).collect();
        digests.reverse();
        digests
    }
}

impl Waiting {
    fn file(&self) -> std::path::PathBuf {
        self.device.card.save().with_file_name(format!("{}.srm", self.title))
    }

    fn plays(&mut self, round: usize) {
        let played = bytes(&format!("round {round} of {}", self.title));
        std::fs::write(self.file(), &*played).unwrap();
        self.played.push(played);
    }
}

/// As many as a page of a history has.
fn digests(played: &[Bytes]) -> Vec<Digest> {
    played[played.len().saturating_sub(100)..].iter().map(|bytes| Digest::of(bytes)).collect()
}

/// The ways in which a word of news comes to pieces. The short form cuts at few places, the long one at every byte.
fn ways() -> Vec<What> {
    let another = |status: &str, kind: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nRetry-After: 1\r\nContent-Length: {length}\r\n\r\n{body}")
            .into_bytes()
    };
    let mut ways = vec![
        What::Late(Duration::from_secs(2)),
        What::Trickle(Duration::from_millis(1)),
        What::ShortReply,
        What::FlipReply(100),
        What::After(another("200 OK", "text/html", "<html>Welcome to our hotel</html>")),
        What::After(another("503 Service Unavailable", "text/html", "<html>busy</html>")),
    ];
    if long() {
        ways.push(What::StallReply);
        ways.extend((0..1_000).map(What::CutReply));
    } else {
        ways.extend([0, 60, 250, 350, 500, 650].map(What::CutReply));
    }
    ways
}

#[test]
fn news_that_came_to_pieces_on_their_way_are_learnt_all_the_same() {
    let began = Instant::now();
    let mut room = Room::new();
    let ways = ways();
    let daemons: Vec<Running> = room.waiting.iter().map(|one| one.device.daemon()).collect();
    for (number, some) in ways.chunks(WAITING).enumerate() {
        progress("news", number * WAITING, ways.len());
        // Who is left over in the last round hears well.
        let well = (some.len()..WAITING).map(|_| What::Late(Duration::ZERO));
        room.round(&some.iter().cloned().chain(well).collect::<Vec<_>>());
    }
    for one in &room.waiting {
        wait_for("all is quiet", PATIENCE_S, || one.proxy.is_waited_on().then_some(()));
    }
    drop(daemons);
    room.judge();
    tell("network", "replies to a question that waits, spoilt", ways.len(), began);
}
