//! A device of one firmware: a root folder with busybox, the firmware's tools and a card. `power.rs` switches it on.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::firmwares::Firmware;
use crate::power;
use crate::support::device::{Bytes, read};
use crate::support::not_tried;

/// Where Debian has it.
const BUSYBOX: &str = "/bin/busybox";

pub(crate) struct Device {
    folder: tempfile::TempDir,
    pub(crate) firmware: &'static Firmware,
    archive: PathBuf,
}

impl Device {
    /// The device without anything of ours; `None` where it cannot be built here. An archive that is older than its sources is
    /// refused.
    pub(crate) fn new(firmware: &'static Firmware) -> Option<Device> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let ending = if firmware.is_tar { "tar.gz" } else { "zip" };
        let archive =
            here.join(format!("dist/retrosync-{}-{}.{ending}", firmware.name, env!("CARGO_PKG_VERSION")));
        let can = Command::new("unshare").args(["--mount", "--pid", "--fork", "true"]).status();
        let missing = [
            (
                !here.join(format!("device-profiles/{}.toml", firmware.profile())).is_file(),
                "its device profile",
            ),
            (!archive.is_file(), "the package (`scripts/package`)"),
            (!Path::new(BUSYBOX).is_file(), "busybox-static"),
            (!can.is_ok_and(|status| status.success()), "leave to make namespaces (root)"),
        ];
        if let Some((_, what)) = missing.iter().find(|(missing, _)| *missing) {
            not_tried(firmware.name, what);
            return None;
        }
        let target = firmware.machine.strip_suffix('l').unwrap_or(firmware.machine);
        let program = here.join(format!("dist/retrosync-{target}"));
        is_fresh(&program, ["src", "protocol", "device-profiles"].map(|name| here.join(name)).to_vec());
        is_fresh(&archive, vec![program, here.join("package"), here.join("scripts/package")]);
        let device = Device { folder: tempfile::tempdir().unwrap(), firmware, archive };
        device.furnish();
        Some(device)
    }

    fn furnish(&self) {
        for folder in ["bin", "dev", "proc", "tmp", "root", "qemu", "firmware"] {
            fs::create_dir_all(self.at(folder)).unwrap();
        }
        self.shell();
        // What the shell asks must be the device's, not this machine's; and nobody reads the messages here.
        self.write("bin/uname", &format!("#!/bin/sh\necho {}\n", self.firmware.machine));
        self.write("bin/sleep", "#!/bin/sh\nexec usleep 50000\n");
        for tty in ["null", "urandom", "tty", "tty1"] {
            fs::write(self.at("dev").join(tty), "").unwrap();
        }
        self.write("firmware/init", power::INIT);
        self.write("firmware/boot", self.firmware.boot);
        for (path, text) in self.firmware.files {
            self.write(path, text);
        }
        self.write(self.firmware.game_file, "a game");
        fs::create_dir_all(self.at(self.firmware.save).parent().unwrap()).unwrap();
    }

    /// Busybox as `sh` and all that it can. Debian's prefers its own commands to what lies in `bin`; those that the device
    /// has in another form are under names of the same length in this copy, which nobody calls.
    fn shell(&self) {
        let mut busybox = fs::read(BUSYBOX).unwrap();
        for (name, hidden) in [(b"\0uname\0", b"\0unamf\0"), (b"\0sleep\0", b"\0sleeq\0")] {
            let found = busybox.windows(name.len()).position(|bytes| bytes == name);
            let at = found.unwrap_or_else(|| panic!("busybox has no {}", String::from_utf8_lossy(name)));
            busybox[at..at + name.len()].copy_from_slice(hidden);
        }
        fs::write(self.at("bin/busybox"), busybox).unwrap();
        fs::set_permissions(self.at("bin/busybox"), fs::Permissions::from_mode(0o755)).unwrap();
        let applets = Command::new(BUSYBOX).arg("--list").output().unwrap().stdout;
        let others = |name: &&str| !["busybox", "uname", "sleep", "bash"].contains(name);
        for applet in String::from_utf8(applets).unwrap().lines().filter(others) {
            symlink("busybox", self.at("bin").join(applet)).unwrap();
        }
        // There is no such applet in this busybox; its shell serves.
        self.write("bin/bash", "#!/bin/sh\nexec sh \"$@\"\n");
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
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
        let card = self.at(self.firmware.unzipped_to.unwrap_or(self.firmware.card));
        let (tool, flags, into) =
            if self.firmware.is_tar { ("tar", "-xf", "-C") } else { ("unzip", "-qo", "-d") };
        fs::create_dir_all(&card).unwrap();
        let unpacked = Command::new(tool).arg(flags).arg(&self.archive).arg(into).arg(&card).status();
        assert!(unpacked.unwrap().success());
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

    /// Writes these lines below what the package says.
    pub(crate) fn write_settings(&self, lines: &str) {
        let path = self.settings_path();
        let text = fs::read_to_string(&path).unwrap();
        let fresh = text.lines().take_while(|line| line.is_empty() || line.starts_with('#'));
        fs::write(&path, fresh.flat_map(|line| [line, "\n"]).collect::<String>() + lines).unwrap();
    }

    pub(crate) fn settings(&self) -> String {
        fs::read_to_string(self.settings_path()).unwrap()
    }

    /// The firmware's own files, as its update writes them.
    pub(crate) fn update_firmware(&self) {
        for (path, text) in
            self.firmware.files.iter().filter(|(path, _)| self.firmware.updated.contains(path))
        {
            if text.ends_with('/') {
                fs::remove_dir_all(self.at(path)).unwrap();
            }
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

    /// What a removal leaves: the save, and the copies that were kept.
    pub(crate) fn is_left(&self, path: &Path) -> bool {
        let below = |name: &str| PathBuf::from(name.trim_start_matches('/'));
        path == below(self.firmware.save) || path.starts_with(below(self.firmware.card).join(".retrosync"))
    }

    /// Does a process of ours have the card?
    pub(crate) fn is_taken(&self) -> bool {
        let lock = fs::File::open(self.at(self.firmware.card).join(".retrosync/lock"));
        lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
    }

    /// Every file and folder of the device with its bytes and mode, but for what is not the card's.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let path = entry.path();
                let below = path.strip_prefix(self.folder.path()).unwrap().to_owned();
                if ["bin", "dev", "proc", "sys", "tmp", "qemu", "firmware", "run"]
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
}

/// Refuses what is older than the sources that it is made from: its story would be another's.
fn is_fresh(made: &Path, mut sources: Vec<PathBuf>) {
    let written = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).unwrap();
    while let Some(path) = sources.pop() {
        if path.is_dir() {
            sources.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let (old, new) = (made.display(), path.display());
            assert!(
                written(&path) <= written(made),
                "{old} is older than {new}: `scripts/build`, `scripts/package`"
            );
        }
    }
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
