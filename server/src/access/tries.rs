//! Counts tries, an address and in all, so that nobody can guess for long. In memory: a restart forgives.
//!
//! A try is counted before it is judged and forgiven when it was right; so a thousand guesses sent at once are counted too.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use retrosync_protocol::{Code, UserCode};

use crate::library::Answer;
use crate::refusal::Refusal;

const MINUTE_S: i64 = 60;
/// How long a guess is remembered after it came last.
const GUESS_S: i64 = 15 * MINUTE_S;
/// How often a code may be tried in a way that it is not meant for.
const MOST_MISUSES: u32 = 5;
/// More codes than this are not remembered; far fewer are open at once.
const MOST_CODES: usize = 10_000;
/// More addresses than this are not remembered beyond a minute.
const MOST_ADDRESSES: usize = 10_000;

/// Tries within the last minute.
pub(super) struct Tries {
    most_of_one: u32,
    most_in_all: u32,
    refused: Arc<AtomicU64>,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    of_one: HashMap<IpAddr, Minute>,
    /// From elsewhere, and from the local network: strangers must not keep who is at home from pairing.
    in_all: [Minute; 2],
    /// What was guessed from where, and when last.
    guessed: HashMap<(IpAddr, String), i64>,
}

/// A minute's tries; once there are too many, it lasts for one more minute.
#[derive(Clone, Copy, Default)]
struct Minute {
    start_unix_s: i64,
    tries: u32,
}

impl Minute {
    fn is_over(&self, now_unix_s: i64) -> bool {
        // A clock that was set back ends it as well.
        !(self.start_unix_s..self.start_unix_s + MINUTE_S).contains(&now_unix_s)
    }

    fn count(&mut self, most: u32, now_unix_s: i64) -> bool {
        if self.is_over(now_unix_s) {
            *self = Minute { start_unix_s: now_unix_s, tries: 0 };
        }
        self.tries = self.tries.saturating_add(1);
        if self.tries == most + 1 {
            self.start_unix_s = now_unix_s;
        }
        self.tries <= most
    }
}

impl Tries {
    pub(super) fn new(most_of_one: u32, most_in_all: u32) -> Tries {
        Tries { most_of_one, most_in_all, refused: Arc::default(), counts: Mutex::default() }
    }

    /// How many tries were too many, so far.
    pub(super) fn refused(&self) -> Arc<AtomicU64> {
        self.refused.clone()
    }

    /// Counts one try; `slow_down` when there were too many.
    pub(super) fn count(&self, from: IpAddr, now_unix_s: i64) -> Answer<()> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.of_one.len() > MOST_ADDRESSES {
            counts.of_one.retain(|_, minute| !minute.is_over(now_unix_s));
        }
        // Who is stopped does not count in all: one noisy neighbour must not stop everybody else.
        let one = counts.of_one.entry(network(from)).or_default().count(self.most_of_one, now_unix_s);
        if one && counts.in_all[usize::from(is_local(from))].count(self.most_in_all, now_unix_s) {
            return Ok(());
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(Refusal::new(Code::SlowDown, "too many tries").help("wait a minute").retry_after_s(60))
    }

    /// Counts a guess, unless the same came from there within a quarter of an hour: a device that polls a code that is over tells
    /// nobody anything new. Answers whether it was counted.
    pub(super) fn count_guess(&self, from: IpAddr, guess: &str, now_unix_s: i64) -> Answer<bool> {
        let key = (network(from), guess.to_ascii_uppercase());
        let is_known = |at: &i64| (*at..*at + GUESS_S).contains(&now_unix_s);
        {
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = counts.guessed.get_mut(&key).filter(|at| is_known(at)) {
                *at = now_unix_s;
                return Ok(false);
            }
        }
        self.count(from, now_unix_s)?;
        // No more than are counted in all, so few.
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.guessed.retain(|_, at| is_known(at));
        counts.guessed.insert(key, now_unix_s);
        Ok(true)
    }

    /// Takes back a guess that was right.
    pub(super) fn forgive_guess(&self, from: IpAddr, guess: &str, counted: bool, now_unix_s: i64) {
        let key = (network(from), guess.to_ascii_uppercase());
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).guessed.remove(&key);
        if counted {
            self.forgive(from, now_unix_s);
        }
    }

    /// Takes back a try that was right.
    pub(super) fn forgive(&self, from: IpAddr, now_unix_s: i64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let Counts { of_one, in_all, .. } = &mut *counts;
        let in_all = &mut in_all[usize::from(is_local(from))];
        for minute in of_one.get_mut(&network(from)).into_iter().chain([in_all]) {
            if !minute.is_over(now_unix_s) {
                minute.tries = minute.tries.saturating_sub(1);
            }
        }
    }
}

/// Codes that are there and were tried in a way that they are not meant for: claimed while a device shows them, or approved by
/// another user. Whoever does so knows the code and should not; after a few times it is void. In memory, as the rest.
#[derive(Default)]
pub(super) struct Misuses(Mutex<HashMap<UserCode, u32>>);

impl Misuses {
    pub(super) fn count(&self, code: &UserCode) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= MOST_CODES {
            counts.clear();
        }
        *counts.entry(code.clone()).or_default() += 1;
    }

    pub(super) fn is_void(&self, code: &UserCode) -> bool {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(code).is_some_and(|count| *count >= MOST_MISUSES)
    }
}

/// An address that the internet does not carry.
fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_loopback() || v6.is_unicast_link_local(),
    }
}

/// Who has one IPv6 address has its whole /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_sixth_try_waits_a_minute_and_others_do_not() {
        let tries = Tries::new(5, 20);
        let [one, other]: [IpAddr; 2] = ["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
        for second in 0..5 {
            assert!(tries.count(one, 100 + second).is_ok());
        }
        let refused = tries.count(one, 105).unwrap_err();
        assert_eq!((refused.code(), refused.retry_after()), (Code::SlowDown, Some(60)));
        assert!(tries.count(other, 105).is_ok());
        assert!(tries.count(one, 164).is_err(), "the minute runs from the try that was too many");
        assert!(tries.count(one, 165).is_ok());
    }

    #[test]
    fn twenty_wrong_tries_from_anywhere_stop_all() {
        let tries = Tries::new(5, 20);
        for host in 0..20_u8 {
            assert!(tries.count(IpAddr::from([10, 0, 0, host]), 100).is_ok());
        }
        assert!(tries.count(IpAddr::from([10, 0, 1, 1]), 100).is_err());
    }

    #[test]
    fn strangers_that_flood_keep_nobody_at_home_from_pairing() {
        let tries = Tries::new(5, 20);
        let stranger = |host: u16| IpAddr::from([0x2001, 0xdb8, 0, host, 0, 0, 0, 1]);
        (0..20).for_each(|host| tries.count(stranger(host), 100).unwrap());
        assert!(tries.count(stranger(20), 100).is_err());
        assert!(tries.count(IpAddr::from([203, 0, 113, 9]), 100).is_err(), "from anywhere outside");
        for home in
            ["192.168.1.5", "10.0.0.5", "172.20.0.5", "127.0.0.1", "169.254.3.3", "fd00::5", "fe80::5", "::1"]
        {
            assert!(tries.count(home.parse().unwrap(), 100).is_ok(), "{home}");
        }
        assert!(tries.count("::ffff:192.168.1.6".parse().unwrap(), 100).is_ok());
        assert!(tries.count("::ffff:203.0.113.10".parse().unwrap(), 100).is_err());
    }

    #[test]
    fn a_device_that_polls_a_code_that_is_over_stops_nobody() {
        let tries = Tries::new(5, 20);
        for second in 0..600 {
            for host in 0..10_u8 {
                assert!(tries.count_guess(IpAddr::from([10, 0, 0, host]), "DEAD42", 100 + second).is_ok());
            }
        }
        let one = IpAddr::from([10, 0, 1, 1]);
        assert!(tries.count_guess(one, "NEW234", 700).is_ok());
        for guess in ["A", "B", "C", "D"] {
            assert_eq!(tries.count_guess(one, guess, 700).ok(), Some(true));
        }
        assert!(tries.count_guess(one, "E", 700).is_err(), "other codes are guesses");
        assert_eq!(tries.count_guess(one, "a", 700).ok(), Some(false));
    }

    #[test]
    fn a_guess_that_was_right_takes_back_no_other_try() {
        let tries = Tries::new(5, 20);
        let one = IpAddr::from([10, 0, 0, 1]);
        for guess in ["A", "B", "C", "D", "E"] {
            assert_eq!(tries.count_guess(one, guess, 100).ok(), Some(true));
        }
        let counted = tries.count_guess(one, "E", 100).unwrap();
        tries.forgive_guess(one, "E", counted, 100);
        assert!(tries.count_guess(one, "F", 100).is_err());
    }

    #[test]
    fn a_right_try_is_not_counted_and_a_whole_ipv6_network_is_one() {
        let tries = Tries::new(5, 20);
        for _ in 0..100 {
            tries.count(IpAddr::from([10, 0, 0, 1]), 100).unwrap();
            tries.forgive(IpAddr::from([10, 0, 0, 1]), 100);
        }
        for host in 0..5_u16 {
            tries.count(IpAddr::from([0xfd00, 0, 0, 1, 0, 0, 0, host]), 100).unwrap();
        }
        assert!(tries.count(IpAddr::from([0xfd00, 0, 0, 1, 9, 9, 9, 9]), 100).is_err());
        assert!(tries.count(IpAddr::from([0xfd00, 0, 0, 2, 0, 0, 0, 1]), 100).is_ok());
    }
}
