//! A wire between the proxy and one server that can be held in the middle of an upload: what a test needs to kill a server at
//! a chosen byte.
//!
//! Plain TCP on loopback, two threads a connection; without a hold it changes nothing. It stays until the program ends.

#![allow(unreachable_pub, reason = "a module of one test program")]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// No connection is held.
const NEVER: u64 = u64::MAX;

#[derive(Default)]
struct State {
    /// How many bytes of one connection go to the server before it is held.
    hold_after_bytes: AtomicU64,
    is_held: AtomicBool,
    server_port: Mutex<u16>,
}

/// The wire.
pub struct Gate {
    port: u16,
    state: Arc<State>,
}

impl Gate {
    /// A wire to a server that is named by [`Gate::leads_to`]; until then connections close.
    pub fn new() -> Gate {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let gate = Gate { port: listener.local_addr().unwrap().port(), state: Arc::default() };
        gate.state.hold_after_bytes.store(NEVER, Ordering::SeqCst);
        let state = gate.state.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let state = state.clone();
                let port = *state.server_port.lock().unwrap();
                // A server that is away is a connection that closes at once.
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || up(&state, from, to));
                thread::spawn(move || down(server, client));
            }
        });
        gate
    }

    /// Where the proxy finds it.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Which port of this machine is behind it from now on.
    pub fn leads_to(&self, server_port: u16) {
        *self.state.server_port.lock().unwrap() = server_port;
    }

    /// The next connection that sends more than this gets no further: the rest is never handed on.
    pub fn hold_after(&self, bytes: u64) {
        self.state.hold_after_bytes.store(bytes, Ordering::SeqCst);
    }

    /// Is a connection held?
    pub fn is_held(&self) -> bool {
        self.state.is_held.load(Ordering::SeqCst)
    }
}

/// From the proxy to the server.
fn up(state: &State, mut from: TcpStream, mut to: TcpStream) {
    let (mut piece, mut sent) = ([0; 4096], 0);
    while let Ok(count) = from.read(&mut piece) {
        if count == 0 || to.write_all(&piece[..count]).is_err() {
            break;
        }
        sent += count as u64;
        if sent > state.hold_after_bytes.load(Ordering::SeqCst) {
            state.hold_after_bytes.store(NEVER, Ordering::SeqCst);
            state.is_held.store(true, Ordering::SeqCst);
            // The other direction ends both, when the server is gone.
            return;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// From the server to the proxy.
fn down(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
