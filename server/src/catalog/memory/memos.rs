//! Memos in memory.

use async_trait::async_trait;

use super::MemoryTx;
use crate::catalog::{Memos, Result};

fn key(owner: &str, kind: &str, name: &str) -> (String, String, String) {
    (owner.into(), kind.into(), name.into())
}

#[async_trait]
impl Memos for MemoryTx {
    async fn memo(&mut self, owner: &str, kind: &str, name: &str) -> Result<Option<String>> {
        Ok(self.state.memos.get(&key(owner, kind, name)).cloned())
    }

    async fn memos(&mut self, owner: &str, kind: &str) -> Result<Vec<(String, String)>> {
        let from = self.state.memos.range(key(owner, kind, "")..);
        let theirs = from.take_while(|((whose, what, _), _)| whose == owner && what == kind);
        Ok(theirs.map(|((_, _, name), text)| (name.clone(), text.clone())).collect())
    }

    async fn put_memo(&mut self, owner: &str, kind: &str, name: &str, text: &str) -> Result<()> {
        self.change()?.memos.insert(key(owner, kind, name), text.into());
        Ok(())
    }

    async fn remove_memo(&mut self, owner: &str, kind: &str, name: &str) -> Result<()> {
        self.change()?.memos.remove(&key(owner, kind, name));
        Ok(())
    }
}
