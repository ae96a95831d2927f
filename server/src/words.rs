//! What the server tells its owner on the terminal.

use std::error::Error;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use retrosync_server::app::is_plain_http;
use retrosync_server::config::{Config, ConfigError, Database};
use retrosync_server::refusal::Refusal;

/// The address to tell people: where the server listens, or this machine's own where it listens everywhere.
pub(crate) fn base_url(listen: SocketAddr) -> String {
    let ip = if listen.ip().is_unspecified() { own_address() } else { listen.ip() };
    format!("http://{}", SocketAddr::new(ip, listen.port()))
}

/// The address for programs on this machine.
pub(crate) fn local_url(listen: SocketAddr) -> String {
    let ip = if listen.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { listen.ip() };
    format!("http://{}", SocketAddr::new(ip, listen.port()))
}

/// This machine's address in the local network. Connecting a UDP socket sends nothing; it only asks for the route.
fn own_address() -> IpAddr {
    let asked = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    });
    asked.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}

/// What `serve` prints once it listens.
pub(crate) fn greeting(url: &str, config: &Config, first_user: bool) -> String {
    let data = config.data.canonicalize().unwrap_or_else(|_| config.data.clone());
    let mut text = format!("RetroSync is running.\n\n  dashboard  {url}\n");
    match &config.database {
        Database::Sqlite => {
            let _ = writeln!(text, "  data       {}", data.display());
        }
        database @ Database::Postgres { .. } => {
            let _ = writeln!(text, "  database   {database}");
        }
    }
    if let Some(bucket) = &config.s3_bucket {
        let _ = writeln!(text, "  bucket     {bucket}");
    }
    text.push('\n');
    if first_user {
        text.push_str("There is no user yet. Open the dashboard and make your account, or run\n\n");
        let _ = match &config.database {
            Database::Sqlite => {
                write!(text, "  retrosync-server user add NAME --data {}\n\n", data.display())
            }
            Database::Postgres { .. } => {
                text.write_str("  retrosync-server user add NAME   (with the same configuration)\n\n")
            }
        };
    }
    let plain = if is_plain_http(url) { " --plain-http true" } else { "" };
    let _ = write!(text, "On each handheld, pair it with this server:\n\n  retrosync pair {url}{plain}\n");
    if !plain.is_empty() {
        text.push_str("\nPlain HTTP is for a network in which you trust everybody; from elsewhere, put a proxy with HTTPS before it.\n");
    }
    text
}

/// What went wrong, why, and the next step, a line each.
pub(crate) fn failure(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    if let Some(refusal) = error.downcast_ref::<Refusal>() {
        let problem = refusal.problem();
        let _ = writeln!(text, "error: {}", problem.detail);
        if let Some(cause) = refusal.cause() {
            let _ = writeln!(text, "  cause: {cause}");
        }
        if let Some(help) = &problem.help {
            let _ = writeln!(text, "  help: {help}");
        }
        return text;
    }
    let _ = writeln!(text, "error: {error}");
    if let Some(help) = error.downcast_ref::<ConfigError>().and_then(ConfigError::next_step) {
        let _ = writeln!(text, "  help: {help}");
    }
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = writeln!(text, "  cause: {cause}");
        source = cause.source();
    }
    text
}
