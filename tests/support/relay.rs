//! A wire between a device and the server that counts what goes over it.
//!
//! Plain TCP on loopback, one thread a direction; it changes nothing. A request is counted by the end of its
//! request line, so this is for HTTP/1.1 without TLS only.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The end of a request line.
const REQUEST: &[u8] = b" HTTP/1.1\r\n";

/// What went over the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// TCP connections.
    pub connections: u64,
    /// HTTP requests.
    pub requests: u64,
    /// From the device to the server.
    pub up_bytes: u64,
    /// From the server to the device.
    pub down_bytes: u64,
}

impl std::ops::Sub for Traffic {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            connections: self.connections - before.connections,
            requests: self.requests - before.requests,
            up_bytes: self.up_bytes - before.up_bytes,
            down_bytes: self.down_bytes - before.down_bytes,
        }
    }
}

#[derive(Default)]
struct Counters {
    connections: AtomicU64,
    requests: AtomicU64,
    up_bytes: AtomicU64,
    down_bytes: AtomicU64,
}

/// The wire. It stays until the program ends.
pub struct Relay {
    port: u16,
    counters: Arc<Counters>,
}

impl Relay {
    /// A wire to a port of this machine.
    pub fn to(server_port: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let relay = Self { port: listener.local_addr()?.port(), counters: Arc::default() };
        let counters = relay.counters.clone();
        std::thread::spawn(move || {
            for device in listener.incoming().map_while(Result::ok) {
                // A server that is away is a connection that closes at once.
                if let Ok(server) = TcpStream::connect(("127.0.0.1", server_port)) {
                    counters.connections.fetch_add(1, Ordering::Relaxed);
                    let _ = join(device, server, &counters);
                }
            }
        });
        Ok(relay)
    }

    /// The address that the device is told.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All that has gone over it so far.
    pub fn traffic(&self) -> Traffic {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Traffic {
            connections: read(&self.counters.connections),
            requests: read(&self.counters.requests),
            up_bytes: read(&self.counters.up_bytes),
            down_bytes: read(&self.counters.down_bytes),
        }
    }
}

fn join(device: TcpStream, server: TcpStream, counters: &Arc<Counters>) -> std::io::Result<()> {
    for stream in [&device, &server] {
        stream.set_nodelay(true)?;
    }
    let (up_from, up_to) = (device.try_clone()?, server.try_clone()?);
    let up = counters.clone();
    std::thread::spawn(move || {
        let mut tail = Vec::new();
        carry(up_from, up_to, |bytes| {
            up.up_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            up.requests.fetch_add(requests_in(&mut tail, bytes), Ordering::Relaxed);
        });
    });
    let down = counters.clone();
    std::thread::spawn(move || {
        carry(server, device, |bytes| {
            down.down_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        });
    });
    Ok(())
}

/// Counts request lines that end in `bytes`; `tail` keeps what may be the beginning of one.
fn requests_in(tail: &mut Vec<u8>, bytes: &[u8]) -> u64 {
    tail.extend_from_slice(bytes);
    let found = tail.windows(REQUEST.len()).filter(|window| *window == REQUEST).count() as u64;
    tail.drain(..tail.len().saturating_sub(REQUEST.len() - 1));
    found
}

fn carry(mut from: TcpStream, mut to: TcpStream, mut count: impl FnMut(&[u8])) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        count(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
