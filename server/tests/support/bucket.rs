//! A real S3 server of a test program's own (moto, from PyPI, by `scripts/setup s3`): a process on a free loopback port, its
//! objects in memory, one bucket in it. It is killed when this is dropped. Missing, it is said, and a failure where
//! everything was installed (`RETROSYNC_NO_SKIPS`). It checks no signatures: that is what our own S3 verbs are tested for elsewhere.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The bucket's name.
pub const NAME: &str = "saves";

/// The program, once it was set up.
const PROGRAM: &str = ".tools/moto/bin/moto_server";

/// An S3 server with one bucket.
pub struct Bucket {
    child: Child,
    endpoint: String,
}

impl Bucket {
    /// Starts one; `None`: it is not on this machine.
    pub fn start() -> Option<Bucket> {
        // The tests of the server and those of the daemon run in different folders.
        let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let Some(program) = above.map(|folder| folder.join(PROGRAM)).find(|program| program.exists()) else {
            println!("blobs in S3: not tried, for want of moto (`scripts/setup s3`)");
            assert!(std::env::var_os("RETROSYNC_NO_SKIPS").is_none(), "not tried, for want of moto");
            return None;
        };
        let mut child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", "0"])
            .env("PYTHONUNBUFFERED", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let endpoint = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let at = line.find("http://127.0.0.1:")?;
            Some(line[at..].trim().to_owned())
        });
        let endpoint = endpoint.expect("moto says where it listens");
        // Reads on, so that it never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        let bucket = Bucket { child, endpoint };
        bucket.make();
        Some(bucket)
    }

    /// Its address, without a slash at the end.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What a server is told by its environment to keep its blobs here.
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("RETROSYNC_S3_BUCKET", NAME.to_owned()),
            ("RETROSYNC_S3_ENDPOINT", self.endpoint.clone()),
            ("RETROSYNC_S3_PLAIN_HTTP", "true".to_owned()),
            ("RETROSYNC_S3_ACCESS_KEY", "key".to_owned()),
            ("RETROSYNC_S3_SECRET_KEY", "secret of the tests".to_owned()),
        ]
    }

    /// The bucket is gone, with all that was in it.
    pub fn vanish(&self) {
        self.ask("POST", "/moto-api/reset");
    }

    /// There is a bucket, empty, as after [`Bucket::vanish`].
    pub fn make(&self) {
        self.ask("PUT", &format!("/{NAME}"));
    }

    fn ask(&self, method: &str, path: &str) {
        let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.endpoint));
        let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
        let reply = agent.run(request.body(()).unwrap()).unwrap();
        assert_eq!(reply.status(), 200, "{method} {path}");
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
