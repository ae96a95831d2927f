//! The k-th system call of a sync fails, for every k; and the calls that old kernels do not have.

use std::time::Instant;

use serde_json::json;

use crate::placed::{End, behind, calls, can_place, kill_children, sync_with_fault};
use crate::support::wait_for;
use crate::world::{World, from, long, progress, short_or_long, tell};

/// What a card and its kernel say when they are failing, full, or mounted read-only after an error.
const ERRORS: [&str; 3] = ["EIO", "ENOSPC", "EROFS"];

/// Everything that came after Linux 3.4, the oldest kernel of a handheld.
const NOT_IN_3_4: &str = "renameat2,getrandom,memfd_create,seccomp,bpf,execveat,membarrier,mlock2,copy_file_range,\
preadv2,pwritev2,statx,io_pgetevents,rseq,pidfd_send_signal,io_uring_setup,pidfd_open,clone3,close_range,openat2,\
faccessat2,epoll_pwait2";

/// A program whose start or memory fails ends at once, as by a power cut, and so does one whose `close` of a folder fails (the
/// standard library insists); every other failure it must survive and tell.
const MAY_END: [&str; 14] = [
    "execve",
    "mmap",
    "brk",
    "mprotect",
    "munmap",
    "mremap",
    "madvise",
    "poll",
    "arch_prctl",
    "rt_sigaction",
    "sigaltstack",
    "set_tid_address",
    "futex",
    "close",
];

#[test]
fn a_sync_in_which_any_system_call_fails_loses_and_doubles_nothing() {
    if !can_place() {
        return;
    }
    let began = Instant::now();
    let mut world = World::new();
    world.play();
    let counted = calls(&world.a);
    world.heal();
    let all: Vec<(&str, usize, &str)> = counted
        .iter()
        .filter(|(call, _)| !["execve", "exit_group"].contains(&call.as_str()))
        .flat_map(|(call, count)| (1..=*count).map(move |number| (call.as_str(), number)))
        .flat_map(|(call, number)| ERRORS.map(|error| (call, number, error)))
        .collect();
    // A stride that is no multiple of 3 meets all three errors.
    let stride = if long() { 1 } else { (all.len() / 40) / 3 * 3 + 1 };
    let mut ended_at_once = 0;
    for (round, (call, number, error)) in all.iter().step_by(stride).enumerate().skip(from()) {
        progress("system calls", round, all.len());
        let story = format!("call {number} of `{call}` fails with {error}");
        world.round(&story, |world| match sync_with_fault(&world.a, call, *number, error) {
            // 2: it could not read its configuration.
            End::Code(0..=3) => {}
            // The loader of a program that is not static.
            End::Code(127) => ended_at_once += 1,
            end => {
                assert!(MAY_END.contains(call), "{story}: {end:?}");
                ended_at_once += 1;
            }
        });
    }
    let rounds = all.len().div_ceil(stride).saturating_sub(from());
    println!("-- {ended_at_once} of {rounds} ended the program at once (its start or its memory)");
    tell(
        "system calls",
        &format!("the k-th of {} calls fails with {}", all.len() / 3, ERRORS.join(", ")),
        rounds,
        began,
    );
}

#[test]
fn a_kernel_of_2012_syncs_as_well_as_a_new_one() {
    if !can_place() {
        return;
    }
    let began = Instant::now();
    let mut world = World::new();
    // All of them, and in the long form each alone: vendors' kernels have one and not its neighbour.
    let alone = NOT_IN_3_4.split(',').take(short_or_long(0, usize::MAX));
    let kernels: Vec<&str> = std::iter::once(NOT_IN_3_4).chain(alone).collect();
    let without = |calls: &str| {
        let (trace, inject) = (format!("trace={calls}"), format!("inject={calls}:error=ENOSYS"));
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject].map(str::to_owned)
    };
    for calls in &kernels {
        world.round("a sync on an old kernel", |world| {
            let words = without(calls);
            let words = words.each_ref().map(String::as_str);
            let ended = behind(&world.a, &words, &["once", "--json"]).output().unwrap();
            assert_eq!(ended.status.code(), Some(3), "without {calls}: {ended:?}");
            let said: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
            assert_eq!(said["problems"], json!([]), "without {calls}: {said}");
            assert!(world.has_all(), "without {calls}: {said}");
        });
    }
    world.play();
    let words = without(NOT_IN_3_4);
    let mut strace = behind(&world.a, &words.each_ref().map(String::as_str), &["run"]).spawn().unwrap();
    wait_for("the daemon on an old kernel stores what was played", 120, || world.has_all().then_some(()));
    kill_children(strace.id());
    let _ = strace.wait();
    world.heal();
    world.judge("after a daemon on an old kernel");
    tell("system calls", "none that Linux 3.4 lacks is needed", kernels.len() + 1, began);
}
