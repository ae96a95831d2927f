//! Restore, resolve, retire: a person's choice, written as a version over the heads that the person saw.

use retrosync_protocol::{ChoiceReply, ChoiceRequest};

use super::{Answer, Asker, Library, Operation, unfinished};

impl Library {
    /// `POST /saves/restore`: a version with the content of `request.version` and all heads as parents.
    ///
    /// # Errors
    /// `not_found`, `heads_moved` (with the heads), `malformed` without a version, `operation_reused`.
    pub async fn restore(
        &self,
        _asker: &Asker,
        _request: &ChoiceRequest,
        _operation: Operation,
        _now_unix_s: i64,
    ) -> Answer<ChoiceReply> {
        Err(unfinished())
    }

    /// `POST /saves/resolve`: the same, for a question.
    ///
    /// # Errors
    /// As [`Library::restore`].
    pub async fn resolve(
        &self,
        _asker: &Asker,
        _request: &ChoiceRequest,
        _operation: Operation,
        _now_unix_s: i64,
    ) -> Answer<ChoiceReply> {
        Err(unfinished())
    }

    /// `POST /saves/retire`: a tombstone over all heads.
    ///
    /// # Errors
    /// As [`Library::restore`].
    pub async fn retire(
        &self,
        _asker: &Asker,
        _request: &ChoiceRequest,
        _operation: Operation,
        _now_unix_s: i64,
    ) -> Answer<ChoiceReply> {
        Err(unfinished())
    }
}
