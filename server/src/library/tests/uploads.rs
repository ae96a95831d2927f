//! Large contents: what travels, what is resumed, what is refused.

use bytes::Bytes;
use retrosync_protocol::{BLOCK_BYTES, Code, Content, Digest, UploadReply, UploadRequest};

use super::backends::{Backend, over_each_backend};
use super::{NOW_UNIX_S, World, version, word};
use crate::library::{Answer, Asker};

over_each_backend!(
    a_cut_upload_goes_on_and_a_changed_card_sends_what_changed,
    a_wrong_block_is_refused_and_a_wrong_whole_drops_the_upload,
    a_damaged_earlier_content_costs_another_try_and_nothing_else,
    an_upload_is_forgotten_after_a_week_and_its_form_is_checked,
    two_uploads_that_fit_one_by_one_do_not_fill_more_than_the_quota,
);

const BLOCK: usize = BLOCK_BYTES as usize;

fn request(bytes: &[u8]) -> UploadRequest {
    UploadRequest {
        content: Content { digest: Digest::of(bytes), size_bytes: bytes.len() as u64 },
        block_digests: bytes.chunks(BLOCK).map(Digest::of).collect(),
    }
}

/// A memory card: every block other bytes, the last one short.
fn card(blocks: usize) -> Vec<u8> {
    (0..blocks * BLOCK - 100).map(|at| (at / BLOCK + at % 251) as u8).collect()
}

async fn send(world: &World, asker: &Asker, bytes: &[u8], indexes: &[u64]) -> Answer<UploadReply> {
    let mut batch = world.library.blocks(asker, Digest::of(bytes)).await?;
    for index in indexes {
        let block = bytes.chunks(BLOCK).nth(*index as usize).unwrap();
        batch.add(*index, Digest::of(block), Bytes::copy_from_slice(block)).await?;
    }
    batch.finish(NOW_UNIX_S).await
}

async fn a_cut_upload_goes_on_and_a_changed_card_sends_what_changed(on: Backend) {
    let world = on.world().await;
    let asker = world.device(1);
    let bytes = card(20);
    let start = async |bytes: &[u8]| world.library.upload(&asker, &request(bytes), NOW_UNIX_S).await.unwrap();
    assert_eq!(start(&bytes).await.missing, (0..20).collect::<Vec<_>>());
    assert_eq!(word(&world.store(&asker, &version(1, 1, &bytes, &[]), None).await).0, "content_missing");
    let left = send(&world, &asker, &bytes, &[3, 0, 1, 2, 3, 19]).await.unwrap();
    assert_eq!((left.missing.len(), left.complete), (15, false));
    assert_eq!(
        start(&bytes).await.missing,
        (4..19).collect::<Vec<_>>(),
        "asked again, after the device came back"
    );
    let done = send(&world, &asker, &bytes, &(4..19).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(done, UploadReply { missing: vec![], complete: true });
    assert_eq!(word(&world.store(&asker, &version(1, 1, &bytes, &[]), None).await).0, "head");
    assert!(start(&bytes).await.complete, "it is known now");

    let mut played = bytes.clone();
    played[7 * BLOCK + 5] ^= 1;
    assert_eq!(start(&played).await.missing, [7]);
    assert!(send(&world, &asker, &played, &[7]).await.unwrap().complete);
    assert!(world.bytes(&asker, Digest::of(&played)).await == Some(played.clone()));

    // All blocks are there in another order: nothing travels.
    let swapped = [&bytes[BLOCK..2 * BLOCK], &bytes[..BLOCK], &bytes[2 * BLOCK..]].concat();
    assert!(start(&swapped).await.complete);
    assert!(world.bytes(&asker, Digest::of(&swapped)).await == Some(swapped));
    let strangers = world.library.upload(&world.stranger(), &request(&bytes), NOW_UNIX_S).await.unwrap();
    assert_eq!(strangers.missing.len(), 20, "another user's blocks do not count");
}

async fn a_wrong_block_is_refused_and_a_wrong_whole_drops_the_upload(on: Backend) {
    let world = on.world().await;
    let asker = world.device(1);
    let bytes = card(17);
    let named = Content { digest: Digest::of(b"something else"), size_bytes: bytes.len() as u64 };
    let request = UploadRequest { content: named, ..request(&bytes) };
    world.library.upload(&asker, &request, NOW_UNIX_S).await.unwrap();
    let mut batch = world.library.blocks(&asker, named.digest).await.unwrap();
    let block = Bytes::copy_from_slice(&bytes[..BLOCK]);
    let wrong = batch.add(1, Digest::of(&block), block.clone()).await.unwrap_err();
    assert_eq!(wrong.code(), Code::DigestMismatch);
    let beyond = batch.add(17, Digest::of(&block), block).await.unwrap_err();
    assert_eq!(beyond.code(), Code::Malformed);
    for (index, block) in bytes.chunks(BLOCK).enumerate() {
        batch.add(index as u64, Digest::of(block), Bytes::copy_from_slice(block)).await.unwrap();
    }
    assert_eq!(batch.finish(NOW_UNIX_S).await.unwrap_err().code(), Code::DigestMismatch);
    let gone = world.library.blocks(&asker, named.digest).await.err().unwrap();
    assert_eq!(gone.code(), Code::NotFound);
}

async fn a_damaged_earlier_content_costs_another_try_and_nothing_else(on: Backend) {
    let world = on.world().await;
    let asker = world.device(1);
    let bytes = card(17);
    world.library.upload(&asker, &request(&bytes), NOW_UNIX_S).await.unwrap();
    assert!(send(&world, &asker, &bytes, &(0..17).collect::<Vec<_>>()).await.unwrap().complete);
    world.library.blobs.delete(Digest::of(&bytes)).await.unwrap();
    let mut played = bytes.clone();
    played[0] ^= 1;
    assert_eq!(world.library.upload(&asker, &request(&played), NOW_UNIX_S).await.unwrap().missing, [0]);
    assert_eq!(send(&world, &asker, &played, &[0]).await.unwrap_err().code(), Code::DigestMismatch);
    let again = world.library.upload(&asker, &request(&played), NOW_UNIX_S).await.unwrap();
    assert_eq!(again.missing.len(), 17, "nothing is taken from there again");
    assert!(send(&world, &asker, &played, &again.missing).await.unwrap().complete);
}

async fn an_upload_is_forgotten_after_a_week_and_its_form_is_checked(on: Backend) {
    let world = on.world().await;
    let asker = world.device(1);
    let bytes = card(3);
    let mut short = request(&bytes);
    short.block_digests.pop();
    let refused = world.library.upload(&asker, &short, NOW_UNIX_S).await.unwrap_err();
    assert_eq!(refused.problem().detail, "196508 bytes are 3 blocks, not 2");
    let mut huge = request(&bytes);
    huge.content.size_bytes = (512 << 20) + 1;
    assert_eq!(world.library.upload(&asker, &huge, NOW_UNIX_S).await.unwrap_err().code(), Code::TooLarge);
    assert!(
        world.library.upload(&asker, &request(b""), NOW_UNIX_S).await.unwrap().complete,
        "nothing has no blocks"
    );
    world.library.upload(&asker, &request(&bytes), NOW_UNIX_S).await.unwrap();
    send(&world, &asker, &bytes, &[0]).await.unwrap();
    world.library.sweep(NOW_UNIX_S + 6 * 24 * 3600).await.unwrap();
    assert_eq!(world.library.upload(&asker, &request(&bytes), NOW_UNIX_S).await.unwrap().missing, [1, 2]);
    world.library.sweep(NOW_UNIX_S + 8 * 24 * 3600).await.unwrap();
    assert_eq!(world.library.upload(&asker, &request(&bytes), NOW_UNIX_S).await.unwrap().missing, [0, 1, 2]);
}

async fn two_uploads_that_fit_one_by_one_do_not_fill_more_than_the_quota(on: Backend) {
    let world = on.world_with_quota(30 * BLOCK_BYTES).await;
    let asker = world.device(1);
    let (first, mut second) = (card(17), card(18));
    second.iter_mut().for_each(|byte| *byte ^= 0x55);
    for bytes in [&first, &second] {
        world.library.upload(&asker, &request(bytes), NOW_UNIX_S).await.unwrap();
    }
    assert!(send(&world, &asker, &first, &(0..17).collect::<Vec<_>>()).await.unwrap().complete);
    let refused = send(&world, &asker, &second, &(0..18).collect::<Vec<_>>()).await.unwrap_err();
    assert_eq!(refused.code(), Code::QuotaFull);
    assert!(world.bytes(&asker, Digest::of(&second)).await.is_none());
}
