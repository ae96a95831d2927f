//! The configuration: one table of all keys, and what each is set to.
//!
//! Defaults, then the file (`--config FILE`), then environment variables, then the command line; the later wins. Everything is
//! parsed here, at the edge, into types that cannot be wrong; what is wrong is refused with where it stands and what to do. A
//! secret is a [`Secret`]: it is shown nowhere. Reads files that it is told to read; opens nothing else, decides nothing.
//!
//! To add a key, add one row to the table below: its comment is what people read in `retrosync-server config`, its type says
//! what it accepts, its environment variable is `RETROSYNC_` and its name in capitals with `_` for `.`.

mod error;
mod file;
mod load;
mod print;
mod table;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;

pub use error::ConfigError;
pub use load::Given;
pub use table::{Key, Source};
pub use values::{Announce, Database, LogFormat, LogLevel, Number, PublicUrl, Secret, Url};

use crate::proxies::Network;
use table::keys;

keys! {
    /// The folder that holds everything the server keeps, unless a database and a bucket do; made at first.
    /// A relative one is below the folder in which the server was started.
    "data" data: PathBuf = PathBuf::from("./retrosync-data");
    /// Where to listen, ADDR:PORT. Port 0 takes a free one and prints it.
    "listen" listen: SocketAddr = SocketAddr::from(([0, 0, 0, 0], 8377));
    /// How users reach the server, if that is not where it listens (behind a proxy): scheme, host and port.
    "public_url" public_url: Option<PublicUrl> = None;
    /// Proxies before the server, whose `Forwarded` or `X-Forwarded-For` says whom a request is from: addresses or networks.
    "trusted_proxies" trusted_proxies: Vec<Network> = Vec::new();
    /// Let anybody who reaches the dashboard make an account; else only the first user can, and who is invited. Once an admin has
    /// opened or closed it on the admin page, that counts.
    "open_registration" open_registration: bool = false;
    /// Where to answer devices of the local network that look for a server (UDP): ADDR:PORT, `off`, or `auto`: on port 8377,
    /// where `listen` is more than this machine.
    "announce" announce: Announce = Announce::Auto;
    /// Write the server's address to this file once it listens; scripts wait for it.
    "ready_file" ready_file: Option<PathBuf> = None;
    /// Where the records are: `sqlite` for a file in the `data` folder, or `postgres://USER@HOST/NAME`. A password in it is
    /// taken for `database_password`.
    "database" database: Database = Database::Sqlite;
    /// The password of `database`.
    "database_password" database_password: Option<Secret> = None;
    /// The most connections to a PostgreSQL database, of this server; one more listens to the other servers. All of them together
    /// must stay below the database's own `max_connections`.
    "database_connections" database_connections: Number<4, 1000> = Number::new(16);
    /// What the S3 keys of RetroSync's first-generation clients are made with, 32 characters or more; the same for all servers over
    /// one database. Without it, a server with a `data` folder draws its own and keeps it there, in `clients.key`.
    "clients_key" clients_key: Option<Secret> = None;

    /// The bucket that holds the bytes of saves; without it they are files in the `data` folder.
    "s3.bucket" s3_bucket: Option<String> = None;
    /// Where the S3 service answers, such as `https://minio.example.org:9000`; without it, Amazon's in `s3.region`.
    "s3.endpoint" s3_endpoint: Option<Url> = None;
    /// The region that requests are signed for.
    "s3.region" s3_region: String = "us-east-1".to_owned();
    /// The name of the key to the bucket; without it and `s3.secret_key`, what AWS_* in the environment says.
    "s3.access_key" s3_access_key: Option<Secret> = None;
    /// The key to the bucket.
    "s3.secret_key" s3_secret_key: Option<Secret> = None;
    /// What the names of all objects begin with, if the bucket holds other things too: such as `retrosync/`.
    "s3.prefix" s3_prefix: Option<String> = None;
    /// Speak plain HTTP to `s3.endpoint`: only in a network in which you trust everybody.
    "s3.plain_http" s3_plain_http: bool = false;
    /// Certificates (PEM) to trust for the S3 service, beside those that this machine trusts.
    "s3.ca_file" s3_ca_file: Option<PathBuf> = None;

    /// The bucket is part of the service's host name (`https://saves.s3.example.org`), not of the path.
    "s3.host_style" s3_host_style: bool = false;
    /// How long one request to the S3 service may take, in seconds; then devices are told to come again.
    "s3.timeout_s" s3_timeout_s: Number<1, 300> = Number::new(30);

    /// Thin out old versions: their records stay, their bytes go (docs/KEEPING.md). Heads, questions, pinned and labelled ones and the
    /// last of each device stay for ever. `false`: the bytes of every version do.
    "retention.thin" retention_thin: bool = true;
    /// For how many days every version stays.
    "retention.all_days" retention_all_days: Number<1, 36_500> = Number::new(1);
    /// For how many days one an hour stays.
    "retention.hourly_days" retention_hourly_days: Number<1, 36_500> = Number::new(7);
    /// For how many days one a day stays.
    "retention.daily_days" retention_daily_days: Number<1, 36_500> = Number::new(60);
    /// For how many days one a week stays; older ones: one every four weeks, for ever.
    "retention.weekly_days" retention_weekly_days: Number<1, 36_500> = Number::new(365);
    /// Let the running server remove, once a day, what is long unneeded; else `retrosync-server gc` does.
    "gc.daily" gc_daily: bool = true;
    /// For how many days something must have been unneeded before it is removed.
    "gc.wait_days" gc_wait_days: Number<1, 36_500> = Number::new(30);

    /// The certificate chain (PEM) to answer HTTPS with; without it the server speaks plain HTTP, for a proxy with HTTPS or a
    /// network of your own.
    "tls.cert_file" tls_cert_file: Option<PathBuf> = None;
    /// The key (PEM) of `tls.cert_file`.
    "tls.key_file" tls_key_file: Option<PathBuf> = None;
    /// Answer HTTPS with a certificate that the server makes for itself and keeps in the `data` folder; devices pin it at
    /// pairing, browsers ask once.
    "tls.self_signed" tls_self_signed: bool = false;

    /// The most connections at once; more wait until one ends. A waiting device is one; the system's limit of open files (`ulimit -Hn`)
    /// bounds them too.
    "limits.connections" limits_connections: Number<1, 1_000_000> = Number::new(16_384);
    /// How long a client may take to send a request's head, in seconds; then its connection ends.
    "limits.head_s" limits_head_s: Number<1, 3600> = Number::new(15);
    /// How long a client may be waited for within a request's body, in all, in seconds; then it is told to send it again later.
    "limits.body_s" limits_body_s: Number<1, 86_400> = Number::new(600);
    /// How long a client may send nothing in the middle of a request's body, in seconds; then the same.
    "limits.silence_s" limits_silence_s: Number<1, 3600> = Number::new(60);
    /// How long requests under way may take to end when the server is told to stop, in seconds.
    /// Those who wait for news are answered at once; a second signal waits for nobody.
    "limits.stop_s" limits_stop_s: Number<0, 3600> = Number::new(10);

    /// How long the server goes on as before once it is told to stop, but for `/health/ready`, which says so: for a balancer
    /// to notice, in seconds.
    "limits.leave_s" limits_leave_s: Number<0, 3600> = Number::new(0);

    /// How the log (standard error) is written: `text` for people, `json` for programs: an object a line.
    "log.format" log_format: LogFormat = LogFormat::Text;
    /// The least important lines to log: `off`, `error`, `warn`, `info`, `debug` or `trace`.
    "log.level" log_level: LogLevel = LogLevel::default();
    /// Log a line for each request.
    "log.requests" log_requests: bool = true;

    /// Where to answer a Prometheus server on `/metrics`, ADDR:PORT (and on `/health/live` and
    /// `/health/ready`, as on `listen`); without it, nowhere: what is counted is not for those who
    /// can reach `listen`.
    "metrics.listen" metrics_listen: Option<SocketAddr> = None;
    /// What a Prometheus server must send as its bearer token; without it, whoever reaches `metrics.listen` may read.
    "metrics.token" metrics_token: Option<Secret> = None;
}
