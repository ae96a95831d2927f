//! Contents on their way out: one with ranges, or many as frames. Streams; holds no whole content over 1 MiB.

use std::ops::Range;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::BytesMut;
use futures_util::{StreamExt as _, stream};
use retrosync_protocol::{
    Body as FrameBody, Code, ContentFrame, ContentRequest, Digest, Encoding, FRAMES_CONTENT_TYPE,
    INLINE_LIMIT_BYTES, Problem,
};
use tokio::sync::mpsc;

use super::frames::{pack, write_header};
use super::reply::{Reply, log_cause, problem};
use super::request::{Device, Json, Named, malformed};
use crate::app::App;
use crate::blobs::BlobError;
use crate::library::{Answer, Asker};
use crate::refusal::Refusal;

/// The most digests in one request.
const MAX_DIGESTS: usize = 1000;
/// After this much of bodies the answer may stop.
const ENOUGH_BYTES: u64 = 8 << 20;

/// `GET /content/{digest}`
pub(super) async fn one(
    State(app): State<Arc<App>>,
    Device(asker): Device,
    Named(digest): Named<Digest>,
    headers: HeaderMap,
) -> Reply {
    let reply = serve(&app, &asker, digest, &headers).await?;
    if reply.status().is_success() {
        app.library.note_fetched(&asker, &[digest], app.now_unix_s()).await;
    }
    Ok(reply)
}

/// The bytes of a content, or the range that the headers ask for.
pub(crate) async fn serve(app: &App, asker: &Asker, digest: Digest, headers: &HeaderMap) -> Reply {
    let content = app.library.content(asker, digest).await?;
    let etag = format!("\"{digest}\"");
    let named = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let always = [
        (header::ETAG, etag.clone()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CACHE_CONTROL, "private, max-age=31536000, immutable".to_owned()),
    ];
    if named(header::IF_NONE_MATCH).is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == etag)) {
        return Ok((StatusCode::NOT_MODIFIED, always).into_response());
    }
    let may_range = named(header::IF_RANGE).is_none_or(|tag| tag.trim() == etag);
    let asked =
        named(header::RANGE).filter(|_| may_range).and_then(|text| read_range(text, content.size_bytes));
    let (status, range) = match asked {
        None => (StatusCode::OK, 0..content.size_bytes),
        Some(Ok(range)) => (StatusCode::PARTIAL_CONTENT, range),
        Some(Err(OutOfRange)) => return Ok(out_of_range(content.size_bytes)),
    };
    let length = [(header::CONTENT_LENGTH, (range.end - range.start).to_string())];
    let bytes = app.library.open(asker, digest, range.clone()).await?;
    let mut response = (status, always, length, Body::from_stream(bytes)).into_response();
    if status == StatusCode::PARTIAL_CONTENT {
        let text = format!("bytes {}-{}/{}", range.start, range.end - 1, content.size_bytes);
        let text = text.parse().map_err(|error| Refusal::internal("writing a range", error))?;
        response.headers_mut().insert(header::CONTENT_RANGE, text);
    }
    Ok(response)
}

/// The range starts past the content's end.
#[derive(Debug, PartialEq, Eq)]
struct OutOfRange;

/// Reads a `Range` of one range; `None`: it asks for nothing that we know, which means the whole (RFC 9110, 14.2).
fn read_range(text: &str, size_bytes: u64) -> Option<Result<Range<u64>, OutOfRange>> {
    let (first, last) = text.strip_prefix("bytes=")?.trim().split_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let range = match (first, last) {
        ("", last) if digits(last) => size_bytes.saturating_sub(last.parse().unwrap_or(u64::MAX))..size_bytes,
        (first, "") if digits(first) => first.parse().ok()?..size_bytes,
        (first, last) if digits(first) && digits(last) => {
            let (first, last) = (first.parse().ok()?, last.parse().unwrap_or(u64::MAX));
            if last < first {
                return None;
            }
            first..size_bytes.min(last.saturating_add(1))
        }
        _ => return None,
    };
    Some(if range.start < range.end { Ok(range) } else { Err(OutOfRange) })
}

fn out_of_range(size_bytes: u64) -> Response {
    let mut refusal = Problem::new(Code::Malformed, format!("the content has {size_bytes} bytes"));
    refusal.status = StatusCode::RANGE_NOT_SATISFIABLE.as_u16();
    refusal.title = "Range Not Satisfiable".into();
    let mut response = problem(&refusal);
    if let Ok(text) = format!("bytes */{size_bytes}").parse() {
        response.headers_mut().insert(header::CONTENT_RANGE, text);
    }
    response
}

/// `POST /content`
pub(super) async fn many(
    State(app): State<Arc<App>>,
    Device(asker): Device,
    Json(request): Json<ContentRequest>,
) -> Reply {
    if request.digests.len() > MAX_DIGESTS {
        return Err(malformed(format!("more than {MAX_DIGESTS} digests")));
    }
    // A few chunks at most wait for a slow client.
    let (sender, mut receiver) = mpsc::channel(2);
    tokio::spawn(async move {
        let (mut sent_bytes, mut given) = (0, Vec::new());
        for digest in request.digests {
            if sent_bytes >= ENOUGH_BYTES {
                break;
            }
            match send(&app, &asker, digest, &sender).await {
                Ok(bytes) => sent_bytes += bytes,
                Err(Stopped) => break,
            }
            given.push(digest);
        }
        app.library.note_fetched(&asker, &given, app.now_unix_s()).await;
    });
    let body = Body::from_stream(stream::poll_fn(move |context| receiver.poll_recv(context)));
    Ok(([(header::CONTENT_TYPE, FRAMES_CONTENT_TYPE)], body).into_response())
}

/// The client is gone, or the bytes cannot be read: the reply ends in the middle, which the client sees.
struct Stopped;

type Chunks = mpsc::Sender<std::io::Result<Bytes>>;

/// Sends one frame; answers how many bytes of body it had.
async fn send(app: &App, asker: &Asker, digest: Digest, chunks: &Chunks) -> Result<u64, Stopped> {
    let push = async |bytes| chunks.send(Ok(bytes)).await.map_err(|_| Stopped);
    let fail = async |refusal: Refusal| {
        log_cause(&refusal);
        let _ = chunks.send(Err(std::io::Error::other("the content cannot be read"))).await;
        Stopped
    };
    let opened = match open(app, asker, digest).await {
        Ok(opened) => opened,
        Err(refusal) => return Err(fail(refusal).await),
    };
    let (body, small, stream) = match opened {
        None => (None, None, None),
        Some((size_bytes, stream)) if size_bytes <= INLINE_LIMIT_BYTES => {
            let bytes = match gather(stream).await {
                Ok(bytes) => bytes,
                Err(refusal) => return Err(fail(refusal).await),
            };
            let packed = tokio::task::spawn_blocking(move || pack(bytes)).await.map_err(|_| Stopped)?;
            (Some(packed.0), Some(packed.1), None)
        }
        Some((size_bytes, stream)) => {
            (Some(FrameBody { length_bytes: size_bytes, encoding: Encoding::Identity }), None, Some(stream))
        }
    };
    match write_header(&ContentFrame { digest, body }) {
        Ok(header) => push(header).await?,
        Err(refusal) => return Err(fail(refusal).await),
    }
    if let Some(bytes) = small.filter(|bytes| !bytes.is_empty()) {
        push(bytes).await?;
    }
    if let Some(mut stream) = stream {
        while let Some(chunk) = stream.next().await {
            chunks.send(chunk).await.map_err(|_| Stopped)?;
        }
    }
    Ok(body.map_or(0, |body| body.length_bytes))
}

type Opened = Option<(u64, crate::blobs::BlobStream)>;

/// A content's size and bytes; `None`: not known to this user, or its bytes are gone or cannot be read. Those of others come all the same.
async fn open(app: &App, asker: &Asker, digest: Digest) -> Answer<Opened> {
    let found = async {
        let content = app.library.content(asker, digest).await?;
        let stream = app.library.open(asker, digest, 0..content.size_bytes).await?;
        Ok((content.size_bytes, stream))
    };
    match found.await {
        Ok(found) => Ok(Some(found)),
        Err(refusal) if matches!(Refusal::code(&refusal), Code::NotFound | Code::Thinned) => Ok(None),
        Err(refusal) if is_lost(&refusal) => {
            log_cause(&refusal);
            Ok(None)
        }
        Err(refusal) => Err(refusal),
    }
}

/// Is it this content that cannot be read, and not the store of all of them?
fn is_lost(refusal: &Refusal) -> bool {
    let cause = refusal.cause().and_then(|cause| cause.downcast_ref::<BlobError>());
    matches!(cause, Some(BlobError::Missing(_) | BlobError::Failed(_)))
}

async fn gather(mut stream: crate::blobs::BlobStream) -> Answer<Bytes> {
    let mut whole = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        whole.extend_from_slice(&chunk.map_err(|error| Refusal::internal("reading a content", error))?);
    }
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_row_by_row() {
        let rows = [
            ("bytes=0-3", 10, Some(Ok(0..4)), "the first four"),
            ("bytes=4-", 10, Some(Ok(4..10)), "the rest"),
            ("bytes=-3", 10, Some(Ok(7..10)), "the last three"),
            ("bytes=-30", 10, Some(Ok(0..10)), "more than there is, from the end"),
            ("bytes=8-99", 10, Some(Ok(8..10)), "cut at the end"),
            ("bytes=10-", 10, Some(Err(OutOfRange)), "just past the end"),
            ("bytes=-0", 10, Some(Err(OutOfRange)), "no bytes from the end"),
            ("bytes=0-0", 0, Some(Err(OutOfRange)), "an empty content has no range"),
            ("bytes=5-4", 10, None, "backwards is not a range"),
            ("bytes=0-1,3-4", 10, None, "several ranges: the whole"),
            ("lines=0-1", 10, None, "another unit: the whole"),
            ("bytes=a-b", 10, None, "no numbers"),
            ("bytes=99999999999999999999-", 10, None, "no number that fits"),
        ];
        for (text, size_bytes, expected, what) in rows {
            assert_eq!(read_range(text, size_bytes), expected, "{what}");
        }
    }
}
