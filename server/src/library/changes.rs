//! `GET /changes`: what changed since a cursor, with every save's heads as they are now.

use retrosync_protocol::{Changes, ChangesRequest};

use super::{Answer, Asker, Library, unfinished};

impl Library {
    /// What changed, without waiting.
    ///
    /// # Errors
    /// `malformed` for an `ask` or limit over 5,000; when the catalog fails.
    pub async fn changes(
        &self,
        _asker: &Asker,
        _request: &ChangesRequest,
        _now_unix_s: i64,
    ) -> Answer<Changes> {
        Err(unfinished())
    }

    /// What changed; with nothing new from others, waits up to `wait_s` (at most 300) for it. `clock` gives Unix seconds.
    ///
    /// # Errors
    /// As [`Library::changes`].
    pub async fn changes_or_wait(
        &self,
        asker: &Asker,
        request: &ChangesRequest,
        clock: impl Fn() -> i64 + Send + Sync,
    ) -> Answer<Changes> {
        self.changes(asker, request, clock()).await
    }
}
