//! Who plays: users with two devices each, in homes of their own, and the saves that they make.
//!
//! They are written into the server's own catalog by its own code before the server starts: ten thousand pairings over HTTP
//! would be bounded by what keeps guessers out, and their passwords cost a tenth of a second each; nobody logs in here.

use std::net::Ipv4Addr;

use retrosync_protocol::{
    Body, ChangesRequest, Content, DeviceId, Digest, Encoding, Epoch, FRAMES_CONTENT_TYPE, StoreFrame,
    StoreReply, StoreResult, Token, Version, VersionId, WriterId, encode_header,
};
use retrosync_server::catalog::{Access, Catalog, DeviceRecord, User, UserId};

use crate::Outcome;
use crate::wire::{Answer, post};

/// How large a save is: a Game Boy Advance's, and what a battery holds on most cartridges.
pub(crate) const SAVE_BYTES: usize = 32 << 10;

/// A device that is paired. Its number says it all: 2n and 2n + 1 are one user's.
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) number: usize,
    token: String,
    writer: WriterId,
    /// Its saves so far, and the last.
    sequence: u64,
    head: Option<VersionId>,
    noise: u64,
}

fn drawn<const N: usize>(what: &str, number: usize) -> [u8; N] {
    let digest = Digest::of(format!("{what} {number}").as_bytes());
    let mut bytes = [0; N];
    bytes.copy_from_slice(&digest.as_bytes()[..N]);
    bytes
}

fn token(number: usize) -> Token {
    Token::from_random(&drawn("token", number))
}

impl Device {
    pub(crate) fn new(number: usize) -> Device {
        Device {
            number,
            token: token(number).as_str().to_owned(),
            writer: WriterId::from_random(&drawn("writer", number)),
            sequence: 0,
            head: None,
            noise: number as u64 + 1,
        }
    }

    /// The address of its home: each has its own, as with thousands of users.
    pub(crate) fn home(&self) -> Ipv4Addr {
        let home = u32::try_from(self.number / 2).unwrap_or(0);
        Ipv4Addr::from((127 << 24) | (1 << 16) | (home % 60_000 + 256))
    }

    /// Asks what is new since `since`, and waits for it.
    pub(crate) fn poll(&self, epoch: &Epoch, since: u64, wait_s: u64) -> Vec<u8> {
        let request =
            ChangesRequest { since, epoch: Some(epoch.clone()), wait_s, ..ChangesRequest::default() };
        let body = serde_json::to_vec(&request).unwrap_or_default();
        post("/changes", &self.token, None, "application/json", &body)
    }

    /// Its next save of a game: other bytes each time, which do not get smaller by packing.
    pub(crate) fn save(&mut self) -> Outcome<Vec<u8>> {
        let bytes = self.bytes();
        self.sequence += 1;
        let content = Some(Content { digest: Digest::of(&bytes), size_bytes: bytes.len() as u64 });
        let version = Version {
            save: format!("gba/sram/Game {}", self.number).parse()?,
            content,
            parents: self.head.into_iter().collect(),
            writer: self.writer.clone(),
            sequence: self.sequence,
            played: None,
            suspect: false,
            client: "retrosync-load".into(),
            profile: "load".into(),
            core: None,
            note: None,
        };
        self.head = Some(version.id());
        let body = Some(Body { length_bytes: bytes.len() as u64, encoding: Encoding::Identity });
        let mut frame = encode_header(&serde_json::to_vec(&StoreFrame { version, body })?)?;
        frame.extend_from_slice(&bytes);
        let operation = format!("{}-{}", self.number, self.sequence);
        Ok(post("/versions", &self.token, Some(&operation), FRAMES_CONTENT_TYPE, &frame))
    }

    /// Bytes of a save that nobody has yet.
    pub(crate) fn bytes(&mut self) -> Vec<u8> {
        let mut next = || {
            self.noise ^= self.noise << 13;
            self.noise ^= self.noise >> 7;
            self.noise ^= self.noise << 17;
            self.noise.to_le_bytes()
        };
        (0..SAVE_BYTES / 8).flat_map(|_| next()).collect()
    }

    /// How many saves it has stored.
    pub(crate) fn stored(&self) -> u64 {
        self.sequence
    }
}

/// Was the save stored as the one that all go on from?
pub(crate) fn is_stored(answer: &Answer) -> Outcome<()> {
    let reply: StoreReply = serde_json::from_slice(&answer.body)
        .map_err(|_| format!("a store was answered with {}", answer.status))?;
    match reply.results.as_slice() {
        [StoreResult::Head { .. }] => Ok(()),
        other => Err(format!("a store was not taken in: {other:?}").into()),
    }
}

/// Writes the users and their devices, all at once.
pub(crate) async fn pair(catalog: &dyn Catalog, devices: usize, now_unix_s: i64) -> Outcome<Epoch> {
    let mut tx = catalog.begin(Access::Write).await?;
    let mut user = UserId(0);
    for number in 0..devices {
        if number % 2 == 0 {
            let record = User {
                id: UserId(0),
                name: format!("player{}", number / 2),
                password_hash: "nobody logs in".into(),
                admin: false,
                writer: WriterId::from_random(&drawn("user", number)),
                quota_bytes: None,
                quota_devices: None,
                email: None,
                created_unix_s: now_unix_s,
            };
            user = tx.add_user(&record).await?.ok_or("the catalog is not empty")?;
        }
        let device = DeviceRecord {
            device: DeviceId::from_random(&drawn("device", number)),
            user,
            name: format!("handheld {number}"),
            profile: "load".into(),
            client: "retrosync-load".into(),
            token_sha256: token(number).digest(),
            writer: WriterId::from_random(&drawn("chooser", number)),
            paired_unix_s: now_unix_s,
            last_seen_unix_s: None,
            revoked: false,
            report: String::new(),
        };
        tx.add_device(&device).await?;
    }
    let epoch = tx.epoch().await?;
    tx.commit().await?;
    Ok(epoch)
}
