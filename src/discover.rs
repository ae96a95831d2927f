//! Which servers answer in this network: one question, a few seconds of listening.
//!
//! Trusts nothing of what it hears: a person chooses, and only then the address is used as if it had been typed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use retrosync_protocol::discovery;

/// How long answers are waited for; the question is asked anew after half of it: datagrams get lost.
const LISTEN: Duration = Duration::from_millis(2_000);
/// So many servers are listed.
const MOST: usize = 8;
/// Whom to ask.
pub const EVERYBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::BROADCAST), discovery::PORT);

/// The addresses of servers that answered, each once, in that order; none without a network.
pub fn servers(ask: SocketAddr) -> Vec<String> {
    let mut found = Vec::new();
    let _ = listen(ask, &mut found);
    found
}

fn listen(ask: SocketAddr, found: &mut Vec<String>) -> std::io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_broadcast(true)?;
    let began = Instant::now();
    for until in [LISTEN / 2, LISTEN] {
        socket.send_to(&discovery::question(), ask)?;
        while let Some(left) = until.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) {
            socket.set_read_timeout(Some(left))?;
            let mut datagram = [0; discovery::BYTES];
            let Ok((length, from)) = socket.recv_from(&mut datagram) else { continue };
            let address = discovery::address(&datagram[..length], &from.ip().to_string());
            let new = address.filter(|address| found.len() < MOST && !found.contains(address));
            found.extend(new);
        }
        // Who asks one address and got its answer need not wait.
        if !found.is_empty() && ask != EVERYBODY {
            break;
        }
    }
    Ok(())
}
