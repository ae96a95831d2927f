//! `docs/save.sh` against the real server, by busybox's shell: with curl, and with nothing but busybox.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::Server;

const SAVE: &str = "gb/sram/Pokémon \"Red\" (World)";
const ADA: &str = "ada";

/// A firmware: a folder of busybox's tools, and `curl` if it has it.
struct Firmware {
    folder: tempfile::TempDir,
}

fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.exists());
    found.unwrap_or_else(|| panic!("`{name}` is not installed: run `scripts/setup`"))
}

impl Firmware {
    fn new(with_curl: bool) -> Firmware {
        let folder = tempfile::tempdir().unwrap();
        let tools = folder.path().join("bin");
        std::fs::create_dir(&tools).unwrap();
        let busybox = program("busybox");
        for tool in [
            "sh",
            "sha256sum",
            "od",
            "sed",
            "tr",
            "cut",
            "cat",
            "cp",
            "mv",
            "rm",
            "mkdir",
            "wc",
            "grep",
            "head",
            "sync",
            "sleep",
            "wget",
            "nc",
            "printf",
            "echo",
            "[",
        ] {
            std::os::unix::fs::symlink(&busybox, tools.join(tool)).unwrap();
        }
        if with_curl {
            std::os::unix::fs::symlink(program("curl"), tools.join("curl")).unwrap();
        }
        Firmware { folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("Red.srm")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/save.sh");
        let tools = self.folder.path().join("bin");
        Command::new(tools.join("sh"))
            .arg(script)
            .args(arguments)
            .env_clear()
            .env("PATH", &tools)
            .env("RETROSYNC_STATE", self.folder.path().join("state"))
            .output()
            .unwrap()
    }

    #[track_caller]
    fn says(&self, arguments: &[&str], code: i32, text: &str) {
        let output = self.run(arguments);
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!((output.status.code(), said.trim()), (Some(code), text), "{arguments:?}");
    }

    fn pair(&self, server: &Server) {
        let output = server.cli(&["user", "code", ADA]);
        let code = String::from_utf8(output.stdout).unwrap().lines().next().unwrap().to_owned();
        self.says(&["pair", &server.url, &code, "a \"bare\" firmware"], 0, "paired");
    }

    fn push(&self, code: i32, text: &str) {
        self.says(&["push", SAVE, self.file().to_str().unwrap()], code, text);
    }

    fn pull(&self, code: i32, text: &str) {
        self.says(&["pull", SAVE, self.file().to_str().unwrap()], code, text);
    }

    fn play(&self, bytes: &[u8]) {
        std::fs::write(self.file(), bytes).unwrap();
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.file()).unwrap()
    }
}

/// A save with every byte there is, zeroes first.
fn progress(hour: u8) -> Vec<u8> {
    (0..8192_u32).map(|n| (n as u8).wrapping_mul(hour)).collect()
}

#[test]
fn a_firmware_with_only_a_shell_pushes_pulls_and_loses_nothing() {
    let server = Server::start();
    server.add_user(ADA);
    let (one, two) = (Firmware::new(true), Firmware::new(false));
    one.says(&["push", SAVE, "x"], 1, "save.sh: pair this device first");
    one.pair(&server);
    two.pair(&server);
    two.pull(4, "save.sh: the server has no such save");
    one.play(&progress(1));
    one.push(0, "pushed");
    one.push(0, "");
    two.pull(0, "pulled");
    assert_eq!(two.bytes(), progress(1));
    two.play(&progress(2));
    two.pull(0, "");
    two.push(0, "pushed");
    one.pull(0, "pulled");
    assert_eq!(one.bytes(), progress(2));
    one.play(&progress(3));
    two.play(&progress(4));
    one.push(0, "pushed");
    two.pull(3, "save.sh: the file has changed since: push it first");
    two.push(3, "save.sh: stored; another device changed it too: choose on the dashboard");
    one.pull(3, "save.sh: two devices changed it: choose on the dashboard");
    assert_eq!((one.bytes(), two.bytes()), (progress(3), progress(4)));
    let heads = one.run(&["heads", SAVE]);
    let heads = String::from_utf8(heads.stdout).unwrap();
    for hour in [3, 4] {
        let digest = retrosync_protocol::Digest::of(&progress(hour)).to_string();
        assert!(heads.lines().any(|line| line.ends_with(&digest)), "{heads}");
    }
}
