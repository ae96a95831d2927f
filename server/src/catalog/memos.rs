//! What an adapter to another protocol remembers beside the library: texts by owner, kind and name, which only it reads.

use async_trait::async_trait;

use super::Result;

/// Memos.
#[async_trait]
pub trait Memos {
    /// One memo.
    async fn memo(&mut self, owner: &str, kind: &str, name: &str) -> Result<Option<String>>;
    /// All of an owner and kind, with their names, by name.
    async fn memos(&mut self, owner: &str, kind: &str) -> Result<Vec<(String, String)>>;
    /// Writes a memo, in place of an earlier one of that name.
    async fn put_memo(&mut self, owner: &str, kind: &str, name: &str, text: &str) -> Result<()>;
    /// Forgets a memo. Harmless when there is none.
    async fn remove_memo(&mut self, owner: &str, kind: &str, name: &str) -> Result<()>;
}
