//! Which servers answer in this network: one question, a few seconds of listening.
//!
//! Trusts nothing of what it hears: whoever is in this network may answer. A person sees the address and who told it, and only
//! then it is used as if it had been typed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use retrosync_protocol::discovery;

/// How long answers are waited for; the question is asked anew after half of it: datagrams get lost.
const LISTEN: Duration = Duration::from_millis(2_000);
/// So many servers are listed.
const MOST: usize = 8;
/// Whom to ask.
pub const EVERYBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::BROADCAST), discovery::PORT);

/// A server that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it says that it is.
    pub address: String,
    /// Who said so, where that is another host than the address names; else empty.
    pub sender: String,
}

/// The servers that answered, each address once, in that order; none without a network.
pub fn servers(ask: SocketAddr) -> Vec<Found> {
    let mut found = Vec::new();
    let _ = listen(ask, &mut found);
    found
}

fn listen(ask: SocketAddr, found: &mut Vec<Found>) -> std::io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_broadcast(true)?;
    let began = Instant::now();
    for until in [LISTEN / 2, LISTEN] {
        socket.send_to(&discovery::question(), ask)?;
        while let Some(left) = until.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) {
            socket.set_read_timeout(Some(left))?;
            let mut datagram = [0; discovery::BYTES];
            let Ok((length, from)) = socket.recv_from(&mut datagram) else { continue };
            let sender = from.ip().to_string();
            let Some(address) = discovery::address(&datagram[..length], &sender) else { continue };
            if found.len() < MOST && found.iter().all(|known| known.address != address) {
                let place = address.split_once("//").map_or("", |(_, place)| place);
                let is_itself = discovery::host_of(place) == sender;
                found.push(Found { address, sender: if is_itself { String::new() } else { sender } });
            }
        }
        // Who asks one address and got its answer need not wait.
        if !found.is_empty() && ask != EVERYBODY {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_server_of_which_a_stranger_tells_is_shown_with_the_stranger() {
        let announcer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let ask = announcer.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut datagram = [0; discovery::BYTES];
            while let Ok((length, from)) = announcer.recv_from(&mut datagram) {
                assert!(discovery::is_question(&datagram[..length]));
                for address in [
                    "https://saves.example",
                    "http://10.9.9.9:1",
                    "https://nas@evil.example",
                    "http://*:8377",
                ] {
                    announcer.send_to(format!("retrosync here {address}").as_bytes(), from).unwrap();
                }
            }
        });
        let found = |address: &str, sender: &str| Found { address: address.into(), sender: sender.into() };
        let wanted = [found("https://saves.example", "127.0.0.1"), found("http://127.0.0.1:8377", "")];
        // On a machine that is busy enough no answer comes in time.
        let heard = (0..30).map(|_| servers(ask)).find(|found| found.len() == wanted.len());
        assert_eq!(heard, Some(wanted.to_vec()));
    }
}
