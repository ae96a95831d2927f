//! Little memory: a handheld has 64 MB for everything. Both programs under a cap of 32 MB, a state of 100 MB, 5,000 saves.
//!
//! The cap is a memory cgroup, of version 1 or 2, where one can be made: it counts every page, the page cache too, and who goes
//! over it is killed. Else `ulimit -d`, which counts what a program can write to. What both programs wrote to (not the text of a
//! program, which is large in a build for tests) is looked at besides, so that it is held where no cap can be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::support::card::{Card, Firmware};
use crate::support::device::Device;
use crate::support::server::Server;
use crate::world::{contents, short_or_long, tell};

const CAP_BYTES: u64 = 32 << 20;
const GAME: &str = "Big (World)";
/// Its state, on both cards, and what it is called: states go to the same core of the same kind.
const STATE: &str = "Saves/CurrentProfile/states/Gambatte/Big (World).state1";
const STATE_SAVE: &str = "gb/state.1@gambatte/Big (World)";

/// A limit on memory; gone when dropped.
struct Cap(Option<PathBuf>);

impl Cap {
    fn new(name: &str) -> Cap {
        let made = [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")]
            .into_iter()
            .find_map(|(at, limit)| Cap::made(Path::new(at), limit, name));
        if made.is_none() {
            println!("-- no memory cgroup here: `ulimit -d` stands in for it");
        }
        Cap(made)
    }

    fn made(at: &Path, limit: &str, name: &str) -> Option<PathBuf> {
        let folder = at.join(format!("retrosync-{name}-{}", std::process::id()));
        fs::create_dir(&folder).ok()?;
        let limited =
            folder.join(limit).exists() && fs::write(folder.join(limit), CAP_BYTES.to_string()).is_ok();
        if !limited {
            let _ = fs::remove_dir(&folder);
        }
        limited.then_some(folder)
    }

    /// The command under this limit.
    fn over(&self, command: &Command) -> Command {
        let mut capped = Command::new("sh");
        let script = match &self.0 {
            Some(folder) => format!("echo $$ > '{}/cgroup.procs' && exec \"$@\"", folder.display()),
            None => format!("ulimit -d {} && exec \"$@\"", CAP_BYTES / 1024),
        };
        capped.args(["-c", &script, "sh"]).arg(command.get_program()).args(command.get_args()).env_clear();
        capped.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        capped.stdin(Stdio::null());
        capped
    }

    /// Moves a running process under it.
    fn take(&self, pid: u32) {
        if let Some(folder) = &self.0 {
            fs::write(folder.join("cgroup.procs"), pid.to_string()).unwrap();
        }
    }
}

impl Drop for Cap {
    fn drop(&mut self) {
        if let Some(folder) = &self.0 {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// The most that a process ever had resident, in KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    peak.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

/// What a process has written to and holds now, in KiB.
fn written_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let now = status.lines().find(|line| line.starts_with("RssAnon")).unwrap_or_default();
    now.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

/// Bytes that nothing makes smaller.
fn noise(seed: usize, size_bytes: usize) -> Vec<u8> {
    let mut state = seed as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let word = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state ^ (state >> 33)).to_le_bytes()
    };
    std::iter::repeat_with(word).take(size_bytes / 8).flatten().collect()
}

/// How long a process has worked, in the kernel and outside of it, in hundredths of a second.
fn worked(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// One sync under the cap that must end well; answers its peak, and the most that the server was seen to hold meanwhile.
fn sync(device: &Device, cap: &Cap, words: &[&str], server: u32) -> (u64, u64) {
    let mut command = device.program().into_command();
    command.args(words).arg("--json");
    let said = device.folder().join("said");
    let mut child = cap.over(&command).stdout(fs::File::create(&said).unwrap()).spawn().unwrap();
    let (mut peak, mut served) = (0, 0);
    let status = loop {
        peak = peak.max(peak_kib(child.id()));
        served = served.max(written_kib(server));
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::sleep(std::time::Duration::from_millis(5)),
        }
    };
    let said: Value = serde_json::from_slice(&fs::read(said).unwrap()).unwrap_or_default();
    assert!(status.success(), "{status}: {said}");
    (peak, served)
}

#[test]
fn a_hundred_megabytes_and_five_thousand_saves_fit_into_32_mb_on_both_sides() {
    let began = Instant::now();
    let (saves, big_bytes) = (short_or_long(2_000, 5_000), short_or_long(40_000_000, 100_000_000));
    // Each save that is put in place costs a card its syncs: the short form has few games on the second handheld.
    let there = short_or_long(50, saves);
    // Dropped last: a limit goes when nobody is under it any more.
    let (handheld, house) = (Cap::new("handheld"), Cap::new("server"));
    let server = Server::start();
    let (a, b) = (Device::new(Firmware::Onion, GAME), Device::new(Firmware::Onion, GAME));
    for number in 0..saves {
        let title = format!("Game {number:04}");
        let card = Card::lay_out(&a.card.root, Firmware::Onion, &title).unwrap();
        fs::write(card.save(), noise(number, 8192)).unwrap();
        // Its game: small, for only its name counts here.
        fs::write(card.rom(), title.as_bytes()).unwrap();
        if number >= saves - there {
            Card::lay_out(&b.card.root, Firmware::Onion, &title).unwrap();
        }
    }
    let states = [&a, &b].map(|device| device.card.root.join(STATE));
    for state in &states {
        fs::create_dir_all(state.parent().unwrap()).unwrap();
    }
    fs::write(&states[0], noise(saves, big_bytes)).unwrap();
    a.pair(&server);
    b.pair(&server);
    house.take(server.id());
    let (mut steps, mut served) = (Vec::new(), Vec::new());
    for (what, device, words) in [
        ("first sync", &a, &["once"][..]),
        ("second handheld", &b, &["once"]),
        ("quiet", &a, &["once"]),
        // It asks whether each content is still there.
        ("every save asked about", &a, &["once", "--full"]),
    ] {
        let (began, before) = (Instant::now(), worked(server.id()));
        let (peak, server_kib) = sync(device, &handheld, words, server.id());
        let server_s = (worked(server.id()) - before) as f64 / 100.0;
        println!(
            "-- {what}: {peak} KiB, {:.1} s, of which the server worked {server_s} s and held {server_kib} KiB",
            began.elapsed().as_secs_f64()
        );
        steps.push(peak);
        served.push(server_kib);
    }
    let same = Command::new("cmp").args(&states).status().unwrap();
    assert!(same.success(), "the state is on both cards");
    assert_eq!(contents(&b, STATE_SAVE).len(), 1, "it is a state, and one version");
    let last = format!("Game {:04}", saves - 1);
    let there = Card::lay_out(&b.card.root, Firmware::Onion, &last).unwrap();
    assert_eq!(fs::read(there.save()).unwrap(), noise(saves - 1, 8192));
    println!("-- the server's peak: {} KiB", peak_kib(server.id()));
    assert!(steps.iter().all(|peak| peak * 1024 < CAP_BYTES), "the handheld's program: {steps:?} KiB");
    assert!(served.iter().all(|kib| (1..CAP_BYTES / 1024).contains(kib)), "the server: {served:?} KiB");
    let what = format!("32 MB: {saves} saves and a state of {} MB, both sides", big_bytes / 1_000_000);
    tell("memory", &what, steps.len(), began);
}
