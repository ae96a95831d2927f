//! `POST /versions`: records and their bytes, streamed frame by frame into the library's batch.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use retrosync_protocol::{
    Code, INLINE_LIMIT_BYTES, MAX_FRAMES, MAX_FRAMES_BYTES, Problem, StoreFrame, Version, VersionId,
};

use super::frames::{Fault, FrameReader, Header, Limits};
use super::reply::{Reply, json};
use super::request::{Device, Operation, Told, damaged, to_the_end};
use crate::app::App;
use crate::library::{Answer, Batch};

const LIMITS: Limits =
    Limits { total_bytes: MAX_FRAMES_BYTES, frames: MAX_FRAMES, body_bytes: INLINE_LIMIT_BYTES };

/// `POST /versions`
pub(super) async fn store(
    State(app): State<Arc<App>>,
    Device(asker): Device,
    Operation(operation): Operation,
    Told(told): Told,
    body: Body,
) -> Reply {
    let mut reader = FrameReader::new(body, LIMITS);
    let mut batch = app.library.batch(&asker);
    let mut ids = Vec::new();
    while let Some(header) = reader.next().await? {
        add(&mut batch, &mut reader, &header, &mut ids).await?;
    }
    // A frame that is no record is refused for itself, and never stops the others.
    if ids.len() == batch.len() && told.is_some_and(|told| told != Version::digest_of_all(&ids)) {
        return Err(damaged());
    }
    let now_unix_s = app.now_unix_s();
    json(&to_the_end(async move { batch.finish(Some(operation), now_unix_s).await }).await?)
}

async fn add(
    batch: &mut Batch,
    reader: &mut FrameReader,
    header: &Header,
    ids: &mut Vec<VersionId>,
) -> Answer<()> {
    let StoreFrame { version, body } = match header.parse() {
        Ok(frame) => frame,
        Err(problem) => {
            batch.refuse(*problem);
            return Ok(());
        }
    };
    ids.push(version.id());
    let bytes = match (body, version.content) {
        (None, _) => None,
        (Some(_), None) => {
            batch.refuse(Problem::new(Code::Malformed, "a tombstone has no bytes"));
            return Ok(());
        }
        (Some(_), Some(content)) => match reader.body(content.size_bytes).await {
            Ok(bytes) => Some(bytes),
            Err(Fault::Frame(problem)) => {
                batch.refuse(*problem);
                return Ok(());
            }
            Err(Fault::Request(refusal)) => return Err(refusal),
        },
    };
    batch.add(version, bytes).await;
    Ok(())
}
