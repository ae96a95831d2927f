//! What the upkeep of contents needs: which of them no kept version needs, and which bytes nobody has.
//!
//! Records only, as all of `catalog`; what may go when is decided in `library::retention` and `library::gc`.

use async_trait::async_trait;
use retrosync_protocol::{Content, Digest};

use super::{Result, UserId};

/// A content of a user, for upkeep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnContent {
    /// What it is.
    pub content: Content,
    /// When the user's record of it was made.
    pub added_unix_s: i64,
    /// Since when no kept version needs it; `None`: needed, as far as anybody looked.
    pub unneeded_unix_s: Option<i64>,
}

/// How far the removal of bytes that nobody has is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrayState {
    /// Seen without a record of anybody.
    Found,
    /// Being removed: the bytes may be there or not, and nobody may record them.
    Condemned,
    /// Removed, and by nobody any more; whoever put them before that finds them gone.
    Removed,
}

/// Bytes that nobody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stray {
    /// Which.
    pub digest: Digest,
    /// Since when they are in this state.
    pub since_unix_s: i64,
    /// How far their removal is.
    pub state: StrayState,
}

/// The records of upkeep.
#[async_trait]
pub trait Upkeep {
    /// All contents of a user, by digest.
    async fn contents_of(&mut self, user: UserId) -> Result<Vec<OwnContent>>;
    /// Since when no kept version needs these contents of the user; `None`: they are needed.
    async fn mark_contents(
        &mut self,
        user: UserId,
        digests: &[Digest],
        unneeded_unix_s: Option<i64>,
    ) -> Result<()>;
    /// Takes a content from a user: versions with it are thinned out from here on.
    async fn forget_content(&mut self, user: UserId, digest: Digest) -> Result<()>;
    /// Which of these contents the user does not have.
    async fn without_content(&mut self, user: UserId, digests: &[Digest]) -> Result<Vec<Digest>>;
    /// Which of these contents no user has.
    async fn not_had(&mut self, digests: &[Digest]) -> Result<Vec<Digest>>;
    /// Has any version of the user this content, whether its bytes are kept or not?
    async fn has_version_with(&mut self, user: UserId, digest: Digest) -> Result<bool>;

    /// All strays, by digest.
    async fn strays(&mut self) -> Result<Vec<Stray>>;
    /// One stray.
    async fn stray(&mut self, digest: Digest) -> Result<Option<Stray>>;
    /// Adds a stray, or says how far it is now.
    async fn put_stray(&mut self, stray: &Stray) -> Result<()>;
    /// Forgets a stray. Harmless when there is none.
    async fn remove_stray(&mut self, digest: Digest) -> Result<()>;
}
