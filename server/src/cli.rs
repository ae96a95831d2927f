//! The command line: what can be asked of `retrosync-server`, and a help that teaches. Reads arguments, does nothing.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use retrosync_protocol::UserCode;
use retrosync_server::proxies::Network;

/// The self-hosted RetroSync server.
#[derive(Debug, Parser)]
#[command(
    name = "retrosync-server",
    version,
    about = "Keeps the saves of your handhelds, every version of them, and hands them on",
    arg_required_else_help = true,
    after_help = "The shortest way:\n  retrosync-server serve\nThen open the address that it prints and make your account."
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server; needs no configuration
    #[command(
        after_help = "Examples:\n  retrosync-server serve\n  retrosync-server serve --data /srv/retrosync --listen 127.0.0.1:8377 --public-url https://saves.example.org --trusted-proxy 127.0.0.1\n\nStop it with Ctrl-C or SIGTERM; pulling the plug loses nothing that was answered."
    )]
    Serve(Serve),
    /// Add users, make pairing codes
    #[command(subcommand)]
    User(User),
    /// Let in the device that shows a code
    #[command(
        after_help = "Example:\n  retrosync-server approve WXRT-4KQM --user ada\n\nWorks while the server runs: the device is in a second later."
    )]
    Approve {
        /// The code on the device's screen
        code: UserCode,
        /// Whose device it is; not needed while there is one user
        #[arg(long)]
        user: Option<String>,
        #[command(flatten)]
        data: Data,
    },
    /// Hash every content again and compare it with the records
    #[command(
        after_help = "Examples:\n  retrosync-server check\n  retrosync-server check --repair     (while no server runs)\n\nExit code 0: all contents are whole. 1: some are missing or damaged; they are named. With --repair what is damaged is moved out\nof the way; a device that still has the save brings its bytes again, at its next start or within a day."
    )]
    Check {
        /// Set damaged contents aside, so that devices bring them again, and remove contents older than a day that no record
        /// speaks of (a crash can leave some; they do no harm)
        #[arg(long)]
        repair: bool,
        #[command(flatten)]
        data: Data,
    },
    /// Copy everything, also of a running server, into a new folder
    #[command(after_help = "Example:\n  retrosync-server backup /mnt/usb/retrosync-2026-11-21")]
    Backup {
        /// The folder to make
        folder: PathBuf,
        #[command(flatten)]
        data: Data,
    },
    /// Put a backup in the place of a missing or empty data directory
    #[command(
        after_help = "Example:\n  retrosync-server restore /mnt/usb/retrosync-2026-11-21 --data ./retrosync-data\n\nDevices notice that the history is another one and tell the server what they hold; nothing is lost by it."
    )]
    Restore {
        /// The backup's folder
        folder: PathBuf,
        #[command(flatten)]
        data: Data,
    },
}

/// How to run.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) data: Data,
    /// Where to listen; port 0 takes a free one and prints it
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:8377")]
    pub(crate) listen: SocketAddr,
    /// How users reach the server, if that is not where it listens (behind a proxy)
    #[arg(long, value_name = "URL", value_parser = public_url)]
    pub(crate) public_url: Option<String>,
    /// A proxy before the server, whose `Forwarded` or `X-Forwarded-For` says whom a request is from; may be given again
    #[arg(long, value_name = "ADDR[/BITS]", value_delimiter = ',')]
    pub(crate) trusted_proxy: Vec<Network>,
    /// Let anybody who reaches the dashboard make an account; else only the first user can
    #[arg(long)]
    pub(crate) open_registration: bool,
    /// Where to answer devices of the local network that look for a server (UDP); `off`: nowhere. Without it: on port 8377,
    /// where `--listen` is more than this machine
    #[arg(long, value_name = "ADDR:PORT|off", value_parser = announce)]
    pub(crate) announce: Option<Announce>,
    /// Write the server's address here once it listens (scripts wait for this file)
    #[arg(long, value_name = "PATH")]
    pub(crate) ready_file: Option<PathBuf>,
}

/// Where to answer devices that look for a server; `None`: nowhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Announce(pub(crate) Option<SocketAddr>);

fn announce(text: &str) -> Result<Announce, String> {
    match text {
        "off" => Ok(Announce(None)),
        text => text.parse().map(|at| Announce(Some(at))).map_err(|_| "not `off` and not ADDR:PORT".into()),
    }
}

/// What can be done about users.
#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Add a user; the password is made and printed once, or read from standard input
    #[command(
        after_help = "Examples:\n  retrosync-server user add ada\n  echo 'correct horse battery' | retrosync-server user add ada --password-stdin"
    )]
    Add {
        /// The new user's name
        name: String,
        /// Read the password's one line from standard input
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        data: Data,
    },
    /// Print a pairing code for a device without a screen
    #[command(
        after_help = "Example:\n  retrosync-server user code ada\nThen on the device:\n  retrosync pair http://SERVER:8377 --plain-http true --code WXRT-4KQM"
    )]
    Code {
        /// Whose device it will be
        name: String,
        #[command(flatten)]
        data: Data,
    },
}

/// Where everything is kept.
#[derive(Debug, Args)]
pub(crate) struct Data {
    /// The folder that holds everything the server keeps; made at first
    #[arg(id = "data", long = "data", value_name = "DIR", default_value = "./retrosync-data")]
    pub(crate) folder: PathBuf,
}

/// Scheme, host and port: the dashboard's own links start at the root, so a path would lead nowhere.
fn public_url(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    let url = text.strip_suffix('/').unwrap_or(text);
    match url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) {
        Some(host) if !host.is_empty() && host.chars().all(fits) => Ok(url.to_owned()),
        _ => Err("expected scheme, host and port, such as https://saves.example.org".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn every_command_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_public_url_is_an_address() {
        assert_eq!(public_url("https://saves.example.org/").as_deref(), Ok("https://saves.example.org"));
        assert!(public_url("http://[fd00::1]:8377").is_ok());
        for bad in ["saves.example.org", "https://", "ftp://x", "https://a b", "https://a?b", "https://a/b"] {
            assert!(public_url(bad).is_err(), "{bad}");
        }
    }
}
