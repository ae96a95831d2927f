//! `retrosync-server check`: every blob is hashed again and compared with the records.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use retrosync_protocol::{Content, Digest, Hasher};

use super::KeepError;
use crate::blobs::{Blobs, Found};
use crate::catalog::turn::Turn;
use crate::catalog::{Access, Catalog};

/// What a check found: lines for people, in the order of digests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Contents looked at.
    pub contents: u64,
    /// Their bytes.
    pub size_bytes: u64,
    /// Recorded and not there.
    pub missing: Vec<String>,
    /// There, and other bytes than recorded.
    pub damaged: Vec<String>,
    /// Recorded, and nobody can tell now: the store did not give them. Never changed.
    pub unreadable: Vec<String>,
    /// There, and no record speaks of them (a crash between bytes and record): left to `gc`, which knows when they may go.
    pub orphans: Vec<String>,
    /// Damaged ones that were taken out of the way, so that a device can bring the bytes again.
    pub set_aside: u64,
}

impl Report {
    /// Nothing missing, nothing damaged, everything read. Orphans are harmless.
    pub fn is_sound(&self) -> bool {
        self.missing.is_empty() && self.damaged.is_empty() && self.unreadable.is_empty()
    }
}

/// Hashes every blob again and compares with the records. Changes nothing.
///
/// # Errors
/// When the catalog or the blobs cannot be read at all.
pub async fn check(catalog: &dyn Catalog, blobs: &dyn Blobs) -> Result<Report, KeepError> {
    look(catalog, blobs, None).await
}

/// As [`check`]; and damaged ones are set aside, so that a device that has the bytes brings them again: only while no server runs.
///
/// # Errors
/// When somebody else uses the catalog or removes bytes, or the catalog or the blobs cannot be read at all.
pub async fn repair(catalog: &dyn Catalog, blobs: &dyn Blobs, clock: Clock<'_>) -> Result<Report, KeepError> {
    let holder = format!("check-{}", std::process::id());
    let turn = Turn::take(catalog, &holder, clock()).await?;
    let turn = turn.ok_or_else(|| {
        KeepError::new(
            "a server is just removing what is unneeded, or a backup is made; try again when it is done",
        )
    })?;
    let mut repair = Repair { catalog, turn, clock };
    let report = look(catalog, blobs, Some(&mut repair)).await;
    repair.turn.give_back(catalog).await?;
    report
}

/// Tells Unix seconds.
type Clock<'a> = &'a (dyn Fn() -> i64 + Send + Sync);

/// The right to change what is found, as long as it lasts.
struct Repair<'a> {
    catalog: &'a dyn Catalog,
    turn: Turn,
    clock: Clock<'a>,
}

impl Repair<'_> {
    /// Asked before each change: nobody else is here, and the turn is ours.
    async fn may(&mut self) -> Result<(), KeepError> {
        if self.catalog.others().await? > 0 {
            return Err(KeepError::new(
                "another server, or a command, uses this database: stop it first, `--repair` works alone",
            ));
        }
        let now_unix_s = (self.clock)();
        if self.turn.lasts(now_unix_s) || self.turn.prolong(self.catalog, now_unix_s).await? {
            return Ok(());
        }
        Err(KeepError::new("another command has begun to remove what is unneeded; try again when it is done"))
    }
}

async fn look(
    catalog: &dyn Catalog,
    blobs: &dyn Blobs,
    mut repair: Option<&mut Repair<'_>>,
) -> Result<Report, KeepError> {
    let mut report = Report::default();
    if let Some(repair) = &mut repair {
        repair.may().await?;
    }
    // Records first, then bytes: what is recorded by now is durable by now, also while a server runs.
    let recorded = catalog.begin(Access::Read).await?.all_contents().await?;
    let mut found = BTreeMap::new();
    let mut list = blobs.list().await?;
    while let Some(blob) = list.next().await {
        let blob = blob?;
        found.insert(blob.digest, blob);
    }
    drop(list);
    for content in recorded {
        report.contents += 1;
        report.size_bytes += content.size_bytes;
        if found.remove(&content.digest).is_none() {
            let line = line(catalog, content, "its bytes are missing").await?;
            report.missing.push(line);
            continue;
        }
        match hash_of(blobs, content.digest).await {
            Err(why) => {
                let fault = format!("its bytes cannot be read: {why}");
                report.unreadable.push(line(catalog, content, &fault).await?);
            }
            Ok(read) => {
                let Some(fault) = fault_of(read, content) else { continue };
                report.damaged.push(line(catalog, content, &fault).await?);
                if let Some(repair) = &mut repair {
                    repair.may().await?;
                    report.set_aside += u64::from(blobs.set_aside(content.digest).await?);
                }
            }
        }
    }
    report.orphans = orphans(catalog, found).await?;
    Ok(report)
}

/// What is wrong with a content's bytes that were read whole, if anything.
fn fault_of((digest, size_bytes): (Digest, u64), content: Content) -> Option<String> {
    if size_bytes != content.size_bytes {
        return Some(format!("its bytes are {size_bytes}, not {}", content.size_bytes));
    }
    (digest != content.digest).then(|| "its bytes are others than recorded".into())
}

async fn hash_of(blobs: &dyn Blobs, digest: Digest) -> Result<(Digest, u64), KeepError> {
    let bytes = blobs.open(digest, 0..u64::MAX).await?;
    let mut bytes = bytes.ok_or_else(|| KeepError::new("they are gone"))?;
    let mut hasher = Hasher::default();
    let mut size_bytes = 0;
    while let Some(chunk) = bytes.next().await {
        let chunk = chunk.map_err(|why| KeepError::new(why.to_string()))?;
        size_bytes += chunk.len() as u64;
        hasher.update(&chunk);
    }
    Ok((hasher.finish(), size_bytes))
}

/// A line for people: which content, of which saves, and what is wrong.
async fn line(catalog: &dyn Catalog, content: Content, fault: &str) -> Result<String, KeepError> {
    let saves = catalog.begin(Access::Read).await?.saves_with_content(content.digest).await?;
    let saves: Vec<String> = saves.iter().map(|save| format!("`{save}`")).collect();
    let of = if saves.is_empty() { "of no save".into() } else { format!("of {}", saves.join(", ")) };
    Ok(format!("content `{}` ({} bytes) {of}: {fault}", content.digest, content.size_bytes))
}

/// What no record speaks of.
async fn orphans(catalog: &dyn Catalog, mut left: BTreeMap<Digest, Found>) -> Result<Vec<String>, KeepError> {
    // Asked again: a server beside us has recorded some of them meanwhile.
    for content in catalog.begin(Access::Read).await?.all_contents().await? {
        left.remove(&content.digest);
    }
    let line = |orphan: Found| {
        format!("content `{}` ({} bytes): no record speaks of it", orphan.digest, orphan.size_bytes)
    };
    Ok(left.into_values().map(line).collect())
}
