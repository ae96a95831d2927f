//! The server's binary as a process on a free loopback port, with a data directory of its own.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

use super::wait_for;

/// Who owns the saves in these tests.
pub const USER: &str = "ada";
/// What the user logs in with.
pub const PASSWORD: &str = "correct horse battery staple";

/// A running server.
pub struct Server {
    folder: tempfile::TempDir,
    port: u16,
    child: Option<Child>,
    settings: &'static [&'static str],
    said: Arc<Mutex<String>>,
}

/// The binary: `RETROSYNC_SERVER_BIN`, or built now.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Ok(path) = std::env::var("RETROSYNC_SERVER_BIN") {
            return PathBuf::from(path);
        }
        let status = Command::new(env!("CARGO"))
            .args(["build", "-q", "-p", "retrosync-server"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .unwrap();
        assert!(status.success(), "the server does not build");
        Path::new(super::program::BUILT).with_file_name("retrosync-server")
    })
}

impl Server {
    /// Starts one with one user.
    pub fn start() -> Server {
        Server::start_set(&[])
    }

    /// The same with these settings, as `listen=…`.
    pub fn start_set(settings: &'static [&'static str]) -> Server {
        let mut server = Server::new();
        server.settings = settings;
        server.tell(&["user", "add", USER, "--password-stdin"], PASSWORD);
        server.up();
        server
    }

    fn new() -> Server {
        let said = Arc::default();
        Server { folder: tempfile::tempdir().unwrap(), port: 0, child: None, settings: &[], said }
    }

    /// Starts one that nobody has an account on.
    pub fn start_empty() -> Server {
        let mut server = Server::new();
        server.up();
        server
    }

    /// Its address.
    pub fn url(&self) -> String {
        let scheme = if self.settings.iter().any(|one| one.starts_with("tls.")) { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// What it printed so far at its last start.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Did it end by itself, or was it killed by somebody else?
    pub fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some())
    }

    /// Where it keeps everything.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts it again, on the port that it had.
    pub fn up(&mut self) {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.path().join("server.log"))
            .unwrap();
        let mut child = Command::new(binary())
            .arg("serve")
            .arg("--data")
            .arg(self.data())
            .arg("--listen")
            .arg(format!("127.0.0.1:{}", self.port))
            .args(self.settings.iter().flat_map(|one| ["--set", *one]))
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        if self.port == 0 {
            self.port = lines
                .by_ref()
                .map_while(Result::ok)
                .find_map(|line| {
                    let after = line.split("127.0.0.1:").nth(1)?;
                    after.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
                })
                .unwrap_or_else(|| panic!("the server did not say its port: {}", self.log()));
        }
        // Reads on, so that the server never waits for us.
        self.said = Arc::default();
        let said = Arc::clone(&self.said);
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| *said.lock().unwrap() += &format!("{line}\n"));
        });
        self.child = Some(child);
        wait_for("the server answers", 120, || std::net::TcpStream::connect(("127.0.0.1", self.port)).ok());
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// What it wrote to standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }

    /// Approves a code, as the user does on the dashboard.
    pub fn approve(&self, code: &str) {
        self.tell(&["approve", code, "--user", USER], "");
    }

    /// A code for a headless device, as the dashboard makes.
    pub fn user_code(&self) -> String {
        let said = self.tell(&["user", "code", USER], "");
        said.split_whitespace()
            .find(|word| word.len() == 9 && word.as_bytes()[4] == b'-')
            .unwrap_or_else(|| panic!("no code in {said}"))
            .to_owned()
    }

    /// Runs one of its commands; answers its exit code and its standard output.
    pub fn says(&self, words: &[&str]) -> (i32, String) {
        let output = self.command(words).stdin(Stdio::null()).output().unwrap();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(words).arg("--data").arg(self.data()).env_clear();
        command
    }

    /// Runs one of its commands beside the running server; answers its standard output.
    pub fn tell(&self, words: &[&str], input: &str) -> String {
        let mut child = self
            .command(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{words:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            println!("---- log of the server ----\n{}", self.log());
        }
    }
}
