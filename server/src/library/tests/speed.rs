//! How long a first sync takes over SQLite and a folder. Not run by itself: `cargo test --release -p retrosync-server first_sync -- --ignored --nocapture`.

use std::time::Instant;

use bytes::Bytes;
use retrosync_protocol::{Content, Digest, StoreResult, Version};

use super::backends::Backend;
use super::{Dice, NOW_UNIX_S, version};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn first_sync_of_1000_saves_of_60_mb() {
    let world = Backend::sqlite_and_files().unwrap().world().await;
    let library = world.library.clone();
    let mut dice = Dice(1);
    let saves: Vec<(Version, Bytes)> = (1..=1000)
        .map(|number| {
            let bytes: Vec<u8> =
                (0..[8, 32, 64, 128][dice.below(4)] << 10).map(|_| dice.below(256) as u8).collect();
            let content = Some(Content { digest: Digest::of(&bytes), size_bytes: bytes.len() as u64 });
            let save = format!("gb/sram/Game {number}").parse().unwrap();
            (Version { save, content, ..version(1, number, &[], &[]) }, bytes.into())
        })
        .collect();
    let total_bytes: usize = saves.iter().map(|(_, bytes)| bytes.len()).sum();
    let start = Instant::now();
    let mut requests = 0;
    let mut left = saves.as_slice();
    while !left.is_empty() {
        let mut batch = library.batch(&world.device(1));
        let mut size_bytes = 0;
        while let [(version, bytes), rest @ ..] = left
            && size_bytes < 4 << 20
        {
            batch.add(version.clone(), Some(bytes.clone())).await;
            size_bytes += bytes.len();
            left = rest;
        }
        let reply = batch.finish(Some(format!("op-{requests}").parse().unwrap()), NOW_UNIX_S).await.unwrap();
        assert!(reply.results.iter().all(|result| matches!(result, StoreResult::Head { .. })));
        requests += 1;
    }
    println!("{} saves, {total_bytes} bytes, {requests} requests: {:?}", saves.len(), start.elapsed());
}
