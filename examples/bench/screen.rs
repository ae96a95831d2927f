//! The screen: how long until a person sees the first picture, with the programs that go on cards.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::measure::median;
use crate::ours::installed;
use crate::support::card::{Card, Firmware, Game};
use crate::table::{self, Table};

const GEOMETRY: &str = "640x480x16";
const PICTURE_BYTES: usize = 640 * 480 * 2;
const PATIENCE: Duration = Duration::from_secs(20);
/// What a person does not feel as waiting.
const AT_ONCE: Duration = Duration::from_millis(100);
/// So many times; the one in the middle counts.
const TIMES: usize = 15;

/// From the start of the process to the whole picture in the framebuffer, here and as a handheld's processor is played.
pub(crate) fn first_picture(table: &mut Table) {
    let rows = [
        ("first picture, x86_64", "x86_64", ""),
        ("first picture, aarch64 under qemu", "aarch64", "qemu-aarch64-static"),
        ("first picture, armv7 under qemu", "armv7", "qemu-arm-static"),
    ];
    for (row, target, runner) in rows {
        let program = format!("dist/retrosync-{target}");
        let runs = std::env::consts::ARCH == target || (!runner.is_empty() && installed(runner));
        if !runs || fs::metadata(&program).is_err() {
            continue;
        }
        let took = median((0..TIMES).map(|_| once(&program, runner)).collect());
        table.set(row, "RetroSync", table::time(took));
        table.promise(row, "≤ 100 ms", took <= AT_ONCE);
    }
}

fn once(program: &str, runner: &str) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let (card, screen) = (folder.path().join("card"), folder.path().join("fb0"));
    Card::lay_out_for(&card, Firmware::Onion, "Game 0000", Game::Gambatte).unwrap();
    let mut command = Command::new(if runner.is_empty() { program } else { runner });
    if !runner.is_empty() {
        command.arg(program);
    }
    command.arg("screen").arg("--root").arg(&card).args(["--find", "127.0.0.1:9", "--geometry", GEOMETRY]);
    command.arg("--framebuffer").arg(&screen).stdin(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    loop {
        // Rows are drawn from the top: with the last one, below the hints, all are there.
        let last = fs::read(&screen)
            .ok()
            .and_then(|bytes| bytes.get(PICTURE_BYTES - 2..PICTURE_BYTES).map(|pixel| pixel != [0, 0]));
        if last == Some(true) {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{program} draws nothing");
        std::thread::sleep(Duration::from_micros(500));
    }
    let took = began.elapsed();
    // SAFETY: plain numbers; the child was not waited for yet.
    unsafe { libc::kill(child.id().cast_signed(), libc::SIGTERM) };
    let _ = child.wait();
    took
}
