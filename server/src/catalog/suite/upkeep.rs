//! The records of upkeep: what every catalog must do about them.

use std::sync::Arc;

use retrosync_protocol::Digest;

use super::{add_user, version, with_versions, write};
use crate::catalog::{Catalog, OwnContent, Stray, StrayState};
use crate::sample::content;

pub(super) async fn contents_are_marked_and_forgotten(catalog: Arc<dyn Catalog>) {
    let mut tx = write(&catalog).await;
    let ada = add_user(tx.as_mut(), "ada").await;
    let bob = add_user(tx.as_mut(), "bob").await;
    let (one, two, absent) = (content(b"one"), content(b"two"), Digest::of(b"absent"));
    for (user, content, at_unix_s) in [(ada, one, 5), (ada, two, 6), (bob, one, 7)] {
        assert!(tx.add_content(user, content, at_unix_s).await.unwrap());
    }
    let own = |content, added_unix_s, unneeded_unix_s| OwnContent { content, added_unix_s, unneeded_unix_s };
    tx.mark_contents(ada, &[one.digest, two.digest, absent], Some(90)).await.unwrap();
    let mut expected = [own(one, 5, Some(90)), own(two, 6, Some(90))];
    expected.sort_by_key(|own| own.content.digest);
    assert_eq!(tx.contents_of(ada).await.unwrap(), expected);
    assert_eq!(tx.contents_of(bob).await.unwrap(), [own(one, 7, None)], "each user's are their own");
    // What is stored again is needed again; what is said to be needed is too.
    assert!(tx.add_content(ada, one, 99).await.unwrap());
    tx.mark_contents(ada, &[two.digest], None).await.unwrap();
    let mut expected = [own(one, 5, None), own(two, 6, None)];
    expected.sort_by_key(|own| own.content.digest);
    assert_eq!(tx.contents_of(ada).await.unwrap(), expected);

    tx.forget_content(ada, one.digest).await.unwrap();
    tx.forget_content(ada, one.digest).await.unwrap();
    let asked = [absent, one.digest, two.digest];
    assert_eq!(tx.without_content(ada, &asked).await.unwrap(), [absent, one.digest]);
    assert_eq!(tx.not_had(&asked).await.unwrap(), [absent], "bob has one of them");
    assert_eq!(tx.not_had(&[]).await.unwrap(), []);
    let many: Vec<Digest> = (0..1203_u64).map(|number| Digest::of(&number.to_le_bytes())).collect();
    assert_eq!(tx.not_had(&many).await.unwrap(), many);
    assert_eq!(tx.without_content(ada, &many).await.unwrap(), many);
}

pub(super) async fn bytes_that_are_being_removed_are_not_recorded(catalog: Arc<dyn Catalog>) {
    let mut tx = write(&catalog).await;
    let ada = add_user(tx.as_mut(), "ada").await;
    let one = content(b"one");
    let stray = |state, since_unix_s| Stray { digest: one.digest, since_unix_s, state };
    assert_eq!(tx.stray(one.digest).await.unwrap(), None);
    for (state, since_unix_s) in [(StrayState::Condemned, 2), (StrayState::Removed, 3)] {
        tx.put_stray(&stray(state, since_unix_s)).await.unwrap();
        assert_eq!(tx.stray(one.digest).await.unwrap(), Some(stray(state, since_unix_s)));
        assert!(!tx.add_content(ada, one, 5).await.unwrap(), "{state:?}");
        assert_eq!(tx.content(ada, one.digest).await.unwrap(), None, "{state:?}");
    }
    tx.put_stray(&stray(StrayState::Found, 1)).await.unwrap();
    assert!(tx.add_content(ada, one, 5).await.unwrap(), "only found: its bytes are there");
    assert_eq!(tx.strays().await.unwrap(), [stray(StrayState::Found, 1)]);
    tx.remove_stray(one.digest).await.unwrap();
    tx.remove_stray(one.digest).await.unwrap();
    assert_eq!(tx.strays().await.unwrap(), []);
}

pub(super) async fn a_version_outlives_its_bytes(catalog: Arc<dyn Catalog>) {
    let (first, second) = (version(1, &[]), version(2, &[]));
    let (user, row) = with_versions(&catalog, &[&first, &second]).await;
    let digest = first.record.content.unwrap().digest;
    let mut tx = write(&catalog).await;
    assert!(tx.add_content(user, first.record.content.unwrap(), 1).await.unwrap());
    tx.forget_content(user, digest).await.unwrap();
    assert!(tx.has_version_with(user, digest).await.unwrap());
    assert!(!tx.has_version_with(user, Digest::of(b"none")).await.unwrap());
    let bob = add_user(tx.as_mut(), "bob").await;
    assert!(!tx.has_version_with(bob, digest).await.unwrap(), "another's versions are nobody's business");
    assert_eq!(tx.version(row, first.id).await.unwrap(), Some(first.clone()));
    let save = &first.record.save;
    assert_eq!(tx.were_contents(user, &[(save, digest)]).await.unwrap(), [true]);
}
