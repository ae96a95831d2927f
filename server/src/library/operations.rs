//! Sent again, answered the same (promise 6 of README 0): answers kept by operation id.
//!
//! The answer is kept in the transaction that made it, so there is never a change without its answer nor the other way round.

use retrosync_protocol::{Code, Digest};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Answer, Asker, Operation};
use crate::catalog::{OperationRecord, Tx};
use crate::refusal::Refusal;

/// One mutation as it was asked: under which id, if any, and a digest of what.
pub(crate) struct Asked {
    scope: String,
    id: Operation,
    request: Digest,
}

impl Asked {
    /// `verb` and `request` tell this mutation from all others of the asker.
    pub(crate) fn new(
        asker: &Asker,
        operation: Operation,
        verb: &str,
        request: &impl Serialize,
    ) -> Answer<Asked> {
        let scope =
            asker.device.as_ref().map_or_else(|| format!("user {}", asker.user.0), ToString::to_string);
        let text =
            serde_json::to_string(request).map_err(|why| Refusal::internal("reading a request", why))?;
        Ok(Asked { scope, id: operation, request: Digest::of(format!("{verb} {text}").as_bytes()) })
    }

    /// The answer that was given, if it was asked before.
    pub(crate) async fn recall<T: DeserializeOwned>(&self, tx: &mut dyn Tx) -> Answer<Option<T>> {
        let Some(id) = &self.id else { return Ok(None) };
        let Some(kept) = tx.operation(&self.scope, id.as_str()).await? else { return Ok(None) };
        if kept.request != self.request {
            return Err(Refusal::new(
                Code::OperationReused,
                format!("the operation id `{id}` was used for another request"),
            )
            .help("draw a new operation id for each request"));
        }
        let reply = serde_json::from_str(&kept.reply)
            .map_err(|why| Refusal::internal("reading a kept answer", why))?;
        Ok(Some(reply))
    }

    /// Keeps the answer, to be committed with what it speaks of.
    pub(crate) async fn keep(&self, tx: &mut dyn Tx, reply: &impl Serialize, now_unix_s: i64) -> Answer<()> {
        let Some(id) = &self.id else { return Ok(()) };
        let reply =
            serde_json::to_string(reply).map_err(|why| Refusal::internal("keeping an answer", why))?;
        let record = OperationRecord {
            scope: self.scope.clone(),
            id: id.to_string(),
            request: self.request,
            reply,
            at_unix_s: now_unix_s,
        };
        Ok(tx.keep_operation(&record).await?)
    }
}
