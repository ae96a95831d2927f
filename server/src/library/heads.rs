//! Which leaves are heads (README 1.3), and how a head is shown.
//!
//! The catalog marks leaves as versions come: a sound version is a leaf until a sound version names it as a parent. What
//! `protocol::heads_of` does over all versions of a save is then a look at its few leaves; tests hold the two together.

use retrosync_protocol::{Head, Mistake};

use crate::catalog::{Result, SaveRow, StoredVersion, Tx};

/// The heads of a save, in the order in which they came.
pub(super) async fn of(tx: &mut dyn Tx, row: SaveRow) -> Result<Vec<StoredVersion>> {
    Ok(among(tx.leaves(row).await?))
}

/// The heads among a save's leaves: a tombstone yields to any content.
pub(super) fn among(mut leaves: Vec<StoredVersion>) -> Vec<StoredVersion> {
    if leaves.iter().any(|leaf| leaf.record.content.is_some()) {
        leaves.retain(|leaf| leaf.record.content.is_some());
    }
    if Mistake::LaterBranchIsTheHead.is_made() {
        leaves.drain(..leaves.len().saturating_sub(1));
    }
    leaves
}

/// A head as devices see it.
pub(super) fn shown(version: StoredVersion) -> Head {
    Head {
        version: version.id,
        content: version.record.content,
        writer: version.record.writer,
        sequence: version.record.sequence,
        device_name: version.device_name,
        played: version.record.played,
        received_unix_s: version.received_unix_s,
    }
}
