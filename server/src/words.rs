//! What the server tells its owner on the terminal.

use std::error::Error;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use retrosync_protocol::Digest;
use retrosync_server::app::is_plain_http;
use retrosync_server::config::{Config, ConfigError, Database};
use retrosync_server::library::{Amount, Collected};
use retrosync_server::refusal::Refusal;
use retrosync_server::tls::in_groups;

/// The address to tell people: where the server listens, or this machine's own where it listens everywhere.
pub(crate) fn base_url(listen: SocketAddr, tls: bool) -> String {
    let ip = if listen.ip().is_unspecified() { own_address() } else { listen.ip() };
    format!("{}://{}", scheme(tls), SocketAddr::new(ip, listen.port()))
}

/// The address for programs on this machine.
pub(crate) fn local_url(listen: SocketAddr, tls: bool) -> String {
    let ip = if listen.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { listen.ip() };
    format!("{}://{}", scheme(tls), SocketAddr::new(ip, listen.port()))
}

fn scheme(tls: bool) -> &'static str {
    if tls { "https" } else { "http" }
}

/// This machine's address in the local network. Connecting a UDP socket sends nothing; it only asks for the route.
fn own_address() -> IpAddr {
    let asked = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    });
    asked.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}

/// What `serve` prints once it listens. `pin` is the key of a certificate that nobody else vouches for.
pub(crate) fn greeting(url: &str, config: &Config, pin: Option<Digest>, first_user: bool) -> String {
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
    if let Some(pin) = &pin {
        let _ = writeln!(text, "  key        {}", in_groups(pin));
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
    let pinned = pin.map(|pin| format!(" --pin {pin}")).unwrap_or_default();
    let _ = write!(
        text,
        "On each handheld, pair it with this server:\n\n  retrosync pair {url}{plain}{pinned}\n"
    );
    if !plain.is_empty() {
        text.push_str("\nPlain HTTP is for a network in which you trust everybody; else start it with `--set tls.self_signed=true`,\nor put a proxy with HTTPS before it.\n");
    }
    if !pinned.is_empty() {
        text.push_str("\nThe certificate is of the server's own making. A handheld shows the key above, and you say that it is the same;\na browser asks once.\n");
    }
    text
}

/// What a collection did, or would do.
pub(crate) fn collected(done: &Collected, dry_run: bool) -> String {
    let amount = |amount: Amount| format!("{} ({} bytes)", amount.contents, amount.size_bytes);
    let (thinned, would) = if dry_run { ("would thin out", "would be ") } else { ("thinned out", "") };
    let mut text = format!(
        "{thinned} {}; {would}marked as unneeded {}, waiting {}, needed again {}",
        amount(done.thinned),
        amount(done.marked),
        amount(done.waiting),
        amount(done.unmarked),
    );
    let _ = write!(text, "; bytes without a record {}; removed {}", amount(done.found), done.removed);
    if done.left > 0 {
        let _ = write!(text, "; could not remove {}, the next run tries again", done.left);
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
    let told = error.to_string();
    match told.split_once("; help: ") {
        Some((what, help)) => drop(writeln!(text, "error: {what}\n  help: {help}")),
        None => drop(writeln!(text, "error: {told}")),
    }
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
