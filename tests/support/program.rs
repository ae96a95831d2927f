//! The daemon's binary as a process: `RETROSYNC_BIN` and `RETROSYNC_RUNNER` (such as `qemu-arm-static`) override which.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The daemon that was built with this: beside a test by cargo; demo and benchmark are always told.
pub const BUILT: &str = match option_env!("CARGO_BIN_EXE_retrosync") {
    Some(path) => path,
    None => "target/release/retrosync",
};

/// A way to start the program with nothing of the tester's own environment in it.
pub struct Program {
    command: Command,
}

/// How it ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// Standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Fails unless the exit code is this.
    #[track_caller]
    pub fn ends(self, code: i32) -> Ended {
        assert_eq!(self.code, code, "out: {}\nerr: {}", self.out, self.err);
        self
    }
}

impl Program {
    /// The program.
    pub fn new() -> Program {
        let binary = std::env::var("RETROSYNC_BIN").unwrap_or_else(|_| BUILT.to_owned());
        let runner = std::env::var("RETROSYNC_RUNNER").unwrap_or_default();
        let mut words: Vec<&str> = runner.split_whitespace().collect();
        words.push(&binary);
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env_clear().stdin(Stdio::null());
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", "/nonexistent");
        Program { command }
    }

    /// With a configuration file.
    pub fn config(mut self, path: &Path) -> Program {
        self.command.env("RETROSYNC_CONFIG", path);
        self
    }

    /// With an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Program {
        self.command.env(name, value);
        self
    }

    /// As a command, for what this type does not offer.
    pub fn into_command(self) -> Command {
        self.command
    }

    /// Runs it to its end.
    pub fn run<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Ended {
        let output = self.command.args(arguments).output().unwrap();
        Ended {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Starts it; its standard error goes to a file.
    pub fn start<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>, log: &Path) -> Running {
        let err = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let out = err.try_clone().unwrap();
        Running { child: self.command.args(arguments).stdout(out).stderr(err).spawn().unwrap() }
    }
}

/// A process that is killed (as by a power cut) when it is dropped.
pub struct Running {
    child: Child,
}

impl Running {
    /// From a child.
    pub fn of(child: Child) -> Running {
        Running { child }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Has it ended, and how?
    pub fn ended(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap().map(|status| status.code().unwrap_or(-1))
    }

    /// Its standard output, if it was piped.
    pub fn take_output(&mut self) -> Option<impl Read + use<>> {
        self.child.stdout.take()
    }

    /// `kill -9`, and gone when it returns.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}
