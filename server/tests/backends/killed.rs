//! `kill -9` of the server between bytes and record, with the bytes in a bucket or the records in PostgreSQL, or both.
//!
//! A wire of the test's own stands before each of them. The server is killed while a chosen message, or the answer to it, is on its
//! wire and goes no further; then a new one runs over the same bucket and database, and the device sends again what nobody answered.
//! The same with files and SQLite: `tests/faults/kills.rs`.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use retrosync_protocol::{Digest, FRAMES_CONTENT_TYPE, UploadReply};
use serde_json::{Value, json};

use crate::moving::said;
use crate::removing::{DAY_S, gc, sql};
use crate::support::bucket::Bucket;
use crate::support::wire::{Cut, End, Wire, holds};
use crate::support::{Device, Server, bearer, cluster, find_below, frames, version};

/// Nobody but the test removes anything.
const ARGUMENTS: [&str; 2] = ["--set", "gc.daily=false"];
const BLOCK_BYTES: usize = 64 << 10;

/// What of a store goes no further while the server is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// The bytes, on their way to the bucket.
    Bytes,
    /// The bucket's word that it has them.
    BytesAnswered,
    /// The commit of their record.
    Record,
    /// PostgreSQL's word that it has done that.
    RecordAnswered,
}

impl Moment {
    /// Are there bytes then that no record speaks of?
    fn leaves_an_orphan(self) -> bool {
        matches!(self, Moment::BytesAnswered | Moment::Record)
    }
}

/// A save, sent as one frame or, the large one, as blocks.
struct Save {
    name: &'static str,
    bytes: Vec<u8>,
    /// The writer's number of its version.
    sequence: u64,
}

impl Save {
    fn new(name: &'static str, size_bytes: usize, sequence: u64) -> Save {
        // No two saves and no two blocks are alike.
        let bytes = (0..size_bytes).map(|at| (at / BLOCK_BYTES) as u8 ^ sequence as u8).collect();
        Save { name, bytes, sequence }
    }

    fn is_large(&self) -> bool {
        self.bytes.len() > BLOCK_BYTES
    }

    fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    fn record(&self) -> Value {
        version(self.name, Some(&self.bytes), &[], 1, self.sequence)
    }

    /// The request that brings its bytes: path, operation id, body.
    fn request(&self) -> (String, String, Vec<u8>) {
        if !self.is_large() {
            let body = frames::store(&self.record(), Some(&self.bytes));
            return ("/versions".into(), format!("op-{}", self.sequence), body);
        }
        let block = |(index, block): (usize, &[u8])| {
            frames::frame(json!({"index": index, "digest": Digest::of(block)}), Some(block), "identity")
        };
        let body = self.bytes.chunks(BLOCK_BYTES).enumerate().flat_map(block).collect();
        (format!("/uploads/{}/blocks", self.digest()), format!("blocks-{}", self.sequence), body)
    }

    /// Says which blocks it has; answers whether the server has them all.
    fn announce(&self, device: &Device<'_>) -> bool {
        let digests: Vec<Digest> = self.bytes.chunks(BLOCK_BYTES).map(Digest::of).collect();
        let content = json!({"digest": self.digest(), "size_bytes": self.bytes.len()});
        let asked = device.post("/uploads", &json!({"content": content, "block_digests": digests}));
        asked.ok::<UploadReply>().complete
    }

    /// The device sends it, from its beginning.
    fn is_sent(&self, device: &Device<'_>) -> Value {
        let (path, operation, body) = self.request();
        if !self.is_large() {
            return device.send(&path, &operation, &body).ok::<Value>()["results"][0].clone();
        }
        if !self.announce(device) {
            assert!(device.send(&path, &operation, &body).ok::<UploadReply>().complete);
        }
        device.store(&format!("op-{}", self.sequence), &self.record(), None)
    }
}

/// A server whose bucket or database, or both, are behind wires.
struct House {
    server: Server,
    /// The bucket as the test reaches it: past the wire.
    bucket: Option<Bucket>,
    to_bucket: Option<Wire>,
    to_database: Option<Wire>,
    token: String,
    id: String,
}

impl House {
    fn new(postgres: bool, s3: bool) -> Option<House> {
        let (mut to_bucket, mut to_database, mut database, mut bucket) = (None, None, None, None);
        if postgres {
            let (wire, address) = behind_a_wire(&cluster::database()?);
            (to_database, database) = (Some(wire), Some(address));
        }
        if s3 {
            let made = Bucket::start()?;
            let (_, port) = made.endpoint().rsplit_once(':').unwrap();
            to_bucket = Some(Wire::to(End::Port(port.parse().unwrap())));
            bucket = Some(made);
        }
        let by_wire =
            |(bucket, wire): (&Bucket, &Wire)| bucket.by_way_of(format!("http://127.0.0.1:{}", wire.port()));
        let wired = bucket.as_ref().zip(to_bucket.as_ref()).map(by_wire);
        let server = Server::start_over(database, wired, &ARGUMENTS);
        server.add_user("ada");
        let paired = server.pair("Miyoo", "ada");
        let (token, id) = (paired.token, paired.id);
        Some(House { server, bucket, to_bucket, to_database, token, id })
    }

    fn device(&self) -> Device<'_> {
        Device { server: &self.server, token: self.token.clone(), id: self.id.clone() }
    }

    /// The save is sent, and the server is killed then; a new one runs when this comes back.
    fn is_killed(&mut self, save: &Save, moment: Moment) {
        if save.is_large() {
            assert!(!save.announce(&self.device()));
        }
        let wire = self.watched(save, moment);
        let sent = send_by_hand(&self.server, &self.token, save);
        wire.wait_for_cut();
        self.server.kill();
        assert_eq!(sent.join().unwrap(), b"", "{moment:?}: nobody was answered");
        self.to_bucket.iter().chain(&self.to_database).for_each(Wire::mend);
        self.server.run(&ARGUMENTS);
    }

    /// The wire that is cut at this moment of this save's store.
    fn watched(&self, save: &Save, moment: Moment) -> &Wire {
        let answer = matches!(moment, Moment::BytesAnswered | Moment::RecordAnswered);
        let cut = if answer { Cut::AtItsAnswer } else { Cut::Here };
        let digest = save.digest();
        if matches!(moment, Moment::Bytes | Moment::BytesAnswered) {
            let wire = self.to_bucket.as_ref().unwrap();
            let bucket = self.server.bucket.as_ref().unwrap().name();
            let name = digest.to_string();
            let put = format!("PUT /{bucket}/blobs/{}/{name}", &name[..2]).into_bytes();
            wire.cut_where(move |_, piece| if holds(piece, &put) { cut } else { Cut::No });
            return wire;
        }
        let wire = self.to_database.as_ref().unwrap();
        let bucket = self.bucket.as_ref().map(|bucket| bucket.by_way_of(bucket.endpoint().to_owned()));
        let data = self.server.data();
        // Others commit too, such as who notes when a device was seen: it is the one that names the content.
        let mut names = Vec::new();
        wire.cut_where(move |connection, piece| {
            if holds(piece, digest.as_bytes()) {
                names.push(connection);
            }
            let commits = holds(piece, b"COMMIT") && names.contains(&connection);
            if commits {
                names.retain(|number| *number != connection);
            }
            if commits && is_there(bucket.as_ref(), &data, digest) { cut } else { Cut::No }
        });
        wire
    }

    /// What `check` says.
    fn checked(&self) -> String {
        said(&self.server.cli(&["check"]))
    }

    /// The save is there, once, and all that is there is whole.
    #[track_caller]
    fn has_once(&self, save: &Save, story: &str) {
        let device = self.device();
        let history: Value = device.get(&format!("/history?save={}", save.name)).ok();
        assert_eq!(history["versions"].as_array().unwrap().len(), 1, "{story}: {history}");
        assert_eq!(device.get(&format!("/content/{}", save.digest())).body, save.bytes, "{story}");
        let checked = self.checked();
        assert!(checked.ends_with(": all whole\n") && !checked.contains("no record"), "{story}: {checked}");
    }

    /// A month since `gc` found these bytes without a record. A bucket dates its objects itself, and what was put again since is not
    /// old: so there what comes of the month is written down, and `gc` goes on from that.
    fn a_month_goes_by(&self, save: &Save) {
        let passed = if self.bucket.is_some() {
            "state = 'condemned'".to_owned()
        } else {
            let file = find_below(&self.server.data(), &save.digest().to_string()).unwrap();
            let then = SystemTime::now() - Duration::from_secs(32 * DAY_S as u64);
            File::options().write(true).open(file).unwrap().set_modified(then).unwrap();
            format!("since_unix_s = since_unix_s - {}", 31 * DAY_S)
        };
        sql(&self.server, &format!("UPDATE strays SET {passed}"));
    }

    /// Is it where bytes are kept, whatever the records say?
    fn keeps(&self, save: &Save) -> bool {
        is_there(self.bucket.as_ref(), &self.server.data(), save.digest())
    }
}

/// Are these bytes in the bucket, or else among the files?
fn is_there(bucket: Option<&Bucket>, data: &Path, digest: Digest) -> bool {
    let name = digest.to_string();
    match bucket {
        Some(bucket) => bucket.keys().iter().any(|key| key.ends_with(&name)),
        None => find_below(data, &name).is_some(),
    }
}

/// A wire before this database, and the address by way of it.
fn behind_a_wire(address: &str) -> (Wire, String) {
    let (_, folder) = address.split_once("?host=").unwrap();
    let wire = Wire::to(End::Socket(PathBuf::from(folder).join(".s.PGSQL.5432")));
    let path = address.split('?').next().unwrap();
    let address = path.replace("@localhost/", &format!("@127.0.0.1:{}/", wire.port()));
    (wire, address)
}

/// Sends what brings the save's bytes, as a device does that then loses its server; answers all that came back.
fn send_by_hand(server: &Server, token: &str, save: &Save) -> JoinHandle<Vec<u8>> {
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    let (path, operation, body) = save.request();
    let head = format!(
        "POST /api/v1{path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: {}\r\nIdempotency-Key: {operation}\r\n\
         Content-Type: {FRAMES_CONTENT_TYPE}\r\nContent-Length: {}\r\n\r\n",
        bearer(token),
        body.len()
    );
    std::thread::spawn(move || {
        let mut wire = TcpStream::connect(address).unwrap();
        let _ = wire.write_all(&[head.as_bytes(), &body].concat());
        let mut answer = Vec::new();
        // The end of a killed process's connection may be a reset.
        let _ = wire.read_to_end(&mut answer);
        answer
    })
}

/// Kills at each moment; each save is sent again and is there once. The last is not sent again, and `gc` takes its bytes.
fn is_killed_at(postgres: bool, s3: bool, rows: &[(Moment, usize)]) {
    const NAMES: [&str; 4] = ["gb/sram/One", "gb/sram/Two", "gb/sram/Three", "gb/sram/Four"];
    let Some(mut house) = House::new(postgres, s3) else { return };
    for ((moment, size_bytes), (name, sequence)) in rows.iter().zip(NAMES.iter().zip(1..)) {
        let save = Save::new(name, *size_bytes, sequence);
        let story = format!("{moment:?} of {size_bytes} bytes");
        house.is_killed(&save, *moment);
        let checked = house.checked();
        let orphan = format!("content `{}` ({size_bytes} bytes): no record speaks of it", save.digest());
        assert_eq!(checked.contains(&orphan), moment.leaves_an_orphan(), "{story}: {checked}");
        assert_eq!(save.is_sent(&house.device())["outcome"], "head", "{story}");
        house.has_once(&save, &story);
    }
    let (moment, _) = rows.iter().find(|(moment, _)| moment.leaves_an_orphan()).unwrap();
    let never = Save::new("gb/sram/Never", 500, 99);
    house.is_killed(&never, *moment);
    gc(&house.server, &[], "bytes without a record 1 (500 bytes); removed 0");
    assert!(house.keeps(&never), "a device may still send it");
    house.a_month_goes_by(&never);
    gc(&house.server, &[], "bytes without a record 0 (0 bytes); removed 1");
    assert!(!house.keeps(&never));
    let checked = house.checked();
    assert!(checked.starts_with(&format!("{} contents", rows.len())), "nothing else is gone: {checked}");
    assert!(checked.ends_with(": all whole\n"), "{checked}");
    if let Some(bucket) = &house.bucket {
        let keys = bucket.keys();
        assert!(keys.iter().all(|key| !key.starts_with("uploads/")), "nothing half is left: {keys:?}");
    }
}

#[test]
fn a_server_killed_between_the_bucket_and_its_records_has_the_save_once_when_it_is_sent_again() {
    use Moment::{Bytes, BytesAnswered};
    is_killed_at(false, true, &[(Bytes, 1_000), (BytesAnswered, 300_000)]);
}

#[test]
fn a_server_killed_between_its_files_and_postgres_has_the_save_once_when_it_is_sent_again() {
    use Moment::{Record, RecordAnswered};
    is_killed_at(true, false, &[(Record, 1_000), (RecordAnswered, 300_000)]);
}

#[test]
fn a_server_killed_between_the_bucket_and_postgres_has_the_save_once_when_it_is_sent_again() {
    use Moment::{BytesAnswered, Record, RecordAnswered};
    let rows = [(BytesAnswered, 1_000), (Record, 1_001), (Record, 300_000), (RecordAnswered, 1_002)];
    is_killed_at(true, true, &rows);
}
