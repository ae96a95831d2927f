//! One request, one answer: the agent with its limits, and what an answer that is not the one hoped for means.
//!
//! An answer without our server's mark is nobody's word: a captive portal cannot refuse, delete or confirm anything.
//! Never follows a redirect (the token would go along), never uses a proxy, never shows the token.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use retrosync_protocol::{Code, Digest, PROBLEM_CONTENT_TYPE, Problem, Token};
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::request::Builder;
use ureq::http::{HeaderMap, HeaderValue, Method, Request, Response};
use ureq::unversioned::transport::{Connector as _, TcpConnector};
use ureq::{Agent, Body, SendBody};

use super::super::address::{GuardedResolver, PlainRefused};
use super::super::tls::TlsConnector;
use super::super::trust::{self, Clock};
use super::super::{Heard, RemoteSettings, ServerAddress};
use super::date::unix_of_http_date;
use crate::error::{Error, Kind, Result};

/// The longest JSON answer that is read.
const MAX_JSON_BYTES: u64 = 16 << 20;
/// The longest text of a refusal that is read.
const MAX_PROBLEM_BYTES: u64 = 256 << 10;
/// How long a silent server is waited for, besides what it was asked to wait.
const PATIENCE_S: u64 = 30;
/// No request lasts longer.
const LONGEST_S: u64 = 20 * 60;

/// How much longer a server may take that makes bytes durable first.
pub(super) const STORE_WAIT_S: u64 = 60;

/// A body that can be sent from its start again.
pub(super) trait Replay: Read {
    /// Back to the start.
    fn rewind(&mut self);
}

/// What goes out.
pub(super) enum Outgoing<'a> {
    /// No body.
    Nothing,
    /// Bytes with their type.
    Bytes(&'static str, &'a [u8]),
    /// A stream with its type.
    Stream(&'static str, &'a mut dyn Replay),
}

/// A request but for its body.
pub(super) struct Call<'a> {
    /// What we are doing, for people: `cannot …`.
    pub doing: &'a str,
    /// The method.
    pub method: Method,
    /// The path below the base path, with its query.
    pub path: &'a str,
    /// Whom the server knows us by.
    pub token: Option<&'a Token>,
    /// The operation id of a change.
    pub operation: Option<String>,
    /// What the server must find the request's body to be.
    pub digest: Option<Digest>,
    /// The first byte that is wanted.
    pub from_byte: Option<u64>,
    /// How long the server was asked to wait.
    pub wait_s: u64,
    /// What comes before the path.
    pub base: &'a str,
    /// Whom another kind of server knows us by.
    pub api_key: Option<&'a str>,
}

impl<'a> Call<'a> {
    pub(super) fn new(doing: &'a str, method: Method, path: &'a str, token: Option<&'a Token>) -> Call<'a> {
        let base = retrosync_protocol::BASE_PATH;
        Call {
            doing,
            method,
            path,
            token,
            operation: None,
            digest: None,
            from_byte: None,
            wait_s: 0,
            base,
            api_key: None,
        }
    }
}

/// The connection to one server.
pub(super) struct Wire {
    agent: Agent,
    address: ServerAddress,
    clock: Arc<Clock>,
    heard: Heard,
    used: bool,
}

impl Wire {
    pub(super) fn open(settings: &RemoteSettings) -> Result<Wire> {
        let address = ServerAddress::parse(&settings.server)?;
        let clock = Arc::new(Clock::new(settings.server_time_unix_s));
        // The roots are unpacked only where TLS is spoken.
        let tls = match address.is_secure() {
            true => Some(trust::client_config(settings, Arc::clone(&clock))?),
            false => None,
        };
        let seconds = |s| Some(Duration::from_secs(s));
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(settings.client.as_str())
            .accept_encoding("")
            .max_response_header_size(16 << 10)
            .input_buffer_size(16 << 10)
            .output_buffer_size(16 << 10)
            .max_idle_connections(1)
            .max_idle_connections_per_host(1)
            .max_idle_age(Duration::from_secs(90))
            .timeout_global(seconds(LONGEST_S))
            .timeout_resolve(seconds(10))
            .timeout_connect(seconds(10))
            .timeout_send_request(seconds(15))
            .timeout_per_write(seconds(PATIENCE_S))
            .timeout_per_read(seconds(PATIENCE_S))
            .build();
        let connector = TcpConnector::default().chain(TlsConnector::new(tls));
        let agent = Agent::with_parts(config, connector, GuardedResolver::new(settings.plain_http));
        Ok(Wire { agent, address, clock, heard: Heard::default(), used: false })
    }

    /// May we speak with this address at all? Asks a name server at most.
    pub(super) fn check(&self, settings: &RemoteSettings) -> Result<()> {
        match GuardedResolver::new(settings.plain_http).refuses(&self.address) {
            Some(plain) => Err(refused_plain(&format!("cannot use `{}` as server", self.address), &plain)),
            None => Ok(()),
        }
    }

    pub(super) fn address(&self) -> &ServerAddress {
        &self.address
    }

    pub(super) fn heard(&self) -> Heard {
        self.heard
    }

    /// The server's own clock, from a reply's body.
    pub(super) fn learn_time(&mut self, server_unix_s: i64) {
        self.heard.server_time_unix_s = Some(server_unix_s);
        if self.address.is_secure() {
            self.clock.learn(server_unix_s);
        }
    }

    /// Sends a JSON request (or none) and reads a JSON answer.
    pub(super) fn json<Q: Serialize, A: DeserializeOwned>(
        &mut self,
        call: &Call<'_>,
        question: Option<&Q>,
    ) -> Result<A> {
        let bytes = match question {
            Some(question) => {
                serde_json::to_vec(question).map_err(|error| Error::new(Kind::Misused, call.doing, error))?
            }
            None => Vec::new(),
        };
        let outgoing = match question {
            Some(_) => Outgoing::Bytes("application/json", &bytes),
            None => Outgoing::Nothing,
        };
        let response = self.send(call, outgoing)?;
        self.read_json(call.doing, response)
    }

    /// Reads a JSON answer.
    pub(super) fn read_json<A: DeserializeOwned>(&self, doing: &str, response: Response<Body>) -> Result<A> {
        if !is_type(response.headers(), "application/json") {
            return Err(self.foreign(doing, &response));
        }
        let told = text_of(response.headers(), "RetroSync-Digest").map(str::parse::<Digest>);
        let bytes = response
            .into_body()
            .into_with_config()
            .limit(MAX_JSON_BYTES)
            .read_to_vec()
            .map_err(|error| self.failed(doing, error))?;
        // A listing with one wrong digit would hide a version from this device for ever.
        if told.is_some_and(|told| told.ok() != Some(Digest::of(&bytes))) {
            let cause = format!("the answer of `{}` was damaged on its way", self.address);
            return Err(Error::new(Kind::Offline, doing, cause).help("it is asked again"));
        }
        serde_json::from_slice(&bytes).map_err(|error| {
            Error::new(
                Kind::Offline,
                doing,
                format!("the answer of `{}` is not as agreed: {error}", self.address),
            )
            .help("the server and this device may be of different versions")
        })
    }

    /// Sends a request; an answer other than success becomes an error. A connection that had gone stale while it was
    /// idle is replaced once, unseen.
    pub(super) fn send(&mut self, call: &Call<'_>, outgoing: Outgoing<'_>) -> Result<Response<Body>> {
        let response = self.reach(call, outgoing)?;
        self.judge(call.doing, response)
    }

    /// The same, and whatever answers is passed on as it is.
    pub(super) fn reach(&mut self, call: &Call<'_>, mut outgoing: Outgoing<'_>) -> Result<Response<Body>> {
        let may_be_stale = std::mem::replace(&mut self.used, false);
        // What an earlier answer asked for is no wish of one that does not come.
        self.heard.retry_after_s = None;
        let mut answer = self.send_once(call, &mut outgoing);
        if may_be_stale && answer.as_ref().err().is_some_and(is_stale) {
            if let Outgoing::Stream(_, stream) = &mut outgoing {
                stream.rewind();
            }
            answer = self.send_once(call, &mut outgoing);
        }
        let response = answer.map_err(|error| self.failed(call.doing, error))?;
        self.used = true;
        Ok(response)
    }

    fn send_once(&self, call: &Call<'_>, outgoing: &mut Outgoing<'_>) -> Result<Response<Body>, ureq::Error> {
        let url = format!("{}{}{}", self.address, call.base, call.path);
        let mut request = Request::builder().method(call.method.clone()).uri(url);
        let secret = match (call.token, call.api_key) {
            (Some(token), _) => Some(("Authorization", format!("Bearer {}", token.as_str()))),
            (None, key) => key.map(|key| ("X-API-Key", key.to_owned())),
        };
        if let Some((name, secret)) = secret {
            let mut secret = HeaderValue::try_from(secret).map_err(ureq::http::Error::from)?;
            // Whoever logs headers shows this one as `Sensitive`.
            secret.set_sensitive(true);
            request = request.header(name, secret);
        }
        if let Some(operation) = &call.operation {
            request = request.header("Idempotency-Key", operation);
        }
        let digest = match outgoing {
            Outgoing::Bytes(..) if call.api_key.is_some() => None,
            Outgoing::Bytes(_, all) => Some(Digest::of(all)),
            _ => call.digest,
        };
        // As with answers: one wrong digit in a record would still be a record.
        if let Some(digest) = digest {
            request = request.header("RetroSync-Digest", digest.to_string());
        }
        if let Some(from) = call.from_byte {
            request = request.header("Range", format!("bytes={from}-"));
        }
        match outgoing {
            Outgoing::Nothing => self.run(call, request, SendBody::none()),
            Outgoing::Bytes(kind, all) => {
                let mut bytes: &[u8] = all;
                let request = request.header("Content-Type", *kind).header("Content-Length", bytes.len());
                self.run(call, request, SendBody::from_reader(&mut bytes))
            }
            Outgoing::Stream(kind, stream) => {
                self.run(call, request.header("Content-Type", *kind), SendBody::from_reader(stream))
            }
        }
    }

    fn run(
        &self,
        call: &Call<'_>,
        request: Builder,
        body: SendBody<'_>,
    ) -> Result<Response<Body>, ureq::Error> {
        let patience = Some(Duration::from_secs(PATIENCE_S + call.wait_s));
        let request = self
            .agent
            .configure_request(request.body(body)?)
            .timeout_recv_response(patience)
            .timeout_per_read(patience)
            .build();
        self.agent.run(request)
    }

    /// Success passes; all else becomes an error of its kind.
    fn judge(&mut self, doing: &str, response: Response<Body>) -> Result<Response<Body>> {
        let status = response.status().as_u16();
        let headers = response.headers();
        let ours = headers.contains_key("RetroSync-Epoch");
        self.hear(headers, ours);
        match status {
            200..=299 if ours => Ok(response),
            400..=599 if is_type(headers, PROBLEM_CONTENT_TYPE) => Err(self.refused(doing, status, response)),
            _ => Err(self.foreign(doing, &response)),
        }
    }

    /// What the headers say of waiting and, if they are of whom we trust with it, of the time.
    pub(super) fn hear(&mut self, headers: &HeaderMap, is_trusted: bool) {
        self.heard.retry_after_s = text_of(headers, "Retry-After")
            .and_then(|text| text.trim().parse().ok())
            .map(|s: u64| s.min(86_400));
        if is_trusted && let Some(time) = text_of(headers, "Date").and_then(unix_of_http_date) {
            self.learn_time(time);
        }
    }

    /// Our server's refusal, or that of one like it.
    fn refused(&self, doing: &str, status: u16, response: Response<Body>) -> Error {
        let bytes = response.into_body().into_with_config().limit(MAX_PROBLEM_BYTES).read_to_vec();
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) => return self.failed(doing, error),
        };
        match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => error_of(doing, &problem),
            Err(_) => {
                Error::new(kind_of_status(status), doing, format!("`{}` answered {status}", self.address))
            }
        }
    }

    /// An answer that is not our server's.
    pub(super) fn foreign(&self, doing: &str, response: &Response<Body>) -> Error {
        let status = response.status();
        let kind = text_of(response.headers(), "Content-Type").unwrap_or("no content type");
        let kind: String = kind.chars().take(80).collect();
        let error = Error::new(
            kind_of_status(status.as_u16()),
            doing,
            format!(
                "what answered at `{}` is not a RetroSync server ({}, {kind})",
                self.address,
                status.as_u16()
            ),
        );
        match (status.as_u16(), self.heard.retry_after_s) {
            (429 | 503, Some(wait)) => {
                error.help(format!("it asked to wait {wait} s; nothing is lost meanwhile"))
            }
            (429 | 500..=599, _) => {
                error.help("a proxy before it may be up while it is not; nothing is lost")
            }
            _ => error.help(
                "if this network asks for a log-in first, open any page in a browser; else check the address",
            ),
        }
    }

    /// A request that got no answer.
    pub(super) fn failed(&self, doing: &str, error: ureq::Error) -> Error {
        let address = &self.address;
        match error {
            ureq::Error::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref()) {
                Some(tls) => trust::judge(doing.into(), tls),
                None => unreachable(doing, address, &error),
            },
            ureq::Error::Other(other) => match other.downcast_ref::<PlainRefused>() {
                Some(plain) => refused_plain(doing, plain),
                None => Error::new(Kind::Offline, doing, format!("`{address}`: {other}")),
            },
            ureq::Error::HostNotFound => {
                Error::new(Kind::Offline, doing, format!("no address is known for `{}`", address.host()))
                    .help("check the name; an address in numbers works without a name server")
            }
            ureq::Error::Timeout(_) => {
                Error::new(Kind::Offline, doing, format!("`{address}` did not answer in time"))
            }
            other => Error::new(Kind::Offline, doing, format!("`{address}`: {other}")),
        }
    }
}

fn refused_plain(doing: &str, plain: &PlainRefused) -> Error {
    Error::new(Kind::Misused, doing, plain)
        .help("use `https://`; in your own network, set `plain_http = true` if you trust everybody in it")
}

/// Nobody to speak with: the connection failed or was cut.
fn unreachable(doing: &str, address: &ServerAddress, error: &io::Error) -> Error {
    Error::new(Kind::Offline, doing, error).help(match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("is the server running, and is `{address}` its address?"),
        _ => format!("is this device in a network that reaches `{address}`? nothing is lost meanwhile"),
    })
}

/// A refusal as an error that callers act on.
pub(super) fn error_of(doing: &str, problem: &Problem) -> Error {
    let kind = match problem.code {
        Code::Unauthorized | Code::Revoked => Kind::Unpaired,
        Code::QuotaFull | Code::DiskFull => Kind::Full,
        Code::TooSlow | Code::SlowDown | Code::Unavailable | Code::Internal => Kind::Offline,
        code => Kind::Refused(code),
    };
    let cause = if problem.detail.is_empty() { problem.code.as_str() } else { &problem.detail };
    let error = Error::new(kind, doing, cause);
    match &problem.help {
        // The server cannot know what this device calls it.
        _ if kind == Kind::Unpaired => error.help("run `retrosync pair` to pair this device again"),
        Some(help) => error.help(help),
        None => error,
    }
}

fn kind_of_status(status: u16) -> Kind {
    match status {
        423 => Kind::Busy,
        507 => Kind::Full,
        _ => Kind::Offline,
    }
}

fn is_stale(error: &ureq::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    matches!(error, ureq::Error::Io(error) if matches!(
        error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof
    ))
}

/// A header as text.
pub(super) fn text_of<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Is the content type this one, whatever its parameters?
pub(super) fn is_type(headers: &HeaderMap, wanted: &str) -> bool {
    text_of(headers, "Content-Type")
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case(wanted))
}
