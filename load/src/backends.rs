//! What the server keeps its records and bytes in, where that is asked for: Debian's PostgreSQL in a cluster of its own, and moto, a
//! server of S3 that keeps everything in memory.
//!
//! Both are there for this run alone: in temporary folders, reached by a socket in one and on loopback, and ended by their ids, also
//! where we are killed. PostgreSQL waits for the disk as it does anywhere: what it has answered is durable.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Signal, getuid};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::Outcome;
use crate::options::Options;
use crate::server::Running;
use crate::wire::Wire;

/// Where `scripts/setup` puts moto.
const MOTO: &str = ".tools/moto/bin/moto_server";
const BUCKET: &str = "saves";
/// Where Debian's packages have PostgreSQL, one folder a version.
const POSTGRES: &str = "/usr/lib/postgresql";
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// What was started. Dropped, it is ended.
#[derive(Default)]
pub(crate) struct Backends {
    postgres: Option<(Running, TempDir)>,
    s3: Option<Running>,
}

impl Backends {
    /// Those that are asked for.
    pub(crate) async fn start(options: &Options) -> Outcome<Backends> {
        Ok(Backends {
            postgres: if options.postgres { Some(postgres().await?) } else { None },
            s3: if options.s3 { Some(s3().await?) } else { None },
        })
    }

    /// What tells the server of them.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let database = |(_, folder): &(Running, TempDir)| {
            format!("postgres://retrosync@localhost/postgres?host={}", folder.path().display())
        };
        let mut all: Vec<_> =
            self.postgres.iter().map(|postgres| ("RETROSYNC_DATABASE", database(postgres))).collect();
        if let Some(s3) = &self.s3 {
            all.extend([
                ("RETROSYNC_S3_BUCKET", BUCKET.to_owned()),
                ("RETROSYNC_S3_ENDPOINT", format!("http://{}", s3.address)),
                ("RETROSYNC_S3_PLAIN_HTTP", "true".to_owned()),
                ("RETROSYNC_S3_ACCESS_KEY", "key".to_owned()),
                ("RETROSYNC_S3_SECRET_KEY", "a secret of this run".to_owned()),
            ]);
        }
        all
    }
}

/// A command that is told to end by this signal when we are gone, and runs as this user if we are root, whom PostgreSQL refuses.
fn ending_with_us(signal: &str, user: Option<&str>, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", signal]);
    if let Some(user) = user.filter(|_| getuid().is_root()) {
        command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--init-groups"]);
    }
    command.arg(program).stdin(Stdio::null());
    command
}

async fn postgres() -> Outcome<(Running, TempDir)> {
    let programs =
        newest_postgres().ok_or("there is no PostgreSQL here\n  help: `. scripts/setup postgres`")?;
    let folder = tempfile::Builder::new().prefix("retrosync-postgres").tempdir()?;
    if getuid().is_root() {
        run(Command::new("chown").arg("postgres").arg(folder.path()))?;
    }
    let own = Some("postgres");
    let mut init = ending_with_us("INT", own, &programs.join("initdb"));
    init.args([
        "-U",
        "retrosync",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
        "--no-instructions",
        "-D",
    ]);
    run(init.arg(folder.path().join("data")))?;
    let log = fs::File::create(folder.path().join("log"))?;
    // As it comes from Debian, but for its socket.
    let mut command = ending_with_us("INT", own, &programs.join("postgres"));
    command.arg("-D").arg(folder.path().join("data")).arg("-k").arg(folder.path());
    command.args(["-c", "listen_addresses="]).stdout(log.try_clone()?).stderr(log);
    // Fast: it does not wait for who is connected.
    let running = Running::watch(command.spawn()?, NOWHERE, Signal::INT);
    for _ in 0..500 {
        let asked =
            Command::new(programs.join("pg_isready")).arg("-q").arg("-h").arg(folder.path()).status()?;
        if asked.success() {
            return Ok((running, folder));
        }
        sleep(Duration::from_millis(50)).await;
    }
    let said = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    Err(format!("PostgreSQL does not start: {}", said.trim()).into())
}

fn newest_postgres() -> Option<PathBuf> {
    let versions = fs::read_dir(POSTGRES).ok()?.flatten();
    versions.map(|version| version.path().join("bin")).filter(|bin| bin.join("postgres").exists()).max()
}

fn run(command: &mut Command) -> Outcome<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{}` fails: {}", command.get_program().display(), said.trim()).into())
}

async fn s3() -> Outcome<Running> {
    let program = Path::new(MOTO).canonicalize();
    let program = program.map_err(|_| "there is no server of S3 here\n  help: `. scripts/setup s3`")?;
    let mut command = ending_with_us("TERM", None, &program);
    command.args(["-H", "127.0.0.1", "-p", "0"]).env("PYTHONUNBUFFERED", "1");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stderr.take().ok_or("moto has no voice")?).lines();
    let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let (_, address) = line.split_once("http://")?;
        address.trim().parse().ok()
    });
    let running = Running::watch(child, address.unwrap_or(NOWHERE), Signal::TERM);
    let address = address.ok_or("moto does not say where it listens")?;
    // Reads on, so that it never waits for us.
    std::thread::spawn(move || lines.for_each(drop));
    let mut wire = Wire::connect(address, [127, 0, 0, 1].into()).await?;
    let make = format!("PUT /{BUCKET} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 0\r\n\r\n");
    match wire.ask(make.as_bytes()).await?.status {
        200 => Ok(running),
        other => Err(format!("moto makes no bucket: it answered {other}").into()),
    }
}
