//! The dashboard's part of what every catalog must do.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use retrosync_protocol::Digest;

use super::{add_user, device_id, read, user, version, with_versions, write};
use crate::catalog::{Catalog, DeviceRecord, Event, EventFilter, Invitation, Mark, SaveSize, User, UserId};

fn device(number: u8, of: UserId) -> DeviceRecord {
    DeviceRecord {
        device: device_id(number),
        user: of,
        name: format!("Device {number}"),
        profile: "onion".into(),
        client: "test".into(),
        token_sha256: Digest::of(&[number]),
        writer: retrosync_protocol::WriterId::from_random(&[number; 16]),
        paired_unix_s: 1000,
        last_seen_unix_s: None,
        revoked: false,
        report: String::new(),
    }
}

fn event(kind: &str, at_unix_s: i64) -> Event {
    Event {
        id: 0,
        at_unix_s,
        kind: kind.into(),
        device_name: "Mini".into(),
        save: Some("gb/sram/Tetris".parse().unwrap()),
        version: Some(Digest::of(b"v")),
        text: "ünïcode".into(),
    }
}

pub(super) async fn a_user_is_renamed_and_removed_with_all_records(catalog: Arc<dyn Catalog>) {
    let first = version(1, &[]);
    let (ada, row) = with_versions(&catalog, &[&first]).await;
    let mut tx = write(&catalog).await;
    let bob = add_user(tx.as_mut(), "bob").await;
    tx.add_device(&device(1, ada)).await.unwrap();
    tx.add_fetched(&device_id(1), &[Digest::of(b"x")], 1).await.unwrap();
    tx.put_mark(row, &Mark { version: first.id, pinned: true, label: String::new() }).await.unwrap();
    tx.add_event(ada, &event("saved", 1)).await.unwrap();
    let renamed = User {
        id: ada,
        name: "Ada L".into(),
        email: Some("ada@example.org".into()),
        quota_bytes: Some(1 << 30),
        quota_devices: Some(3),
        admin: true,
        ..user("ada")
    };
    assert!(tx.put_user(&renamed).await.unwrap());
    assert!(
        !tx.put_user(&User { name: "BOB".into(), ..renamed.clone() }).await.unwrap(),
        "the name is taken"
    );
    assert_eq!(tx.user_by_name("ada l").await.unwrap(), Some(renamed));
    tx.remove_user(ada).await.unwrap();
    assert_eq!(tx.users().await.unwrap().iter().map(|user| user.id).collect::<Vec<_>>(), [bob]);
    assert_eq!(tx.saves_since(ada, 0, 10).await.unwrap(), []);
    assert_eq!(tx.device(&device_id(1)).await.unwrap(), None);
    assert_eq!(tx.stamp(ada).await.unwrap(), 0);
    assert_eq!(tx.figures(ada).await.unwrap(), crate::catalog::Figures::default());
    tx.commit().await.unwrap();
}

pub(super) async fn settings_and_invitations(catalog: Arc<dyn Catalog>) {
    let mut tx = write(&catalog).await;
    assert_eq!(tx.setting("registration").await.unwrap(), None);
    tx.put_setting("registration", "open").await.unwrap();
    tx.put_setting("registration", "closed").await.unwrap();
    assert_eq!(tx.setting("registration").await.unwrap().as_deref(), Some("closed"));
    let invitation = |n: u8| Invitation {
        code_sha256: Digest::of(&[n]),
        note: "for Bob".into(),
        quota_bytes: Some(5),
        quota_devices: None,
        expires_unix_s: 100 - i64::from(n),
    };
    for n in 1..=3 {
        tx.add_invitation(&invitation(n)).await.unwrap();
    }
    assert_eq!(tx.invitations().await.unwrap(), [invitation(3), invitation(2), invitation(1)]);
    assert_eq!(tx.take_invitation(Digest::of(&[2])).await.unwrap(), Some(invitation(2)));
    assert_eq!(tx.take_invitation(Digest::of(&[2])).await.unwrap(), None, "once only");
    tx.forget_events(0, 98).await.unwrap();
    assert_eq!(tx.invitations().await.unwrap(), [invitation(1)]);
    tx.commit().await.unwrap();
}

pub(super) async fn marks_and_what_devices_hold(catalog: Arc<dyn Catalog>) {
    let first = version(1, &[]);
    let second = version(2, &[&first]);
    let (ada, row) = with_versions(&catalog, &[&first, &second]).await;
    let mut tx = write(&catalog).await;
    let mark = Mark { version: first.id, pinned: true, label: "before the boss".into() };
    tx.put_mark(row, &mark).await.unwrap();
    tx.put_mark(row, &Mark { version: second.id, pinned: false, label: "x".into() }).await.unwrap();
    tx.put_mark(row, &Mark { version: second.id, pinned: false, label: String::new() }).await.unwrap();
    assert_eq!(tx.marks(row).await.unwrap(), [mark]);
    for number in 1..=3 {
        tx.add_device(&device(number, ada)).await.unwrap();
    }
    let given = first.record.content.unwrap().digest;
    let before = tx.stamp(ada).await.unwrap();
    tx.add_fetched(&device_id(2), &[given], 7).await.unwrap();
    assert_ne!(tx.stamp(ada).await.unwrap(), before);
    tx.add_fetched(&device_id(2), &[given], 8).await.unwrap();
    let held: Vec<_> =
        tx.holdings(ada, row).await.unwrap().into_iter().map(|h| (h.device_name, h.version)).collect();
    assert_eq!(held, [("Device 1".to_owned(), second.id), ("Device 2".to_owned(), first.id)]);
    let reached = tx.reached(ada).await.unwrap();
    assert_eq!(
        reached.iter().map(|(device, _)| device.clone()).collect::<Vec<_>>(),
        [device_id(1), device_id(2)]
    );
    assert_eq!(reached[0].1.as_str(), "gb/sram/Tetris");
    let contents = [first.record.content.unwrap(), second.record.content.unwrap()];
    for content in contents {
        tx.add_content(ada, content, 1).await.unwrap();
    }
    assert_eq!(tx.sizes(ada).await.unwrap(), [SaveSize { row, versions: 2, size_bytes: 16 }]);
    tx.commit().await.unwrap();
}

pub(super) async fn events_are_filtered_and_forgotten(catalog: Arc<dyn Catalog>) {
    let mut tx = write(&catalog).await;
    let (ada, bob) = (add_user(tx.as_mut(), "ada").await, add_user(tx.as_mut(), "bob").await);
    for (of, kind, at) in [(ada, "saved", 1), (bob, "saved", 2), (ada, "paired", 3), (ada, "saved", 4)] {
        tx.add_event(of, &event(kind, at)).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut tx = read(&catalog).await;
    let every = EventFilter::default();
    let all = tx.events(ada, &every, u64::MAX, 10).await.unwrap();
    assert_eq!(all.iter().map(|e| e.at_unix_s).collect::<Vec<_>>(), [4, 3, 1], "newest first, one's own");
    assert_eq!(Event { id: 0, ..all[1].clone() }, event("paired", 3));
    assert_eq!(tx.stamp(ada).await.unwrap(), all[0].id);
    assert_eq!(tx.events(ada, &every, all[0].id, 1).await.unwrap(), all[1..2]);
    let rows = [
        (EventFilter { kinds: vec!["saved".into()], ..every.clone() }, 2),
        (EventFilter { device_name: Some("Mini".into()), ..every.clone() }, 3),
        (EventFilter { device_name: Some("Other".into()), ..every.clone() }, 0),
        (EventFilter { save: Some("TETR".into()), ..every.clone() }, 3),
        (EventFilter { save: Some("zelda".into()), ..every.clone() }, 0),
    ];
    for (filter, found) in rows {
        assert_eq!(tx.events(ada, &filter, u64::MAX, 10).await.unwrap().len(), found, "{filter:?}");
    }
    drop(tx);
    let mut tx = write(&catalog).await;
    tx.forget_events(4, 0).await.unwrap();
    assert_eq!(tx.events(ada, &every, u64::MAX, 10).await.unwrap(), all[..1]);
}
