//! A bad network between one device and the server: it knows where an HTTP/1.1 message begins and ends, and does one
//! fault to it when it is told to.
//!
//! Loopback, no TLS. A request is taken whole, then handed on; a reply likewise. What happens to which message is said
//! by [`Fault`]; without one it only records. It lives until the program ends.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// What the network does.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Fault {
    /// Its duty.
    #[default]
    None,
    /// The wire breaks after this many bytes towards the server, counted over all requests from now on.
    CutRequest {
        /// Where.
        after_bytes: usize,
        /// Is there a network again at once (else not before the fault is taken away)?
        heals: bool,
    },
    /// The same towards the device: the server has done its part.
    CutReply {
        /// Where.
        after_bytes: usize,
        /// As above.
        heals: bool,
    },
    /// The request of this number (from 0), and from then on no other.
    Once(usize, What),
    /// Every request.
    Always(What),
    /// Every request whose method and path are these.
    On(&'static str, What),
    /// The next reply to a question that waits for news, whenever that was asked; from then on no other.
    News(What),
}

/// What happens to one request or its reply.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// The server gets the request twice, one after the other; the device gets the second reply.
    Twice,
    /// The server gets the request twice at the same time.
    TwiceAtOnce,
    /// The request is late by so much, and the reply too.
    Late(Duration),
    /// This comes instead of the server's reply; the server never hears of the request.
    Instead(Vec<u8>),
    /// This comes instead of the server's reply, after the server did what it was asked.
    After(Vec<u8>),
    /// One byte at a time, in both directions, with this pause after each.
    Trickle(Duration),
    /// The request stops in its middle and never goes on.
    StallRequest,
    /// The reply stops in its middle and never goes on.
    StallReply,
    /// The reply breaks off after this many bytes, modulo its length.
    CutReply(usize),
    /// The reply's body ends early, and its head agrees with that.
    ShortReply,
    /// One bit of the reply's body is another: the byte at this place, modulo the length of the body.
    FlipReply(usize),
    /// The same of the request's body.
    FlipRequest(usize),
}

/// A request as it went over the wire.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Head and body.
    pub bytes: Vec<u8>,
    /// How long its reply was, in bytes.
    pub reply_bytes: usize,
}

impl Sent {
    /// Method and path.
    pub fn line(&self) -> String {
        let line = self.bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        String::from_utf8_lossy(line).trim_end_matches(" HTTP/1.1").to_owned()
    }
}

#[derive(Default)]
struct State {
    fault: Fault,
    /// Since the fault was set.
    up_bytes: usize,
    down_bytes: usize,
    requests: usize,
    hit: bool,
    sent: Vec<Sent>,
    /// Questions that wait for news right now.
    waiting: usize,
}

/// The network.
pub struct FaultProxy {
    port: u16,
    state: Arc<Mutex<State>>,
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FaultProxy {
    /// A network to a port of this machine.
    pub fn to(server_port: u16) -> io::Result<FaultProxy> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let proxy = FaultProxy { port: listener.local_addr()?.port(), state: Arc::default() };
        let state = Arc::clone(&proxy.state);
        thread::spawn(move || {
            for device in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&state);
                // However a connection ends: the device sees a closed one.
                thread::spawn(move || Connection { device, server_port, state }.serve());
            }
        });
        Ok(proxy)
    }

    /// The address that the device is told.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on this; what was recorded before is forgotten.
    pub fn set(&self, fault: Fault) {
        let mut state = locked(&self.state);
        *state = State { fault, waiting: state.waiting, ..State::default() };
    }

    /// Did the fault happen?
    pub fn hit(&self) -> bool {
        locked(&self.state).hit
    }

    /// How many requests came since the fault was set.
    pub fn requests(&self) -> usize {
        locked(&self.state).requests
    }

    /// Does a question wait at the server for news, right now?
    pub fn is_waited_on(&self) -> bool {
        locked(&self.state).waiting > 0
    }

    /// All requests since the fault was set that were answered, in order.
    pub fn sent(&self) -> Vec<Sent> {
        locked(&self.state).sent.clone()
    }
}

struct Connection {
    device: TcpStream,
    server_port: u16,
    state: Arc<Mutex<State>>,
}

impl Connection {
    fn serve(self) -> Option<()> {
        self.device.set_nodelay(true).ok()?;
        let mut from_device = BufReader::new(self.device.try_clone().ok()?);
        while let Some(request) = read_message(&mut from_device, false) {
            if !self.carry(request) {
                break;
            }
        }
        self.device.shutdown(Shutdown::Both).ok()
    }

    /// One request and its reply; true: the connection goes on.
    fn carry(&self, mut request: Vec<u8>) -> bool {
        let (what, up, down) = {
            let mut state = locked(&self.state);
            let number = state.requests;
            state.requests += 1;
            let what = match &state.fault {
                Fault::Once(at, what) if *at == number => Some(what.clone()),
                Fault::Always(what) => Some(what.clone()),
                Fault::On(line, what) if request.starts_with(line.as_bytes()) => Some(what.clone()),
                _ => None,
            };
            state.hit |= what.is_some();
            (what, state.cut_up(request.len()), state.cut_down_now())
        };
        if let Some(keep) = up {
            // The server gets a part of it and then the end of the connection.
            let _ = self.tell_server(&request[..keep.min(request.len())], false);
            return false;
        }
        if down {
            return false;
        }
        let reply = match &what {
            Some(What::Instead(reply)) => Some(reply.clone()),
            Some(What::StallRequest) => {
                let half = request.len() / 2;
                let server = self.tell_server(&request[..half], false);
                return self.wait_for_the_end(server);
            }
            Some(What::FlipRequest(at)) => {
                flip(&mut request, *at);
                self.ask(&request, None)
            }
            Some(What::Late(by)) => {
                thread::sleep(*by);
                self.ask(&request, None)
            }
            Some(What::Twice) => {
                let _ = self.ask(&request, None);
                self.ask(&request, None)
            }
            Some(What::TwiceAtOnce) => thread::scope(|scope| {
                let other = scope.spawn(|| self.ask(&request, None));
                let reply = self.ask(&request, None);
                let _ = other.join();
                reply
            }),
            Some(What::Trickle(pause)) => self.ask(&request, Some(*pause)),
            _ if waits(&request) => {
                locked(&self.state).waiting += 1;
                let reply = self.ask(&request, None);
                locked(&self.state).waiting -= 1;
                reply
            }
            _ => self.ask(&request, None),
        };
        let Some(mut reply) = reply else { return false };
        let what = what.or_else(|| locked(&self.state).of_news(&request));
        locked(&self.state).sent.push(Sent { bytes: request, reply_bytes: reply.len() });
        match what {
            Some(What::After(other)) => reply = other,
            Some(What::FlipReply(at)) => flip(&mut reply, at),
            Some(What::ShortReply) => shorten(&mut reply),
            Some(What::Late(by)) => thread::sleep(by),
            Some(What::CutReply(at)) => {
                let keep = at % reply.len();
                let _ = (&self.device).write_all(&reply[..keep]);
                return false;
            }
            Some(What::StallReply) => {
                let half = reply.len() / 2;
                return (&self.device).write_all(&reply[..half]).is_ok() && self.wait_for_the_end(None);
            }
            Some(What::Trickle(pause)) => return trickle(&self.device, &reply, pause).is_ok(),
            _ => {}
        }
        let cut = locked(&self.state).cut_down(reply.len());
        let length = cut.map_or(reply.len(), |keep| keep.min(reply.len()));
        (&self.device).write_all(&reply[..length]).is_ok() && cut.is_none()
    }

    /// Holds everything open until the device gives up.
    fn wait_for_the_end(&self, _server: Option<TcpStream>) -> bool {
        let _ = (&self.device).read(&mut [0; 1]);
        false
    }

    /// Sends bytes to the server on a connection of its own, in one go or by and by.
    fn tell_server(&self, bytes: &[u8], slowly: bool) -> Option<TcpStream> {
        let server = TcpStream::connect(("127.0.0.1", self.server_port)).ok()?;
        server.set_nodelay(true).ok()?;
        if slowly {
            trickle(&server, bytes, Duration::from_millis(1)).ok()?;
        } else {
            (&server).write_all(bytes).ok()?;
        }
        Some(server)
    }

    fn ask(&self, request: &[u8], trickle: Option<Duration>) -> Option<Vec<u8>> {
        let server = self.tell_server(request, trickle.is_some())?;
        read_message(&mut BufReader::new(server), true)
    }
}

impl State {
    /// How much of the next `length` bytes towards the server still goes through, if the cut is within them or behind.
    fn cut_up(&mut self, length: usize) -> Option<usize> {
        let Fault::CutRequest { after_bytes, heals } = self.fault else { return None };
        let begins = self.up_bytes;
        self.up_bytes += length;
        if self.up_bytes <= after_bytes || (self.hit && heals) {
            return None;
        }
        self.hit = true;
        Some(after_bytes.saturating_sub(begins))
    }

    fn cut_down(&mut self, length: usize) -> Option<usize> {
        let Fault::CutReply { after_bytes, heals } = self.fault else { return None };
        let begins = self.down_bytes;
        self.down_bytes += length;
        if self.down_bytes <= after_bytes || (self.hit && heals) {
            return None;
        }
        self.hit = true;
        Some(after_bytes.saturating_sub(begins))
    }

    /// What happens to the reply to this request, if that waited for news.
    fn of_news(&mut self, request: &[u8]) -> Option<What> {
        let Fault::News(what) = &self.fault else { return None };
        if self.hit || !waits(request) {
            return None;
        }
        self.hit = true;
        Some(what.clone())
    }

    /// Is there no network any more?
    fn cut_down_now(&self) -> bool {
        matches!(self.fault, Fault::CutReply { heals: false, .. }) && self.hit
    }
}

/// A whole message; `None` when there is none (any more), or it is cut.
fn read_message(from: &mut BufReader<TcpStream>, is_reply: bool) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    let mut body = Body::UntilTheEnd;
    loop {
        let mut line = Vec::new();
        if from.read_until(b'\n', &mut line).ok()? == 0 {
            return None;
        }
        message.extend_from_slice(&line);
        let text = String::from_utf8_lossy(&line).to_ascii_lowercase();
        if let Some(length) = text.strip_prefix("content-length:") {
            body = Body::Bytes(length.trim().parse().ok()?);
        } else if text.starts_with("transfer-encoding:") {
            body = Body::Chunks;
        } else if is_reply && (text.starts_with("http/1.1 204") || text.starts_with("http/1.1 304")) {
            body = Body::Bytes(0);
        } else if text.trim().is_empty() {
            break;
        }
    }
    match body {
        Body::Bytes(length) => {
            let start = message.len();
            message.resize(start + length, 0);
            from.read_exact(&mut message[start..]).ok()?;
        }
        Body::Chunks => read_chunks(from, &mut message)?,
        Body::UntilTheEnd if is_reply => drop(from.read_to_end(&mut message).ok()?),
        Body::UntilTheEnd => {}
    }
    Some(message)
}

enum Body {
    Bytes(usize),
    Chunks,
    UntilTheEnd,
}

fn read_chunks(from: &mut BufReader<TcpStream>, message: &mut Vec<u8>) -> Option<()> {
    loop {
        let mut line = Vec::new();
        from.read_until(b'\n', &mut line).ok().filter(|length| *length > 0)?;
        message.extend_from_slice(&line);
        let length = usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16).ok()?;
        let start = message.len();
        message.resize(start + length + 2, 0);
        from.read_exact(&mut message[start..]).ok()?;
        if length == 0 {
            return Some(());
        }
    }
}

fn trickle(mut to: &TcpStream, bytes: &[u8], pause: Duration) -> io::Result<()> {
    for byte in bytes {
        to.write_all(&[*byte])?;
        thread::sleep(pause);
    }
    Ok(())
}

/// Does this question wait for its answer?
fn waits(request: &[u8]) -> bool {
    let asks = b"\"wait_s\":";
    let after = request.windows(asks.len()).position(|window| window == asks).map(|at| at + asks.len());
    after.is_some_and(|at| request.get(at).is_some_and(|digit| *digit != b'0'))
}

/// Where the body begins.
fn body_start(message: &[u8]) -> usize {
    message.windows(4).position(|end| end == b"\r\n\r\n").map_or(message.len(), |at| at + 4)
}

fn flip(message: &mut [u8], at: usize) {
    let start = body_start(message);
    let body = &mut message[start..];
    if !body.is_empty() {
        let at = at % body.len();
        body[at] ^= 1 << (at % 7);
    }
}

/// Drops the last third of a body and corrects the length that the head names.
fn shorten(reply: &mut Vec<u8>) {
    let start = body_start(reply);
    let length = (reply.len() - start) * 2 / 3;
    let head = String::from_utf8_lossy(&reply[..start]).into_owned();
    let lines = head.trim_end().lines().filter(|line| {
        let line = line.to_ascii_lowercase();
        !line.starts_with("content-length:") && !line.starts_with("transfer-encoding:")
    });
    let mut short: Vec<u8> = lines.flat_map(|line| format!("{line}\r\n").into_bytes()).collect();
    short.extend_from_slice(format!("content-length: {length}\r\n\r\n").as_bytes());
    short.extend_from_slice(&reply[start..start + length]);
    *reply = short;
}
