//! Two handhelds, a server, a bad network between the first handheld and the server; and the judge.
//!
//! One round: both play, the second syncs well, the first syncs under a fault, the fault is taken away, each syncs once
//! more. Then everything must be as if nothing had been: every save that was ever played is in the history exactly once,
//! the heads and the files on both cards are the ones that a person expects, and nobody is asked anything but the one
//! question that both really have.

use std::time::{Duration, Instant};

use retrosync::remote::{Answer, HttpRemote, PairingClient, Remote, RemoteSettings, key_of_server};
use retrosync_protocol::{ChangesRequest, Content, Digest, PairingRequest, Token};
use serde_json::{Value, json};

use crate::support::card::{Card, Firmware};
use crate::support::cut_wire::{Cut, CutWire};
use crate::support::device::{Bytes, Device, bytes, read};
use crate::support::fault_proxy::{Fault, FaultProxy};
use crate::support::program::Ended;
use crate::support::server::Server;

/// Played on the first handheld only.
pub(crate) const UP: &str = "Up (World)";
/// Played on the second only.
pub(crate) const DOWN: &str = "Down (World)";
/// Played on both: each goes on with its own, there are always two heads.
pub(crate) const BOTH: &str = "Both (World)";

/// Do we run the long form (`scripts/faults --long`)?
pub(crate) fn long() -> bool {
    std::env::var_os("RETROSYNC_FAULTS").is_some_and(|form| form == "long")
}

/// Where a sweep of the long form goes on that was interrupted (`RETROSYNC_FAULTS_FROM`), by the number that it printed.
pub(crate) fn from() -> usize {
    std::env::var("RETROSYNC_FAULTS_FROM").ok().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The short form's figure, or the long one's.
pub(crate) fn short_or_long<T>(short: T, long_one: T) -> T {
    if long() { long_one } else { short }
}

/// One row of the table that `scripts/faults` prints at the end.
pub(crate) fn tell(family: &str, what: &str, rounds: usize, began: Instant) {
    println!("== {family} | {what} | {rounds} | {} s", began.elapsed().as_secs());
}

/// A line now and then, for those who watch the long form.
pub(crate) fn progress(family: &str, round: usize, of: usize) {
    if long() && round.is_multiple_of(50) {
        println!("-- {family}: {round} of {of}");
    }
}

/// How long a world lives: cards and histories that grow for ever make each sync of a long form slower than the last.
const ROUNDS: usize = 200;

/// What one round played.
#[derive(Clone, Debug)]
struct Played {
    on_a: Bytes,
    on_b: Bytes,
}

/// What goes over the network in a world, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Saves that go in one request, in plain HTTP.
    #[default]
    Small,
    /// Saves over 1 MiB, which go in blocks and come alone.
    Large,
    /// Small saves in TLS, by a key that was compared when pairing; the bad network is `wire`, which cannot read it.
    Sealed,
}

impl Kind {
    /// What is played.
    fn bytes(self, mark: &str) -> Bytes {
        match self {
            Kind::Small | Kind::Sealed => bytes(mark),
            Kind::Large => large(mark),
        }
    }

    /// From one place of a cut to the next.
    pub(crate) fn stride(self, whole: usize) -> usize {
        let (short, of_long) = match self {
            Kind::Small => (12, 1),
            // No multiple of a block's length: each falls elsewhere in its block.
            Kind::Large => (4, 4_999),
            Kind::Sealed => (7, 3),
        };
        short_or_long((whole / short).max(1), of_long)
    }

    fn server(self) -> Server {
        match self {
            Kind::Small | Kind::Large => Server::start(),
            Kind::Sealed => Server::start_set(&["tls.self_signed=true"]),
        }
    }
}

/// A save of 20 blocks and a bit, none of which deflates or is in any other save.
pub(crate) fn large(mark: &str) -> Bytes {
    let mut bytes = vec![0x5a; 20 * 65_536 + 1_000];
    let mut state = Digest::of(mark.as_bytes())
        .as_bytes()
        .iter()
        .fold(1_u64, |state, byte| state.wrapping_mul(257).wrapping_add(u64::from(*byte) + 1));
    for byte in &mut bytes[mark.len() + 1..] {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *byte = (state >> 56) as u8;
    }
    bytes[..mark.len()].copy_from_slice(mark.as_bytes());
    Bytes(bytes)
}

/// See the module.
pub(crate) struct World {
    /// The server.
    pub(crate) server: Server,
    /// Goes through the bad network.
    pub(crate) a: Device,
    /// Has a good one.
    pub(crate) b: Device,
    /// The bad network.
    pub(crate) proxy: FaultProxy,
    /// The bad network of a sealed world: it knows of bytes only.
    pub(crate) wire: CutWire,
    kind: Kind,
    observer: HttpRemote,
    rounds: Vec<Played>,
}

impl World {
    /// Both hold the same three saves.
    pub(crate) fn new() -> World {
        World::of(Kind::Small)
    }

    /// The same of another kind.
    pub(crate) fn of(kind: Kind) -> World {
        let server = kind.server();
        let proxy = FaultProxy::to(server.port()).unwrap();
        let wire = CutWire::to(server.port()).unwrap();
        let (a, b) = (Device::new(Firmware::Onion, UP), Device::new(Firmware::Minui, UP));
        for title in [DOWN, BOTH] {
            Card::lay_out(&a.card.root, Firmware::Onion, title).unwrap();
            Card::lay_out(&b.card.root, Firmware::Minui, title).unwrap();
        }
        let pin = (kind == Kind::Sealed).then(|| key_of_server(&server.url()).unwrap());
        let bad = if pin.is_some() { wire.url() } else { proxy.url() };
        for (device, url) in [(&a, &bad), (&b, &server.url())] {
            // It is kept with the pairing.
            device.set(&pin.map(|pin| format!("pin = \"{pin}\"\n")).unwrap_or_default());
            pair(device, &server, url);
            device.set("");
        }
        let observer = observer(&server, pin);
        let mut world = World { server, a, b, proxy, wire, kind, observer, rounds: Vec::new() };
        let first = kind.bytes("before any fault");
        for title in [UP, DOWN, BOTH] {
            std::fs::write(world.file_a(title), &*first).unwrap();
        }
        world.rounds.push(Played { on_a: first.clone(), on_b: first });
        world.a.once();
        world.b.once();
        world
    }

    fn file_a(&self, title: &str) -> std::path::PathBuf {
        self.a.card.save().with_file_name(format!("{title}.srm"))
    }

    fn file_b(&self, title: &str) -> std::path::PathBuf {
        self.b.card.save().with_file_name(format!("{title}.gb.sav"))
    }

    /// One round, with this in place of a good sync of the first handheld.
    #[track_caller]
    pub(crate) fn round(&mut self, story: &str, disturbed: impl FnOnce(&mut World)) {
        self.play();
        disturbed(self);
        self.heal();
        self.judge(story);
    }

    /// Both play; the second syncs.
    pub(crate) fn play(&mut self) {
        if self.rounds.len() > ROUNDS {
            *self = World::of(self.kind);
        }
        let round = self.rounds.len();
        let [on_a, on_b] = ["a", "b"].map(|on| self.kind.bytes(&format!("round {round} on {on}")));
        std::fs::write(self.file_b(DOWN), &*on_b).unwrap();
        std::fs::write(self.file_b(BOTH), &*on_b).unwrap();
        self.rounds.push(Played { on_a: on_a.clone(), on_b });
        self.syncs_well(&self.b, "the second handheld, before the fault");
        std::fs::write(self.file_a(UP), &*on_a).unwrap();
        std::fs::write(self.file_a(BOTH), &*on_a).unwrap();
    }

    /// The network is good again, the server runs; each syncs once more.
    pub(crate) fn heal(&mut self) {
        self.proxy.set(Fault::None);
        self.wire.set(Cut::None);
        self.syncs_well(&self.a, "the first handheld, after the fault");
        self.syncs_well(&self.b, "the second handheld, after the fault");
    }

    fn syncs_well(&self, device: &Device, who: &str) {
        let ended = device.run(&["once", "--json"]);
        assert!([0, 3].contains(&ended.code), "{who}: {ended:?}");
        let said = ended.json();
        assert_eq!(said["problems"], json!([]), "{who}: {said}");
        let questions = said["questions"].as_array().map_or(0, Vec::len);
        let asked = said["questions"].to_string();
        assert!(questions == 0 || (questions == 1 && asked.contains(BOTH)), "{who}: {said}");
    }

    /// Is everything as if nothing had been?
    #[track_caller]
    pub(crate) fn judge(&mut self, story: &str) {
        let last = self.rounds.last().unwrap().clone();
        for (title, on_a, on_b) in
            [(UP, &last.on_a, &last.on_a), (DOWN, &last.on_b, &last.on_b), (BOTH, &last.on_a, &last.on_b)]
        {
            assert_eq!(read(&self.file_a(title)).as_ref(), Some(on_a), "{story}: {title} on the first");
            assert_eq!(read(&self.file_b(title)).as_ref(), Some(on_b), "{story}: {title} on the second");
        }
        let heads = self.heads();
        for (title, expected) in
            [(UP, vec![&last.on_a]), (DOWN, vec![&last.on_b]), (BOTH, vec![&last.on_b, &last.on_a])]
        {
            let mut expected: Vec<Content> = expected.into_iter().map(content).collect();
            expected.sort_by_key(|content| content.digest);
            let found = heads.iter().find(|(save, _)| save.contains(title));
            assert_eq!(found.map(|(_, heads)| heads), Some(&expected), "{story}: the heads of {title}");
            let told = self.history(title);
            assert!(
                told == self.expected_history(title, told.len()),
                "{story}: the history of {title}: {told:?}"
            );
        }
        self.fetch(&[content(&last.on_a), content(&last.on_b)]);
    }

    /// The saves on the first handheld's card, by title.
    pub(crate) fn files(&self) -> Vec<(&'static str, Option<Bytes>)> {
        [UP, DOWN, BOTH].map(|title| (title, read(&self.file_a(title)))).into()
    }

    /// Did anybody ever play this?
    pub(crate) fn was_played(&self, title: &str, bytes: &Bytes) -> bool {
        self.rounds.iter().any(|played| match title {
            UP => played.on_a == *bytes,
            DOWN => played.on_b == *bytes,
            _ => played.on_a == *bytes || played.on_b == *bytes,
        })
    }

    /// Has the server what the first handheld played last?
    pub(crate) fn has_all(&mut self) -> bool {
        let last = Digest::of(&self.rounds.last().unwrap().on_a);
        [UP, BOTH].iter().all(|title| self.history(title).contains(&last))
    }

    /// The heads of each save, by content.
    fn heads(&mut self) -> Vec<(String, Vec<Content>)> {
        let changes = self.observer.list(&ChangesRequest::default()).unwrap();
        let heads = |heads: &[retrosync_protocol::Head]| {
            let mut contents: Vec<Content> = heads.iter().filter_map(|head| head.content).collect();
            contents.sort_by_key(|content| content.digest);
            contents
        };
        changes.saves.iter().map(|save| (save.save.to_string(), heads(&save.heads))).collect()
    }

    /// The newest versions of a save on the server, newest first, at most a page.
    fn history(&mut self, title: &str) -> Vec<Digest> {
        let save = format!("gb/sram/{title}").parse().unwrap();
        let history = self.observer.history(&save, None).unwrap();
        history.versions.iter().filter_map(|version| version.record.content.map(|c| c.digest)).collect()
    }

    /// What was played, newest first: each exactly once.
    fn expected_history(&self, title: &str, most: usize) -> Vec<Digest> {
        let mut all = Vec::new();
        for (number, played) in self.rounds.iter().enumerate().rev() {
            let (a, b) = (Digest::of(&played.on_a), Digest::of(&played.on_b));
            match title {
                UP => all.push(a),
                DOWN => all.push(b),
                _ if number == 0 => all.push(a),
                _ => all.extend([a, b]),
            }
        }
        // A page of the history may be full; then what it has must be the newest.
        all.truncate(most.max(100));
        all
    }

    /// The server can give these back, byte for byte: whatever else comes is refused by the remote itself.
    fn fetch(&mut self, wanted: &[Content]) {
        let mut sink = |_: &Content, payload: &mut dyn std::io::Read| {
            std::io::copy(payload, &mut std::io::sink()).unwrap();
            Ok(())
        };
        let missing = self.observer.fetch(wanted, &mut sink).unwrap();
        assert!(missing.is_empty(), "{missing:?}");
    }

    /// Syncs the first handheld, whatever comes of it; it must end within two minutes and say why it could not.
    #[track_caller]
    pub(crate) fn sync_under_fault(&self, story: &str) -> Ended {
        let began = Instant::now();
        let ended = self.a.run(&["once", "--json"]);
        assert!([0, 1, 3].contains(&ended.code), "{story}: {ended:?}");
        let explained = || ended.json()["error"]["cause"].is_string() || ended.err.contains("\n  cause: ");
        assert!(ended.code != 1 || explained(), "{story}: {ended:?}");
        assert!(began.elapsed() < Duration::from_secs(120), "{story}: it took {:?}", began.elapsed());
        ended
    }
}

fn content(bytes: &Bytes) -> Content {
    Content { digest: Digest::of(bytes), size_bytes: bytes.len() as u64 }
}

/// Pairs over the address that it will use.
pub(crate) fn pair(device: &Device, server: &Server, url: &str) {
    let mut pairing = device.start_pairing(url);
    server.approve(&pairing.code());
    let end: Value = pairing.end();
    assert_eq!(end["paired"], true, "{end}");
}

/// Somebody of the same user who looks at the server, and has no card.
pub(crate) fn observer(server: &Server, pinned_key: Option<Digest>) -> HttpRemote {
    let mut random = [0; 32];
    getrandom::fill(&mut random).unwrap();
    let token = Token::from_random(&random);
    let settings = |token| RemoteSettings {
        server: server.url(),
        token,
        client: "retrosync/test".into(),
        pinned_key,
        ..RemoteSettings::default()
    };
    let mut client = PairingClient::open(&settings(None)).unwrap();
    let offer = client
        .start(&PairingRequest {
            token_sha256: token.digest(),
            device_name: "Observer".into(),
            profile: "onion".into(),
            client: "retrosync/test".into(),
        })
        .unwrap();
    server.approve(&offer.user_code.to_string());
    let Answer::Paired(_) = client.wait(&token, 20).unwrap() else { panic!("the observer is not let in") };
    HttpRemote::open(&settings(Some(token))).unwrap()
}

/// The contents of all versions of a save, newest first, as a device lists them.
pub(crate) fn contents(device: &Device, save: &str) -> Vec<String> {
    let history = device.json(&["history", save]);
    let versions = history["versions"].as_array().unwrap_or_else(|| panic!("{history}"));
    let digest = |version: &Value| version["content"]["digest"].as_str().map(str::to_owned);
    versions.iter().filter_map(digest).collect()
}
