//! Several servers over one database and one bucket, behind nginx: what a host runs, on this machine.
//!
//! A real PostgreSQL, a real S3 server, real servers, Debian's nginx with the configuration of `deploy/`. Everything is in
//! temporary folders and on free loopback ports, and ends with the test.

#![allow(unreachable_pub, reason = "a module of one test program")]

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::bucket::Bucket;
use crate::cluster::Cluster;
use crate::gate::Gate;
use crate::support::device::Device;
use crate::support::program::Running;
use crate::support::server::{PASSWORD, USER, binary};
use crate::support::{not_tried, wait_for};

/// The database, the bucket, two servers with a gate before each, and the proxy.
pub struct Fleet {
    /// The servers.
    pub servers: [Instance; 2],
    pub cluster: Cluster,
    database: String,
    bucket: Bucket,
    folder: tempfile::TempDir,
    proxy: Option<(Running, u16)>,
}

/// One server, up or not.
pub struct Instance {
    name: String,
    pub gate: Gate,
    running: Option<Running>,
    port: u16,
}

impl Instance {
    /// Its own address, past the proxy.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Fleet {
    /// Two servers that are not up yet, and a proxy that knows them; `None`: not all that it takes is on this machine.
    pub fn new() -> Option<Fleet> {
        if Command::new("nginx").arg("-v").output().is_err() {
            not_tried("several servers", "nginx (`scripts/setup instances`)");
            return None;
        }
        let (cluster, bucket) = (Cluster::start()?, Bucket::start()?);
        let instance = |name: &str| Instance { name: name.into(), gate: Gate::new(), running: None, port: 0 };
        let mut fleet = Fleet {
            servers: ["one", "two"].map(instance),
            database: cluster.database(),
            cluster,
            bucket,
            folder: tempfile::tempdir().unwrap(),
            proxy: None,
        };
        fleet.tell(&["user", "add", USER, "--password-stdin"], PASSWORD);
        fleet.proxy = Some(fleet.start_proxy());
        Some(fleet)
    }

    /// The same with both servers up.
    pub fn up() -> Option<Fleet> {
        let mut fleet = Fleet::new()?;
        fleet.start(0);
        fleet.start(1);
        Some(fleet)
    }

    /// What devices are told: the proxy.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.proxy.as_ref().unwrap().1)
    }

    /// The database's name within the cluster.
    pub fn database_name(&self) -> &str {
        self.database.split('?').next().unwrap().rsplit('/').next().unwrap()
    }

    /// Pairs a device with the server at this address; again where the proxy asked a server that is not up.
    pub fn pair(&self, device: &Device, url: &str) {
        wait_for("a device is paired", 120, || {
            let mut pairing = device.start_pairing(url);
            let code = pairing.offer["code"].as_str()?.to_owned();
            self.tell(&["approve", &code, "--user", USER], "");
            pairing.end();
            (pairing.exit() == 0).then_some(())
        });
    }

    fn command(&self) -> Command {
        let mut command = Command::new(binary());
        command.env_clear().env("RETROSYNC_DATABASE", &self.database).env("RETROSYNC_DATA", self.data());
        command.envs(self.bucket.environment());
        command
    }

    /// A folder that stays empty: all is in the database and the bucket.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Runs a command of the server's on the shared parts; answers what it printed.
    pub fn tell(&self, words: &[&str], input: &str) -> String {
        let (good, said) = self.ask(words, input);
        assert!(good, "{words:?}: {said}");
        said
    }

    /// Runs a command; did it end well, and what did it say?
    pub fn ask(&self, words: &[&str], input: &str) -> (bool, String) {
        let file = self.folder.path().join("input");
        std::fs::write(&file, input).unwrap();
        let output = self.command().args(words).stdin(std::fs::File::open(file).unwrap()).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    /// Starts a server, on the port that it had.
    pub fn start(&mut self, which: usize) {
        let ready = self.folder.path().join(format!("{}.ready", self.servers[which].name));
        let _ = std::fs::remove_file(&ready);
        let log = std::fs::File::options().create(true).append(true).open(self.log(which)).unwrap();
        let child = self
            .command()
            .arg("serve")
            .args(["--listen", &format!("127.0.0.1:{}", self.servers[which].port), "--ready-file"])
            .arg(&ready)
            .args(["--announce", "off", "--trusted-proxy", "127.0.0.1"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.servers[which].running = Some(Running::of(child));
        let url = wait_for("a server is up", 120, || std::fs::read_to_string(&ready).ok());
        let server = &mut self.servers[which];
        server.port = url.trim().rsplit(':').next().unwrap().parse().unwrap();
        server.gate.leads_to(server.port);
    }

    /// `kill -9` of a server.
    pub fn kill(&mut self, which: usize) {
        self.servers[which].running.take().unwrap().kill();
    }

    /// Asks a server to stop, as an upgrade does, and waits until it has.
    pub fn stop(&mut self, which: usize) {
        let mut running = self.servers[which].running.take().unwrap();
        let asked = Command::new("kill").arg(running.id().to_string()).status().unwrap();
        assert!(asked.success());
        assert_eq!(wait_for("a server stops", 120, || running.ended()), 0);
    }

    fn log(&self, which: usize) -> PathBuf {
        self.folder.path().join(format!("{}.log", self.servers[which].name))
    }

    /// What a server logged.
    pub fn said(&self, which: usize) -> String {
        std::fs::read_to_string(self.log(which)).unwrap_or_default()
    }

    /// nginx with the configuration that hosts are given; only addresses and folders are this test's.
    fn start_proxy(&self) -> (Running, u16) {
        let deployed = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/nginx.conf");
        let text = std::fs::read_to_string(deployed).unwrap();
        let folder = self.folder.path();
        // A free port: it is asked for again where somebody else was faster.
        for _ in 0..20 {
            let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
            let conf = folder.join("nginx.conf");
            std::fs::write(&conf, self.placed(&text, port)).unwrap();
            let log = std::fs::File::create(folder.join("nginx.log")).unwrap();
            let child = Command::new("nginx")
                .arg("-p")
                .arg(folder)
                .arg("-c")
                .arg(&conf)
                .args(["-e", "nginx.log", "-g", "daemon off;"])
                .stdin(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap();
            let mut running = Running::of(child);
            let up = wait_for("nginx is up or has ended", 60, || {
                if running.ended().is_some() {
                    return Some(false);
                }
                TcpStream::connect(("127.0.0.1", port)).ok().map(|_| true)
            });
            if up {
                return (running, port);
            }
        }
        panic!("nginx: {}", std::fs::read_to_string(folder.join("nginx.log")).unwrap_or_default());
    }

    /// The configuration with this test's addresses in the place of a host's.
    fn placed(&self, text: &str, port: u16) -> String {
        let [one, two] = self.servers.each_ref().map(|server| format!("127.0.0.1:{}", server.gate.port()));
        let folder = self.folder.path().display();
        let mut text = text.to_owned();
        for (theirs, ours) in [
            ("listen 8080;", &format!("listen 127.0.0.1:{port};")),
            ("one:8377", &one),
            ("two:8377", &two),
            ("/tmp/nginx", &folder.to_string()),
        ] {
            assert!(text.contains(theirs), "deploy/nginx.conf has no `{theirs}`");
            text = text.replace(theirs, ours);
        }
        text
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if let Some((proxy, _)) = &self.proxy {
            // Its workers end with it when it is asked, not when it is killed.
            let _ = Command::new("kill").arg(proxy.id().to_string()).status();
        }
        if std::thread::panicking() {
            for which in 0..self.servers.len() {
                println!("---- log of server {} ----\n{}", self.servers[which].name, self.said(which));
            }
        }
    }
}
