//! The first generation's bucket: PUT, HEAD, GET and LIST of S3 over the library, for one user's devices each.
//!
//! A device writes below its own id only, with its own keys. What it reads under its own id is the newest version of that game,
//! whoever brought it, so these clients sync with one another, and with those of the second generation. What it holds itself
//! is dated long ago: its client would otherwise fetch it again and again.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use retrosync_protocol::{Digest, Head};
use serde::{Deserialize, Serialize};

use super::caller::Device;
use super::download::Noted;
use super::envelope::Failure;
use super::place::{self, MOST_PATH_BYTES, Place};
use super::shelf::{Location, Mode, Save, Shelf, owner};
use super::signature::{Refused, Signed, credentials};
use super::store::{Upload, find, fits, settled};
use super::{Compat, names, times};
use crate::access::foreign::FIRST_GENERATION;
use crate::library::Now;

/// Its name.
pub(super) const BUCKET: &str = "retrosync-saves";
const MOST_BYTES: usize = 64 << 20;
const METADATA: &str = "retrosync.metadata";
/// The client writes seven short fields.
const MOST_METADATA_BYTES: usize = 4 << 10;
/// The most of a user.
const MOST_METADATA: usize = 4000;
/// What a device has already: 2015-01-01.
const LONG_AGO_MS: i64 = 1_420_070_400_000;
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// A refusal as S3 tells it.
pub(super) struct No(u16, &'static str, String);

impl From<Failure> for No {
    fn from(failure: Failure) -> No {
        let code = match failure.status() {
            StatusCode::INSUFFICIENT_STORAGE => "InsufficientStorage",
            StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailable",
            StatusCode::PAYLOAD_TOO_LARGE => "EntityTooLarge",
            StatusCode::REQUEST_TIMEOUT => "RequestTimeout",
            status if status.is_client_error() => "InvalidRequest",
            _ => "InternalError",
        };
        let status = if failure.status().is_client_error() { 400 } else { failure.status().as_u16() };
        No(status, code, failure.text().to_owned())
    }
}

impl From<crate::refusal::Refusal> for No {
    fn from(refusal: crate::refusal::Refusal) -> No {
        Failure::from(refusal).into()
    }
}

impl No {
    fn into_response(self, method: &Method) -> Response {
        let No(status, code, text) = self;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = match *method {
            Method::HEAD => String::new(),
            _ => format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{}</Message></Error>",
                xml(&text)
            ),
        };
        (status, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
    }
}

fn denied(text: &str) -> No {
    No(403, "AccessDenied", text.into())
}

fn no_key() -> No {
    No(404, "NoSuchKey", "The specified key does not exist.".into())
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Every request to the bucket.
pub(super) async fn any(State(compat): State<Arc<Compat>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answer = async {
        let (device, told) = compat.signer(&parts.method, &parts.uri, &parts.headers).await?;
        let path =
            parts.uri.path().strip_prefix('/').and_then(|path| path.strip_prefix(BUCKET)).unwrap_or_default();
        let key = percent_decode_str(path.trim_start_matches('/')).decode_utf8().map_err(|_| no_key())?;
        match (&parts.method, key.as_ref()) {
            (&Method::PUT, key) if !key.is_empty() => {
                let whole = compat.bodies.read(device.asker.user, body, MOST_BYTES).await?;
                compat.put(device, key, unwrapped(&whole.bytes, &parts.headers, &told)?).await
            }
            (&Method::GET, "") => compat.list_bucket(&device, &parts.uri).await,
            (&Method::HEAD, "") => Ok(StatusCode::OK.into_response()),
            (method @ (&Method::GET | &Method::HEAD), key) => compat.get(device, key, method).await,
            _ => Err(No(405, "MethodNotAllowed", "Only PUT, HEAD, GET and LIST are known here.".into())),
        }
    };
    answer.await.unwrap_or_else(|no: No| no.into_response(&parts.method))
}

/// A body as it was signed, without the chunks that it may have come in.
fn unwrapped(bytes: &Bytes, headers: &HeaderMap, told: &str) -> Result<Bytes, No> {
    let chunked = told.starts_with("STREAMING-")
        || headers.get("content-encoding").is_some_and(|value| value.as_bytes().starts_with(b"aws-chunked"));
    if chunked {
        let malformed = || No(400, "IncompleteBody", "The chunks of the body are not whole.".into());
        return unchunked(bytes).ok_or_else(malformed);
    }
    if told != "UNSIGNED-PAYLOAD" && told != Digest::of(bytes).to_string() {
        let text = "The provided 'x-amz-content-sha256' header does not match what was computed.";
        return Err(No(400, "XAmzContentSHA256Mismatch", text.into()));
    }
    Ok(bytes.clone())
}

/// What the chunks of an `aws-chunked` body hold: each a length in hex, a line's end, bytes, a line's end; the last is empty.
fn unchunked(mut rest: &[u8]) -> Option<Bytes> {
    let mut whole = Vec::with_capacity(rest.len());
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let line = std::str::from_utf8(&rest[..end]).ok()?;
        let length = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        rest = &rest[end + 2..];
        if length == 0 {
            return Some(whole.into());
        }
        whole.extend_from_slice(rest.get(..length)?);
        rest = rest.get(length..)?.strip_prefix(b"\r\n")?;
    }
}

/// A key taken apart: whose, of which device, and what is below.
struct Key<'a> {
    device: &'a str,
    /// `/emulator/game/file`
    path: String,
    emulator: &'a str,
    file: &'a str,
}

impl<'a> Key<'a> {
    fn read(key: &'a str, user: &str) -> Result<Key<'a>, No> {
        if key.len() > MOST_PATH_BYTES {
            return Err(No(400, "KeyTooLongError", "Your key is too long".into()));
        }
        let parts: Vec<&str> = key.split('/').collect();
        let [whose, device, emulator, game, file] = parts[..] else {
            return Err(denied("A key is USER/DEVICE/EMULATOR/GAME/FILE."));
        };
        if whose != user {
            return Err(denied("Access Denied"));
        }
        if parts.iter().any(|part| part.is_empty() || *part == ".." || part.chars().any(char::is_control)) {
            return Err(denied("A part of the key is empty."));
        }
        Ok(Key { device, path: format!("/{emulator}/{game}/{file}"), emulator, file })
    }

    fn is_metadata(&self) -> bool {
        self.file == "metadata.json"
    }

    /// The emulator is only guessed by the file's name, so mostly it says nothing.
    fn place(&self) -> Place {
        match self.emulator {
            "retroarch" | "unknown" => Place::default(),
            emulator => Place::of(&format!("/{emulator}/{}", self.file)),
        }
    }

    fn upload(&self, bytes: Bytes) -> Upload {
        Upload {
            path: self.path.clone(),
            key: place::save_key(self.file),
            place: self.place(),
            in_bucket: true,
            bytes,
            modified_ms: None,
            client: FIRST_GENERATION,
        }
    }
}

/// What a device tells of a file beside it.
#[derive(Serialize, Deserialize)]
struct Metadata {
    key: String,
    text: String,
    at_ms: i64,
}

impl Compat {
    /// The device that signed the request, and what it says of its body.
    async fn signer(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(Device, String), No> {
        let signed = Signed::read(headers).ok_or_else(|| denied("Access Denied"))?;
        let unknown =
            || No(403, "InvalidAccessKeyId", "The access key id does not exist in our records.".into());
        let id = signed.device().ok_or_else(unknown)?;
        let key = self.app.clients_key().ok_or_else(unknown)?;
        let found = self.app.access.device_itself(&id).await?;
        let (asker, record) =
            found.filter(|(_, record)| record.client == FIRST_GENERATION).ok_or_else(unknown)?;
        let secret = credentials(key, &record).secret;
        match signed.check(&secret, method, uri, headers, self.app.now_unix_s()) {
            Ok(()) => Ok((Device { asker, id }, signed.body.to_owned())),
            Err(Refused::Unsigned) => Err(denied("Access Denied")),
            Err(Refused::Skewed) => {
                let text = "The difference between the request time and the server's time is too large.";
                Err(No(403, "RequestTimeTooSkewed", text.into()))
            }
            Err(Refused::Wrong) => {
                let text = "The request signature we calculated does not match the signature you provided.";
                Err(No(403, "SignatureDoesNotMatch", text.into()))
            }
        }
    }

    async fn put(self: &Arc<Self>, device: Device, key: &str, bytes: Bytes) -> Result<Response, No> {
        let of = Key::read(key, &names::user(device.asker.user))?;
        if of.device != names::device(&device.id) {
            return Err(denied("A device writes below its own id only."));
        }
        let etag = etag(Digest::of(&bytes));
        if of.is_metadata() {
            let text =
                String::from_utf8(bytes.to_vec()).ok().filter(|text| text.len() <= MOST_METADATA_BYTES);
            let text = text
                .ok_or_else(|| No(400, "EntityTooLarge", "metadata.json is at most 4 KiB of text.".into()))?;
            let metadata = Metadata { key: key.into(), text, at_ms: self.app.now_unix_ms() };
            let owner = owner(device.asker.user);
            let _turn = self.turn(device.asker.user).await;
            let others: Vec<Metadata> = self.app.library.memos(&owner, METADATA).await?;
            if others.len() >= MOST_METADATA && others.iter().all(|other| other.key != key) {
                let text = format!("There are {MOST_METADATA} metadata.json already.");
                return Err(No(507, "InsufficientStorage", text));
            }
            self.app.library.put_memos(&owner, METADATA, &[(key, &metadata)]).await?;
        } else {
            self.take_in_to_the_end(device, of.upload(bytes)).await?;
        }
        Ok(([(header::ETAG, etag)], Body::empty()).into_response())
    }

    async fn get(self: &Arc<Self>, device: Device, key: &str, method: &Method) -> Result<Response, No> {
        let of = Key::read(key, &names::user(device.asker.user))?;
        if of.is_metadata() {
            let owner = owner(device.asker.user);
            let found: Option<Metadata> = self.app.library.memo(&owner, METADATA, key).await?;
            let found = found.ok_or_else(no_key)?;
            let headers = [
                ("content-type", "application/json".to_owned()),
                ("content-length", found.text.len().to_string()),
                ("etag", etag(Digest::of(found.text.as_bytes()))),
                ("last-modified", times::http(found.at_ms)),
            ];
            return Ok((headers, Body::from(found.text)).into_response());
        }
        let turn = self.turn(device.asker.user).await;
        let shelf = self.shelf(device.asker.user).await?;
        let own = of.device == names::device(&device.id);
        let whose =
            shelf.locations.iter().find(|l| l.path == of.path && names::device(&l.device) == of.device);
        let (save, location) = match whose {
            Some(location) => (shelf.save(&location.save).cloned().ok_or_else(no_key)?, location.clone()),
            None if own => find(&shelf, &device, &of.upload(Bytes::new()), self.app.now_unix_ms())?,
            None => return Err(no_key()),
        };
        let id = save.library_id(&device.id)?;
        let nows = self.app.library.now(&device.asker, std::slice::from_ref(&id), false).await?;
        let now = nows.into_iter().next().unwrap_or_default();
        let served = served(&shelf, &now, &location).ok_or_else(no_key)?;
        let content = served.content.ok_or_else(no_key)?;
        let bytes = self.app.library.open(&device.asker, content.digest, 0..content.size_bytes).await?;
        // Its client sends what differs from this hash: so it shows whether a download arrived.
        let shows = is_given(&location, served) && *method == Method::HEAD;
        let hash = if shows { String::new() } else { content.digest.to_string() };
        let headers = [
            ("content-type", "application/octet-stream".to_owned()),
            ("content-length", content.size_bytes.to_string()),
            ("etag", etag(content.digest)),
            ("last-modified", times::http(dated_ms(&location, served))),
            ("x-amz-meta-hash", hash),
        ];
        if *method == Method::HEAD {
            return Ok((headers, Body::empty()).into_response());
        }
        if own && save.strategy == super::shelf::Strategy::Shared {
            let offered = Some((served.version, self.app.now_unix_ms()));
            self.put_save(device.asker.user, &save).await?;
            let location = Location { offered, in_bucket: true, ..location.clone() };
            self.put_locations(device.asker.user, &[location]).await?;
        }
        let place = Some(location.id.clone());
        drop(turn);
        if content.size_bytes == 0 {
            return Ok((headers, Body::empty()).into_response());
        }
        let noted = Noted {
            compat: Arc::clone(self),
            device,
            version: served.version,
            digest: content.digest,
            size_bytes: content.size_bytes,
            place,
        };
        Ok((headers, Body::from_stream(noted.before_the_end(bytes))).into_response())
    }

    async fn list_bucket(&self, device: &Device, uri: &Uri) -> Result<Response, No> {
        let asked = |name: &str| {
            let pairs = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
            let found = pairs.into_iter().find(|(key, _)| *key == name)?.1;
            Some(percent_decode_str(found).decode_utf8_lossy().into_owned())
        };
        let prefix = asked("prefix").unwrap_or_default();
        let user = names::user(device.asker.user);
        if !prefix.starts_with(&user) {
            return Err(denied("List below your own user id."));
        }
        let encoded = asked("encoding-type").as_deref() == Some("url");
        let written =
            |key: &str| if encoded { utf8_percent_encode(key, PLAIN).to_string() } else { xml(key) };
        let (mut entries, mut count) = (String::new(), 0);
        for (key, size_bytes, at_ms, tag) in self.objects(device, &user).await? {
            if key.starts_with(&prefix) {
                count += 1;
                entries.push_str(&format!(
                    "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>{}</ETag><Size>{size_bytes}</Size>\
                     <StorageClass>STANDARD</StorageClass></Contents>",
                    written(&key),
                    times::iso(at_ms),
                    xml(&tag)
                ));
            }
        }
        let kind = if encoded { "<EncodingType>url</EncodingType>" } else { "" };
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
             <ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>{BUCKET}</Name><Prefix>{}</Prefix>\
             <KeyCount>{count}</KeyCount><MaxKeys>{}</MaxKeys>{kind}<IsTruncated>false</IsTruncated>{entries}</ListBucketResult>",
            written(&prefix),
            count.max(1000),
        );
        Ok(([(header::CONTENT_TYPE, "application/xml")], text).into_response())
    }

    /// Everything in the bucket: key, size, date, tag.
    async fn objects(&self, device: &Device, user: &str) -> Result<Vec<(String, u64, i64, String)>, No> {
        let shelf = self.shelf(device.asker.user).await?;
        let saves: BTreeMap<&str, &Save> = shelf.saves.iter().map(|save| (save.id.as_str(), save)).collect();
        let (mut places, mut ids) = (Vec::new(), Vec::new());
        for location in shelf.locations.iter().filter(|location| location.in_bucket) {
            let Some(save) = saves.get(location.save.as_str()) else { continue };
            places.push(location);
            ids.push(save.library_id(&location.device)?);
        }
        let nows = self.app.library.now(&device.asker, &ids, false).await?;
        let mut objects = Vec::new();
        for (location, now) in places.into_iter().zip(&nows) {
            if let Some(served) = served(&shelf, now, location)
                && let Some(content) = served.content
            {
                let key = format!("{user}/{}{}", names::device(&location.device), location.path);
                objects.push((key, content.size_bytes, dated_ms(location, served), etag(content.digest)));
            }
        }
        let metadata: Vec<Metadata> = self.app.library.memos(&owner(device.asker.user), METADATA).await?;
        for Metadata { key, text, at_ms } in metadata {
            objects.push((key, text.len() as u64, at_ms, etag(Digest::of(text.as_bytes()))));
        }
        objects.sort();
        Ok(objects)
    }
}

/// What a place is answered: what it holds where nothing newer is settled, else the newest.
fn served<'a>(shelf: &Shelf, now: &'a Now, location: &Location) -> Option<&'a Head> {
    let own = now.heads.iter().find(|head| Some(head.version) == location.base);
    let newest =
        now.heads.iter().filter(|head| head.content.is_some()).max_by_key(|head| head.received_unix_s);
    let may = |head: &&Head| location.mode == Mode::Sync && fits(shelf, location, head);
    own.or_else(|| settled(now).filter(may)).or(newest.filter(may).filter(|_| location.base.is_none()))
}

fn dated_ms(location: &Location, head: &Head) -> i64 {
    let has_it = location.base == Some(head.version) || is_given(location, head);
    if has_it { LONG_AGO_MS } else { head.received_unix_s.saturating_mul(1000) }
}

/// Was it sent, and not shown to have arrived?
fn is_given(location: &Location, head: &Head) -> bool {
    location.base != Some(head.version) && location.given.is_some_and(|given| given.version == head.version)
}

fn etag(digest: Digest) -> String {
    format!("\"{}\"", &digest.to_string()[..32])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_put_together_and_a_cut_body_is_none() {
        let body = b"4;chunk-signature=aa\r\nabcd\r\n3\r\nefg\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n";
        assert_eq!(unchunked(body).as_deref(), Some(&b"abcdefg"[..]));
        assert_eq!(unchunked(&body[..30]), None);
        assert_eq!(unchunked(b"5\r\nabcd\r\n0\r\n"), None);
    }

    #[test]
    fn a_key_is_of_its_user_only() {
        assert!(Key::read("u/d/retroarch/Tetris/Tetris.srm", "u").is_ok());
        for wrong in
            ["v/d/retroarch/Tetris/Tetris.srm", "u/d/Tetris.srm", "u/d/../x/y", "u//a/b/c", "", "u/d/a/b/c/d"]
        {
            assert!(Key::read(wrong, "u").is_err(), "{wrong}");
        }
    }
}
