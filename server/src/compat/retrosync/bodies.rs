//! Bodies of these clients, which hold a whole save, as base64 in JSON or as it is: they are held in memory until they are whole.
//!
//! Small ones come as they like. What has grown large waits for one of a few places, and nobody has two: who holds theirs open, or
//! dribbles, holds up himself.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use bytes::BytesMut;
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::Turns;
use crate::api::request::{cut_short, larger_than};
use crate::catalog::UserId;
use crate::library::Answer;
use crate::refusal::Refusal;

/// How many large bodies are held in memory at once.
const PLACES: usize = 3;
/// What is over this is large.
const LARGE_BYTES: usize = 2 << 20;

/// The places for large bodies.
pub(super) struct Bodies {
    places: Arc<Semaphore>,
    turns: Turns,
}

/// A whole body, and its place, if it needs one.
pub(super) struct Whole {
    pub(super) bytes: Bytes,
    _place: Option<Place>,
}

type Place = (OwnedMutexGuard<()>, OwnedSemaphorePermit);

impl Bodies {
    /// All are free.
    pub(super) fn new() -> Bodies {
        Bodies { places: Arc::new(Semaphore::new(PLACES)), turns: Turns::default() }
    }

    /// A user's whole body, of at most `most_bytes`.
    pub(super) async fn read(&self, user: UserId, mut body: Body, most_bytes: usize) -> Answer<Whole> {
        let (mut bytes, mut place) = (BytesMut::new(), None);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|error| cut_short(&error))?.into_data() else { continue };
            if bytes.len() + data.len() > most_bytes {
                return Err(larger_than(most_bytes));
            }
            bytes.extend_from_slice(&data);
            if place.is_none() && bytes.len() > LARGE_BYTES {
                place = Some(self.place(user).await?);
            }
        }
        Ok(Whole { bytes: bytes.freeze(), _place: place })
    }

    async fn place(&self, user: UserId) -> Answer<Place> {
        let turn = self.turns.turn(user).await;
        let place = self.places.clone().acquire_owned().await;
        Ok((turn, place.map_err(|error| Refusal::internal("taking a body in", error))?))
    }
}
