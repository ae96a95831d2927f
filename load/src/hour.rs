//! The long form: everything at once for an hour, a little of each, and the server's memory every half minute.
//!
//! Devices wait, some of them store and their sisters hear of it, some ask, and some come and go. Memory is flat when its highest
//! point in the last quarter is no more than a tenth (or 16 MiB) above that of the second quarter.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::Outcome;
use crate::crowd::Crowd;
use crate::measures::{Scene, polls, stores};
use crate::report::Budget;

/// How often memory is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(30);

pub(crate) async fn run(
    scene: &mut Scene<'_>,
    crowd: &mut Crowd,
    first_free: usize,
    minutes: u64,
) -> Outcome<()> {
    let began = Instant::now();
    let (mut looks, mut count) = (Vec::new(), 0);
    while began.elapsed() < Duration::from_secs(minutes * 60) {
        let due = Instant::now() + LOOK_EVERY;
        // Other users each time, so that what is kept for each of them would show.
        let from = first_free + count * 8 % 1024;
        stores(scene.server.address, from, 4, 5).await?;
        polls(scene.server.address, scene.epoch, from, 4, 5).await?;
        while crowd.heard.try_recv().is_ok() {}
        crowd.is_whole()?;
        sleep(due.saturating_duration_since(Instant::now())).await;
        let memory_mib = scene.server.memory_bytes()? as f64 / f64::from(1 << 20);
        looks.push(memory_mib);
        count += 1;
        if count % 10 == 0 {
            println!("  {} min: {memory_mib:.0} MiB", began.elapsed().as_secs() / 60);
        }
    }
    let quarter = |number: usize| {
        let part = &looks[looks.len() * number / 4..looks.len() * (number + 1) / 4];
        part.iter().copied().fold(0.0, f64::max)
    };
    let (second, last) = (quarter(1), quarter(3));
    scene.report.figure("memory, at most, in the second quarter", second, "MiB", Budget::None);
    let most = (second * 1.1).max(second + 16.0);
    scene.report.figure("memory, at most, in the last quarter", last, "MiB", Budget::AtMost(most));
    Ok(())
}
