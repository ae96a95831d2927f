//! A real S3 server of a test program's own (moto, from PyPI, by `scripts/setup s3`): one process on a free loopback port, its
//! objects in memory, and a bucket for each who asks. Missing, it is said, and a failure where everything was installed
//! (`RETROSYNC_NO_SKIPS`). It checks no signatures: that is what our own S3 verbs are tested for elsewhere.
//!
//! A shell is its keeper: it ends it by its own id when the test program ends, however that ends, for the pipe to it is closed then.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The program, once it was set up.
const PROGRAM: &str = ".tools/moto/bin/moto_server";
/// What the keeper does: starts it, and ends it with its own input.
const KEEPER: &str = r#""$1" -H 127.0.0.1 -p 0 </dev/null >/dev/null & pid=$!; read -r _; kill -KILL "$pid""#;

/// Whoever asks must be somebody; nobody looks who.
const WHO: &str =
    "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

/// The S3 server.
struct Moto {
    endpoint: String,
    /// Its input is closed with the program.
    _keeper: Child,
}

impl Moto {
    fn start() -> Option<Moto> {
        // The tests of the server and those of the daemon run in different folders.
        let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let Some(program) = above.map(|folder| folder.join(PROGRAM)).find(|program| program.exists()) else {
            println!("blobs in S3: not tried, for want of moto (`scripts/setup s3`)");
            assert!(std::env::var_os("RETROSYNC_NO_SKIPS").is_none(), "not tried, for want of moto");
            return None;
        };
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(program)
            .env("PYTHONUNBUFFERED", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(keeper.stderr.take().unwrap()).lines();
        let endpoint = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let at = line.find("http://127.0.0.1:")?;
            Some(line[at..].trim().to_owned())
        });
        let endpoint = endpoint.expect("moto says where it listens");
        // Reads on, so that it never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Moto { endpoint, _keeper: keeper })
    }

    /// The program's only one.
    fn shared() -> Option<&'static Moto> {
        static SHARED: OnceLock<Option<Moto>> = OnceLock::new();
        SHARED.get_or_init(Moto::start).as_ref()
    }
}

/// A bucket.
pub struct Bucket {
    name: String,
    endpoint: String,
}

impl Bucket {
    /// Makes one, with nothing in it; `None`: there is no S3 server on this machine.
    pub fn start() -> Option<Bucket> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("saves-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let bucket = Bucket { name, endpoint: Moto::shared()?.endpoint.clone() };
        bucket.make();
        Some(bucket)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The S3 server's address, without a slash at the end.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The same bucket by another way there, such as a wire that can be cut.
    pub fn by_way_of(&self, endpoint: String) -> Bucket {
        Bucket { name: self.name.clone(), endpoint }
    }

    /// What a server is told by its environment to keep its blobs here.
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("RETROSYNC_S3_BUCKET", self.name.clone()),
            ("RETROSYNC_S3_ENDPOINT", self.endpoint.clone()),
            ("RETROSYNC_S3_PLAIN_HTTP", "true".to_owned()),
            ("RETROSYNC_S3_ACCESS_KEY", "key".to_owned()),
            ("RETROSYNC_S3_SECRET_KEY", "secret of the tests".to_owned()),
        ]
    }

    /// The bucket is gone, with all that was in it.
    pub fn vanish(&self) {
        self.keys().iter().for_each(|key| self.delete(key));
        self.ask("DELETE", "", b"");
    }

    /// There is a bucket, empty, as after [`Bucket::vanish`].
    pub fn make(&self) {
        self.ask("PUT", "", b"");
    }

    /// Somebody puts an object into it.
    pub fn put(&self, key: &str, bytes: &[u8]) {
        self.ask("PUT", &format!("/{key}"), bytes);
    }

    /// Somebody removes an object from it.
    pub fn delete(&self, key: &str) {
        self.ask("DELETE", &format!("/{key}"), b"");
    }

    /// What it says of itself, in XML.
    pub fn says(&self, query: &str) -> String {
        self.ask("GET", query, b"")
    }

    /// The names of all objects.
    pub fn keys(&self) -> Vec<String> {
        let listed = self.says("?list-type=2&max-keys=1000");
        assert!(listed.contains("<IsTruncated>false</IsTruncated>"), "more than is asked for: {listed}");
        let keys = listed.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
        keys.map(str::to_owned).collect()
    }

    fn ask(&self, method: &str, path: &str, body: &[u8]) -> String {
        let at = format!("{}/{}{path}", self.endpoint, self.name);
        let request = ureq::http::Request::builder().method(method).uri(at).header("authorization", WHO);
        let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
        let reply = match body.is_empty() {
            true => agent.run(request.body(()).unwrap()),
            false => agent.run(request.body(body.to_vec()).unwrap()),
        };
        let mut reply = reply.unwrap();
        assert!(reply.status().is_success(), "{method} {path}: {}", reply.status());
        reply.body_mut().read_to_string().unwrap()
    }
}
