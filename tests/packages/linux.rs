//! The tarball for PCs and the Steam Deck: installed, paired, synced, updated and removed as its pages say, in the home of
//! one user.
//!
//! systemd's user session needs a bus that no test machine has: a `systemctl` of ours stands in for it, and does what the
//! unit says. That the unit is one that systemd reads is asked of systemd itself, where it is installed.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::device::Device;
use crate::firmwares::{self, CARD, Firmware};
use crate::power::On;
use crate::support::card;
use crate::support::device::{Device as Other, bytes};
use crate::support::server::Server;

/// Stands in for `systemctl --user`.
const SYSTEMCTL: (&str, &str) = (
    "/bin/systemctl",
    "#!/bin/sh
shift
units=$HOME/.config/systemd/user
case $2 in --now) now=1 unit=$3 ;; *) now= unit=$2 ;; esac
unit=${unit%.service}.service
wanted=$units/default.target.wants
unit_says() { sed -n \"s|^$1=-\\{0,1\\}||p\" \"$units/$unit\" | sed \"s|%h|$HOME|g\"; }
stop() {
    [ -e /tmp/unit.pid ] || return 0
    kill \"$(cat /tmp/unit.pid)\"
    while kill -0 \"$(cat /tmp/unit.pid)\" 2>/dev/null; do usleep 50000; done
    rm /tmp/unit.pid
}
start() { $(unit_says ExecStartPre); setsid $(unit_says ExecStart) </dev/null >/tmp/unit.log 2>&1 & echo $! >/tmp/unit.pid; }
case $1 in
    daemon-reload) ;;
    enable) mkdir -p \"$wanted\" && ln -sf \"../$unit\" \"$wanted/$unit\" ;;
    disable) rm -f \"$wanted/$unit\"; rmdir \"$wanted\"; [ -z \"$now\" ] || stop ;;
    start) start ;;
    try-restart) [ ! -e /tmp/unit.pid ] || { stop; start; } ;;
    *) echo \"what is $1?\" >&2; exit 1 ;;
esac
",
);

/// A PC with RetroArch from the distribution.
const LINUX: Firmware = Firmware {
    name: "linux",
    profile: Some("linux-retroarch"),
    is_tar: true,
    machine: "x86_64",
    card: "/home/ada",
    unzipped_to: Some("/home/ada/Down loads"),
    app: "/home/ada/Down loads/retrosync",
    files: &[
        SYSTEMCTL,
        ("/home/ada/.config/retroarch/retroarch.cfg", "savefile_directory = \"~/.config/retroarch/saves\"\n"),
        ("/home/ada/.bashrc", "other\n"),
        ("/home/ada/Down loads/other", "other\n"),
    ],
    game_file: "/home/ada/roms/gb/Tetris (World).gb",
    save: "/home/ada/.config/retroarch/saves/Tetris (World).srm",
    ..CARD
};

/// A Steam Deck with EmuDeck. The desktop's window asks for the address.
const DECK: Firmware = Firmware {
    profile: Some("emudeck"),
    card: "/home/ada/Emulation",
    files: &[
        SYSTEMCTL,
        ("/home/ada/.var/app/org.libretro.RetroArch/config/retroarch/retroarch.cfg", "x = \"y\"\n"),
        ("/bin/kdialog", "#!/bin/sh\ncat /tmp/typed\n"),
        ("/home/ada/Down loads/other", "other\n"),
    ],
    game_file: "/home/ada/Emulation/roms/gb/Tetris (World).gb",
    save: "/home/ada/Emulation/saves/retroarch/saves/Tetris (World).srm",
    ..LINUX
};

/// One user's machine, another device of the same user, and their server.
struct Home {
    device: Device,
    other: Other,
    server: Server,
}

impl Home {
    fn new(firmware: &'static Firmware) -> Option<Home> {
        let device = Device::new(firmware)?;
        let home = Home {
            device,
            other: Other::new(card::Firmware::Minui, firmwares::TITLE),
            server: Server::start(),
        };
        home.other.pair(&home.server);
        Some(home)
    }

    /// A command of that user, in the unpacked folder.
    fn does(&self, on: &On<'_>, line: &str) -> String {
        let (code, said) = on.run(&in_the_folder(line));
        assert_eq!(code, 0, "{line}: {said}");
        said
    }

    fn syncs_both_ways(&self, on: &On<'_>, mark: &str) {
        on.wait_until_running();
        self.device.play(&bytes(mark));
        on.wait_until("what was played here is on the other device", || {
            self.other.once();
            self.other.save() == Some(bytes(mark))
        });
        let back = format!("{mark}, and on");
        self.other.plays(&bytes(&back));
        self.other.once();
        on.wait_until("what was played elsewhere is here", || self.device.save() == Some(bytes(&back)));
    }

    /// All of the machine, but for the save.
    fn files(&self) -> Vec<(std::path::PathBuf, (u32, Vec<u8>))> {
        let save = Path::new(self.device.firmware.save.trim_start_matches('/'));
        self.device.files().into_iter().filter(|(path, _)| path != save).collect()
    }
}

fn in_the_folder(line: &str) -> String {
    format!("export HOME=/home/ada; cd '{}' && {line}", LINUX.app)
}

#[test]
fn a_pc_is_installed_paired_synced_updated_and_left_as_it_was() {
    let Some(home) = Home::new(&LINUX) else { return };
    let before = home.files();
    home.device.unzip();
    let unpacked = home.files();
    let on = home.device.power_on();
    let said = home.does(&on, "./install.sh");
    assert!(said.contains("Installed. Next: /home/ada/.local/bin/retrosync pair"), "{said}");
    assert!(home.device.at("/home/ada/.config/systemd/user/default.target.wants/retrosync.service").exists());
    let settings = "/home/ada/.config/retrosync/retrosync.toml";
    home.device.write(settings, "settle_ms = 200\nfresh_save_s = 0\nplain_http = true\n");

    let (url, code) = (home.server.url(), home.server.user_code());
    home.does(&on, &format!("$HOME/.local/bin/retrosync pair {url} --code {code}"));
    home.does(&on, "systemctl --user start retrosync");
    home.syncs_both_ways(&on, "first");

    // An update: the same again, over what runs.
    home.device.unzip();
    home.does(&on, "./install.sh");
    let kept = fs::read_to_string(home.device.at(settings)).unwrap();
    assert!(kept.starts_with("settle_ms = 200\n"), "the settings stay: {kept}");
    home.syncs_both_ways(&on, "after the update");

    home.does(&on, "./install.sh --remove");
    on.wait_until("it ended with its removal", || !home.device.is_taken());
    let is_there = |path: &str| home.device.at(path).exists();
    assert!(!is_there("/home/ada/.local") && !is_there("/home/ada/.config/systemd"));
    assert!(is_there(settings) && is_there("/home/ada/.retrosync"), "settings and kept copies stay");
    home.does(&on, "./install.sh --remove everything");
    assert_eq!(home.files(), unpacked, "only what was unpacked is left");
    home.does(&on, "rm -r ../retrosync");
    assert_eq!(home.files(), before);
    on.power_off();
}

#[test]
fn a_steam_deck_is_installed_by_a_double_click_and_paired() {
    let Some(home) = Home::new(&DECK) else { return };
    home.device.unzip();
    let on = home.device.power_on();
    home.device.write("/tmp/typed", &format!("{}\n", home.server.url()));
    home.device.write("/home/ada/.config/retrosync/retrosync.toml", "settle_ms = 200\nfresh_save_s = 0\n");
    // What the desktop runs: the line of the file, with the file's own path for %k.
    let file = format!("{}/steam-deck.desktop", DECK.app);
    let desktop = fs::read_to_string(home.device.at(&file)).unwrap();
    let mode = fs::metadata(home.device.at(&file)).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "a desktop asks about, or opens as a text, what may not be executed");
    let line = desktop.lines().find_map(|line| line.strip_prefix("Exec=")).unwrap();
    let line = line.replace("%k", &format!("'{file}'"));
    let mut window = on
        .command(&format!("export HOME=/home/ada; cd / && {line}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let code = BufReader::new(window.stdout.take().unwrap()).lines().map_while(Result::ok).find_map(|line| {
        said += &line;
        line.split_whitespace().find(|word| word.len() == 9 && word.as_bytes()[4] == b'-').map(str::to_owned)
    });
    home.server.approve(&code.unwrap_or_else(|| panic!("no code: {said}")));
    on.wait_until_running();
    window.stdin.take().unwrap().write_all(b"\n").unwrap();
    on.wait_for_end(window);
    home.syncs_both_ways(&on, "on the Deck");
    home.does(&on, "./install.sh --remove everything");
    on.wait_until("it ended with its removal", || !home.device.is_taken());
    assert!(!home.device.at("/home/ada/Emulation/.retrosync").exists());
    on.power_off();
}

#[test]
fn systemd_reads_the_unit_and_has_nothing_to_say_about_it() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        println!("not tried, for want of systemd-analyze");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let program = home.path().join(".local/bin/retrosync");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    fs::copy("/bin/true", &program).unwrap();
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("package/linux/app/retrosync.service");
    let output = Command::new("systemd-analyze")
        .args(["--user", "verify"])
        .arg(unit)
        .env("HOME", home.path())
        .env("XDG_RUNTIME_DIR", home.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}");
}
