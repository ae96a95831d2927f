//! A wire to a server that can be cut without anybody being told: what a host that vanished looks like from here, or a way to it that
//! fell silent. No end of a connection, no reset, no answer.
//!
//! Plain TCP on loopback to a port or a socket of this machine, two threads a connection; uncut it changes nothing. It stays until
//! the program ends.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Where a wire leads.
pub enum End {
    /// To a port of this machine.
    Port(u16),
    /// To a Unix socket.
    Socket(PathBuf),
}

/// One connection, of either kind.
trait Line: Read + Write + Send {
    fn again(&self) -> Box<dyn Line>;
    fn end(&self);
}

impl Line for TcpStream {
    fn again(&self) -> Box<dyn Line> {
        Box::new(self.try_clone().unwrap())
    }
    fn end(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

impl Line for UnixStream {
    fn again(&self) -> Box<dyn Line> {
        Box::new(self.try_clone().unwrap())
    }
    fn end(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

impl End {
    fn connect(&self) -> std::io::Result<Box<dyn Line>> {
        Ok(match self {
            End::Port(port) => Box::new(TcpStream::connect(("127.0.0.1", *port))?),
            End::Socket(path) => Box::new(UnixStream::connect(path)?),
        })
    }
}

/// What becomes of a piece on its way to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It passes.
    No,
    /// It does not, nor does anything after it.
    Here,
    /// It passes, but what is answered to it does not, nor does anything after that.
    AtItsAnswer,
}

/// Judges each piece, by the number of its connection.
type Judge = Box<dyn FnMut(u64, &[u8]) -> Cut + Send>;

#[derive(Default)]
struct State {
    is_cut: bool,
    judge: Option<Judge>,
}

/// The wire.
pub struct Wire {
    port: u16,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Wire {
    pub fn to(end: End) -> Wire {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let wire = Wire { port: listener.local_addr().unwrap().port(), state: Arc::default() };
        let state = wire.state.clone();
        std::thread::spawn(move || {
            for (client, number) in listener.incoming().map_while(Result::ok).zip(0..) {
                let Ok(server) = end.connect() else { continue };
                let client: Box<dyn Line> = Box::new(client);
                let (there, back) = ((client.again(), server.again()), (server, client));
                let ends_with_answer = Arc::new(AtomicBool::new(false));
                for (from, to, up) in [(there.0, there.1, Some(number)), (back.0, back.1, None)] {
                    let (state, ends_with_answer) = (state.clone(), ends_with_answer.clone());
                    std::thread::spawn(move || hand_on(&state, from, to, up, &ends_with_answer));
                }
            }
        });
        wire
    }

    /// Where it begins.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on nothing passes.
    pub fn cut(&self) {
        self.state.0.lock().unwrap().is_cut = true;
    }

    /// What is sent from now on passes; connections that lost something end, as a machine that came back ends what it knows nothing of.
    pub fn mend(&self) {
        *self.state.0.lock().unwrap() = State::default();
        self.state.1.notify_all();
    }

    /// It is cut when this is sent to the server for the `nth` time, in one piece; that itself does not arrive.
    pub fn cut_at(&self, text: &str, nth: u32) {
        let (text, mut left) = (text.as_bytes().to_vec(), nth);
        self.cut_where(move |_, piece| {
            left = left.saturating_sub(u32::from(holds(piece, &text)));
            if left == 0 { Cut::Here } else { Cut::No }
        });
    }

    /// It is cut where this says so, of any piece that goes to the server.
    pub fn cut_where(&self, judge: impl FnMut(u64, &[u8]) -> Cut + Send + 'static) {
        self.state.0.lock().unwrap().judge = Some(Box::new(judge));
    }

    /// Waits until it is cut.
    pub fn wait_for_cut(&self) {
        let (state, changed) = &*self.state;
        let state = state.lock().unwrap();
        let (state, _) =
            changed.wait_timeout_while(state, Duration::from_secs(60), |state| !state.is_cut).unwrap();
        assert!(state.is_cut, "what was waited for never came");
    }
}

/// Is it in there?
pub fn holds(piece: &[u8], text: &[u8]) -> bool {
    piece.windows(text.len()).any(|window| window == text)
}

/// One direction of a connection, until it ends or is cut; `up`: to the server, and the connection's number.
fn hand_on(
    state: &(Mutex<State>, Condvar),
    mut from: Box<dyn Line>,
    mut to: Box<dyn Line>,
    up: Option<u64>,
    ends_with_answer: &AtomicBool,
) {
    let mut piece = vec![0; 64 << 10];
    while let Ok(count) = from.read(&mut piece)
        && count > 0
    {
        let is_cut = {
            let mut now = state.0.lock().unwrap();
            let judged = match (&mut now.judge, up) {
                (Some(judge), Some(number)) => judge(number, &piece[..count]),
                (_, None) if ends_with_answer.load(Ordering::SeqCst) => Cut::Here,
                _ => Cut::No,
            };
            if judged == Cut::AtItsAnswer {
                ends_with_answer.store(true, Ordering::SeqCst);
            }
            if judged == Cut::Here {
                now.is_cut = true;
                state.1.notify_all();
            }
            now.is_cut
        };
        if is_cut {
            // Both ends stay open meanwhile, and hear nothing.
            drop(state.1.wait_while(state.0.lock().unwrap(), |state| state.is_cut));
            break;
        }
        if to.write_all(&piece[..count]).is_err() {
            break;
        }
    }
    from.end();
    to.end();
}
