//! What the owner of a server tells it and is told by it: configuration, secrets, numbers, readiness, the log, the stop.
//! The real program each time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod config;
mod health;
mod lines;
mod numbers;
mod secrets;
mod start;
mod stop;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

/// For what takes milliseconds; the machine may be busy.
const LONG: Duration = Duration::from_secs(90);

/// The program, with nothing of this test's own environment that it would listen to.
fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_retrosync-server"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RETROSYNC_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder);
    command
}

/// What `config` prints.
#[track_caller]
fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// All that a program said.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
