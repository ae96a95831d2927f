//! Ten thousand devices before one server: what they cost it, and how fast it is. `scripts/load` builds and starts this.
//!
//! The server is its real program in a process of its own; everything stays on loopback and in a temporary folder, is bounded in
//! count and time, and is ended by its id. Exit codes: 0 every budget is kept, 1 one is missed, 2 it could not be measured.

mod backends;
mod busy;
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

use crate::backends::Backends;
use crate::busy::Storing;
use crate::crowd::Crowd;
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
    let mut report = Report::new(options.is_usual() || options.long_minutes > 0);
    let backends = Backends::start(options).await?;
    println!("{} users with two devices each move in", users(options));
    let (epoch, kept_in) = prepare(options, folder.path(), &backends).await?;
    introduce(&kept_in, &mut report);
    let running = server::start(options, folder.path(), &backends)?;
    report.figure("memory of the server before anybody comes", mib(&running)?, "MiB", Budget::None);
    let world = World { options, folder: folder.path(), backends: &backends, epoch: &epoch };
    if options.long_minutes > 0 {
        world.for_long(&mut report, running).await?;
    } else {
        world.alone(&mut report, &running).await?;
        world.beside(&mut report).await?;
        let running = world.with_crowd(&mut report, running).await?;
        println!("clients that dawdle");
        measures::dawdlers(&mut world.scene(&running, &mut report), 3000).await?;
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

fn introduce(kept_in: &str, report: &mut Report) {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    report.note(format!(
        "{cores} cores ({}), shared by the server and the clients; load at the start: {}.",
        model.trim_start_matches(['\t', ' ', ':']),
        words_of("/proc/loadavg", 3)
    ));
    report.note(format!(
        "Records and bytes: {kept_in}. Devices were written into the catalog by the server's own code before it started, not paired over HTTP."
    ));
    report.note(format!(
        "A waiting device asks again after {} s, as the daemon does; CPU is told in parts of one core.",
        crowd::WAIT_S
    ));
}

/// Before the server starts: who there is, and a word for where the server keeps it.
async fn prepare(options: &Options, folder: &Path, backends: &Backends) -> Outcome<(Epoch, String)> {
    let started = backends.environment().into_iter().map(|(name, value)| (name.into(), value.into()));
    let given = Given {
        file: options.config.clone(),
        environment: std::env::vars_os().chain(started).collect(),
        flags: vec![("data".into(), server::data(folder).display().to_string())],
    };
    let opened = async {
        let config = Config::load(&given)?;
        let parts = Parts::open(&config).await?;
        Ok::<_, Box<dyn std::error::Error>>((config, parts))
    };
    let (config, parts) = opened.await.map_err(|why| why.to_string())?;
    let now_unix_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs().cast_signed();
    let epoch = people::pair(parts.catalog.as_ref(), users(options) * 2, now_unix_s).await?;
    parts.close().await;
    let records = if config.database == Database::Sqlite { "SQLite" } else { "PostgreSQL" };
    let bytes = match config.s3_bucket {
        Some(_) if options.s3 => "S3 (moto, in memory)",
        Some(_) => "S3",
        None => "a folder",
    };
    Ok((epoch, format!("{records} and {bytes}")))
}

/// What all measurements are made in.
struct World<'a> {
    options: &'a Options,
    folder: &'a Path,
    backends: &'a Backends,
    epoch: &'a Epoch,
}

impl World<'_> {
    fn scene<'a>(&'a self, server: &'a server::Running, report: &'a mut Report) -> Scene<'a> {
        Scene { server, epoch: self.epoch, report }
    }

    /// What the server does when nobody waits.
    async fn alone(&self, report: &mut Report, running: &server::Running) -> Outcome<()> {
        let Options { clients, seconds, devices, .. } = *self.options;
        let first = devices.div_ceil(2);
        println!("quiet questions from {clients} devices");
        let each_second = measures::polls(running.address, self.epoch, first, clients, seconds).await?;
        report.figure("quiet questions", each_second, "a second", Budget::AtLeast(5000.0));
        println!("saves of 32 KiB from {clients} devices");
        let stored = measures::stores(running.address, self.epoch, first, clients, seconds).await?;
        let figure = "stores of 32 KiB, each durable when answered";
        report.figure(figure, stored.each_second, "a second", Budget::AtLeast(500.0));
        report.figure("one of them, 95 of 100", stored.late_ms, "ms", Budget::None);
        Ok(())
    }

    /// Stores, and the same files into a plain WebDAV server on the same disk.
    async fn beside(&self, report: &mut Report) -> Outcome<()> {
        let Some(root) = rival::root() else {
            report.note("No WebDAV server beside it: nginx with dav-ext is not installed.");
            return Ok(());
        };
        let Options { clients, seconds, .. } = *self.options;
        println!("a plain WebDAV server takes the same files from {clients} clients");
        let rival_folder = self.folder.join("webdav");
        let running = rival::start(&root, &rival_folder).await?;
        let each_second = rival::puts(running.address, clients, seconds).await?;
        drop(running);
        std::fs::remove_dir_all(&rival_folder)?;
        report.beside(
            "stores of 32 KiB",
            format!("{each_second:.0} a second into nginx, none of them durable"),
        );
        Ok(())
    }

    /// What needs the crowd: its cost, its news, and stores beside it. Answers the server as it goes on, after a kill.
    async fn with_crowd(&self, report: &mut Report, running: server::Running) -> Outcome<server::Running> {
        let Options { clients, seconds, devices, .. } = *self.options;
        println!("{devices} devices come to wait");
        let mut scene = self.scene(&running, report);
        let mut crowd = measures::waiting(&mut scene, devices, seconds).await?;
        println!("saves, for sisters that wait");
        measures::sisters(&mut scene, &mut crowd, devices, seconds).await?;
        let first_free = devices.div_ceil(2) + clients;
        let beside =
            measures::stores(running.address, self.epoch, first_free, clients.min(100), seconds).await?;
        report.figure("stores, durable, while they wait", beside.each_second, "a second", Budget::None);
        crowd.is_whole()?;
        crowd.leave().await;
        self.kill(report, running, &beside.clients).await
    }

    /// Everything at once, for long.
    async fn for_long(&self, report: &mut Report, running: server::Running) -> Outcome<()> {
        let Options { devices, long_minutes, .. } = *self.options;
        println!("{devices} devices come to wait");
        let mut crowd = Crowd::gather(running.address, self.epoch, devices).await?;
        println!("all of it for {long_minutes} minutes");
        let mut scene = self.scene(&running, report);
        let stored = hour::run(&mut scene, &mut crowd, devices.div_ceil(2), long_minutes).await?;
        crowd.is_whole()?;
        crowd.leave().await;
        self.kill(report, running, &stored).await.map(drop)
    }

    /// As a power cut ends it; the server that is started then must know all that these have stored.
    async fn kill(
        &self,
        report: &mut Report,
        running: server::Running,
        stored: &[Storing],
    ) -> Outcome<server::Running> {
        println!("the server is killed and started again");
        running.kill();
        let running = server::start(self.options, self.folder, self.backends)?;
        let kept = measures::all_there(running.address, self.epoch, stored).await?;
        report.note(format!(
            "After SIGKILL all {kept} saves were there that it had answered while they waited."
        ));
        Ok(running)
    }
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
