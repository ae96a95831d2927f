//! Ten thousand devices before one server: what they cost it, and how fast it is. `scripts/load` builds and starts this.
//!
//! The server is its real program in a process of its own; everything stays on loopback and in a temporary folder, is bounded in
//! count and time, and is ended by its id. Exit codes: 0 every budget is kept, 1 one is missed, 2 it could not be measured.

mod crowd;
mod hour;
mod measures;
mod options;
mod people;
mod report;
mod rival;
mod server;
mod wire;

use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use retrosync_protocol::Epoch;
use retrosync_server::config::{Config, Database, Given};
use retrosync_server::parts::Parts;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use crate::measures::Scene;
use crate::options::Options;
use crate::report::{Budget, Report};

/// What can go wrong in a measurement is told, and ends it.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let options = match options::read(lexopt::Parser::from_env()) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("Started by `scripts/load`; see `scripts/load --help`.");
            return ExitCode::SUCCESS;
        }
        Err(why) => return fail(&format!("{why}\n  help: see `scripts/load --help`")),
    };
    // One thread: the cores are the server's.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let measured = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(until_told(&options)));
    match measured {
        Ok(report) if report.missed().is_empty() => ExitCode::SUCCESS,
        Ok(report) => {
            eprintln!("load: a promise is not kept:\n  {}", report.missed().join("\n  "));
            ExitCode::from(1)
        }
        Err(why) => fail(&why.to_string()),
    }
}

fn fail(why: &str) -> ExitCode {
    eprintln!("error: {why}");
    ExitCode::from(2)
}

/// Measures, but ends early and in order when somebody says so: what was started is ended by being dropped.
async fn until_told(options: &Options) -> Outcome<Report> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        measured = measure(options) => measured,
        _ = interrupt.recv() => Err("interrupted".into()),
        _ = terminate.recv() => Err("told to end".into()),
    }
}

async fn measure(options: &Options) -> Outcome<Report> {
    room_for(options.devices)?;
    let folder = tempfile::Builder::new().prefix("retrosync-load").tempdir()?;
    let mut report = Report::default();
    println!("{} users with two devices each move in", users(options));
    let (epoch, backend) = prepare(options, folder.path(), users(options) * 2).await?;
    introduce(&backend, &mut report);
    let running = server::start(&options.server, folder.path(), options.config.as_deref())?;
    report.figure("memory of the server before anybody comes", mib(&running)?, "MiB", Budget::None);
    if options.long_minutes == 0 {
        alone(options, &mut report, &running, &epoch).await?;
        beside(options, &mut report, folder.path()).await?;
    }
    let running = with_crowd(options, &mut report, running, folder.path(), &epoch).await?;
    if options.long_minutes == 0 {
        println!("clients that dawdle");
        let mut scene = Scene { server: &running, epoch: &epoch, report: &mut report };
        measures::dawdlers(&mut scene, 3000).await?;
        report.figure("memory of the server at the end", mib(&running)?, "MiB", Budget::None);
    }
    report.note(format!("Load of the machine at the end: {}.", words_of("/proc/loadavg", 3)));
    let text = format!("{report}");
    println!("\n{text}");
    std::fs::write(&options.report, &text)
        .map_err(|why| format!("cannot write the report to `{}`: {why}", options.report.display()))?;
    println!("written to {}", options.report.display());
    Ok(report)
}

/// The waiting, and two more for each client that stores or asks beside them.
fn users(options: &Options) -> usize {
    options.devices.div_ceil(2) + options.clients * 2 + 1100
}

fn introduce(backend: &str, report: &mut Report) {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    report.note(format!(
        "{cores} cores ({}), shared by the server and the clients; load at the start: {}.",
        model.trim_start_matches(['\t', ' ', ':']),
        words_of("/proc/loadavg", 3)
    ));
    report.note(format!(
        "Records and bytes: {backend}. Devices were written into the catalog by the server's own code before it started, not paired over HTTP."
    ));
    report.note(format!(
        "A waiting device asks again after {} s, as the daemon does; CPU is told in parts of one core.",
        crowd::WAIT_S
    ));
}

/// Before the server starts: who there is, and a word for where the server keeps it.
async fn prepare(options: &Options, folder: &Path, devices: usize) -> Outcome<(Epoch, String)> {
    let given = Given {
        file: options.config.clone(),
        environment: std::env::vars_os().collect(),
        flags: vec![("data".into(), server::data(folder).display().to_string())],
    };
    let opened = async {
        let config = Config::load(&given)?;
        let parts = Parts::open(&config).await?;
        Ok::<_, Box<dyn std::error::Error>>((config, parts))
    };
    let (config, parts) = opened.await.map_err(|why| why.to_string())?;
    let now_unix_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs().cast_signed();
    let epoch = people::pair(parts.catalog.as_ref(), devices, now_unix_s).await?;
    parts.close().await;
    let records = if config.database == Database::Sqlite { "SQLite" } else { "PostgreSQL" };
    let bytes = if config.s3_bucket.is_some() { "S3" } else { "a folder" };
    Ok((epoch, format!("{records} and {bytes}")))
}

/// What the server does when nobody waits.
async fn alone(
    options: &Options,
    report: &mut Report,
    running: &server::Running,
    epoch: &Epoch,
) -> Outcome<()> {
    let first = options.devices.div_ceil(2);
    println!("quiet questions from {} devices", options.clients);
    let each_second =
        measures::polls(running.address, epoch, first, options.clients, options.seconds).await?;
    report.figure("quiet questions", each_second, "a second", Budget::AtLeast(5000.0));
    println!("saves of 32 KiB from {} devices", options.clients);
    let stored = measures::stores(running.address, first, options.clients, options.seconds).await?;
    report.figure(
        "stores of 32 KiB, each durable when answered",
        stored.each_second,
        "a second",
        Budget::AtLeast(500.0),
    );
    report.figure("one of them, 95 of 100", stored.late_ms, "ms", Budget::None);
    Ok(())
}

/// Stores, and the same files into a plain WebDAV server on the same disk.
async fn beside(options: &Options, report: &mut Report, folder: &Path) -> Outcome<()> {
    let Some(root) = rival::root() else {
        report.note("No WebDAV server beside it: nginx with dav-ext is not installed.");
        return Ok(());
    };
    println!("a plain WebDAV server takes the same files from {} clients", options.clients);
    let rival_folder = folder.join("webdav");
    let running = rival::start(&root, &rival_folder).await?;
    let each_second = rival::puts(running.address, options.clients, options.seconds).await?;
    drop(running);
    std::fs::remove_dir_all(&rival_folder)?;
    report.beside("stores of 32 KiB", format!("{each_second:.0} a second into nginx, none of them durable"));
    Ok(())
}

/// What needs the crowd: its cost, its news, and stores beside it. Answers the server as it goes on, after a kill.
async fn with_crowd(
    options: &Options,
    report: &mut Report,
    running: server::Running,
    folder: &Path,
    epoch: &Epoch,
) -> Outcome<server::Running> {
    println!("{} devices come to wait", options.devices);
    let first_free = options.devices.div_ceil(2) + options.clients;
    let mut scene = Scene { server: &running, epoch, report };
    let mut crowd = measures::waiting(&mut scene, options.devices, options.seconds).await?;
    if options.long_minutes > 0 {
        println!("all of it for {} minutes", options.long_minutes);
        hour::run(&mut scene, &mut crowd, first_free, options.long_minutes).await?;
    }
    println!("saves, for sisters that wait");
    measures::sisters(&mut scene, &mut crowd, options.devices, options.seconds).await?;
    let few = options.clients.min(100);
    let beside = measures::stores(running.address, first_free, few, options.seconds).await?;
    report.figure("stores, durable, while they wait", beside.each_second, "a second", Budget::None);
    crowd.is_whole()?;
    crowd.leave().await;
    println!("the server is killed and started again");
    running.kill();
    let running = server::start(&options.server, folder, options.config.as_deref())?;
    let kept = measures::all_there(running.address, epoch, &beside).await?;
    report.note(format!("After SIGKILL all {kept} saves were there that it had answered while they waited."));
    Ok(running)
}

fn mib(running: &server::Running) -> Outcome<f64> {
    Ok(running.memory_bytes()? as f64 / f64::from(1 << 20))
}

/// The first words of a file of the kernel.
fn words_of(file: &str, count: usize) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.split_whitespace().take(count).collect::<Vec<_>>().join(" ")
}

/// As many open files as we need, if the machine lets us.
fn room_for(devices: usize) -> Outcome<()> {
    let had = getrlimit(Resource::Nofile);
    let needed = devices as u64 + 4096;
    if had.maximum.is_some_and(|most| most < needed) {
        return Err(format!("{devices} devices need {needed} open files, and this machine allows fewer\n  help: `ulimit -Hn {needed}`, as root, or `--devices` with fewer").into());
    }
    Ok(setrlimit(Resource::Nofile, Rlimit { current: had.maximum, maximum: had.maximum })?)
}
