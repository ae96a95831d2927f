//! Which devices were seen when, written down together: thousands that poll would each cost a wait for the disk.
//!
//! Kept in memory for a few seconds; what a crash loses of it is told by the device's next question.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use retrosync_protocol::DeviceId;

use crate::catalog::{Access, Catalog};
use crate::library::Answer;

/// How long they are collected.
const COLLECT_TIME: Duration = Duration::from_secs(5);

/// Signs of life that are not written yet. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Sightings(Arc<Mutex<HashMap<DeviceId, i64>>>);

impl Sightings {
    /// Has it written within seconds.
    pub(super) fn note(&self, catalog: &Arc<dyn Catalog>, device: &DeviceId, now_unix_s: i64) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = seen.is_empty();
        seen.insert(device.clone(), now_unix_s);
        if first {
            let (sightings, catalog) = (self.clone(), Arc::clone(catalog));
            tokio::spawn(async move {
                tokio::time::sleep(COLLECT_TIME).await;
                let seen = std::mem::take(&mut *sightings.0.lock().unwrap_or_else(PoisonError::into_inner));
                let count = seen.len();
                if let Err(why) = write(catalog.as_ref(), seen).await {
                    // Nice to know, no reason to refuse anything.
                    log::warn!("could not note that {count} devices were seen: {why}");
                }
            });
        }
    }
}

/// Writes them in one transaction, and nothing else of them: a rename or a revocation meanwhile is not undone.
pub(super) async fn write(
    catalog: &dyn Catalog,
    seen: impl IntoIterator<Item = (DeviceId, i64)>,
) -> Answer<()> {
    let seen: Vec<_> = seen.into_iter().collect();
    let mut tx = catalog.begin(Access::Write).await?;
    tx.put_seen(&seen).await?;
    Ok(tx.commit().await?)
}
