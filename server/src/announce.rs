//! Answers devices in the same network that ask where the server is, so that nobody types an address with a D-pad.
//!
//! Says where, and nothing else: what may be done there, pairing decides. Answers only the whole question (as long as any
//! answer) and only senders of a local network, so that it can neither amplify nor be probed from outside. A port that is
//! taken is no reason not to serve.

use std::net::{IpAddr, SocketAddr};

use retrosync_protocol::discovery::{BYTES, answer, is_question};
use tokio::net::UdpSocket;

/// Where it asks from, and what to answer.
#[derive(Debug)]
pub struct Announcer {
    socket: UdpSocket,
    answer: String,
}

impl Announcer {
    /// Takes the port. `http_port`, and whether it speaks TLS, is told where there is no public address.
    ///
    /// # Errors
    /// When the port is taken, or the public address too long for an answer.
    pub async fn bind(
        at: SocketAddr,
        public_url: Option<&str>,
        speaks_tls: bool,
        http_port: u16,
    ) -> std::io::Result<Announcer> {
        let answer = answer(public_url, speaks_tls, http_port)
            .ok_or_else(|| std::io::Error::other("the public address is too long to be announced"))?;
        Ok(Announcer { socket: UdpSocket::bind(at).await?, answer })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Answers for ever.
    pub async fn run(self) {
        let mut datagram = [0; BYTES + 1];
        loop {
            // An unreachable asker shows as an error of the next call; the pause keeps a broken socket from spinning.
            let Ok((length, from)) = self.socket.recv_from(&mut datagram).await else {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            };
            if is_question(&datagram[..length]) && is_near(from.ip()) {
                let _ = self.socket.send_to(self.answer.as_bytes(), from).await;
            }
        }
    }
}

/// Is it an address of a local network?
fn is_near(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local() || ip.is_loopback(),
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => is_near(IpAddr::V4(ip)),
            None => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use retrosync_protocol::discovery::{address, question};
    use std::time::Duration;

    #[test]
    fn only_a_local_network_is_answered() {
        let rows = [
            ("192.168.1.7", true),
            ("10.0.0.2", true),
            ("172.31.9.9", true),
            ("169.254.3.4", true),
            ("127.0.0.1", true),
            ("::1", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("::ffff:192.168.1.7", true),
            ("8.8.8.8", false),
            ("172.32.0.1", false),
            ("2001:db8::1", false),
            ("::ffff:8.8.8.8", false),
        ];
        for (ip, near) in rows {
            assert_eq!(is_near(ip.parse().unwrap()), near, "{ip}");
        }
    }

    #[tokio::test]
    async fn a_whole_question_is_answered_and_a_short_one_is_not() {
        let announcer = Announcer::bind("127.0.0.1:0".parse().unwrap(), None, false, 4242).await.unwrap();
        let at = announcer.local_addr().unwrap();
        let running = tokio::spawn(announcer.run());
        let asker = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        asker.send_to(b"retrosync where?", at).await.unwrap();
        asker.send_to(&[0; BYTES], at).await.unwrap();
        asker.send_to(&question(), at).await.unwrap();
        let mut reply = [0; BYTES];
        let waited = tokio::time::timeout(Duration::from_secs(60), asker.recv_from(&mut reply)).await;
        let (length, from) = waited.unwrap().unwrap();
        assert_eq!(address(&reply[..length], &from.ip().to_string()).unwrap(), "http://127.0.0.1:4242");
        assert!(asker.try_recv_from(&mut reply).is_err(), "one question, one answer");
        running.abort();
    }
}
