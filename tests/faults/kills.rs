//! kill -9, at random instants and at chosen ones: the handheld's program, the server, the server between bytes and record.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::placed::{can_place, kill_at};
use crate::support::fault_proxy::Fault;
use crate::world::{World, progress, short_or_long, tell};

/// The same moments at every run of one length.
struct Dice(u64);

impl Dice {
    /// A part of this time.
    fn part_of(&mut self, whole: Duration) -> Duration {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        whole.mul_f64((self.0 >> 33) as f64 / f64::from(1u32 << 31))
    }
}

fn start(world: &World, command: &str) -> Child {
    let mut program = world.a.program().into_command();
    program.arg(command).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// How long a good sync takes here and now.
fn a_sync(world: &mut World) -> Duration {
    let mut took = Duration::ZERO;
    world.round("nothing is wrong", |world| {
        let began = Instant::now();
        world.sync_under_fault("nothing is wrong");
        took = began.elapsed();
    });
    took
}

#[test]
fn a_handheld_that_is_killed_at_any_time_loses_and_doubles_nothing() {
    let began = Instant::now();
    let mut world = World::new();
    let mut dice = Dice(1);
    let mut sync = a_sync(&mut world);
    let kills = short_or_long(15, 500);
    for kill in 0..kills {
        progress("kills of the handheld's program", kill, kills);
        if kill % 50 == 49 {
            // The machine is as busy as it is; the moments shall fall into the sync.
            sync = a_sync(&mut world);
        }
        // The daemon waits for a save to settle and goes on afterwards; a single sync does neither.
        let (command, within) =
            if kill % 3 == 2 { ("run", sync + Duration::from_millis(400)) } else { ("once", sync) };
        let at = dice.part_of(within);
        let story = format!("kill {kill}: `{command}` killed after {at:?}");
        world.round(&story, |world| {
            let mut program = start(world, command);
            std::thread::sleep(at);
            let _ = program.kill();
            let _ = program.wait();
        });
    }
    tell("kill -9", "the handheld's program, at random", kills, began);
}

#[test]
fn a_server_that_is_killed_at_any_time_loses_and_doubles_nothing() {
    let began = Instant::now();
    let mut world = World::new();
    let mut dice = Dice(2);
    let mut sync = a_sync(&mut world);
    let kills = short_or_long(15, 500);
    for kill in 0..kills {
        progress("kills of the server", kill, kills);
        if kill % 50 == 49 {
            sync = a_sync(&mut world);
        }
        let at = dice.part_of(sync);
        let story = format!("kill {kill}: the server killed after {at:?}");
        world.round(&story, |world| {
            let mut program = start(world, "once");
            std::thread::sleep(at);
            world.server.kill();
            let _ = program.wait();
            world.server.up();
        });
    }
    let check = world.server.tell(&["check"], "");
    assert!(check.contains("all whole"), "{check}");
    tell("kill -9", "the server, at random", kills, began);
}

/// The server's steps from bytes to answer, as system calls: each one is the last thing that it begins.
#[test]
fn a_server_that_is_killed_between_bytes_and_record_is_offered_the_save_again() {
    if !can_place() {
        return;
    }
    let began = Instant::now();
    let mut world = World::new();
    let log = world.server.data().join("catalog.sqlite-wal");
    let most = short_or_long(2, 40);
    let (mut kills, mut between, mut may_trace) = (0, 0, true);
    for (call, file) in [("rename", None), ("fsync", None), ("pwrite64", Some(log.as_path()))] {
        for number in 1..=most {
            let mut killed = false;
            let story = format!("the server is killed in call {number} of `{call}`");
            world.round(&story, |world| {
                world.proxy.set(Fault::None);
                let Some(hand) = kill_at(world.server.id(), call, number, file) else {
                    may_trace = false;
                    return;
                };
                world.sync_under_fault(&story);
                killed = world.server.has_ended();
                drop(hand);
                world.server.kill();
                between += usize::from(world.server.tell(&["check"], "").contains("no record speaks of it"));
                world.server.up();
            });
            if !may_trace {
                return;
            }
            kills += usize::from(killed);
            if !killed {
                break;
            }
        }
    }
    assert!(kills >= 4, "{kills} of the placed kills happened");
    assert!(between >= 2, "bytes without a record were left {between} times");
    let check = world.server.tell(&["check"], "");
    assert!(!check.contains("no record speaks of it"), "{check}");
    println!("-- {between} of {kills} kills fell between bytes and record");
    tell("kill -9", "the server, in each step from bytes to record", kills, began);
}
