//! Commands of this program that the screen has done by another process: pairing, start, stop.
//!
//! What is to be done leaves the screen's process before it has a thread, so that it may fork as `start` does, and ends when
//! the screen does; killing it is as safe as any power cut. One errand at a time. It answers with the lines that the
//! command prints with `--json`, and at its end with one more. (`std::process` is 20 KB on the card.)

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::os::fd::AsRawFd;
use std::process::exit;

use serde_json::Value;

/// Between two commands: the second only if the first was done.
pub const AND: &str = "&&";
/// Between two commands: the second whatever became of the first.
pub const THEN: &str = ";";

/// Where errands are handed in.
pub struct Errands(PipeWriter);

/// What a running errand says.
pub struct Replies(BufReader<PipeReader>);

/// One line of an errand.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// What the command printed.
    Said(Value),
    /// It ended with this exit code.
    Ended(i32),
}

/// Begins to wait for errands. Must be called while this process has one thread. `run` runs a command in a process of its
/// own and answers its exit code.
///
/// # Errors
/// When the system gives no pipe or no process.
pub fn begin(run: impl Fn(Vec<OsString>) -> i32) -> io::Result<(Errands, Replies)> {
    let (orders, order) = io::pipe()?;
    let (replies, reply) = io::pipe()?;
    // SAFETY: this process has one thread (the caller's promise), so the child may do whatever it could.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            drop((order, replies));
            wait(orders, &reply, &run);
            exit(0)
        }
        _ => Ok((Errands(order), Replies(BufReader::new(replies)))),
    }
}

impl Errands {
    /// Has this done; whatever runs still is ended first.
    pub fn send(&mut self, arguments: &[OsString]) {
        use std::os::unix::ffi::OsStrExt;
        let mut line: Vec<u8> = Vec::new();
        for argument in arguments {
            line.extend(argument.as_bytes().iter().filter(|byte| **byte != b'\n'));
            line.push(0);
        }
        line.push(b'\n');
        // One write: an order is never half there. Nobody reads any more: there is nothing to be done about it.
        let _ = self.0.write_all(&line);
    }

    /// Ends what runs.
    pub fn cancel(&mut self) {
        self.send(&[]);
    }
}

/// Waits for each; there are no more once the screen's other half has ended.
impl Iterator for Replies {
    type Item = Reply;

    fn next(&mut self) -> Option<Reply> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(1..) => {}
            _ => return None,
        }
        let value: Value = serde_json::from_slice(line.as_bytes()).unwrap_or_default();
        Some(match value.as_i64() {
            Some(code) => Reply::Ended(code as i32),
            None => Reply::Said(value),
        })
    }
}

/// The helper's whole life.
fn wait(orders: PipeReader, reply: &PipeWriter, run: &dyn Fn(Vec<OsString>) -> i32) {
    use std::os::unix::ffi::OsStringExt;
    // SAFETY: both are descriptors of ours.
    unsafe { libc::dup2(reply.as_raw_fd(), 1) };
    if let Ok(null) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null") {
        // SAFETY: both are descriptors of ours.
        unsafe { libc::dup2(null.as_raw_fd(), 0) };
        // SAFETY: as above. The picture is on the terminal: what is logged would stand across it.
        unsafe { libc::dup2(null.as_raw_fd(), 2) };
    }
    let mut running = 0;
    for line in BufReader::new(orders).split(b'\n').map_while(Result::ok) {
        end(&mut running);
        let words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        let words: Vec<OsString> = words.map(|word| OsString::from_vec(word.to_vec())).collect();
        if words.is_empty() {
            continue;
        }
        // SAFETY: this process has one thread.
        match unsafe { libc::fork() } {
            0 => {
                let code = run_all(words, run);
                let _ = (&mut &*reply).write_all(format!("{code}\n").as_bytes());
                exit(0)
            }
            child => running = child,
        }
    }
    end(&mut running);
}

/// Several commands, as a shell would: the next after [`AND`] only if the one before did it, after [`THEN`] always.
fn run_all(words: Vec<OsString>, run: &dyn Fn(Vec<OsString>) -> i32) -> i32 {
    let (mut code, mut command) = (0, Vec::new());
    for word in words.into_iter().chain([THEN.into()]) {
        if word != AND && word != THEN {
            command.push(word);
            continue;
        }
        code = run(std::mem::take(&mut command));
        // Problems that are told elsewhere (3) are no reason to stop.
        if word == AND && code != 0 && code != 3 {
            break;
        }
    }
    code
}

/// Ends a child that runs still. Its number is its own until it is waited for.
fn end(running: &mut libc::pid_t) {
    if *running > 0 {
        // SAFETY: plain numbers, and nobody asks how it ended.
        unsafe {
            libc::kill(*running, libc::SIGKILL);
            libc::waitpid(*running, std::ptr::null_mut(), 0);
        }
    }
    *running = 0;
}
