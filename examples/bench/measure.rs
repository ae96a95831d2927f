//! Reads what a process costs from `/proc`. Linux only; CPU in steps of 10 ms, so short work is done many times.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

/// What some work took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// From start to end.
    pub wall: Duration,
    /// User and system time of the processes that ended meanwhile.
    pub cpu: Duration,
}

/// Does something `times` times; answers the average cost of one.
pub fn cost(times: u32, mut work: impl FnMut()) -> Cost {
    let (began, before) = (Instant::now(), children_cpu());
    for _ in 0..times {
        work();
    }
    Cost { wall: began.elapsed() / times, cpu: (children_cpu() - before) / times }
}

/// Runs a command to its end; fails unless it exits with 0.
pub fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// User and system time of all children that were waited for.
fn children_cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name in brackets; cutime and cstime are the 16th and 17th field of the line.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |field: usize| fields.get(field).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(13) + ticks(14)) * 10)
}

/// User and system time of a running process so far.
pub fn cpu_of(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |field: usize| fields.get(field).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// A process that waits for something to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Idle {
    /// Resident memory, pages of the program file among them.
    pub resident_kib: u64,
    /// Resident memory that is the process's own.
    pub own_kib: u64,
    /// How often one of its threads went to sleep, in a minute: each time it had been woken.
    pub wakeups_per_minute: f64,
    /// CPU time in a minute.
    pub cpu_per_minute: Duration,
}

/// Watches processes for a time; answers their sums.
pub fn idle(pids: &[u32], watched: Duration) -> Idle {
    let sum = |read: fn(u32) -> u64| pids.iter().map(|pid| read(*pid)).sum::<u64>();
    let cpu = || pids.iter().map(|pid| cpu_of(*pid)).sum::<Duration>();
    let (before, cpu_before) = (sum(switches), cpu());
    std::thread::sleep(watched);
    let minutes = watched.as_secs_f64() / 60.0;
    Idle {
        resident_kib: sum(|pid| field(&status(pid), "VmRSS:")),
        own_kib: sum(|pid| field(&status(pid), "RssAnon:")),
        wakeups_per_minute: (sum(switches).saturating_sub(before)) as f64 / minutes,
        cpu_per_minute: (cpu() - cpu_before).div_f64(minutes),
    }
}

fn status(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default()
}

/// The voluntary context switches of all threads.
fn switches(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks
        .map(|task| fs::read_to_string(task.path().join("status")).unwrap_or_default())
        .map(|text| field(&text, "voluntary_ctxt_switches:"))
        .sum()
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The middle one of several times.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
