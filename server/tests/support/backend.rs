//! What a server of the tests keeps its records and its bytes in: one table.
//!
//! Most tests say nothing of it and get what most people have: SQLite and files. The program `backends` runs tests of others again,
//! once a row of the table; which row is told by the name under which it has them.

use super::Server;
// One PostgreSQL and one S3 server a program, however often it has these files.
use crate::support::bucket::Bucket;
use crate::support::cluster;

/// A row: the module of `backends`, and whether there the records are in PostgreSQL and the bytes in a bucket.
const TABLE: [(&str, bool, bool); 6] = [
    ("api_over_postgres", true, false),
    ("api_over_s3", false, true),
    ("api_over_postgres_and_s3", true, true),
    ("uploads_over_postgres", true, false),
    ("uploads_over_s3", false, true),
    ("uploads_over_postgres_and_s3", true, true),
];

/// This file is in as many modules as there are tests that are run again.
const HERE: &str = module_path!();

fn row() -> Option<&'static (&'static str, bool, bool)> {
    TABLE.iter().find(|(name, ..)| HERE.split("::").nth(1) == Some(name))
}

/// Are these tests that run elsewhere too, over what most people have?
pub fn is_repeated() -> bool {
    row().is_some()
}

/// The address of a database, and a bucket, of a server's own; `None`: a file and a folder in its data directory.
pub fn places() -> (Option<String>, Option<Bucket>) {
    let (_, postgres, bucket) = row().copied().unwrap_or_default();
    let database = if postgres { cluster::database() } else { None };
    (database, if bucket { Bucket::start() } else { None })
}

impl Server {
    /// What it is told of its places by its environment.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let database = self.database.clone().unwrap_or_else(|| "sqlite".into());
        let bucket = self.bucket.iter().flat_map(Bucket::environment);
        bucket.chain([("RETROSYNC_DATABASE", database)]).collect()
    }

    /// Somebody puts other bytes where these are; `None`: nothing.
    pub fn replace_bytes(&self, bytes: &[u8], by: Option<&[u8]>) {
        let name = retrosync_protocol::Digest::of(bytes).to_string();
        match (&self.bucket, by) {
            (Some(bucket), Some(by)) => bucket.put(&format!("blobs/{}/{name}", &name[..2]), by),
            (Some(bucket), None) => bucket.delete(&format!("blobs/{}/{name}", &name[..2])),
            (None, by) => {
                let file = super::find_below(&self.data(), &name).unwrap();
                std::fs::remove_file(&file).unwrap();
                by.into_iter().for_each(|by| std::fs::write(&file, by).unwrap());
            }
        }
    }
}
