//! What every catalog must do, as tests: each case gets a fresh, empty catalog of epoch 07….

#![allow(clippy::unwrap_used)]

mod board;
mod upkeep;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use retrosync_protocol::{BLOCK_BYTES, Content, DeviceId, Digest, Epoch, SaveId, Version, WriterId};

use super::{
    Access, BlockPlace, Catalog, DeviceRecord, Figures, OperationRecord, Pairing, PairingState, SaveRow,
    SessionRecord, StoredVersion, Tx, Upload, UploadId, User, UserId,
};
use crate::sample;
pub(super) use crate::sample::user;

pub(super) type Case = fn(Arc<dyn Catalog>) -> BoxFuture<'static, ()>;

pub(super) const CASES: &[Case] = &[
    |catalog| a_dropped_transaction_never_happened(catalog).boxed(),
    |catalog| a_second_writer_waits_and_a_reader_does_not(catalog).boxed(),
    |catalog| a_reader_cannot_write(catalog).boxed(),
    |catalog| the_epoch_is_the_first_until_it_is_set(catalog).boxed(),
    |catalog| users_and_sessions(catalog).boxed(),
    |catalog| devices(catalog).boxed(),
    |catalog| pairings(catalog).boxed(),
    |catalog| versions_and_leaves(catalog).boxed(),
    |catalog| changes_and_news(catalog).boxed(),
    |catalog| a_save_is_one_in_any_spelling_and_of_one_user(catalog).boxed(),
    |catalog| thousands_are_asked_about_at_once(catalog).boxed(),
    |catalog| a_sequence_is_used_once(catalog).boxed(),
    |catalog| contents_are_of_a_user(catalog).boxed(),
    |catalog| uploads_come_and_go(catalog).boxed(),
    |catalog| blocks_are_found_in_own_contents_only(catalog).boxed(),
    |catalog| answers_are_kept_for_a_while(catalog).boxed(),
    |catalog| board::a_user_is_renamed_and_removed_with_all_records(catalog).boxed(),
    |catalog| board::settings_and_invitations(catalog).boxed(),
    |catalog| board::marks_and_what_devices_hold(catalog).boxed(),
    |catalog| board::events_are_filtered_and_forgotten(catalog).boxed(),
    |catalog| memos_are_kept_by_owner_kind_and_name(catalog).boxed(),
    |catalog| versions_are_found_by_the_beginning_of_their_ids(catalog).boxed(),
    |catalog| upkeep::contents_are_marked_and_forgotten(catalog).boxed(),
    |catalog| upkeep::bytes_that_are_being_removed_are_not_recorded(catalog).boxed(),
    |catalog| upkeep::a_version_outlives_its_bytes(catalog).boxed(),
];

pub(super) async fn add_user(tx: &mut dyn Tx, name: &str) -> UserId {
    tx.add_user(&user(name)).await.unwrap().unwrap()
}

fn device_id(number: u8) -> DeviceId {
    DeviceId::from_random(&[number; 8])
}

fn version(sequence: u64, parents: &[&StoredVersion]) -> StoredVersion {
    let parents: Vec<_> = parents.iter().map(|parent| parent.id).collect();
    let note = Some("ünïcode \"quoted\"".into());
    let record =
        Version { note, ..sample::version("gb/sram/Tetris", 2, sequence, &sequence.to_le_bytes(), &parents) };
    StoredVersion {
        id: record.id(),
        record,
        received_unix_s: 5000,
        device: Some(device_id(1)),
        device_name: "Mini".into(),
        change: sequence,
        leaf: true,
    }
}

async fn write(catalog: &Arc<dyn Catalog>) -> Box<dyn Tx> {
    catalog.begin(Access::Write).await.unwrap()
}

async fn read(catalog: &Arc<dyn Catalog>) -> Box<dyn Tx> {
    catalog.begin(Access::Read).await.unwrap()
}

/// A user with one save and these versions, committed.
async fn with_versions(catalog: &Arc<dyn Catalog>, versions: &[&StoredVersion]) -> (UserId, SaveRow) {
    let mut tx = write(catalog).await;
    let user = add_user(tx.as_mut(), "ada").await;
    let row = tx.add_save(user, &"gb/sram/Tetris".parse().unwrap()).await.unwrap();
    for version in versions {
        tx.add_version(user, row, version, &version.record.parents).await.unwrap();
    }
    tx.commit().await.unwrap();
    (user, row)
}

async fn a_dropped_transaction_never_happened(catalog: Arc<dyn Catalog>) {
    let mut tx = write(&catalog).await;
    add_user(tx.as_mut(), "ada").await;
    drop(tx);
    assert_eq!(read(&catalog).await.users().await.unwrap(), []);
    let mut tx = write(&catalog).await;
    add_user(tx.as_mut(), "ada").await;
    tx.commit().await.unwrap();
}

async fn a_second_writer_waits_and_a_reader_does_not(catalog: Arc<dyn Catalog>) {
    let mut first = write(&catalog).await;
    add_user(first.as_mut(), "ada").await;
    let mut before = read(&catalog).await;
    assert_eq!(
        before.users().await.unwrap().len(),
        0,
        "a reader neither waits nor sees what is not committed"
    );
    let second = tokio::spawn({
        let catalog = Arc::clone(&catalog);
        async move { write(&catalog).await.users().await.unwrap().len() }
    });
    tokio::task::yield_now().await;
    assert!(!second.is_finished());
    first.commit().await.unwrap();
    let seen = tokio::time::timeout(Duration::from_secs(20), second).await.unwrap().unwrap();
    assert_eq!(seen, 1, "the second writer starts from what the first committed");
    assert_eq!(before.users().await.unwrap().len(), 0, "a reader sees one state to its end");
}

async fn a_reader_cannot_write(catalog: Arc<dyn Catalog>) {
    let mut tx = read(&catalog).await;
    assert!(tx.add_user(&user("ada")).await.is_err());
}

async fn the_epoch_is_the_first_until_it_is_set(catalog: Arc<dyn Catalog>) {
    assert_eq!(read(&catalog).await.epoch().await.unwrap(), Epoch::from_random(&[7; 16]));
    let mut tx = write(&catalog).await;
    tx.set_epoch(&Epoch::from_random(&[8; 16])).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(read(&catalog).await.epoch().await.unwrap(), Epoch::from_random(&[8; 16]));
}

async fn users_and_sessions(catalog: Arc<dyn Catalog>) {
    let mut tx = write(&catalog).await;
    let zoe = add_user(tx.as_mut(), "Zoë").await;
    let ada = tx.add_user(&User { quota_bytes: Some(9), admin: true, ..user("ada") }).await.unwrap().unwrap();
    assert_eq!(tx.add_user(&user("ADA")).await.unwrap(), None, "taken in any case");
    assert_eq!(tx.user_by_name("ZOË").await.unwrap().unwrap().id, zoe);
    assert_eq!(
        tx.user(ada).await.unwrap().unwrap(),
        User { id: ada, quota_bytes: Some(9), admin: true, ..user("ada") }
    );
    let names: Vec<String> = tx.users().await.unwrap().into_iter().map(|user| user.name).collect();
    assert_eq!(names, ["ada", "Zoë"]);
    tx.set_password(ada, "other").await.unwrap();
    assert_eq!(tx.user(ada).await.unwrap().unwrap().password_hash, "other");

    let session = |byte, user, expires_unix_s| SessionRecord {
        token_sha256: Digest::from_bytes([byte; 32]),
        user,
        expires_unix_s,
    };
    for session in [session(1, ada, 100), session(2, ada, 200), session(3, zoe, 300)] {
        tx.add_session(&session).await.unwrap();
        assert_eq!(tx.session(session.token_sha256).await.unwrap(), Some(session));
    }
    let mut is_there = async |byte| tx.session(Digest::from_bytes([byte; 32])).await.unwrap().is_some();
    assert!(!is_there(9).await);
    tx.forget_expired(150, 0).await.unwrap();
    let mut is_there = async |byte| tx.session(Digest::from_bytes([byte; 32])).await.unwrap().is_some();
    assert_eq!((is_there(1).await, is_there(2).await), (false, true));
    tx.remove_sessions(ada).await.unwrap();
    tx.remove_session(Digest::from_bytes([9; 32])).await.unwrap();
    let mut is_there = async |byte| tx.session(Digest::from_bytes([byte; 32])).await.unwrap().is_some();
    assert_eq!((is_there(2).await, is_there(3).await), (false, true));
}

async fn devices(catalog: Arc<dyn Catalog>) {
    let mut tx = write(&catalog).await;
    let ada = add_user(tx.as_mut(), "ada").await;
    let device = |number: u8| DeviceRecord {
        device: device_id(number),
        user: ada,
        name: format!("device {number}"),
        profile: "onion".into(),
        client: "test".into(),
        token_sha256: Digest::from_bytes([number; 32]),
        writer: WriterId::from_random(&[number; 16]),
        paired_unix_s: 10,
        last_seen_unix_s: None,
        revoked: false,
        report: "{}".into(),
    };
    for number in [2, 1] {
        tx.add_device(&device(number)).await.unwrap();
    }
    assert_eq!(tx.devices(ada).await.unwrap(), [device(2), device(1)], "in the order of pairing");
    let changed = DeviceRecord { name: "new".into(), last_seen_unix_s: Some(99), revoked: true, ..device(2) };
    tx.put_device(&changed).await.unwrap();
    assert_eq!(tx.devices(ada).await.unwrap(), [device(1)], "revoked ones are not listed");
    assert_eq!(tx.device(&device_id(2)).await.unwrap(), Some(changed.clone()), "but known");
    assert_eq!(tx.device_by_token(Digest::from_bytes([2; 32])).await.unwrap(), Some(changed.clone()));
    assert_eq!(tx.device_by_token(Digest::from_bytes([9; 32])).await.unwrap(), None);
    let with_user = tx.device_and_user_by_token(Digest::from_bytes([2; 32])).await.unwrap();
    assert_eq!(with_user, Some((changed.clone(), "ada".into())));
    assert_eq!(tx.device_and_user_by_token(Digest::from_bytes([9; 32])).await.unwrap(), None);
    tx.put_seen(&[(device_id(2), 120), (device_id(1), 121), (device_id(9), 122)]).await.unwrap();
    let seen = DeviceRecord { last_seen_unix_s: Some(120), ..changed };
    assert_eq!(tx.device(&device_id(2)).await.unwrap(), Some(seen), "it stays revoked, and keeps its name");
    assert_eq!(tx.device(&device_id(1)).await.unwrap().unwrap().last_seen_unix_s, Some(121));
    tx.put_seen(&[]).await.unwrap();
    assert!(tx.add_device(&device(1)).await.is_err(), "a token is of one device");
}

async fn pairings(catalog: Arc<dyn Catalog>) {
    let mut tx = write(&catalog).await;
    let ada = add_user(tx.as_mut(), "ada").await;
    let pairing = |letter: &str, expires_unix_s| Pairing {
        code: letter.repeat(8).parse().unwrap(),
        state: PairingState::Waiting,
        token_sha256: Some(Digest::from_bytes([1; 32])),
        user: None,
        device_name: "Mini".into(),
        profile: "onion".into(),
        client: "test".into(),
        expires_unix_s,
    };
    for pairing in [pairing("A", 100), pairing("B", 200)] {
        tx.put_pairing(&pairing).await.unwrap();
        assert_eq!(tx.pairing(&pairing.code).await.unwrap(), Some(pairing));
    }
    assert_eq!(tx.pairing_by_token(Digest::from_bytes([1; 32])).await.unwrap(), Some(pairing("B", 200)));
    assert_eq!(tx.open_pairings(99).await.unwrap(), 2);
    assert_eq!(tx.open_pairings(100).await.unwrap(), 1);
    for state in [PairingState::Denied, PairingState::Offered, PairingState::Used] {
        let changed = Pairing { state, user: Some(ada), token_sha256: None, ..pairing("B", 200) };
        tx.put_pairing(&changed).await.unwrap();
        assert_eq!(tx.pairing(&changed.code).await.unwrap(), Some(changed));
    }
    assert_eq!(tx.open_pairings(0).await.unwrap(), 1, "used is not open");
    tx.forget_expired(0, 150).await.unwrap();
    assert_eq!(tx.pairing(&"AAAAAAAA".parse().unwrap()).await.unwrap(), None);
}

async fn versions_and_leaves(catalog: Arc<dyn Catalog>) {
    let first = version(1, &[]);
    let second = version(2, &[&first]);
    let branch = version(3, &[&first]);
    let doubt = StoredVersion { leaf: false, device: None, ..version(4, &[]) };
    let (user, row) = with_versions(&catalog, &[&first, &second, &branch, &doubt]).await;
    let mut tx = read(&catalog).await;
    assert_eq!(
        tx.leaves(row).await.unwrap(),
        [second.clone(), branch.clone()],
        "in the order in which they came"
    );
    let superseded = StoredVersion { leaf: false, ..first.clone() };
    assert_eq!(tx.version(row, first.id).await.unwrap(), Some(superseded));
    assert_eq!(tx.version(row, Digest::of(b"none")).await.unwrap(), None);
    assert_eq!(tx.history(row, u64::MAX, 2).await.unwrap(), [doubt.clone(), branch.clone()]);
    let older: Vec<u64> =
        tx.history(row, 3, 10).await.unwrap().iter().map(|version| version.change).collect();
    assert_eq!(older, [2, 1]);
    let saves = tx.saves_with_content(Digest::of(&1_u64.to_le_bytes())).await.unwrap();
    assert_eq!(saves, ["gb/sram/Tetris".parse().unwrap()]);
    assert_eq!(tx.figures(user).await.unwrap(), Figures { saves: 1, versions: 4, size_bytes: 0, devices: 0 });
    drop(tx);
    let mut tx = write(&catalog).await;
    assert!(tx.add_version(user, row, &first, &[]).await.is_err(), "a version is added once");
}

async fn changes_and_news(catalog: Arc<dyn Catalog>) {
    let (user, first) = with_versions(&catalog, &[&version(1, &[])]).await;
    let mut tx = write(&catalog).await;
    let second = tx.add_save(user, &"gb/sram/Zelda".parse().unwrap()).await.unwrap();
    assert_eq!(tx.saves_since(user, 0, 10).await.unwrap().len(), 1, "a save without versions did not change");
    tx.add_version(user, second, &version(2, &[]), &[]).await.unwrap();
    tx.add_version(user, first, &version(3, &[]), &[]).await.unwrap();
    let changes = async |tx: &mut dyn Tx, since, limit| -> Vec<(SaveRow, u64)> {
        let saves = tx.saves_since(user, since, limit).await.unwrap();
        saves.into_iter().map(|save| (save.row, save.change)).collect()
    };
    assert_eq!(changes(tx.as_mut(), 0, 10).await, [(second, 2), (first, 3)], "each once, by its last change");
    assert_eq!(changes(tx.as_mut(), 0, 1).await, [(second, 2)]);
    assert_eq!(changes(tx.as_mut(), 2, 10).await, [(first, 3)]);
    assert_eq!(changes(tx.as_mut(), 3, 10).await, []);
    assert_eq!(tx.last_change(user).await.unwrap(), 3);
    assert_eq!(tx.last_change(UserId(999)).await.unwrap(), 0);
    let epoch = tx.epoch().await.unwrap();
    let third = tx.nth_change(user, 3).await.unwrap().unwrap();
    let last = version(3, &[]);
    assert_eq!((third.number, third.version, third.received_unix_s), (3, last.id, last.received_unix_s));
    assert_eq!(tx.standing(user).await.unwrap(), (epoch.clone(), Some(third)));
    assert_eq!(tx.standing(UserId(999)).await.unwrap(), (epoch, None));
    assert_eq!(tx.nth_change(user, 4).await.unwrap(), None);
    assert_eq!(tx.nth_change(UserId(999), 3).await.unwrap(), None);
    assert!(
        !tx.news(user, 0, Some(&device_id(1))).await.unwrap(),
        "its own versions are no news to a device"
    );
    assert!(tx.news(user, 0, Some(&device_id(2))).await.unwrap());
    assert!(tx.news(user, 2, None).await.unwrap(), "to the dashboard they are");
    assert!(!tx.news(user, 3, None).await.unwrap());
    assert!(!tx.news_beside(user, 2, &last.record.writer).await.unwrap(), "its own are no news to a writer");
    let twin = WriterId::from_random(&[0xaa; 16]);
    assert!(tx.news_beside(user, 2, &twin).await.unwrap(), "to another card of the same device they are");
    assert!(!tx.news_beside(user, 3, &twin).await.unwrap());
}

async fn a_save_is_one_in_any_spelling_and_of_one_user(catalog: Arc<dyn Catalog>) {
    let mut tx = write(&catalog).await;
    let ada = add_user(tx.as_mut(), "ada").await;
    let bob = add_user(tx.as_mut(), "bob").await;
    let row = tx.add_save(ada, &"gb/sram/POKéMON".parse().unwrap()).await.unwrap();
    let found = tx.save(ada, &"gb/sram/Poke\u{301}mon".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((found.row, found.save.as_str()), (row, "gb/sram/POKéMON"), "the first spelling stays");
    assert_eq!(tx.save(bob, &"gb/sram/POKéMON".parse().unwrap()).await.unwrap(), None);
    assert_ne!(tx.add_save(bob, &"gb/sram/POKéMON".parse().unwrap()).await.unwrap(), row);
    assert!(tx.add_save(ada, &"gb/sram/pokémon".parse().unwrap()).await.is_err());
}

/// More than any one query is about; each answer in its place.
async fn thousands_are_asked_about_at_once(catalog: Arc<dyn Catalog>) {
    let mut tx = write(&catalog).await;
    let ada = add_user(tx.as_mut(), "ada").await;
    let bob = add_user(tx.as_mut(), "bob").await;
    let save = |number: u64| -> SaveId { format!("gb/sram/Gäme {number}").parse().unwrap() };
    let content = |number: u64| Digest::of(&number.to_le_bytes());
    let mut rows = Vec::new();
    for number in 1..=1_203_u64 {
        let row = tx.add_save(ada, &save(number)).await.unwrap();
        // Every third was never stored, every hundredth has two leaves.
        if !number.is_multiple_of(3) {
            tx.add_version(ada, row, &version(number, &[]), &[]).await.unwrap();
        }
        if number.is_multiple_of(100) {
            tx.add_version(ada, row, &version(10_000 + number, &[]), &[]).await.unwrap();
        }
        rows.push(row);
    }
    tx.add_save(bob, &save(1)).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = read(&catalog).await;
    let leaves = tx.leaves_of_each(&rows).await.unwrap();
    for (number, (row, leaves)) in (1..).zip(rows.iter().zip(&leaves)) {
        let expected = usize::from(!u64::is_multiple_of(number, 3)) + usize::from(number.is_multiple_of(100));
        assert_eq!((leaves.len(), leaves), (expected, &tx.leaves(*row).await.unwrap()), "{number}");
    }
    assert_eq!(tx.leaves_of_each(&[]).await.unwrap(), Vec::<Vec<StoredVersion>>::new());

    let shouted: SaveId = "gb/sram/GÄME 1".parse().unwrap();
    let unknown = save(9_999);
    let names: Vec<SaveId> = (1..=1_203).map(save).collect();
    let mut asks: Vec<(&SaveId, Digest)> = names.iter().zip((1..).map(content)).collect();
    let mut expected: Vec<bool> = (1..=1_203_u64).map(|number| !number.is_multiple_of(3)).collect();
    asks.extend([
        (&shouted, content(1)),
        (&names[0], content(1)),
        (&names[0], content(2)),
        (&unknown, content(1)),
    ]);
    expected.extend([true, true, false, false]);
    assert_eq!(tx.were_contents(ada, &asks).await.unwrap(), expected);
    assert_eq!(
        tx.were_contents(bob, &asks).await.unwrap(),
        vec![false; asks.len()],
        "another's are nobody's"
    );
    assert_eq!(tx.were_contents(ada, &[]).await.unwrap(), Vec::<bool>::new());
}

async fn a_sequence_is_used_once(catalog: Arc<dyn Catalog>) {
    let first = version(7, &[]);
    let (user, row) = with_versions(&catalog, &[&first]).await;
    let mut tx = write(&catalog).await;
    let writer = WriterId::from_random(&[2; 16]);
    assert_eq!(tx.version_by_sequence(user, &writer, 7).await.unwrap(), Some(first.id));
    assert_eq!(tx.version_by_sequence(user, &writer, 8).await.unwrap(), None);
    assert_eq!(tx.last_sequence(user, &writer).await.unwrap(), 7);
    assert_eq!(tx.last_sequence(user, &WriterId::from_random(&[3; 16])).await.unwrap(), 0);
    let mut other = version(7, &[]);
    other.record.note = None;
    other.id = other.record.id();
    other.change = 8;
    assert!(tx.add_version(user, row, &other, &[]).await.is_err());
}

async fn contents_are_of_a_user(catalog: Arc<dyn Catalog>) {
    let mut tx = write(&catalog).await;
    let ada = add_user(tx.as_mut(), "ada").await;
    let bob = add_user(tx.as_mut(), "bob").await;
    let content = |bytes: &[u8]| Content { digest: Digest::of(bytes), size_bytes: bytes.len() as u64 };
    for (user, bytes) in [(ada, b"abc".as_slice()), (ada, b"abc"), (ada, b""), (bob, b"abc")] {
        tx.add_content(user, content(bytes), 5).await.unwrap();
    }
    assert_eq!(tx.content(ada, Digest::of(b"")).await.unwrap(), Some(content(b"")));
    assert_eq!(tx.content(bob, Digest::of(b"")).await.unwrap(), None);
    assert_eq!(tx.figures(ada).await.unwrap().size_bytes, 3, "distinct content counts once");
    let mut all = [content(b"abc"), content(b"")];
    all.sort();
    assert_eq!(tx.all_contents().await.unwrap(), all, "each once, whoever has it");
}

async fn uploads_come_and_go(catalog: Arc<dyn Catalog>) {
    let mut tx = write(&catalog).await;
    let ada = add_user(tx.as_mut(), "ada").await;
    let upload = Upload {
        id: UploadId(0),
        user: ada,
        content: Content { digest: Digest::of(b"whole"), size_bytes: BLOCK_BYTES + 1 },
        block_digests: vec![Digest::of(b"one"), Digest::of(b"two")],
        staged: vec![false, false],
        touched_unix_s: 100,
    };
    let id = tx.add_upload(&upload).await.unwrap();
    tx.put_staged(id, &[false, true], 200).await.unwrap();
    let expected = Upload { id, staged: vec![false, true], touched_unix_s: 200, ..upload.clone() };
    assert_eq!(tx.upload(ada, upload.content.digest).await.unwrap(), Some(expected));
    assert_eq!(tx.idle_uploads(200).await.unwrap(), []);
    assert_eq!(tx.idle_uploads(201).await.unwrap(), [id]);
    tx.remove_upload(id).await.unwrap();
    assert_eq!(tx.upload(ada, upload.content.digest).await.unwrap(), None);
    assert_ne!(tx.add_upload(&upload).await.unwrap(), id, "an id is never used twice");
    assert!(tx.add_upload(&upload).await.is_err(), "one for a user and content");
}

async fn blocks_are_found_in_own_contents_only(catalog: Arc<dyn Catalog>) {
    let mut tx = write(&catalog).await;
    let ada = add_user(tx.as_mut(), "ada").await;
    let bob = add_user(tx.as_mut(), "bob").await;
    let content = Content { digest: Digest::of(b"whole"), size_bytes: BLOCK_BYTES + 1 };
    tx.add_content(ada, content, 0).await.unwrap();
    for _ in 0..2 {
        tx.add_blocks(content, &[Digest::of(b"one"), Digest::of(b"two")]).await.unwrap();
    }
    let place = BlockPlace { content: content.digest, offset_bytes: BLOCK_BYTES, length_bytes: 1 };
    assert_eq!(tx.block(ada, Digest::of(b"two")).await.unwrap(), Some(place));
    assert_eq!(tx.block(ada, Digest::of(b"three")).await.unwrap(), None);
    assert_eq!(tx.block(bob, Digest::of(b"two")).await.unwrap(), None);
    tx.forget_blocks(content.digest).await.unwrap();
    assert_eq!(tx.block(ada, Digest::of(b"two")).await.unwrap(), None);
}

async fn answers_are_kept_for_a_while(catalog: Arc<dyn Catalog>) {
    let mut tx = write(&catalog).await;
    let operation = |id: &str, at_unix_s| OperationRecord {
        scope: "dev_1".into(),
        id: id.into(),
        request: Digest::of(b"request"),
        reply: "{\"a\":1}".into(),
        at_unix_s,
    };
    for operation in [operation("old", 100), operation("new", 200)] {
        tx.keep_operation(&operation).await.unwrap();
    }
    assert_eq!(tx.operation("dev_1", "new").await.unwrap(), Some(operation("new", 200)));
    assert_eq!(tx.operation("dev_2", "new").await.unwrap(), None);
    tx.forget_operations(150).await.unwrap();
    assert_eq!(tx.operation("dev_1", "old").await.unwrap(), None);
    assert!(tx.operation("dev_1", "new").await.unwrap().is_some());
    assert!(tx.keep_operation(&operation("new", 300)).await.is_err(), "an answer is never replaced");
}

async fn memos_are_kept_by_owner_kind_and_name(catalog: Arc<dyn Catalog>) {
    let mut tx = write(&catalog).await;
    for (owner, kind, name, text) in [
        ("a", "place", "2", "x"),
        ("a", "place", "1", "y"),
        ("a", "other", "1", "z"),
        ("b", "place", "1", "w"),
    ] {
        tx.put_memo(owner, kind, name, text).await.unwrap();
    }
    tx.put_memo("a", "place", "2", "again").await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = write(&catalog).await;
    let of_a = tx.memos("a", "place").await.unwrap();
    assert_eq!(of_a, [("1".into(), "y".into()), ("2".into(), "again".into())], "by name, each its latest");
    assert_eq!(tx.memo("b", "place", "1").await.unwrap().as_deref(), Some("w"));
    assert_eq!(tx.memo("b", "other", "1").await.unwrap(), None);
    tx.remove_memo("a", "place", "1").await.unwrap();
    tx.remove_memo("a", "place", "1").await.unwrap();
    assert_eq!(tx.memo("a", "place", "1").await.unwrap(), None);
    assert_eq!(tx.memo("b", "place", "1").await.unwrap().as_deref(), Some("w"), "another's stays");
}

async fn versions_are_found_by_the_beginning_of_their_ids(catalog: Arc<dyn Catalog>) {
    let first = version(1, &[]);
    let second = version(2, &[&first]);
    let (ada, _) = with_versions(&catalog, &[&first, &second]).await;
    let mut tx = write(&catalog).await;
    let bob = add_user(tx.as_mut(), "bob").await;
    let edge = |fill| {
        let mut bytes = [fill; 32];
        bytes[..6].copy_from_slice(&second.id.as_bytes()[..6]);
        Digest::from_bytes(bytes)
    };
    let found = tx.versions_between(ada, edge(0), edge(0xff)).await.unwrap();
    assert_eq!(found.iter().map(|version| version.id).collect::<Vec<_>>(), [second.id]);
    assert_eq!(tx.versions_between(bob, edge(0), edge(0xff)).await.unwrap(), [], "nobody else's");
}
