//! How many connections there may be, in all and from one address, so that nobody takes them all; and that there may be so many files.
//!
//! Thousands of devices wait at once, each on a connection of its own. One address (of IPv6, one network) is a home or a school and has
//! its bound; a proxy that the owner named has none, for it speaks for all. Knows nothing of what goes over a connection.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most connections of one address.
const OF_ONE_ADDRESS: usize = 1000;
/// How often somebody is said to have enough.
const SAY_EVERY: Duration = Duration::from_secs(60);
/// Open files that are no connections: the database, contents that are read and written.
const OTHER_FILES: usize = 1024;

/// Asks for as many open files as this process may have at all; answers how many of them can be connections.
pub(crate) fn room_for_connections() -> usize {
    let had = getrlimit(Resource::Nofile);
    // Where that is refused, it stays as it was.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: had.maximum, maximum: had.maximum });
    let files = getrlimit(Resource::Nofile)
        .current
        .map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    files.saturating_sub(OTHER_FILES).max(files / 2)
}

/// The places for connections.
#[derive(Clone)]
pub(crate) struct Places {
    all: Arc<Semaphore>,
    most: u32,
    each: Each,
    /// When somebody was last said to have enough.
    said: Arc<Mutex<Option<Instant>>>,
}

/// How many connections each address has.
type Each = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// One of all places, not yet anybody's.
pub(crate) struct Free {
    _one: OwnedSemaphorePermit,
}

/// A connection's place; free again when dropped.
pub(crate) struct Place {
    _one: Free,
    /// Whose, where that is counted.
    of: Option<(IpAddr, Each)>,
}

impl Places {
    pub(crate) fn new(most: usize) -> Places {
        let most = u32::try_from(most.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        Places {
            all: Arc::new(Semaphore::new(most as usize)),
            most,
            each: Arc::default(),
            said: Arc::default(),
        }
    }

    /// Waits until there is a free one.
    pub(crate) async fn free(&self) -> Option<Free> {
        self.all.clone().acquire_owned().await.ok().map(|one| Free { _one: one })
    }

    /// Gives it to a connection; `None`: this address has enough. A `proxy` has never enough.
    pub(crate) fn give(&self, free: Free, peer: IpAddr, proxy: bool) -> Option<Place> {
        if proxy {
            return Some(Place { _one: free, of: None });
        }
        let home = home(peer);
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        let had = each.entry(home).or_insert(0);
        if *had >= OF_ONE_ADDRESS {
            return None;
        }
        *had += 1;
        if *had == OF_ONE_ADDRESS && self.may_say(Instant::now()) {
            log::warn!(
                "`{peer}` has {OF_ONE_ADDRESS} connections and gets no more; if it is a proxy, name it as trusted"
            );
        }
        Some(Place { _one: free, of: Some((home, self.each.clone())) })
    }

    /// Who comes and goes at the bound fills no log.
    fn may_say(&self, now: Instant) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let may = said.is_none_or(|said| now.saturating_duration_since(said) >= SAY_EVERY);
        if may {
            *said = Some(now);
        }
        may
    }

    /// Waits until all are free.
    pub(crate) async fn all_free(&self) {
        let _ = self.all.acquire_many(self.most).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((home, each)) = &self.of else { return };
        let mut each = each.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(had) = each.get_mut(home) {
            *had -= 1;
            if *had == 0 {
                each.remove(home);
            }
        }
    }
}

/// What one household is: an address, or the network of 64 bits that everybody with IPv6 gets.
fn home(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn one_address_does_not_take_everybodys_place() {
        let places = Places::new(OF_ONE_ADDRESS + 2);
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        let mut taken = Vec::new();
        for _ in 0..OF_ONE_ADDRESS {
            let free = places.free().await.unwrap();
            taken.push(places.give(free, one, false).unwrap());
        }
        let free = places.free().await.unwrap();
        assert!(places.give(free, one, false).is_none(), "it has enough");
        let free = places.free().await.unwrap();
        let other = places.give(free, "192.0.2.2".parse().unwrap(), false);
        assert!(other.is_some(), "another gets its own");
        let free = places.free().await.unwrap();
        assert!(places.give(free, one, true).is_some(), "a proxy speaks for all");
        taken.pop();
        let free = places.free().await.unwrap();
        assert!(places.give(free, one, false).is_some(), "who has gone leaves room");
    }

    #[test]
    fn who_comes_and_goes_at_the_bound_is_told_of_once_a_minute() {
        let (places, began) = (Places::new(1), Instant::now());
        for (after_s, said) in [(0, true), (1, false), (59, false), (60, true), (61, false)] {
            assert_eq!(places.may_say(began + Duration::from_secs(after_s)), said, "{after_s}");
        }
    }

    #[test]
    fn all_addresses_of_one_network_of_ipv6_are_one_home() {
        let of = |text: &str| home(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2:aaaa::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    }
}
