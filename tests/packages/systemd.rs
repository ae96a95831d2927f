//! EmulationStation as a service of systemd, which ends all that is in the service's control group: what the app started from
//! its menu must live on.
//!
//! A control group of this machine stands in for the service's, and its processes are killed as systemd does. Where none may
//! be made here, nothing is shown, and said.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::device::Device;
use crate::firmwares::{FIRMWARES, Firmware};
use crate::power::On;
use crate::support::device::bytes;
use crate::support::server::Server;
use crate::support::wait_for;

/// Where systemd counts its services: a tree of its own, or the one tree of today.
const TREES: [&str; 2] = ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup"];

/// The service's control group.
struct Group(PathBuf);

impl Group {
    fn new() -> Option<Group> {
        let tree = TREES.iter().map(Path::new).find(|tree| tree.join("cgroup.procs").exists())?;
        let group = Group(tree.join(format!("retrosync-menu-{}", std::process::id())));
        fs::create_dir(&group.0).ok().map(|()| group)
    }

    /// The device sees the tree at its own place.
    fn is_seen_by(&self, on: &On<'_>, device: &Device) {
        let tree = self.0.parent().unwrap();
        let inside = device.at(tree.to_str().unwrap());
        fs::create_dir_all(&inside).unwrap();
        let mut bind = Command::new("nsenter");
        bind.args(["--target", &on.first().to_string(), "--mount", "mount", "--bind"]).arg(tree).arg(inside);
        assert!(bind.status().unwrap().success());
    }

    /// Runs it in the group, as all that it starts.
    fn run(&self, command: &Command) -> std::process::Child {
        let mut inside = Command::new("sh");
        inside.args(["-c", "echo 0 >\"$1/cgroup.procs\"; shift; exec \"$@\"", "sh"]).arg(&self.0);
        inside.arg(command.get_program()).args(command.get_args());
        inside.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn processes(&self) -> Vec<String> {
        let text = fs::read_to_string(self.0.join("cgroup.procs")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The service ends.
    fn ends(&self) {
        wait_for("the service has ended", 60, || {
            let processes = self.processes();
            let line = "for id in \"$@\"; do kill -KILL $id 2>/dev/null; done; true";
            assert!(Command::new("sh").args(["-c", line, "sh"]).args(&processes).status().unwrap().success());
            processes.is_empty().then_some(())
        });
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn what_the_app_started_lives_on_when_emulationstation_is_started_anew() {
    let row = FIRMWARES.iter().find(|firmware| firmware.name == "rocknix").unwrap();
    let firmware: &'static Firmware = Box::leak(Box::new(Firmware { machine: "x86_64", ..*row }));
    let Some(group) = Group::new() else {
        println!("not shown: no control group can be made here");
        return;
    };
    let Some(device) = Device::new(firmware) else { return };
    let server = Server::start();
    device.unzip();
    let (url, code) = (server.url(), server.user_code());
    device.write_settings(&format!("server = \"{url}\"\ncode = \"{code}\"\nplain_http = true\n"));
    let on = device.power_on();
    group.is_seen_by(&on, &device);
    on.use_app();
    on.wait_until_running();
    for (systemd, lives) in [(false, false), (true, true)] {
        if systemd {
            device.write("/run/systemd/system", "/");
        }
        assert_eq!(on.run(&format!("sh {}/run.sh stop", firmware.app)).0, 0);
        let line = format!("cat /proc/self/cgroup >/tmp/group; {}", firmware.open);
        on.wait_for_end(group.run(&on.command(&line)));
        on.wait_until_running();
        assert!(fs::read_to_string(device.at("tmp/group")).unwrap().contains("retrosync-menu-"));
        group.ends();
        assert_eq!(device.is_taken(), lives, "systemd: {systemd}: {}", on.tell());
    }
    device.play(&bytes("after the menu"));
    on.wait_until("it goes on", || on.status().contains("\"queued\":0"));
    on.power_off();
}
