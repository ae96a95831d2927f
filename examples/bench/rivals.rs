//! The same work by rsync, rclone and syncthing, as their manuals would have it done. Each keeps its whole state in
//! a temporary folder; what is not installed is left out, aloud.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::measure::{self, cost, median, run};
use crate::ours::installed;
use crate::saves;
use crate::support::program::Running;
use crate::support::relay::Relay;
use crate::support::wait_for;
use crate::table::{self, Table};

fn missing(name: &str) -> bool {
    let missing = !installed(name);
    if missing {
        println!("  {name} is not installed: its column stays empty");
    }
    missing
}

/// Folder to folder on this machine.
pub(crate) fn rsync(table: &mut Table) {
    if missing("rsync") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from/"), folder.path().join("to"));
    saves::write(&from, "srm");
    let sync = || run(Command::new("rsync").arg("-a").arg(format!("{}/", from.display())).arg(&to));
    table.set("first sync of 1,000 saves", "rsync", table::cost(cost(1, sync)));
    table.set("`once` that finds nothing", "rsync", table::cost(cost(20, sync)));
    let sweep =
        || run(Command::new("rsync").args(["-a", "--checksum"]).arg(format!("{}/", from.display())).arg(&to));
    table.set("`once` that finds nothing, full sweep", "rsync", table::cost(cost(3, sweep)));
    fs::write(from.join("Game 0001.srm"), saves::bytes(5001)).unwrap();
    table.set("one changed save", "rsync", table::cost(cost(1, sync)));
}

/// To a WebDAV server of its own on loopback.
pub(crate) fn rclone(table: &mut Table) {
    if missing("rclone") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    fs::create_dir_all(&to).unwrap();
    saves::write(&from, "srm");
    let port = free_port();
    let mut serve = Command::new("rclone");
    serve.args(["serve", "webdav", "--addr", &format!("127.0.0.1:{port}"), "--config", "/dev/null"]).arg(&to);
    let _server = start(&mut serve);
    wait_for("rclone serves", 20, || TcpStream::connect(("127.0.0.1", port)).ok());
    let wire = Relay::to(port).unwrap();
    let remote = format!(":webdav,url=\"{}\",vendor=other:", wire.url());
    let sync = || run(Command::new("rclone").args(["sync", "--config", "/dev/null"]).arg(&from).arg(&remote));

    let before = wire.traffic();
    table.set("first sync of 1,000 saves", "rclone", table::cost(cost(1, sync)));
    table.set("its traffic", "rclone", table::traffic(wire.traffic() - before));
    let before = wire.traffic();
    table.set("`once` that finds nothing", "rclone", table::cost(cost(1, sync)));
    table.set("no-op traffic", "rclone", table::traffic(wire.traffic() - before));
    fs::write(from.join("Game 0001.srm"), saves::bytes(5001)).unwrap();
    let before = wire.traffic();
    let changed = cost(1, sync);
    // Without times and hashes on the server, a change that keeps the size is not seen; most saves keep theirs.
    let seen = fs::read(to.join("Game 0001.srm")).ok() == Some(saves::bytes(5001));
    let note = if seen { "" } else { ", NOT copied" };
    table.set("one changed save", "rclone", format!("{}{note}", table::cost(changed)));
    table.set("its traffic (32 KiB)", "rclone", table::traffic(wire.traffic() - before));
}

/// Two of them with one shared folder; no discovery, no relays, no reports: nothing but loopback.
pub(crate) fn syncthing(table: &mut Table) {
    if missing("syncthing") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let homes = [folder.path().join("a"), folder.path().join("b")];
    for home in &homes {
        run(Command::new("syncthing")
            .args(["generate", "--no-default-folder", "--skip-port-probing", "--home"])
            .arg(home)
            .env("HOME", home));
    }
    let ids = homes.each_ref().map(|home| {
        let output = Command::new("syncthing")
            .arg("--device-id")
            .arg("--home")
            .arg(home)
            .env("HOME", home)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    });
    let ports = [free_port(), free_port()];
    for (index, home) in homes.iter().enumerate() {
        configure(home, &ids, ports, index);
    }
    saves::write(&homes[0].join("saves"), "srm");
    fs::create_dir_all(homes[1].join("saves")).unwrap();

    let began = Instant::now();
    let running: Vec<Running> = homes
        .iter()
        .map(|home| {
            start(
                Command::new("syncthing")
                    .args(["serve", "--no-browser", "--no-restart", "--no-upgrade", "--home"])
                    .arg(home)
                    .env("HOME", home),
            )
        })
        .collect();
    wait_for("syncthing has all saves", 180, || {
        (files(&homes[1].join("saves")) == saves::SAVES).then_some(())
    });
    let wall = began.elapsed();
    // It runs as two processes, a monitor and its child.
    let pids = family(running[0].id());
    let cpu = pids.iter().map(|pid| measure::cpu_of(*pid)).sum();
    table.set("1,000 saves onto a second device", "syncthing", table::cost(measure::Cost { wall, cpu }));

    std::thread::sleep(Duration::from_secs(30));
    let idle = measure::idle(&pids, Duration::from_secs(60));
    table.set("idle, online with long poll: memory", "syncthing", table::memory(&idle));
    table.set("idle, online: wake-ups a minute", "syncthing", format!("{:.1}", idle.wakeups_per_minute));
    table.set("idle, online: CPU a minute", "syncthing", table::time(idle.cpu_per_minute));

    let times = (1..=3).map(|number| {
        let bytes = saves::bytes(6000 + number);
        fs::write(homes[0].join("saves/Game 0001.srm"), &bytes).unwrap();
        let began = Instant::now();
        wait_for("syncthing has the change", 120, || {
            (fs::read(homes[1].join("saves/Game 0001.srm")).ok().as_ref() == Some(&bytes)).then_some(())
        });
        began.elapsed()
    });
    table.set("change to second device", "syncthing", table::time(median(times.collect())));
}

/// The whole of a device's configuration, in the form of syncthing 1.19; its key and certificate are made already.
fn configure(home: &Path, ids: &[String; 2], ports: [u16; 2], own: usize) {
    let devices: String = (0..2)
        .map(|index| {
            format!(
                "<device id=\"{}\"><address>tcp://127.0.0.1:{}</address></device>",
                ids[index], ports[index]
            )
        })
        .collect();
    let sharers: String = ids.iter().map(|id| format!("<device id=\"{id}\"></device>")).collect();
    let text = format!(
        "<configuration version=\"36\">\
         <folder id=\"saves\" path=\"{}\" type=\"sendreceive\" rescanIntervalS=\"3600\" fsWatcherEnabled=\"true\" \
         fsWatcherDelayS=\"10\">{sharers}</folder>{devices}\
         <gui enabled=\"false\"><address>127.0.0.1:0</address></gui>\
         <options><listenAddress>tcp://127.0.0.1:{}</listenAddress><globalAnnounceEnabled>false</globalAnnounceEnabled>\
         <localAnnounceEnabled>false</localAnnounceEnabled><relaysEnabled>false</relaysEnabled><natEnabled>false</natEnabled>\
         <urAccepted>-1</urAccepted><autoUpgradeIntervalH>0</autoUpgradeIntervalH>\
         <crashReportingEnabled>false</crashReportingEnabled><startBrowser>false</startBrowser></options></configuration>",
        home.join("saves").display(),
        ports[own]
    );
    fs::write(home.join("config.xml"), text).unwrap();
    fs::create_dir_all(home.join("saves/.stfolder")).unwrap();
}

fn start(command: &mut Command) -> Running {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    Running::of(child.unwrap_or_else(|error| panic!("{command:?}: {error}")))
}

/// A process and its children, whichever of its threads started them.
fn family(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children: String = threads
        .map(|thread| fs::read_to_string(thread.path().join("children")).unwrap_or_default())
        .collect();
    std::iter::once(pid).chain(children.split_whitespace().filter_map(|child| child.parse().ok())).collect()
}

fn files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("Game")).count()
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).unwrap().port()
}
