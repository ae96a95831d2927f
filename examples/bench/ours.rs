//! RetroSync's own column.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::measure::{self, cost, median};
use crate::saves;
use crate::support::card::Firmware;
use crate::support::device::Device;
use crate::support::program::Running;
use crate::support::relay::Relay;
use crate::support::server::Server;
use crate::support::wait_for;
use crate::table::{self, Table};

const US: &str = "RetroSync";
const SAVES_ON_ONION: &str = "Saves/CurrentProfile/saves/Gambatte";
const WATCHED: Duration = Duration::from_secs(60);
/// How long the server has been gone when the offline device is watched.
const OFFLINE: Duration = Duration::from_secs(300);

/// What goes on a card.
pub(crate) fn sizes(table: &mut Table) {
    for (row, target) in
        [("program, armv7", "armv7"), ("program, aarch64", "aarch64"), ("program, x86_64", "x86_64")]
    {
        if let Ok(file) = fs::metadata(format!("dist/retrosync-{target}")) {
            table.set(row, US, format!("{} B", file.len()));
        }
    }
}

/// A thousand saves: the first sync, a look that finds nothing, one change, the first sync of a second device.
pub(crate) fn thousand(table: &mut Table) {
    let server = Server::start();
    let wire = Relay::to(server.port()).unwrap();
    let onion = device(Firmware::Onion, "");
    saves::write_roms(&onion.card.root.join("Roms/GB"));
    saves::write(&onion.card.root.join(SAVES_ON_ONION), "srm");
    pair(&onion, &server, &wire);

    let before = wire.traffic();
    let first = cost(1, || drop(onion.once()));
    table.set("first sync of 1,000 saves", US, table::cost(first));
    table.set("its traffic", US, table::traffic(wire.traffic() - before));

    let before = wire.traffic();
    onion.once();
    table.set("no-op traffic", US, table::traffic(wire.traffic() - before));
    table.set("`once` that finds nothing", US, table::cost(cost(20, || drop(onion.once()))));

    let sweep = cost(5, || drop(onion.run(&["once", "--full"])));
    table.set("full sweep of 1,000 saves", US, table::cost(sweep));

    fs::write(onion.card.root.join(SAVES_ON_ONION).join("Game 0001.srm"), saves::bytes(5001)).unwrap();
    let before = wire.traffic();
    table.set("one changed save", US, table::cost(cost(1, || drop(onion.once()))));
    table.set("its traffic (32 KiB)", US, table::traffic(wire.traffic() - before));

    let muos = device(Firmware::Muos, "");
    saves::write_roms(&muos.card.root.join("ROMS/gb"));
    pair(&muos, &server, &wire);
    let before = wire.traffic();
    table.set("1,000 saves onto a second device", US, table::cost(cost(1, || drop(muos.once()))));
    table.set("its traffic (second device)", US, table::traffic(wire.traffic() - before));
    let there = fs::read(muos.card.root.join("MUOS/save/file/Gambatte/Game 0001.srm")).unwrap();
    assert!(there == saves::bytes(5001), "the second device has other bytes");
}

/// From the close of a file on one device to its bytes on the other.
pub(crate) fn second_device(table: &mut Table) {
    let server = Server::start();
    let here = device(Firmware::Onion, "");
    let there = device(Firmware::Muos, "");
    here.pair(&server);
    there.pair(&server);
    let _daemons: [Running; 2] = [here.daemon(), there.daemon()];
    let times = (1..=5).map(|number| {
        let bytes = saves::bytes(4 * number + 1);
        here.plays(&bytes);
        let began = Instant::now();
        wait_for("the save is on the second device", 60, || {
            there.save().is_some_and(|now| now.0 == bytes).then_some(())
        });
        began.elapsed()
    });
    table.set("change to second device", US, table::time(median(times.collect())));
}

/// The daemon with a thousand saves and nothing to do.
pub(crate) fn idle(table: &mut Table) {
    let mut server = Server::start();
    let wire = Relay::to(server.port()).unwrap();
    let onion = device(Firmware::Onion, "");
    saves::write_roms(&onion.card.root.join("Roms/GB"));
    saves::write(&onion.card.root.join(SAVES_ON_ONION), "srm");
    pair(&onion, &server, &wire);
    onion.once();
    let daemon = onion.daemon();
    settle(daemon.id());
    let before = wire.traffic();
    let rows = [
        "idle, online with long poll: memory",
        "idle, online: wake-ups a minute",
        "idle, online: CPU a minute",
    ];
    watch(table, daemon.id(), rows);
    table.set("idle, online: traffic in a minute", US, table::traffic(wire.traffic() - before));
    let before = wire.traffic();
    fs::write(onion.card.root.join(SAVES_ON_ONION).join("Game 0002.srm"), saves::bytes(5002)).unwrap();
    settle(daemon.id());
    table.set("one changed save while the daemon runs", US, table::traffic(wire.traffic() - before));
    server.kill();
    // The first minutes are for those who come back soon; then the pauses are long.
    std::thread::sleep(OFFLINE);
    let rows = ["idle, offline: memory", "idle, offline: wake-ups a minute", "idle, offline: CPU a minute"];
    watch(table, daemon.id(), rows);
}

fn watch(table: &mut Table, pid: u32, [memory, wakeups, cpu]: [&'static str; 3]) {
    let idle = measure::idle(&[pid], WATCHED);
    table.set(memory, US, table::memory(&idle));
    table.set(wakeups, US, format!("{:.1}", idle.wakeups_per_minute));
    table.set(cpu, US, table::time(idle.cpu_per_minute));
}

/// Waits until the start sweep is over: five seconds without CPU time.
fn settle(pid: u32) {
    let mut last = (measure::cpu_of(pid), Instant::now());
    wait_for("the daemon is idle", 120, || {
        let cpu = measure::cpu_of(pid);
        if cpu != last.0 {
            last = (cpu, Instant::now());
        }
        (last.1.elapsed() > Duration::from_secs(5)).then_some(())
    });
}

/// What was aimed at.
pub(crate) fn aims(table: &mut Table) {
    for (row, aim) in [
        ("program, armv7", "≤ 1,300,000 B"),
        ("program, aarch64", "≤ 1,600,000 B"),
        ("first sync of 1,000 saves", "≤ 3 s"),
        ("its traffic", "≤ 40 requests"),
        ("no-op traffic", "1 request"),
        ("`once` that finds nothing", "≤ rsync's CPU"),
        ("one changed save while the daemon runs", "1 request"),
        ("change to second device", "≤ 2.5 s + 300 ms"),
        ("idle, online with long poll: memory", "≤ 2 MiB"),
        ("idle, online: wake-ups a minute", "≤ 1"),
        ("idle, offline: memory", "≤ 2 MiB"),
        ("idle, offline: wake-ups a minute", "≤ 1"),
    ] {
        table.set(row, "aim", aim);
    }
}

fn device(firmware: Firmware, lines: &str) -> Device {
    Device::with(
        firmware,
        "Game 0000",
        &format!("name = \"{}\"\nfresh_save_s = 0\n{lines}", firmware.device()),
    )
}

fn pair(device: &Device, server: &Server, wire: &Relay) {
    let mut pairing = device.start_pairing(&wire.url());
    server.approve(&pairing.code());
    pairing.end();
    assert_eq!(pairing.exit(), 0, "not paired");
}

/// Is this program installed?
pub(crate) fn installed(name: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|dir: std::path::PathBuf| Path::new(&dir).join(name).exists())
    })
}
