//! Our server as a remote (protocol README sections 4 to 8): one keep-alive connection, few requests, streams.
//!
//! May assume nothing of what answers: everything is parsed, everything fetched is verified. Retries and back-off are
//! the caller's; only a stale connection is replaced unseen, and a large download goes on where it was cut.

mod date;
mod frames;
mod receive;
mod send;
mod upload;
mod wire;

use retrosync_protocol::{
    Account, Changes, ChangesRequest, Content, DeviceChange, DeviceId, Devices, Digest, Health, History,
    SaveId, StoreResult, Token, Version, VersionId, WriterId,
};
use serde::Serialize;
use ureq::http::Method;

use super::{Heard, Remote, RemoteSettings, Report, ServerAddress, Sink, Source};
use crate::error::{Error, Kind, Result};
use wire::{Call, Outgoing};

/// How many saves one answer lists.
const LIST_LIMIT: u32 = 1000;
/// How many versions one answer of a history lists.
const HISTORY_LIMIT: u32 = 100;

/// A connection to our server.
pub struct HttpRemote {
    wire: wire::Wire,
    token: Option<Token>,
    /// Operation ids are drawn from this; it changes whenever an answer came, so that only a request whose answer
    /// was lost is sent again under the same id.
    nonce: [u8; 16],
    answered: u64,
    /// This card's writer: its own versions are no news to it.
    writer: Option<WriterId>,
}

impl HttpRemote {
    /// Sets up; asks nothing yet.
    ///
    /// # Errors
    /// `Misused` for an address or a certificate file that cannot be used.
    pub fn open(settings: &RemoteSettings) -> Result<HttpRemote> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce)
            .map_err(|error| Error::new(Kind::Busy, "cannot draw an operation id", error))?;
        Ok(HttpRemote {
            wire: wire::Wire::open(settings)?,
            token: settings.token.clone(),
            nonce,
            answered: 0,
            writer: settings.writer.clone(),
        })
    }

    /// Refuses what may not be spoken with.
    pub(super) fn check(&self, settings: &RemoteSettings) -> Result<()> {
        self.wire.check(settings)
    }

    /// Where it is.
    pub fn address(&self) -> &ServerAddress {
        self.wire.address()
    }

    /// All devices of the user.
    ///
    /// # Errors
    /// `Offline`, `Unpaired`.
    pub fn devices(&mut self) -> Result<Devices> {
        let doing = self.doing("list the devices of");
        self.get(&doing, "/devices")
    }

    /// Gives a device another name.
    ///
    /// # Errors
    /// `Offline`, `Unpaired`, `Refused(NotFound)`.
    pub fn rename_device(&mut self, device: &DeviceId, name: &str) -> Result<()> {
        let doing = format!("cannot rename `{device}`");
        self.change_device(&doing, Method::PATCH, device, Some(&DeviceChange { name: name.into() }))
    }

    /// Ends a device's access; its versions stay.
    ///
    /// # Errors
    /// `Offline`, `Unpaired`, `Refused(NotFound)`.
    pub fn revoke_device(&mut self, device: &DeviceId) -> Result<()> {
        let doing = format!("cannot revoke `{device}`");
        self.change_device(&doing, Method::DELETE, device, None)
    }

    /// What the user has.
    ///
    /// # Errors
    /// `Offline`, `Unpaired`.
    pub fn account(&mut self) -> Result<Account> {
        let doing = self.doing("ask about the account on");
        self.get(&doing, "/account")
    }

    /// Is it our server, and does it work? Needs no token.
    ///
    /// # Errors
    /// `Offline`, when it is not or does not.
    pub fn health(&mut self) -> Result<Health> {
        let doing = self.doing("reach");
        let health: Health = self.wire.json(&Call::new(&doing, Method::GET, "/health", None), None::<&()>)?;
        if health.server.starts_with("retrosync-server/") {
            Ok(health)
        } else {
            Err(Error::new(Kind::Offline, doing, "what answered is not a RetroSync server"))
        }
    }

    /// `cannot VERB ADDRESS`
    fn doing(&self, verb: &str) -> String {
        format!("cannot {verb} `{}`", self.wire.address())
    }

    fn get<A: serde::de::DeserializeOwned>(&mut self, doing: &str, path: &str) -> Result<A> {
        let token = self.token(doing)?.clone();
        self.wire.json(&Call::new(doing, Method::GET, path, Some(&token)), None::<&()>)
    }

    fn token(&self, doing: &str) -> Result<&Token> {
        self.token.as_ref().ok_or_else(|| {
            Error::new(Kind::Unpaired, doing, "this device is not paired").help("run `retrosync pair`")
        })
    }

    fn change_device(
        &mut self,
        doing: &str,
        method: Method,
        device: &DeviceId,
        change: Option<&DeviceChange>,
    ) -> Result<()> {
        let token = self.token(doing)?.clone();
        let path = format!("/devices/{device}");
        let what = format!("{method} {path} {}", change.map_or("", |change| &change.name));
        let mut call = Call::new(doing, method, &path, Some(&token));
        call.operation = Some(self.operation(&[Digest::of(what.as_bytes())]));
        self.tell(&call, change.map(|change| serde_json::to_vec(change).unwrap_or_default()))
    }

    /// A request whose answer says no more than that it was done.
    fn tell(&mut self, call: &Call<'_>, body: Option<Vec<u8>>) -> Result<()> {
        let outgoing =
            body.as_deref().map_or(Outgoing::Nothing, |bytes| Outgoing::Bytes("application/json", bytes));
        let mut response = self.wire.send(call, outgoing)?;
        self.answered += 1;
        // Read to its end, so that the connection can be used again.
        let _ = response.body_mut().with_config().limit(1 << 20).read_to_vec();
        Ok(())
    }

    /// The operation id of a change of these things.
    fn operation(&self, things: &[Digest]) -> String {
        let mut hasher = retrosync_protocol::Hasher::default();
        hasher.update(&self.nonce);
        hasher.update(&self.answered.to_le_bytes());
        things.iter().for_each(|thing| hasher.update(thing.as_bytes()));
        hasher.finish().to_string()
    }
}

impl Remote for HttpRemote {
    fn list(&mut self, request: &ChangesRequest) -> Result<Changes> {
        let doing = self.doing("ask for changes on");
        let token = self.token(&doing)?.clone();
        let mut request = request.clone();
        request.limit = request.limit.or(Some(LIST_LIMIT));
        request.writer.clone_from(&self.writer);
        let mut call = Call::new(&doing, Method::POST, "/changes", Some(&token));
        call.wait_s = request.wait_s;
        let asked = request.ask.len();
        let changes: Changes = self.wire.json(&call, Some(&request))?;
        self.wire.learn_time(changes.server_time_unix_s);
        if changes.known.len() != asked {
            return Err(Error::new(Kind::Offline, doing, "the server answered another number of questions"));
        }
        Ok(changes)
    }

    fn fetch(&mut self, wanted: &[Content], sink: &mut Sink<'_>) -> Result<Vec<(Content, Error)>> {
        self.receive(wanted, sink)
    }

    fn store(&mut self, offers: &[Version], source: &Source<'_>) -> Result<Vec<StoreResult>> {
        self.send_all(offers, source)
    }

    fn history(&mut self, save: &SaveId, before: Option<VersionId>) -> Result<History> {
        let doing = format!("cannot read the history of `{save}`");
        let mut path = format!("/history?limit={HISTORY_LIMIT}&save=");
        percent_encode(save.as_str(), &mut path);
        if let Some(before) = before {
            path.push_str(&format!("&before={before}"));
        }
        self.get(&doing, &path)
    }

    fn report(&mut self, report: &Report) -> Result<()> {
        let doing = self.doing("report to");
        let token = self.token(&doing)?.clone();
        let body = serde_json::to_vec(report).unwrap_or_default();
        self.tell(&Call::new(&doing, Method::POST, "/report", Some(&token)), Some(body))
    }

    fn heard(&self) -> Heard {
        self.wire.heard()
    }
}

/// Appends a text as it stands in a query.
fn percent_encode(text: &str, to: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            to.push(char::from(byte));
        } else {
            to.push('%');
            to.push(char::from(HEX[usize::from(byte >> 4)]));
            to.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// A question without an answer type of its own: pairing shares the wire.
pub(super) struct Bare {
    wire: wire::Wire,
}

impl Bare {
    pub(super) fn open(settings: &RemoteSettings) -> Result<Bare> {
        Ok(Bare { wire: wire::Wire::open(settings)? })
    }

    pub(super) fn post<Q: Serialize, A: serde::de::DeserializeOwned>(
        &mut self,
        doing: &str,
        path: &str,
        question: &Q,
    ) -> Result<A> {
        self.wire.json(&Call::new(doing, Method::POST, path, None), Some(question))
    }

    pub(super) fn get<A: serde::de::DeserializeOwned>(
        &mut self,
        doing: &str,
        path: &str,
        token: &Token,
        wait_s: u64,
    ) -> Result<A> {
        let mut call = Call::new(doing, Method::GET, path, Some(token));
        call.wait_s = wait_s;
        self.wire.json(&call, None::<&()>)
    }

    /// Asks a server of another kind below `/api`; the answer's content type must be `kind`, whatever its status.
    ///
    /// # Errors
    /// `Offline` for no answer, or one of another type; inside, for one that is longer or was cut.
    pub(super) fn ask_other(
        &mut self,
        doing: &str,
        path: &str,
        api_key: Option<&str>,
        body: Option<&[u8]>,
        (kind, most_bytes): (&str, u64),
    ) -> Result<(u16, Result<Vec<u8>>)> {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let mut call = Call::new(doing, method, path, None);
        (call.base, call.api_key) = ("/api", api_key);
        call.wait_s = wire::STORE_WAIT_S;
        let outgoing = body.map_or(Outgoing::Nothing, |bytes| Outgoing::Bytes("application/json", bytes));
        let response = self.wire.reach(&call, outgoing)?;
        let is_kind = wire::is_type(response.headers(), kind);
        self.wire.hear(response.headers(), is_kind);
        let status = response.status().as_u16();
        if !is_kind && !(400..=599).contains(&status) {
            return Err(self.wire.foreign(doing, &response));
        }
        // A refusal is a short text, whatever was asked for.
        let most_bytes = if status == 200 { most_bytes } else { 64 << 10 };
        let body = response.into_body();
        if body.content_length().is_some_and(|length| length > most_bytes) {
            return Ok((status, Err(Error::new(Kind::Offline, doing, "the answer is too long"))));
        }
        let bytes = body.into_with_config().limit(most_bytes).read_to_vec();
        Ok((status, bytes.map_err(|error| self.wire.failed(doing, error))))
    }

    /// Is it surely no server of ours that answers? One of ours that is down, or behind a log-in page, may be.
    ///
    /// # Errors
    /// When it is, or may be.
    pub(super) fn is_not_ours(&mut self) -> Result<()> {
        let doing = format!("cannot reach `{}`", self.address());
        let response =
            self.wire.reach(&Call::new(&doing, Method::GET, "/health", None), Outgoing::Nothing)?;
        let headers = response.headers();
        let may_be = headers.contains_key("RetroSync-Epoch")
            || wire::is_type(headers, retrosync_protocol::PROBLEM_CONTENT_TYPE);
        if response.status().as_u16() == 404 && !may_be {
            return Ok(());
        }
        Err(self.wire.foreign(&doing, &response))
    }

    pub(super) fn check(&self, settings: &RemoteSettings) -> Result<()> {
        self.wire.check(settings)
    }

    pub(super) fn address(&self) -> &ServerAddress {
        self.wire.address()
    }

    pub(super) fn heard(&self) -> Heard {
        self.wire.heard()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_save_travels_in_a_query() {
        let mut path = String::new();
        percent_encode("gb/sram/Pokémon & (World) 100%", &mut path);
        assert_eq!(path, "gb/sram/Pok%C3%A9mon%20%26%20%28World%29%20100%25");
    }
}
