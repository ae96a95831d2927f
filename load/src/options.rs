//! What is asked for on the command line.

use std::path::PathBuf;

use crate::Outcome;

/// All of it, with what is usual.
pub(crate) struct Options {
    /// How many devices wait.
    pub(crate) devices: usize,
    /// How long each measurement takes.
    pub(crate) seconds: u64,
    /// How many send or ask at the same time.
    pub(crate) clients: usize,
    /// The form that takes an hour, in minutes; 0: not.
    pub(crate) long_minutes: u64,
    /// The server's program.
    pub(crate) server: PathBuf,
    /// The server's configuration, if it is not the usual one.
    pub(crate) config: Option<PathBuf>,
    /// Its records in a PostgreSQL that is started for it.
    pub(crate) postgres: bool,
    /// Its bytes in a bucket of an S3 server that is started for it.
    pub(crate) s3: bool,
    /// Where to write the report.
    pub(crate) report: PathBuf,
}

impl Options {
    /// Is it the server as it comes, with SQLite and a folder?
    pub(crate) fn is_usual(&self) -> bool {
        self.config.is_none() && !self.postgres && !self.s3
    }
}

/// Reads the words; `None`: help was asked for.
pub(crate) fn read(mut words: lexopt::Parser) -> Outcome<Option<Options>> {
    use lexopt::ValueExt as _;
    use lexopt::prelude::{Long, Short};
    let mut options = Options {
        devices: 10_000,
        seconds: 15,
        clients: 64,
        long_minutes: 0,
        server: "target/release/retrosync-server".into(),
        config: None,
        postgres: false,
        s3: false,
        report: "target/load.md".into(),
    };
    while let Some(word) = words.next()? {
        match word {
            Short('h') | Long("help") => return Ok(None),
            Long("devices") => options.devices = words.value()?.parse()?,
            Long("seconds") => options.seconds = words.value()?.parse()?,
            Long("clients") => options.clients = words.value()?.parse()?,
            Long("long") => options.long_minutes = options.long_minutes.max(60),
            Long("minutes") => options.long_minutes = words.value()?.parse()?,
            Long("server") => options.server = words.value()?.into(),
            Long("config") => options.config = Some(words.value()?.into()),
            Long("postgres") => options.postgres = true,
            Long("s3") => options.s3 = true,
            Long("report") => options.report = words.value()?.into(),
            other => return Err(other.unexpected().into()),
        }
    }
    if options.config.is_some() && (options.postgres || options.s3) {
        return Err(
            "`--config` names a database and a bucket, `--postgres` and `--s3` start others: either or"
                .into(),
        );
    }
    let fits = (4..=50_000).contains(&options.devices)
        && (1..=600).contains(&options.seconds)
        && (1..=1000).contains(&options.clients)
        && options.long_minutes <= 24 * 60;
    if !fits {
        return Err(
            "out of bounds: 4 to 50000 devices, 1 to 600 seconds, 1 to 1000 clients, at most a day".into()
        );
    }
    Ok(Some(options))
}
