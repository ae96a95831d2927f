//! Which contents a user has: recorded only when their bytes are sure to be there, and refused by their right name when not.
//!
//! Promise 5, *bytes before names*, beside a removal of the same bytes (`gc` tells how the two keep out of each other's way).

use retrosync_protocol::{Code, Content, Digest};

use super::Answer;
use crate::blobs::{BlobError, Blobs};
use crate::catalog::{StrayState, Tx, UserId};
use crate::refusal::Refusal;

/// Records that the user has this content and needs it. Its bytes were published before this transaction began.
pub(super) async fn keep(
    tx: &mut dyn Tx,
    blobs: &dyn Blobs,
    user: UserId,
    content: Content,
    now_unix_s: i64,
) -> Answer<()> {
    if tx.add_content(user, content, now_unix_s).await? {
        return Ok(());
    }
    let stays = match tx.stray(content.digest).await?.map(|stray| stray.state) {
        // Removed means that nobody removes them any more; so if they are there now, they were put after that, and stay.
        Some(StrayState::Removed) if blobs.size_bytes(content.digest).await? == Some(content.size_bytes) => {
            tx.remove_stray(content.digest).await?;
            true
        }
        Some(_) => false,
        // Another user's store has found out the same since we looked.
        None => true,
    };
    if stays && tx.add_content(user, content, now_unix_s).await? {
        return Ok(());
    }
    Err(Refusal::new(Code::Unavailable, "bytes like these are just being removed as long unneeded")
        .help("send them again in a moment")
        .retry_after_s(5))
}

/// The user's content, which is needed from here on; `None`: they have none of this digest.
pub(super) async fn need(tx: &mut dyn Tx, user: UserId, digest: Digest) -> Answer<Option<Content>> {
    let had = tx.content(user, digest).await?;
    if had.is_some() {
        tx.mark_contents(user, &[digest], None).await?;
    }
    Ok(had)
}

/// Why there is no such content of this user: thinned out, or never known.
pub(super) async fn absent(tx: &mut dyn Tx, user: UserId, digest: Digest) -> Answer<Refusal> {
    if tx.has_version_with(user, digest).await? {
        return Ok(thinned(digest));
    }
    Ok(Refusal::new(Code::NotFound, format!("no version of yours has the content `{digest}`")))
}

/// The record speaks of bytes that are gone without anybody's will.
pub(super) fn lost(digest: Digest) -> Refusal {
    Refusal::from(BlobError::Missing(digest))
        .help("choose another version; `retrosync-server check` tells the server's owner what is missing")
}

/// The version is known, its bytes are not kept any more.
pub(super) fn thinned(digest: Digest) -> Refusal {
    Refusal::new(
        Code::Thinned,
        format!("the bytes of `{digest}` were thinned out: the version was old and not pinned"),
    )
    .help("choose a version near it; pin what must stay")
}
