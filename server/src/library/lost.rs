//! Contents that were found to lack their bytes when somebody asked for them: each device is told, and who has them offers them.
//!
//! Of one server's run, in memory: a device also asks by itself at its start and once a day. Bounded. Never decides.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use retrosync_protocol::{DeviceId, Digest};

use crate::catalog::UserId;

/// The most of one user that are told.
const MOST: usize = 1_000;

/// What is lacking, by user.
#[derive(Debug, Default)]
pub(super) struct Lost(Mutex<HashMap<UserId, Of>>);

/// What one user lacks.
#[derive(Debug, Default)]
struct Of {
    digests: BTreeSet<Digest>,
    /// How often something was found.
    found: u64,
    /// Up to which find each device was told.
    told: HashMap<Option<DeviceId>, u64>,
}

impl Lost {
    fn all(&self) -> MutexGuard<'_, HashMap<UserId, Of>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a content; is it news?
    pub(super) fn note(&self, user: UserId, digest: Digest) -> bool {
        let mut all = self.all();
        let of = all.entry(user).or_default();
        let is_news = of.digests.len() < MOST && of.digests.insert(digest);
        of.found += u64::from(is_news);
        is_news
    }

    /// Is nothing known to be lacking?
    pub(super) fn is_none(&self, user: UserId) -> bool {
        !self.all().contains_key(&user)
    }

    /// Is there anything that this device was not told yet? It is told once, so that who cannot help waits on.
    pub(super) fn is_untold(&self, user: UserId, device: Option<&DeviceId>) -> bool {
        self.all().get(&user).is_some_and(|of| of.told.get(&device.cloned()) != Some(&of.found))
    }

    /// What is known to be lacking, for this device.
    pub(super) fn tell(&self, user: UserId, device: Option<&DeviceId>) -> Vec<Digest> {
        let mut all = self.all();
        let Some(of) = all.get_mut(&user) else { return Vec::new() };
        of.told.insert(device.cloned(), of.found);
        of.digests.iter().copied().collect()
    }

    /// Only these still are.
    pub(super) fn keep(&self, user: UserId, still: &[Digest]) {
        let mut all = self.all();
        if let Some(of) = all.get_mut(&user) {
            of.digests.retain(|digest| still.contains(digest));
            if of.digests.is_empty() {
                all.remove(&user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_device_is_told_of_each_find_once() {
        let (lost, user) = (Lost::default(), UserId(1));
        let [one, other] = [1, 2].map(|number| DeviceId::from_random(&[number; 8]));
        let [first, second] = [b"first".as_slice(), b"second"].map(Digest::of);
        assert!(lost.is_none(user) && !lost.is_untold(user, Some(&one)));
        assert!(lost.note(user, first) && !lost.note(user, first));
        assert!(lost.is_untold(user, Some(&one)) && !lost.is_untold(UserId(2), Some(&one)));
        assert_eq!(lost.tell(user, Some(&one)), [first]);
        assert!(!lost.is_untold(user, Some(&one)) && lost.is_untold(user, Some(&other)));
        assert!(lost.note(user, second) && lost.is_untold(user, Some(&one)));
        lost.keep(user, &[second]);
        assert_eq!(lost.tell(user, Some(&one)), [second]);
        lost.keep(user, &[]);
        assert!(lost.is_none(user) && !lost.is_untold(user, Some(&other)), "they came back");
    }
}
