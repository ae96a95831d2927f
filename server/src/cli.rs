//! The command line: what can be asked of `retrosync-server`, and a help that teaches. Reads arguments, does nothing.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use retrosync_protocol::UserCode;
use retrosync_server::config::{Announce, Config, ConfigError, Given, PublicUrl};
use retrosync_server::parts::BytesAt;
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
    /// Add users, list them, give a new password, make pairing codes
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
        settings: Settings,
    },
    /// Hash every content again and compare it with the records
    #[command(
        after_help = "Examples:\n  retrosync-server check\n  retrosync-server check --repair     (while no server runs)\n\nExit code 0: all contents are whole. 1: some are missing or damaged; they are named. With --repair what is damaged is moved out\nof the way; a device that still has the save brings its bytes again, at its next start or within a day. An orphan is a content that\nno record speaks of (a crash can leave some); it does no harm, and `gc` removes it a month later."
    )]
    Check {
        /// Set damaged contents aside, so that devices bring them again
        #[arg(long)]
        repair: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Copy everything, also of a running server, into a new folder
    #[command(
        after_help = "Example:\n  retrosync-server backup /mnt/usb/retrosync-2026-11-21\n\nWhatever the server keeps its data in (PostgreSQL, S3), the backup is one folder of SQLite and files: restore it anywhere."
    )]
    Backup {
        /// The folder to make
        folder: PathBuf,
        #[command(flatten)]
        settings: Settings,
    },
    /// Remove what no kept version needs any more; a running server does so once a day
    #[command(
        after_help = "Examples:\n  retrosync-server gc --dry-run\n  retrosync-server gc\n\nIn two steps: what is unneeded is marked, and removed by a run at least `gc.wait_days` later. Which versions keep their bytes is said by\n`retention.*` (docs/KEEPING.md). May run beside a server."
    )]
    Gc {
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Put a backup where nothing is yet: a data directory, or the configured database and bucket
    #[command(
        after_help = "Example:\n  retrosync-server restore /mnt/usb/retrosync-2026-11-21 --data ./retrosync-data\n\nDevices notice that the history is another one and tell the server what they hold; nothing is lost by it."
    )]
    Restore {
        /// The backup's folder
        folder: PathBuf,
        #[command(flatten)]
        settings: Settings,
    },
    /// Move all records to another database, compared; the bytes too, where they shall be elsewhere
    #[command(
        after_help = "Examples:\n  retrosync-server migrate --from sqlite:./retrosync-data --to postgres://retrosync@db.example.org/saves\n  retrosync-server migrate --from sqlite:./retrosync-data --to postgres://… --bytes-to s3 --config retrosync-server.toml\n  retrosync-server migrate --from postgres://… --to sqlite:./at-home --bytes-from s3 --bytes-to ./at-home\n\nStop the servers first; a database in use is refused. The target is empty, or is what the same command made before. Records move\nall at once or not at all, bytes go on where they were: after an interruption give the same command again. Nothing is removed\nfrom where it was. It stays the same history: devices and people notice nothing.\n\nA password is not in the address, for everybody on the machine sees arguments: `database_password` of the configuration is for it,\nor a file (`--set database_password_file=PATH`).\n\nExit code 0: all is there, compared and whole. 1: it is not, and what is wrong is named. 2: misused."
    )]
    Migrate {
        /// Where the records are: `sqlite:DIR` (a data directory) or `postgres://USER@HOST/NAME`
        #[arg(long, value_name = "DATABASE")]
        from: String,
        /// Where they shall be
        #[arg(long, value_name = "DATABASE")]
        to: String,
        /// Where the bytes are: a data directory, or `s3` for the configured bucket [default: the directory of an SQLite `--from`]
        #[arg(long, value_name = "DIR|s3")]
        bytes_from: Option<BytesAt>,
        /// Where they shall be; without it they stay, and are only verified
        #[arg(long, value_name = "DIR|s3")]
        bytes_to: Option<BytesAt>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Ask the server on this machine whether it is ready; for a container's health check
    #[command(
        after_help = "Example:\n  retrosync-server health && echo ready\n\nAsks where `listen` says, in TLS if `tls.*` says so. Exit code 0: ready. 1: not, and why."
    )]
    Health {
        #[command(flatten)]
        settings: Settings,
    },
    /// Print the configuration as it is in force, every key explained; no secrets
    #[command(
        after_help = "Examples:\n  retrosync-server config --default > retrosync-server.toml\n  RETROSYNC_LISTEN=127.0.0.1:8377 retrosync-server config --config retrosync-server.toml\n\nThe file wins over defaults, the environment over the file, the command line over all."
    )]
    Config {
        /// A fresh file with the defaults, instead of what is in force
        #[arg(long)]
        default: bool,
        #[command(flatten)]
        settings: Settings,
    },
}

/// How to run.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// Where to listen; port 0 takes a free one and prints it [default: 0.0.0.0:8377]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// How users reach the server, if that is not where it listens (behind a proxy)
    #[arg(long, value_name = "URL")]
    public_url: Option<PublicUrl>,
    /// A proxy before the server, whose `Forwarded` or `X-Forwarded-For` says whom a request is from; may be given again
    #[arg(long, value_name = "ADDR[/BITS]", value_delimiter = ',')]
    trusted_proxy: Vec<Network>,
    /// Let anybody who reaches the dashboard make an account; else only the first user can, and who is invited (a press on
    /// the admin page wins)
    #[arg(long)]
    open_registration: bool,
    /// Where to answer devices of the local network that look for a server (UDP); `off`: nowhere. Without it: on port 8377,
    /// where `--listen` is more than this machine
    #[arg(long, value_name = "ADDR:PORT|off")]
    announce: Option<Announce>,
    /// Write the server's address here once it listens (scripts wait for this file)
    #[arg(long, value_name = "PATH")]
    ready_file: Option<PathBuf>,
}

impl Serve {
    /// The configuration with these flags over it.
    pub(crate) fn config(self) -> Result<Config, ConfigError> {
        let proxies: Vec<String> = self.trusted_proxy.iter().map(Network::to_string).collect();
        let flags = [
            ("listen", self.listen.map(|at| at.to_string())),
            ("public_url", self.public_url.map(|url| url.as_str().to_owned())),
            ("trusted_proxies", (!proxies.is_empty()).then(|| proxies.join(","))),
            ("open_registration", self.open_registration.then(|| "true".to_owned())),
            ("announce", self.announce.map(|at| at.to_string())),
            ("ready_file", self.ready_file.map(|path| path.to_string_lossy().into_owned())),
        ];
        let flags = flags.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?))).collect();
        self.settings.config_with(flags)
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
        settings: Settings,
    },
    /// Give a user who forgot it a new password; it is made and printed once, or read from standard input
    #[command(
        after_help = "Examples:\n  retrosync-server user password ada\n  echo 'correct horse battery' | retrosync-server user password ada --password-stdin\n\nEnds all their sessions of the dashboard; their devices stay paired."
    )]
    Password {
        /// Whose password
        name: String,
        /// Read the password's one line from standard input
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// List the users, one a line: name, admin or not, devices, saves
    #[command(after_help = "Example:\n  retrosync-server user list")]
    List {
        #[command(flatten)]
        settings: Settings,
    },
    /// Print a pairing code for a device without a screen
    #[command(
        after_help = "Example:\n  retrosync-server user code ada\nThen on the device:\n  retrosync pair http://SERVER:8377 --plain-http true --code WXRT-4KQM"
    )]
    Code {
        /// Whose device it will be
        name: String,
        #[command(flatten)]
        settings: Settings,
    },
}

/// How the server is set up; the same for all commands.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// The folder that holds everything the server keeps; made at first [default: ./retrosync-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A configuration file; `retrosync-server config --default` prints one [env: RETROSYNC_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set any key of the configuration, such as `log.format=json`; may be given again
    #[arg(long, value_name = "KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
}

impl Settings {
    /// Defaults, file, environment, these flags.
    pub(crate) fn config(self) -> Result<Config, ConfigError> {
        self.config_with(Vec::new())
    }

    fn config_with(self, more: Vec<(String, String)>) -> Result<Config, ConfigError> {
        let data = self.data.map(|path| ("data".to_owned(), path.to_string_lossy().into_owned()));
        let flags = self.set.into_iter().chain(data).chain(more).collect();
        Config::load(&Given { file: self.config, environment: std::env::vars_os().collect(), flags })
    }
}

fn assignment(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn every_command_is_well_formed() {
        Cli::command().debug_assert();
    }
}
