//! HTTP/1.1 as a device speaks it, over a bare socket: a waiting one costs no buffer, so ten thousand fit beside the server.
//!
//! May assume a server that answers with `Content-Length`. Never reads more than one answer ahead, never retries.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use retrosync_protocol::BASE_PATH;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};

/// One connection.
pub(crate) struct Wire {
    stream: TcpStream,
    /// What of an answer is here; empty while waiting.
    buffer: Vec<u8>,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Wire {
    /// Connects; `from` is the home that the device is in: all of `127.0.0.0/8` is this machine.
    pub(crate) async fn connect(to: SocketAddr, from: Ipv4Addr) -> io::Result<Wire> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from.into(), 0))?;
        let stream = socket.connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Wire { stream, buffer: Vec::new() })
    }

    /// Sends these bytes, in one piece where they fit.
    pub(crate) async fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request).await
    }

    /// Waits for the answer.
    pub(crate) async fn answer(&mut self) -> io::Result<Answer> {
        loop {
            if let Some(answer) = self.whole()? {
                self.buffer = Vec::new();
                return Ok(answer);
            }
            if self.more().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.send(request).await?;
        self.answer().await
    }

    /// Waits until the server ends the connection.
    pub(crate) async fn ended(&mut self) {
        while matches!(self.more().await, Ok(1..)) {}
    }

    async fn more(&mut self) -> io::Result<usize> {
        loop {
            self.stream.readable().await?;
            let mut part = [0; 4096];
            match self.stream.try_read(&mut part) {
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => {}
                Err(why) => return Err(why),
                Ok(length) => {
                    self.buffer.extend_from_slice(&part[..length]);
                    return Ok(length);
                }
            }
        }
    }

    fn whole(&self) -> io::Result<Option<Answer>> {
        let Some(head_end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = String::from_utf8_lossy(&self.buffer[..head_end]);
        let status = head.get(9..12).and_then(|code| code.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        let body = &self.buffer[head_end + 4..];
        let length = length.unwrap_or(0);
        Ok((body.len() >= length).then(|| Answer { status, body: body[..length].to_vec() }))
    }
}

/// A request as a daemon sends it.
pub(crate) fn post(path: &str, token: &str, operation: Option<&str>, kind: &str, body: &[u8]) -> Vec<u8> {
    let operation = operation.map_or_else(String::new, |id| format!("idempotency-key: {id}\r\n"));
    let head = format!(
        "POST {BASE_PATH}{path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nuser-agent: retrosync-load\r\n\
         {operation}content-type: {kind}\r\naccept: */*\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
