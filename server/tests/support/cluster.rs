//! A real PostgreSQL of a test program's own: a cluster in a temporary folder, reached by a socket in it and by nothing else.
//!
//! PostgreSQL refuses root, so it then runs as the user `postgres` of Debian's package. A shell is its keeper: it ends it by its own
//! id and removes the folder when the test program ends, however that ends, for the pipe to it is closed then. `fsync` is off:
//! nobody pulls the plug here. Missing, it is said, and a failure where everything was installed (`RETROSYNC_NO_SKIPS`).
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

/// What the keeper does: makes the cluster, then starts and stops it as it is told, a word a line, and says when that is done.
const KEEPER: &str = r#"
set -u
bin=$1 folder=$2
cd "$folder" || exit 1
start() {
    "$bin/postgres" -D data -k "$folder" -c listen_addresses= -c fsync=off -c full_page_writes=off -c autovacuum=off \
        -c max_connections=300 -c shared_buffers=32MB -c log_min_messages=fatal </dev/null >>log 2>&1 &
    pid=$!
    until "$bin/pg_isready" -q -h "$folder"; do
        kill -0 "$pid" 2>/dev/null || { cat log; exit 1; }
        sleep 0.05
    done
    echo started
}
stop() {
    kill -QUIT "$pid" && wait "$pid"
    echo stopped
}
# Another order of letters than that of their bytes, as on many a real server.
"$bin/initdb" -D data -U retrosync -A trust -E UTF8 --locale=C.UTF-8 --locale-provider=icu --icu-locale=en \
    --no-sync --no-instructions >log 2>&1 || { cat log; exit 1; }
start
while read -r word; do $word; done
kill -QUIT "$pid" 2>/dev/null && wait "$pid"
cd / && rm -rf "$folder"
"#;

/// A cluster, and the pipes to its keeper.
pub struct Cluster {
    folder: PathBuf,
    keeper: Child,
    words: ChildStdin,
    said: BufReader<ChildStdout>,
}

impl Cluster {
    /// Makes and starts one; `None`: there is no PostgreSQL on this machine.
    pub fn start() -> Option<Cluster> {
        let Some(bin) = programs() else {
            println!("the catalog in PostgreSQL: not tried, for want of postgresql");
            assert!(std::env::var_os("RETROSYNC_NO_SKIPS").is_none(), "not tried, for want of postgresql");
            return None;
        };
        // The keeper removes it.
        let folder = tempfile::Builder::new().prefix("retrosync-postgres-").tempdir().unwrap().keep();
        let as_root =
            std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        let mut command = if as_root {
            let given = Command::new("chown").arg("postgres").arg(&folder).status().unwrap();
            assert!(given.success());
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "sh"]);
            command
        } else {
            Command::new("sh")
        };
        command.args(["-c", KEEPER, "keeper"]).arg(&bin).arg(&folder);
        let mut keeper = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let words = keeper.stdin.take().unwrap();
        let said = BufReader::new(keeper.stdout.take().unwrap());
        let mut cluster = Cluster { folder, keeper, words, said };
        cluster.hear("started");
        Some(cluster)
    }

    /// The address of a new, empty database.
    pub fn database(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// The address of a database.
    pub fn url(&self, name: &str) -> String {
        format!("postgres://retrosync@localhost/{name}?host={}", self.folder.display())
    }

    fn psql(&self, database: &str) -> Command {
        let mut psql = Command::new(programs().unwrap().join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "retrosync", "-h"])
            .arg(&self.folder);
        psql.args(["-d", database]);
        psql
    }

    /// A connection of its own, told on standard input what to do; it ends with that.
    pub fn session(&self, database: &str) -> Child {
        self.psql(database).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    }

    /// What `psql` answers.
    pub fn sql(&self, database: &str, text: &str) -> String {
        let output = self.psql(database).args(["-c", text]).output().unwrap();
        assert!(output.status.success(), "{text}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Ends the database at once, as a crash does.
    pub fn crash(&mut self) {
        self.tell("stop", "stopped");
    }

    /// Starts it again.
    pub fn again(&mut self) {
        self.tell("start", "started");
    }

    fn tell(&mut self, word: &str, answer: &str) {
        writeln!(self.words, "{word}").unwrap();
        self.hear(answer);
    }

    fn hear(&mut self, answer: &str) {
        let mut all = String::new();
        while self.said.read_line(&mut all).unwrap() > 0 {
            if all.lines().last() == Some(answer) {
                return;
            }
        }
        panic!("the cluster ended: {all}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Its last word; and the end of its input, should it have missed that.
        let _ = writeln!(self.words, "break");
        let _ = self.keeper.wait();
    }
}

/// The test program's cluster; `None`: there is no PostgreSQL on this machine.
pub fn shared() -> Option<&'static Mutex<Cluster>> {
    static SHARED: OnceLock<Option<Mutex<Cluster>>> = OnceLock::new();
    SHARED.get_or_init(|| Cluster::start().map(Mutex::new)).as_ref()
}

/// The address of a new database of that cluster.
pub fn database() -> Option<String> {
    Some(shared()?.lock().unwrap_or_else(std::sync::PoisonError::into_inner).database())
}

/// The newest PostgreSQL that Debian's packages brought, or the one on the path.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest =
        versions.map(|entry| entry.path().join("bin")).filter(|bin| bin.join("postgres").exists()).max();
    let on_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|folder| folder.join("postgres").exists())
    };
    newest.or_else(on_path).filter(|bin| Path::new(bin).join("initdb").exists())
}
