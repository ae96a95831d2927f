//! Reads what a process costs from `/proc`. Linux only; CPU in steps of 10 ms, so short work is done many times.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

/// What some work took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// From start to end.
    pub(crate) wall: Duration,
    /// User and system time of the processes that ended meanwhile.
    pub(crate) cpu: Duration,
}

/// Does something `times` times; answers the average cost of one.
pub(crate) fn cost(times: u32, mut work: impl FnMut()) -> Cost {
    let (began, before) = (Instant::now(), children_cpu());
    for _ in 0..times {
        work();
    }
    Cost { wall: began.elapsed() / times, cpu: (children_cpu() - before) / times }
}

/// Runs a command to its end; fails unless it exits with 0.
pub(crate) fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// User and system time of all children that were waited for.
fn children_cpu() -> Duration {
    // `cutime` and `cstime`.
    ticks("self", [13, 14])
}

/// User and system time of a running process so far.
pub(crate) fn cpu_of(pid: u32) -> Duration {
    // `utime` and `stime`.
    ticks(&pid.to_string(), [11, 12])
}

/// The sum of two fields of `/proc/PID/stat`, counted behind the name in brackets.
fn ticks(pid: &str, fields: [usize; 2]) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let words: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |field: usize| words.get(field).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis(fields.map(ticks).iter().sum::<u64>() * 10)
}

/// A process that waits for something to do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Idle {
    /// Resident memory, pages of the program file among them.
    pub(crate) resident_kib: u64,
    /// Resident memory that is the process's own.
    pub(crate) own_kib: u64,
    /// How often one of its threads went to sleep, in a minute: each time it had been woken.
    pub(crate) wakeups_per_minute: f64,
    /// CPU time in a minute.
    pub(crate) cpu_per_minute: Duration,
}

/// Watches processes for a time; answers their sums.
pub(crate) fn idle(pids: &[u32], watched: Duration) -> Idle {
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
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
