//! A device of one firmware: a root folder with busybox, the firmware's tools and a card; switched on, a process
//! namespace whose first process runs the firmware's boot script.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::firmwares::Firmware;
use crate::support::device::{Bytes, read};
use crate::support::wait_for;

/// How long anything may take, on a machine that does much else.
const PATIENCE_S: u64 = 120;
/// Where Debian has it.
const BUSYBOX: &str = "/bin/busybox";

pub(crate) struct Device {
    folder: tempfile::TempDir,
    pub(crate) firmware: &'static Firmware,
    archive: PathBuf,
}

impl Device {
    /// The device without anything of ours; `None` where it cannot be built here.
    pub(crate) fn new(firmware: &'static Firmware) -> Option<Device> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let archive =
            here.join(format!("dist/retrosync-{}-{}.zip", firmware.name, env!("CARGO_PKG_VERSION")));
        let can = Command::new("unshare").args(["--mount", "--pid", "--fork", "true"]).status();
        let missing = [
            (
                !here.join(format!("device-profiles/{}.toml", firmware.profile)).is_file(),
                "its device profile",
            ),
            (!archive.is_file(), "the package (`scripts/package`)"),
            (!Path::new(BUSYBOX).is_file(), "busybox-static"),
            (!can.is_ok_and(|status| status.success()), "leave to make namespaces (root)"),
        ];
        if let Some((_, what)) = missing.iter().find(|(missing, _)| *missing) {
            println!("{}: not tried, for want of {what}", firmware.name);
            return None;
        }
        let device = Device { folder: tempfile::tempdir().unwrap(), firmware, archive };
        device.furnish();
        Some(device)
    }

    fn furnish(&self) {
        for folder in ["bin", "dev", "proc", "tmp", "root", "qemu", "firmware"] {
            fs::create_dir_all(self.at(folder)).unwrap();
        }
        fs::copy(BUSYBOX, self.at("bin/busybox")).unwrap();
        let applets = Command::new(BUSYBOX).arg("--list").output().unwrap().stdout;
        for applet in String::from_utf8(applets).unwrap().lines().filter(|name| *name != "busybox") {
            symlink("busybox", self.at("bin").join(applet)).unwrap();
        }
        // The applet of that name is not in this busybox; its shell serves.
        if !self.at("bin/bash").exists() {
            self.write("bin/bash", "#!/bin/sh\nexec sh \"$@\"\n");
        }
        // What the shell asks must be the device's, not this machine's.
        fs::remove_file(self.at("bin/uname")).unwrap();
        self.write("bin/uname", &format!("#!/bin/sh\necho {}\n", self.firmware.machine));
        for tty in ["null", "urandom", "tty", "tty1"] {
            fs::write(self.at("dev").join(tty), "").unwrap();
        }
        self.write("firmware/init", INIT);
        self.write("firmware/boot", self.firmware.boot);
        for (path, text) in self.firmware.files {
            self.write(path, text);
        }
        self.write(self.firmware.game_file, "a game");
        fs::create_dir_all(self.at(self.firmware.save).parent().unwrap()).unwrap();
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if text.ends_with('/') {
            return fs::create_dir_all(path).unwrap();
        }
        fs::write(&path, text).unwrap();
        let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Copies the archive's tree onto the card, over what is there.
    pub(crate) fn unzip(&self) {
        let card = self.at(self.firmware.unzipped_to);
        let status =
            Command::new("unzip").arg("-qo").arg(&self.archive).arg("-d").arg(&card).status().unwrap();
        assert!(status.success());
        programs(&self.at(self.firmware.app)).iter().for_each(|program| self.emulated(program));
    }

    /// Where no kernel runs it by itself: the program beside, and in its place a script that calls the emulator. Which one
    /// says the program: 16 bits at 18 name its processor.
    fn emulated(&self, program: &Path) {
        let name = match fs::read(program).unwrap()[18] {
            40 => "arm",
            183 => "aarch64",
            _ => return,
        };
        // Called as the program is, so that nobody takes it for a game.
        let emulator = format!("qemu/{name}/retrosync");
        if !self.at(&emulator).exists() {
            fs::create_dir_all(self.at("qemu").join(name)).unwrap();
            fs::copy(format!("/usr/bin/qemu-{name}-static"), self.at(&emulator)).unwrap();
        }
        fs::rename(program, program.with_extension("elf")).unwrap();
        let text = format!("#!/bin/sh\nexec /{emulator} \"${{0%/*}}/retrosync.elf\" \"$@\"\n");
        fs::write(program, text).unwrap();
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn settings_path(&self) -> PathBuf {
        self.at(self.firmware.app).join("retrosync.toml")
    }

    pub(crate) fn write_settings(&self, lines: &str) {
        let path = self.settings_path();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.lines().all(|line| line.is_empty() || line.starts_with('#')), "{text}");
        fs::write(&path, text + lines).unwrap();
    }

    pub(crate) fn settings(&self) -> String {
        fs::read_to_string(self.settings_path()).unwrap()
    }

    /// The firmware's own files, as its update writes them.
    pub(crate) fn update_firmware(&self) {
        for (path, text) in
            self.firmware.files.iter().filter(|(path, _)| self.firmware.updated.contains(path))
        {
            self.write(path, text);
        }
    }

    /// The emulator writes the game's save.
    pub(crate) fn play(&self, bytes: &[u8]) {
        fs::write(self.at(self.firmware.save), bytes).unwrap();
    }

    pub(crate) fn save(&self) -> Option<Bytes> {
        read(&self.at(self.firmware.save))
    }

    pub(crate) fn save_path(&self) -> PathBuf {
        PathBuf::from(self.firmware.save.trim_start_matches('/'))
    }

    /// Every file and folder of the device with its bytes and mode, but for what is not the card's.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let path = entry.path();
                let below = path.strip_prefix(self.folder.path()).unwrap().to_owned();
                if ["bin", "dev", "proc", "tmp", "qemu", "firmware", "run"]
                    .iter()
                    .any(|name| below.starts_with(name))
                {
                    continue;
                }
                let mode = entry.metadata().unwrap().permissions().mode();
                let is_folder = entry.file_type().unwrap().is_dir();
                found.insert(below, (mode, if is_folder { vec![] } else { fs::read(&path).unwrap() }));
                if is_folder {
                    folders.push(path);
                }
            }
        }
        found
    }

    /// Switches it on; returns when its boot script has.
    pub(crate) fn power_on(&self) -> On<'_> {
        let _ = fs::remove_file(self.at("tmp/booted"));
        let _ = fs::remove_dir_all(self.at("tmp"));
        fs::create_dir_all(self.at("tmp")).unwrap();
        let outside = "mount --make-rprivate / && cd \"$0\" && for node in null urandom; do \
             mount --bind /dev/$node dev/$node || exit 1; done; exec chroot . /bin/sh /firmware/init";
        let child = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child=KILL", "sh", "-c", outside])
            .arg(self.folder.path())
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .stdout(fs::File::create(self.at("firmware/boot.log")).unwrap())
            .stderr(fs::OpenOptions::new().append(true).open(self.at("firmware/boot.log")).unwrap())
            .spawn()
            .unwrap();
        let mut on = On { device: self, first: 0, child };
        wait_for("the device boots", PATIENCE_S, || {
            assert!(on.child.try_wait().unwrap().is_none(), "it went off: {}", on.tell());
            self.at("tmp/booted").exists().then_some(())
        });
        on.first = wait_for("its first process", PATIENCE_S, || child_of(on.child.id()));
        on
    }
}

const INIT: &str = "\
mount -t proc proc /proc
export PATH=/bin:/usr/bin HOME=/root
sh /firmware/boot
touch /tmp/booted
while :; do sleep 1; done
";

/// The device, switched on.
pub(crate) struct On<'a> {
    device: &'a Device,
    first: u32,
    child: Child,
}

impl On<'_> {
    /// A shell command in the device.
    fn command(&self, line: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args([
            "--target",
            &self.first.to_string(),
            "--mount",
            "--pid",
            "--root",
            "--wd",
            "/bin/sh",
            "-c",
            line,
        ]);
        command.env_clear().env("PATH", "/bin:/usr/bin").env("HOME", "/root").stdin(Stdio::null());
        command
    }

    fn run(&self, line: &str) -> (i32, String) {
        let output = self.command(line).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
    }

    fn program(&self, words: &str) -> (i32, String) {
        self.run(&format!("sh {}/run.sh {words}", self.device.firmware.app))
    }

    pub(crate) fn is_running(&self) -> bool {
        self.program("status --json").1.contains("\"running\":true")
    }

    pub(crate) fn wait_until_running(&self) {
        self.wait_until("the daemon runs", || self.is_running());
    }

    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < Duration::from_secs(PATIENCE_S), "{what}: {}", self.tell());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Opens the app as the firmware's menu does.
    pub(crate) fn open_app(&self) -> Child {
        self.command(self.device.firmware.open).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The pairing code that the device shows.
    pub(crate) fn wait_for_code(&self) -> String {
        let shown = self.device.at(self.device.firmware.shown);
        wait_for("a code is shown", PATIENCE_S, || {
            let text = fs::read_to_string(&shown).unwrap_or_default();
            let is_code = |word: &&str| word.len() == 9 && word.as_bytes()[4] == b'-';
            text.split_whitespace().find(is_code).map(str::to_owned)
        })
    }

    #[track_caller]
    pub(crate) fn wait_for_end(&self, mut app: Child) {
        self.wait_until("the app ends", || app.try_wait().unwrap().is_some());
    }

    /// The daemon is nobody's child but init's, with a session of its own: no menu's suspend or end reaches it.
    pub(crate) fn is_apart(&self) {
        let line = "for p in /proc/[0-9]*; do [ \"$(cat $p/comm 2>/dev/null)\" = retrosync ] && \
             cut -d ' ' -f 1,4,6 $p/stat 2>/dev/null; done";
        let (_, said) = self.run(line);
        let mut found = 0;
        for row in said.lines() {
            let ids: Vec<&str> = row.split(' ').collect();
            assert_eq!((ids[1], ids.len()), ("1", 3), "the parent is not init: {said}");
            assert!(ids[2] != "0" && ids[2] != "1", "no session of its own: {said}");
            found += 1;
        }
        assert_eq!(found, 2, "the supervisor and the daemon: {said}{}", self.tell());
    }

    /// Onion's suspend: whatever is not init's own child is stopped; what syncs goes on.
    pub(crate) fn menu_suspends_and_wakes(&self) {
        let line = "for p in /proc/[0-9]*; do pid=${p#/proc/}; ppid=$(cut -d ' ' -f 4 $p/stat 2>/dev/null); \
             [ \"$pid\" -gt 2 ] && [ \"${ppid:-0}\" -gt 2 ] && [ \"$pid\" != $$ ] && kill -STOP $pid && echo $pid; done; \
             cat /proc/[0-9]*/stat 2>/dev/null | grep -c 'retrosync) T'";
        let (_, said) = self.run(line);
        assert_eq!(said.trim(), "0", "{said}");
        self.run("kill -CONT -1");
    }

    /// A hook of the firmware: it must end well, whatever it does.
    #[track_caller]
    pub(crate) fn hook(&self, line: &str) {
        let began = Instant::now();
        let (code, said) = self.run(line);
        assert_eq!(code, 0, "{line}: {said}");
        assert!(began.elapsed() < Duration::from_secs(60), "{line} kept the firmware waiting");
    }

    pub(crate) fn uninstall(&self) {
        let (code, said) = self.run(&format!("sh {}/uninstall.sh everything", self.device.firmware.app));
        assert_eq!(code, 0, "{said}{}", self.tell());
    }

    /// Cuts the power: all that ran is gone when it returns.
    pub(crate) fn power_off(mut self) {
        self.cut();
    }

    fn cut(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let first = format!("/proc/{}", self.first);
        wait_for("the device is off", PATIENCE_S, || {
            (self.first == 0 || !Path::new(&first).exists()).then_some(())
        });
    }

    /// What a failed test wants to know.
    fn tell(&self) -> String {
        let read = |path: &str| fs::read_to_string(self.device.at(path)).unwrap_or_default();
        let root = self.device.firmware.card;
        format!(
            "\nboot: {}\nlog: {}\nmessage: {}",
            read("firmware/boot.log"),
            read(&format!("{root}/.retrosync/log.txt")),
            read(&format!("{}/message.txt", self.device.firmware.app))
        )
    }
}

impl Drop for On<'_> {
    fn drop(&mut self) {
        self.cut();
    }
}

/// The one child of a process here.
fn child_of(parent: u32) -> Option<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(|pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after = stat.rsplit(") ").next().unwrap_or_default();
        after.split(' ').nth(1).and_then(|ppid| ppid.parse().ok()) == Some(parent)
    })
}

/// The programs of ours below a folder.
fn programs(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(programs(&path));
        } else if entry.file_name() == "retrosync" {
            found.push(path);
        }
    }
    found
}
