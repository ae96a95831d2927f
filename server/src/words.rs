//! What the server tells its owner on the terminal.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;

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
pub(crate) fn greeting(url: &str, data: &Path, first_user: bool) -> String {
    let mut text =
        format!("RetroSync is running.\n\n  dashboard  {url}\n  data       {}\n\n", data.display());
    if first_user {
        let _ = write!(
            text,
            "There is no user yet. Open the dashboard and make your account, or run\n\n  retrosync-server user add NAME --data {}\n\n",
            data.display()
        );
    }
    let _ = write!(text, "On each handheld, pair it with this server:\n\n  retrosync pair {url}\n");
    text
}
