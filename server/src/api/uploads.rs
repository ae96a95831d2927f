//! Large contents as blocks (README section 6): only what the server lacks travels.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use retrosync_protocol::{
    BLOCK_BYTES, BlockFrame, Code, Digest, MAX_FRAMES, MAX_FRAMES_BYTES, UploadRequest,
};

use super::frames::{Fault, FrameReader, Limits};
use super::reply::{Reply, json};
use super::request::{Device, Json, Named, malformed, to_the_end};
use crate::app::App;
use crate::library::{Answer, BlockBatch};
use crate::refusal::Refusal;

const LIMITS: Limits = Limits { total_bytes: MAX_FRAMES_BYTES, frames: MAX_FRAMES, body_bytes: BLOCK_BYTES };

/// `POST /uploads`
pub(super) async fn start(
    State(app): State<Arc<App>>,
    Device(asker): Device,
    Json(request): Json<UploadRequest>,
) -> Reply {
    json(&to_the_end(async move { app.library.upload(&asker, &request, app.now_unix_s()).await }).await?)
}

/// `POST /uploads/{digest}/blocks`: what came whole is kept also where the rest is refused, is cut or comes too slowly.
pub(super) async fn blocks(
    State(app): State<Arc<App>>,
    Device(asker): Device,
    Named(content): Named<Digest>,
    body: Body,
) -> Reply {
    let mut batch = app.library.blocks(&asker, content).await?;
    let refused = take_in(&mut batch, body).await.err();
    let is_empty = batch.is_empty();
    let now_unix_s = app.now_unix_s();
    let finish = to_the_end(async move { batch.finish(now_unix_s).await });
    match refused {
        None => json(&finish.await?),
        Some(refusal) => {
            // Of two refusals the first is told.
            if !is_empty {
                let _ = finish.await;
            }
            Err(refusal)
        }
    }
}

async fn take_in(batch: &mut BlockBatch, body: Body) -> Answer<()> {
    let mut reader = FrameReader::new(body, LIMITS);
    while let Some(header) = reader.next().await? {
        let frame: BlockFrame = header.parse().map_err(|problem| malformed(problem.detail))?;
        let bytes = reader.body_up_to(BLOCK_BYTES).await.map_err(|fault| match fault {
            Fault::Frame(problem) => {
                Refusal::new(problem.code, format!("block {}: {}", frame.index, problem.detail))
            }
            Fault::Request(refusal) => refusal,
        })?;
        if Digest::of(&bytes) != frame.digest {
            let detail = format!("block {} is not the bytes of its digest", frame.index);
            return Err(Refusal::new(Code::DigestMismatch, detail));
        }
        batch.add(frame.index, frame.digest, bytes).await?;
    }
    Ok(())
}
