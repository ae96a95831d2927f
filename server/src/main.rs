//! Arguments to parts to a running server. The only file that names SQLite and the disk.
//!
//! Exit codes: 0 all well; 1 could not run, or a check found damage; 2 misused.

mod cli;
mod log_lines;
mod words;

use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser as _;
use retrosync_protocol::{Epoch, UserCode};
use retrosync_server::access::{Access, AccessOptions};
use retrosync_server::announce::Announcer;
use retrosync_server::app::App;
use retrosync_server::blobs::disk::DiskBlobs;
use retrosync_server::catalog::sqlite::SqliteCatalog;
use retrosync_server::catalog::{Catalog, User};
use retrosync_server::library::Library;
use retrosync_server::notice::Notice;
use retrosync_server::proxies::Proxies;
use retrosync_server::{api, compat, keep, listen, web};
use tokio::signal::unix::{SignalKind, signal};

type Outcome = Result<ExitCode, Box<dyn Error>>;

/// How often what is over is forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

fn main() -> ExitCode {
    let command = cli::Cli::parse().command;
    log_lines::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(command)),
        Err(error) => Err(error.into()),
    };
    outcome.unwrap_or_else(|error| {
        // Whoever read what we say has read enough (`… | head -1`).
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            return ExitCode::SUCCESS;
        }
        let _ = std::io::stderr().lock().write_all(words::failure(error.as_ref()).as_bytes());
        ExitCode::from(1)
    })
}

async fn run(command: cli::Command) -> Outcome {
    match command {
        cli::Command::Serve(options) => serve(options).await,
        cli::Command::User(cli::User::Add { name, password_stdin, data }) => {
            add_user(&data.folder, &name, password_stdin).await
        }
        cli::Command::User(cli::User::Code { name, data }) => make_code(&data.folder, &name).await,
        cli::Command::Approve { code, user, data } => approve(&data.folder, &code, user.as_deref()).await,
        cli::Command::Check { repair, data } => check(&data.folder, repair).await,
        cli::Command::Backup { folder, data } => {
            let parts = Parts::open_existing(&data.folder).await?;
            keep::backup(parts.catalog.as_ref(), &data.folder, &folder).await?;
            say(&format!("backed up `{}` to `{}`", data.folder.display(), folder.display()))
        }
        cli::Command::Restore { folder, data } => {
            keep::restore(&folder, &data.folder).await?;
            say(&format!("restored `{}` from `{}`", data.folder.display(), folder.display()))
        }
    }
}

fn say(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(ExitCode::SUCCESS)
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

/// What a data directory holds, open.
struct Parts {
    catalog: Arc<SqliteCatalog>,
    blobs: Arc<DiskBlobs>,
    notice: Arc<Notice>,
}

impl Parts {
    /// Opens a data directory and makes what is not there.
    async fn open(data: &Path) -> Result<Parts, Box<dyn Error>> {
        keep::make_private(data)
            .map_err(|error| format!("cannot make the data directory `{}`: {error}", data.display()))?;
        let epoch = Epoch::from_random(&random()?);
        let catalog = Arc::new(SqliteCatalog::open(&keep::catalog_file(data), &epoch).await?);
        let blobs = Arc::new(DiskBlobs::open(&keep::blobs_folder(data))?);
        Ok(Parts { catalog, blobs, notice: Arc::new(Notice::new()) })
    }

    /// Opens a data directory that a server has used.
    async fn open_existing(data: &Path) -> Result<Parts, Box<dyn Error>> {
        if keep::catalog_file(data).exists() {
            return Parts::open(data).await;
        }
        Err(format!(
            "`{}` is not a server's data directory: say where it is with `--data DIR`",
            data.display()
        )
        .into())
    }

    fn access(&self, open_registration: bool) -> Access {
        let catalog: Arc<dyn Catalog> = self.catalog.clone();
        Access::new(catalog, AccessOptions { open_registration })
    }

    fn library(&self) -> Library {
        Library::new(self.catalog.clone(), self.blobs.clone(), self.notice.clone())
    }
}

async fn serve(options: cli::Serve) -> Outcome {
    let data = options.data.folder;
    let parts = Parts::open(&data).await?;
    let _alone = alone(&data)?;
    parts.blobs.clear_incoming()?;
    let access = parts.access(options.open_registration);
    let first_user = access.users().await?.is_empty();
    let proxies = Proxies::new(options.trusted_proxy);
    let app = App::new(parts.library(), access, options.public_url, proxies).await?;
    app.keeps_data_in(data.clone());
    let listener = listen::bind(options.listen).await.map_err(|error| {
        format!("cannot listen on `{}`: {error}; choose another with `--listen ADDR:PORT`", options.listen)
    })?;
    let announcing =
        announce(&options.announce, app.public_url.as_deref(), &listener).await?.map(tokio::spawn);
    let url = app
        .public_url
        .clone()
        .unwrap_or_else(|| words::base_url(listener.local_addr().unwrap_or(options.listen)));
    if let Some(file) = &options.ready_file {
        write_ready(file, &words::local_url(listener.local_addr()?))?;
    }
    let shown = data.canonicalize().unwrap_or(data);
    say(&words::greeting(&url, &shown, first_user))?;
    let sweeping = tokio::spawn(sweep(app.clone()));
    let pages = api::router(app.clone())
        .merge(compat::retrosync::router(app.clone()))
        .merge(web::router(app.clone()));
    listen::serve(app, pages, listener, None, stop_signal()?).await;
    sweeping.abort();
    announcing.inspect(|task| task.abort());
    parts.catalog.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Answers devices that look for a server, where that is asked for or makes sense.
async fn announce(
    asked: &Option<cli::Announce>,
    public_url: Option<&str>,
    listener: &tokio::net::TcpListener,
) -> Result<Option<impl Future<Output = ()> + use<>>, Box<dyn Error>> {
    let own = listener.local_addr()?;
    // What is asked of everybody reaches no socket of one address.
    let any =
        if own.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let usual = SocketAddr::new(any, retrosync_protocol::discovery::PORT);
    let at = match asked {
        Some(cli::Announce(at)) => *at,
        None => (!own.ip().is_loopback()).then_some(usual),
    };
    let Some(at) = at else { return Ok(None) };
    match Announcer::bind(at, public_url, false, own.port()).await {
        Ok(announcer) => Ok(Some(announcer.run())),
        Err(error) => {
            log::warn!("devices must be told the address, they cannot find it: UDP `{at}`: {error}");
            Ok(None)
        }
    }
}

/// Held while a server runs, so that no second one uses the same data.
fn alone(data: &Path) -> Result<File, Box<dyn Error>> {
    let path = data.join("server.lock");
    let file = File::create(&path).map_err(|error| format!("cannot write `{}`: {error}", path.display()))?;
    file.try_lock().map_err(|_| format!("another server uses `{}`: stop it first", data.display()))?;
    Ok(file)
}

/// Written under another name first, so that who waits for the file never reads half of it.
fn write_ready(file: &Path, url: &str) -> std::io::Result<()> {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    std::fs::write(&name, format!("{url}\n"))?;
    std::fs::rename(&name, file)
}

/// Comes back at the first Ctrl-C or SIGTERM.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Forgets now and then what is over.
async fn sweep(app: Arc<App>) {
    let mut due = tokio::time::interval(SWEEP_EVERY);
    loop {
        due.tick().await;
        let swept = async {
            app.access.sweep(app.now_unix_s()).await?;
            app.access.sweep_codes(app.now_unix_s()).await?;
            app.library.sweep(app.now_unix_s()).await
        };
        if let Err(refusal) = swept.await {
            log::warn!("cannot forget what is over: {refusal}");
        }
    }
}

async fn add_user(data: &Path, name: &str, password_stdin: bool) -> Outcome {
    let access = Parts::open(data).await?.access(true);
    let admin = access.users().await?.is_empty();
    if password_stdin {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        access.add_user(name, line.trim_end_matches(['\r', '\n']), admin, now_unix_s()).await?;
        return say(&format!("added user `{name}`"));
    }
    // Two codes of 40 bits each: letters that are not mistaken for one another.
    let password = format!("{}-{}", UserCode::from_random(&random()?), UserCode::from_random(&random()?));
    access.add_user(name, &password, admin, now_unix_s()).await?;
    say(&format!("added user `{name}`\n\n  password  {password}\n\nIt is shown this once; write it down."))
}

async fn one_user(access: &Access, name: Option<&str>) -> Result<User, Box<dyn Error>> {
    let mut users = access.users().await?;
    if let Some(name) = name {
        let found = users.into_iter().find(|user| user.name.eq_ignore_ascii_case(name));
        return found.ok_or_else(|| {
            format!("no user `{name}`: add one with `retrosync-server user add {name}`").into()
        });
    }
    match (users.pop(), users.is_empty()) {
        (Some(user), true) => Ok(user),
        (Some(_), false) => Err("there are several users: say whose device it is with `--user NAME`".into()),
        (None, _) => Err("there is no user yet: add one with `retrosync-server user add NAME`".into()),
    }
}

async fn make_code(data: &Path, name: &str) -> Outcome {
    let access = Parts::open_existing(data).await?.access(false);
    let user = one_user(&access, Some(name)).await?;
    let offer = access.make_code(user.id, now_unix_s()).await?;
    let minutes = offer.expires_in_s / 60;
    say(&format!("{}\n\nIt is good for one device and {minutes} minutes.", offer.user_code))
}

async fn approve(data: &Path, code: &UserCode, user: Option<&str>) -> Outcome {
    let access = Parts::open_existing(data).await?.access(false);
    let user = one_user(&access, user).await?;
    let paired = access.approve(user.id, code, IpAddr::V4(Ipv4Addr::LOCALHOST), now_unix_s()).await?;
    say(&format!("`{}` is in: a device of `{}`", paired.device_name, paired.user))
}

async fn check(data: &Path, repair: bool) -> Outcome {
    let parts = Parts::open_existing(data).await?;
    let _alone = repair.then(|| alone(data)).transpose()?;
    let report = keep::check(parts.catalog.as_ref(), parts.blobs.as_ref(), repair, now_unix_s()).await?;
    let lines = [("missing", &report.missing), ("damaged", &report.damaged), ("orphan", &report.orphans)];
    for (what, found) in lines {
        for line in found {
            say(&format!("{what}  {line}"))?;
        }
    }
    let verdict = match (report.is_sound(), report.set_aside) {
        (true, _) => "all whole",
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
    if report.removed > 0 {
        say(&format!("removed {} that no record speaks of", report.removed))?;
    }
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
