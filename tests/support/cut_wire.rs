//! A wire between a device and the server that breaks after so many bytes, whatever they are: for what nobody in between can
//! read, such as TLS.
//!
//! Plain TCP on loopback, two threads a connection; without a cut it changes nothing. Both sides see a connection that ends, as
//! one that a router or a sleeping host closes: no reset, and in TLS no word of farewell. It stays until the program ends.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// What the wire does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cut {
    /// Its duty.
    #[default]
    None,
    /// It breaks after this many bytes of one direction, counted over all connections from now on.
    After {
        /// Towards the server, or towards the device?
        up: bool,
        /// Where.
        bytes: usize,
        /// Is there a network again at once (else not before the cut is taken away)?
        heals: bool,
    },
}

#[derive(Default)]
struct State {
    cut: Cut,
    /// Since the cut was set: towards the server, towards the device.
    passed: (usize, usize),
    hit: bool,
}

/// The wire.
pub struct CutWire {
    port: u16,
    state: Arc<Mutex<State>>,
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CutWire {
    /// A wire to a port of this machine.
    pub fn to(server_port: u16) -> io::Result<CutWire> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let wire = CutWire { port: listener.local_addr()?.port(), state: Arc::default() };
        let state = Arc::clone(&wire.state);
        thread::spawn(move || {
            for device in listener.incoming().map_while(Result::ok) {
                if locked(&state).is_broken() {
                    continue;
                }
                // However a connection ends: the device sees a closed one.
                let _ = join(device, server_port, &state);
            }
        });
        Ok(wire)
    }

    /// The address that the device is told.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// From now on this; bytes are counted anew.
    pub fn set(&self, cut: Cut) {
        *locked(&self.state) = State { cut, ..State::default() };
    }

    /// Was anything cut?
    pub fn hit(&self) -> bool {
        locked(&self.state).hit
    }

    /// How many bytes passed since the cut was set: towards the server, towards the device.
    pub fn passed(&self) -> (usize, usize) {
        locked(&self.state).passed
    }
}

impl State {
    /// Is there no network any more?
    fn is_broken(&self) -> bool {
        self.hit && matches!(self.cut, Cut::After { heals: false, .. })
    }

    /// How many of the next bytes of a direction pass; the wire breaks behind them if it is not all.
    fn pass(&mut self, up: bool, count: usize) -> usize {
        let passed = if up { &mut self.passed.0 } else { &mut self.passed.1 };
        let begins = *passed;
        *passed += count;
        let ends = *passed;
        if self.is_broken() {
            return 0;
        }
        match self.cut {
            Cut::After { up: of, bytes, .. } if of == up && !self.hit && ends > bytes => {
                self.hit = true;
                bytes.saturating_sub(begins)
            }
            _ => count,
        }
    }
}

fn join(device: TcpStream, server_port: u16, state: &Arc<Mutex<State>>) -> io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", server_port))?;
    for stream in [&device, &server] {
        stream.set_nodelay(true)?;
    }
    let (up_from, up_to) = (device.try_clone()?, server.try_clone()?);
    for (from, to, up) in [(up_from, up_to, true), (server, device, false)] {
        let state = Arc::clone(state);
        thread::spawn(move || carry(from, to, up, &state));
    }
    Ok(())
}

fn carry(mut from: TcpStream, mut to: TcpStream, up: bool, state: &Mutex<State>) {
    let mut piece = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut piece) {
        let passes = locked(state).pass(up, count);
        if to.write_all(&piece[..passes]).is_err() || passes < count {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
