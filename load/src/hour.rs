//! The long form: everything at once for an hour, a little of each all the time; does the server's memory stay flat?
//!
//! Thousands wait. Five times a second a device sends a save, in turn one whose sister waits and one whose does not, ten quiet questions
//! are asked, and a device comes, asks and goes. Memory is looked at every ten seconds. What it grows by is told by
//! its trend (least squares) over the last three quarters, when all that is kept for speed is there: one look is a matter of luck. At the
//! end the server is killed, and everything that it had answered must be there.

use std::time::{Duration, Instant};

use tokio::time::{sleep_until, timeout};

use crate::Outcome;
use crate::busy::{ANSWER_TIME, Asking, Client as _, Storing};
use crate::crowd::{Crowd, Heard};
use crate::measures::Scene;
use crate::report::Budget;

/// Rounds a second: what is done in one, the head of this file tells.
const ROUNDS_PER_S: u32 = 5;
const QUESTIONS: usize = 10;
/// How many devices send, half of them with a sister who waits.
const SENDERS: usize = 200;
/// How often memory is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// What its trend may come to over the measured part, in MiB: a leak of 500 bytes for each save is more than that.
const MOST_GROWTH_MIB: f64 = 8.0;
/// Lines of the table.
const LINES: u64 = 12;

/// A look at the server.
struct Look {
    at_s: f64,
    memory_mib: f64,
}

/// What was done so far.
#[derive(Default)]
struct Done {
    stored: u64,
    asked: u64,
    /// Of those that were stored, these have a sister who waits.
    to_be_heard: u64,
    heard: u64,
}

impl Done {
    /// What a device heard of; senders, too, are told of their own saves, once they ask anew.
    fn hears(&mut self, heard: &Heard) {
        self.heard += u64::from(!heard.device.is_multiple_of(2));
    }
}

/// All of it for so many minutes; answers those who stored. `first_free` is the first user of whom nobody waits.
pub(crate) async fn run(
    scene: &mut Scene<'_>,
    crowd: &mut Crowd,
    first_free: usize,
    minutes: u64,
) -> Outcome<Vec<Storing>> {
    let server = scene.server.address;
    let waited_for = (0..first_free).step_by((first_free / (SENDERS / 2)).max(1));
    let others = first_free..first_free + SENDERS / 2;
    let mut senders =
        Storing::of(server, scene.epoch, waited_for.zip(others).flat_map(|(one, other)| [one, other]))
            .await?;
    let comes = first_free + SENDERS / 2..first_free + SENDERS / 2 + 1000;
    let askers = comes.start..comes.start + QUESTIONS;
    let mut askers = Asking::of_each(server, scene.epoch, askers).await?;
    let (began, cpu_s) = (Instant::now(), scene.server.cpu_s()?);
    let all = Duration::from_secs(minutes * 60);
    let (mut done, mut looks, mut told) = (Done::default(), Vec::new(), 0);
    println!("  minute  memory MiB  CPU %  stored  heard  asked");
    for round in 0_u32.. {
        let elapsed = began.elapsed();
        if elapsed >= LOOK_EVERY * (looks.len() as u32 + 1) {
            crowd.is_whole()?;
            let memory_mib = scene.server.memory_bytes()? as f64 / f64::from(1 << 20);
            looks.push(Look { at_s: elapsed.as_secs_f64(), memory_mib });
            let lines_due = elapsed.as_secs() * LINES / all.as_secs().max(1);
            if lines_due > told {
                told = lines_due;
                let busy = (scene.server.cpu_s()? - cpu_s) / elapsed.as_secs_f64() * 100.0;
                println!(
                    "  {:6.1}  {memory_mib:10.1}  {busy:5.1}  {:6}  {:5}  {:5}",
                    elapsed.as_secs_f64() / 60.0,
                    done.stored,
                    done.heard,
                    done.asked
                );
            }
        }
        if elapsed >= all {
            break;
        }
        let sender = round as usize % senders.len();
        senders[sender].once().await?;
        done.stored += 1;
        done.to_be_heard += u64::from(sender.is_multiple_of(2));
        for asker in &mut askers {
            asker.once().await?;
            done.asked += 1;
        }
        let mut guest = Asking::of(server, scene.epoch, comes.start + round as usize % comes.len()).await?;
        guest.once().await?;
        while let Ok(heard) = crowd.heard.try_recv() {
            done.hears(&heard);
        }
        // Late, it does not hurry.
        let due = began + Duration::from_secs(1) * (round + 1) / ROUNDS_PER_S;
        sleep_until(due.into()).await;
    }
    let rest = async {
        while done.heard < done.to_be_heard
            && let Some(heard) = crowd.heard.recv().await
        {
            done.hears(&heard);
        }
    };
    // Who is not told by then never will be: the figure says how many.
    let _ = timeout(ANSWER_TIME, rest).await;
    let busy = (scene.server.cpu_s()? - cpu_s) / began.elapsed().as_secs_f64() * 100.0;
    told_of(scene, &done, &looks, busy);
    Ok(senders)
}

fn told_of(scene: &mut Scene<'_>, done: &Done, looks: &[Look], busy: f64) {
    let measured = &looks[looks.len() / 4..];
    let highest = measured.iter().map(|look| look.memory_mib).fold(0.0, f64::max);
    let measured_s = match measured {
        [first, .., last] => last.at_s - first.at_s,
        _ => 0.0,
    };
    let growth_mib = slope(measured) * measured_s;
    let report = &mut *scene.report;
    report.figure("saves stored", done.stored as f64, "", Budget::None);
    let heard = "of these, that a waiting sister heard of";
    report.figure(heard, done.heard as f64, "", Budget::AtLeast(done.to_be_heard as f64));
    report.figure("quiet questions", done.asked as f64, "", Budget::None);
    report.figure("CPU, in the mean", busy, "% of one core", Budget::None);
    report.figure("memory, at most", highest, "MiB", Budget::None);
    let figure = format!("memory's growth by its trend, in the last {:.0} minutes", measured_s / 60.0);
    report.figure(figure, growth_mib, "MiB", Budget::AtMost(MOST_GROWTH_MIB));
}

/// MiB a second, by least squares.
fn slope(looks: &[Look]) -> f64 {
    let count = looks.len() as f64;
    let mean = |of: fn(&Look) -> f64| looks.iter().map(of).sum::<f64>() / count;
    let (middle_s, middle_mib) = (mean(|look| look.at_s), mean(|look| look.memory_mib));
    let apart_s = |look: &Look| look.at_s - middle_s;
    let over: f64 = looks.iter().map(|look| apart_s(look) * (look.memory_mib - middle_mib)).sum();
    let under: f64 = looks.iter().map(|look| apart_s(look).powi(2)).sum();
    if under > 0.0 { over / under } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_is_told_from_memory_that_only_goes_up_and_down() {
        type Memory = fn(f64) -> f64;
        let looks = |memory_mib: Memory| -> Vec<Look> {
            let at = (1..=100).map(|number| f64::from(number) * 10.0);
            at.map(|at_s| Look { at_s, memory_mib: memory_mib(at_s) }).collect()
        };
        let rows: [(&str, Memory, f64); 4] = [
            ("it never changes", |_| 200.0, 0.0),
            ("it leaks", |at_s| 200.0 + at_s / 100.0, 0.01),
            ("it leaks, and goes up and down", |at_s| 200.0 + at_s / 100.0 + (at_s / 10.0 % 2.0) * 5.0, 0.01),
            ("it goes up and down", |at_s| 200.0 + (at_s / 10.0 % 2.0) * 5.0, 0.0),
        ];
        for (row, memory_mib, expected) in rows {
            let found = slope(&looks(memory_mib));
            assert!((found - expected).abs() < 0.001, "{row}: {found} MiB a second");
        }
        assert!(slope(&[]).abs() < f64::EPSILON, "no look, no trend");
    }
}
