//! Arguments to a configuration to a command. What a command works with, `parts` opens.
//!
//! Exit codes: 0 all well; 1 could not run, or a check found damage; 2 misused: arguments or configuration.

mod cli;
mod log_lines;
mod migrate;
mod serve;
mod users;
mod words;

use std::error::Error;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser as _;
use retrosync_protocol::UserCode;
use retrosync_server::ask_health;
use retrosync_server::config::{Config, ConfigError};
use retrosync_server::keep::{self, Copied};
use retrosync_server::library::Upkeep;
use retrosync_server::parts::{Parts, alone, is_used, restore, upkeep};

// The hunt's mistakes are in no program.
const _: () = assert!(!retrosync_protocol::Mistake::CAN_BE_MADE);

type Outcome = Result<ExitCode, Box<dyn Error>>;

fn main() -> ExitCode {
    run(cli::Cli::parse().command).unwrap_or_else(|error| {
        // Whoever read what we say has read enough (`… | head -1`).
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            return ExitCode::SUCCESS;
        }
        let _ = std::io::stderr().lock().write_all(words::failure(error.as_ref()).as_bytes());
        ExitCode::from(if error.is::<ConfigError>() { 2 } else { 1 })
    })
}

/// What a command does once its configuration is known.
enum Task {
    Serve,
    AddUser { name: String, password_stdin: bool },
    SetPassword { name: String, password_stdin: bool },
    ListUsers,
    MakeCode { name: String },
    Approve { code: UserCode, user: Option<String> },
    Check { repair: bool },
    Backup { folder: PathBuf },
    Restore { folder: PathBuf },
    Gc { dry_run: bool },
    Migrate(migrate::Move),
    Health,
    Config,
}

fn run(command: cli::Command) -> Outcome {
    let (config, task) = match command {
        cli::Command::Serve(options) => (options.config()?, Task::Serve),
        cli::Command::User(cli::User::Add { name, password_stdin, settings }) => {
            (settings.config()?, Task::AddUser { name, password_stdin })
        }
        cli::Command::User(cli::User::Password { name, password_stdin, settings }) => {
            (settings.config()?, Task::SetPassword { name, password_stdin })
        }
        cli::Command::User(cli::User::List { settings }) => (settings.config()?, Task::ListUsers),
        cli::Command::User(cli::User::Code { name, settings }) => {
            (settings.config()?, Task::MakeCode { name })
        }
        cli::Command::Approve { code, user, settings } => (settings.config()?, Task::Approve { code, user }),
        cli::Command::Check { repair, settings } => (settings.config()?, Task::Check { repair }),
        cli::Command::Backup { folder, settings } => (settings.config()?, Task::Backup { folder }),
        cli::Command::Restore { folder, settings } => (settings.config()?, Task::Restore { folder }),
        cli::Command::Gc { dry_run, settings } => (settings.config()?, Task::Gc { dry_run }),
        cli::Command::Migrate { from, to, bytes_from, bytes_to, settings } => {
            let what = migrate::Move::new(&from, &to, bytes_from, bytes_to)?;
            (settings.config()?, Task::Migrate(what))
        }
        cli::Command::Health { settings } => (settings.config()?, Task::Health),
        cli::Command::Config { default: true, .. } => return print(&Config::fresh()),
        cli::Command::Config { default: false, settings } => (settings.config()?, Task::Config),
    };
    log_lines::start(&config);
    config.warnings().iter().for_each(|warning| log::warn!("{warning}"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(carry_out(task, config))
}

async fn carry_out(task: Task, config: Config) -> Outcome {
    match task {
        Task::Serve => serve::serve(config).await,
        Task::AddUser { name, password_stdin } => users::add(&config, &name, password_stdin).await,
        Task::SetPassword { name, password_stdin } => {
            users::set_password(&config, &name, password_stdin).await
        }
        Task::ListUsers => users::list(&config).await,
        Task::MakeCode { name } => users::make_code(&config, &name).await,
        Task::Approve { code, user } => users::approve(&config, &code, user.as_deref()).await,
        Task::Check { repair } => check(&config, repair).await,
        Task::Backup { folder } => {
            let parts = Parts::open_existing(&config).await?;
            let (catalog, blobs) = (parts.catalog.as_ref(), parts.blobs.as_ref());
            let copied = keep::backup(catalog, blobs, &config.data, &folder, now_unix_s).await?;
            copied_or_lost(&copied, &format!("backed up to `{}`", folder.display()))
        }
        Task::Restore { folder } => {
            let copied = restore(&config, &folder).await?;
            copied_or_lost(&copied, &format!("restored from `{}`", folder.display()))
        }
        Task::Gc { dry_run } => {
            let parts = Parts::open_existing(&config).await?;
            let upkeep = Upkeep { dry_run, ..upkeep(&config) };
            let done = parts.library().collect(&upkeep, &own_name(), now_unix_s).await?;
            say(&words::collected(&done, dry_run))
        }
        Task::Migrate(what) => migrate::migrate(&config, what).await,
        Task::Health => {
            let speaks_tls = config.tls_self_signed || config.tls_cert_file.is_some();
            ask_health::ask(config.listen, speaks_tls).await?;
            say("ready")
        }
        Task::Config => print(&config.effective()),
    }
}

fn print(text: &str) -> Outcome {
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn say(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(ExitCode::SUCCESS)
}

/// Says what was copied; what could not be is damage.
fn copied_or_lost(copied: &Copied, doing: &str) -> Outcome {
    for line in &copied.lost {
        say(&format!("lost  {line}"))?;
    }
    say(&format!("{doing}: {} contents, {} bytes", copied.contents, copied.size_bytes))?;
    Ok(if copied.lost.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// This process, among all that work on the same catalog.
fn own_name() -> String {
    let drawn = random::<8>().map(u64::from_le_bytes);
    format!("{}-{:016x}", std::process::id(), drawn.unwrap_or_default())
}

fn now_unix_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn random<const N: usize>() -> Result<[u8; N], Box<dyn Error>> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| format!("cannot draw random numbers: {error}"))?;
    Ok(bytes)
}

async fn check(config: &Config, repair: bool) -> Outcome {
    is_used(config)?;
    let _alone = if repair { alone(config)? } else { None };
    let parts = Parts::open(config).await?;
    let (catalog, blobs) = (parts.catalog.as_ref(), parts.blobs.as_ref());
    tell_report(&if repair {
        keep::repair(catalog, blobs, &now_unix_s).await?
    } else {
        keep::check(catalog, blobs).await?
    })
}

/// What a check found, and its exit code.
fn tell_report(report: &keep::Report) -> Outcome {
    let lines = [
        ("missing", &report.missing),
        ("damaged", &report.damaged),
        ("unreadable", &report.unreadable),
        ("orphan", &report.orphans),
    ];
    for (what, found) in lines {
        for line in found {
            say(&format!("{what}  {line}"))?;
        }
    }
    let verdict = match (report.is_sound(), report.set_aside) {
        (true, _) => "all whole",
        (false, 0) if report.missing.is_empty() && report.damaged.is_empty() => {
            "some cannot be read now, which is no proof of damage; try again"
        }
        (false, 0) => "damage found; nothing was changed",
        (false, _) => "damage found",
    };
    say(&format!("{} contents, {} bytes: {verdict}", report.contents, report.size_bytes))?;
    if report.set_aside > 0 {
        say(&format!(
            "moved {} out of the way; a device that has these saves brings them again",
            report.set_aside
        ))?;
    }
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
