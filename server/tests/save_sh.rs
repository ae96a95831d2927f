//! `docs/save.sh` against the real server, by busybox's shell with curl and with nothing else, and by dash with GNU wget.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::Server;

const SAVE: &str = "gb/sram/Pokémon \"Red\" (World)";
const ADA: &str = "ada";

/// What a firmware speaks HTTP with.
#[derive(Clone, Copy, Debug)]
enum With {
    Curl,
    GnuWget,
    Busybox,
}

/// A firmware: a folder of busybox's tools, and what it has beside them.
struct Firmware {
    folder: tempfile::TempDir,
}

fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.exists());
    found.unwrap_or_else(|| panic!("`{name}` is not installed: run `scripts/setup`"))
}

fn code(server: &Server) -> String {
    let output = server.cli(&["user", "code", ADA]);
    String::from_utf8(output.stdout).unwrap().lines().next().unwrap().to_owned()
}

impl Firmware {
    fn new(with: With) -> Firmware {
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
            "base64",
            "wget",
            "nc",
            "printf",
            "echo",
            "[",
        ] {
            std::os::unix::fs::symlink(&busybox, tools.join(tool)).unwrap();
        }
        // busybox's shell would take its own wget before any other.
        let others: &[(&str, &str)] = match with {
            With::Curl => &[("curl", "curl")],
            With::GnuWget => &[("wget", "wget"), ("sh", "dash")],
            With::Busybox => &[],
        };
        for (name, other) in others {
            let _ = std::fs::remove_file(tools.join(name));
            std::os::unix::fs::symlink(program(other), tools.join(name)).unwrap();
        }
        Firmware { folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("Red.srm")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, &[])
    }

    fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/save.sh");
        let tools = self.folder.path().join("bin");
        Command::new(tools.join("sh"))
            .arg(script)
            .args(arguments)
            .env_clear()
            .env("PATH", &tools)
            .env("RETROSYNC_STATE", self.folder.path().join("state"))
            .envs(environment.iter().copied())
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
        let code = code(server);
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
    let (one, two) = (Firmware::new(With::Curl), Firmware::new(With::Busybox));
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

#[test]
fn a_firmware_with_gnu_wget_pushes_pulls_and_is_told_what_is_not_there() {
    let server = Server::start();
    server.add_user(ADA);
    let (one, two) = (Firmware::new(With::GnuWget), Firmware::new(With::Curl));
    one.pair(&server);
    two.pair(&server);
    one.pull(4, "save.sh: the server has no such save");
    one.play(&progress(1));
    one.push(0, "pushed");
    two.pull(0, "pulled");
    assert_eq!(two.bytes(), progress(1));
    two.play(&progress(2));
    two.push(0, "pushed");
    one.pull(0, "pulled");
    assert_eq!(one.bytes(), progress(2));
}

#[test]
fn a_network_that_swallows_everything_keeps_no_firmware_waiting_for_ever() {
    let server = Server::start();
    server.add_user(ADA);
    // Connections are taken, and nobody reads or answers.
    let swallows = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", swallows.local_addr().unwrap());
    for with in [With::Curl, With::GnuWget, With::Busybox] {
        let one = Firmware::new(with);
        one.pair(&server);
        let device = one.folder.path().join("state/device");
        let text = std::fs::read_to_string(&device).unwrap().replace(&server.url, &url);
        std::fs::write(&device, text).unwrap();
        one.play(&vec![7; 1 << 20]);
        let file = one.file();
        for (verb, said) in [("pull", "the server does not answer"), ("push", "not stored: push it again")] {
            let output = one.run_with(&[verb, SAVE, file.to_str().unwrap()], &[("RETROSYNC_WAIT_S", "2")]);
            let text = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{with:?} {verb}: {text}");
            assert!(text.contains(said), "{with:?} {verb}: {text}");
        }
    }
}

#[test]
fn a_firmware_that_pinned_the_servers_key_trusts_no_other() {
    let mut server = Server::idle();
    server.run(&["--set", "tls.self_signed=true"]);
    server.add_user(ADA);
    let said = std::fs::read_to_string(server.log()).unwrap();
    let pin = said.split("--pin ").nth(1).unwrap_or_else(|| panic!("{said}"))[..64].to_owned();
    let wrong = format!("{}{}", if pin.starts_with('0') { "1" } else { "0" }, &pin[1..]);
    let one = Firmware::new(With::Curl);
    let rows = [
        (None, 1, "the code was not taken", "no pin: nobody vouches for the certificate"),
        (Some(wrong.as_str()), 1, "the code was not taken", "another key"),
        (Some("abc"), 2, "RETROSYNC_PIN is a key of 64 hex digits", "half a key"),
        (Some(pin.as_str()), 0, "paired", "the server's"),
    ];
    for (pin, code_of_exit, text, what) in rows {
        let environment: Vec<(&str, &str)> = pin.iter().map(|pin| ("RETROSYNC_PIN", *pin)).collect();
        let output = one.run_with(&["pair", &server.url, &code(&server), "pinned"], &environment);
        let said =
            [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert_eq!(output.status.code(), Some(code_of_exit), "{what}: {said}");
        assert!(said.contains(text), "{what}: {said}");
    }
    one.play(&progress(1));
    one.push(0, "pushed");
    let device = one.folder.path().join("state/device");
    let text = std::fs::read_to_string(&device).unwrap();
    let kept = text.lines().nth(3).unwrap();
    std::fs::write(&device, text.replace(kept, &"A".repeat(43))).unwrap();
    one.play(&progress(2));
    one.run(&["push", SAVE, one.file().to_str().unwrap()]);
    let output = one.run(&["heads", SAVE]);
    assert_eq!(output.status.code(), Some(1), "another key than the pinned one is refused later, too");
}
