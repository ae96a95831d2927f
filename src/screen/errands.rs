//! Commands of this program that the screen has done by another process: pairing, start, stop.
//!
//! What is to be done leaves the screen's process before it has a thread, so that it may fork as `start` does. One errand
//! after the other, each with a number; what was begun is finished though the screen ends meanwhile, all but a pairing,
//! whose code nobody sees any more. It answers with the lines that the command prints with `--json`, and at its end with
//! one more. (`std::process` is 20 KB on the card.)

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::os::fd::AsRawFd;
use std::process::exit;

use serde_json::Value;

use crate::error::Error;
use crate::report;
use crate::supervise;

/// Between two commands: the second only if the first was done.
pub const AND: &str = "&&";
/// Between two commands: the second whatever became of the first.
pub const THEN: &str = ";";
/// The command that waits for a person who sees its code.
const WAITS: &str = "pair";

/// Where errands are handed in.
pub struct Errands(PipeWriter);

/// What a running errand says.
pub struct Replies {
    lines: BufReader<PipeReader>,
    /// Whose lines they are.
    number: u64,
}

/// One line of an errand.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// What the command printed.
    Said(Value),
    /// It ended with this exit code.
    Ended(i32),
}

/// An error as a command printed it; `None` where there is none.
pub fn error(error: &Value) -> Option<Error> {
    error.as_object()?;
    let member = |name: &str| error[name].as_str().map(str::to_owned);
    let mut told = Error::new(
        report::kind_of(&member("kind").unwrap_or_default()),
        member("doing").unwrap_or_default(),
        member("cause").unwrap_or_default(),
    );
    told.help = member("help");
    Some(told)
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
            // A menu that ends its children's whole group should not cut what is being done.
            // SAFETY: no arguments; a child that was just forked leads no group, so it cannot fail.
            unsafe { libc::setsid() };
            supervise::close_all_but(&[orders.as_raw_fd(), reply.as_raw_fd()]);
            wait(orders, &reply, &run);
            exit(0)
        }
        _ => Ok((Errands(order), Replies { lines: BufReader::new(replies), number: 0 })),
    }
}

impl Errands {
    /// Where errands go that nobody does.
    #[cfg(test)]
    pub(super) fn into(orders: PipeWriter) -> Errands {
        Errands(orders)
    }

    /// Has this done, after whatever runs still. The number stands beside all that it says.
    ///
    /// # Errors
    /// There is nobody any more who would do it.
    pub fn send(&mut self, number: u64, arguments: &[OsString]) -> Result<(), Error> {
        use std::os::unix::ffi::OsStrExt;
        let mut line: Vec<u8> = format!("{number}\0").into_bytes();
        for argument in arguments {
            line.extend(argument.as_bytes().iter().filter(|byte| **byte != b'\n'));
            line.push(0);
        }
        line.push(b'\n');
        // One write: an order is never half there.
        let sent = self.0.write_all(&line);
        sent.map_err(|error| {
            Error::io("cannot do that from the screen", &error).help("close it and open it again")
        })
    }

    /// Ends what runs.
    pub fn cancel(&mut self) {
        let _ = self.0.write_all(b"\n");
    }
}

/// Waits for each; there are no more once the screen's other half has ended.
impl Iterator for Replies {
    type Item = (u64, Reply);

    fn next(&mut self) -> Option<(u64, Reply)> {
        loop {
            let mut line = String::new();
            match self.lines.read_line(&mut line) {
                Ok(1..) => {}
                _ => return None,
            }
            let value: Value = serde_json::from_slice(line.as_bytes()).unwrap_or_default();
            match (value[0].as_u64(), value.as_i64()) {
                (Some(number), _) => self.number = number,
                (None, Some(code)) => return Some((self.number, Reply::Ended(code as i32))),
                (None, None) => return Some((self.number, Reply::Said(value))),
            }
        }
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
    // SAFETY: no arguments.
    let parent = unsafe { libc::getpid() };
    let mut running = 0;
    for line in BufReader::new(orders).split(b'\n').map_while(Result::ok) {
        let mut words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        let Some(number) = words.next() else {
            end(&mut running, true);
            continue;
        };
        end(&mut running, false);
        let _ = (&mut &*reply).write_all(&[b"[", number, b"]\n"].concat());
        let words: Vec<OsString> = words.map(|word| OsString::from_vec(word.to_vec())).collect();
        // SAFETY: this process has one thread.
        match unsafe { libc::fork() } {
            0 => {
                let code = run_all(words, parent, run);
                let _ = (&mut &*reply).write_all(format!("{code}\n").as_bytes());
                exit(0)
            }
            child => running = child,
        }
    }
    // The screen has ended. What runs goes on by itself.
}

/// Several commands, as a shell would: the next after [`AND`] only if the one before did it, after [`THEN`] always.
fn run_all(words: Vec<OsString>, parent: libc::pid_t, run: &dyn Fn(Vec<OsString>) -> i32) -> i32 {
    let (mut code, mut command) = (0, Vec::new());
    for word in words.into_iter().chain([THEN.into()]) {
        if word != AND && word != THEN {
            command.push(word);
            continue;
        }
        bind(parent, command.first().is_some_and(|first| first == WAITS));
        code = run(std::mem::take(&mut command));
        bind(parent, false);
        // Problems that are told elsewhere (3) are no reason to stop.
        if word == AND && code != 0 && code != 3 {
            break;
        }
    }
    code
}

/// Whether this process ends with the one that began it.
fn bind(parent: libc::pid_t, is_bound: bool) {
    let signal = if is_bound { libc::SIGKILL } else { 0 };
    // SAFETY: plain numbers.
    let has_parent = unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, signal);
        libc::getppid() == parent
    };
    if is_bound && !has_parent {
        exit(0);
    }
}

/// Waits for a child that runs still, or ends it. Its number is its own until it is waited for.
fn end(running: &mut libc::pid_t, at_once: bool) {
    if *running > 0 {
        // SAFETY: plain numbers, and nobody asks how it ended.
        unsafe {
            if at_once {
                libc::kill(*running, libc::SIGKILL);
            }
            libc::waitpid(*running, std::ptr::null_mut(), 0);
        }
    }
    *running = 0;
}
