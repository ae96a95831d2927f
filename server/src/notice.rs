//! Who waits for whose news: one bell a user, so that a long poll answers at once.
//!
//! A bell says only "look again"; what is new is always read from the catalog. A ring too many is harmless, so the
//! rule is simple: subscribe, look, and only then wait. Never holds data, never blocks, knows no clock.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::catalog::UserId;

/// The bells of all users.
#[derive(Debug, Default)]
pub struct Notice {
    bells: Mutex<HashMap<UserId, watch::Sender<u64>>>,
}

/// One listener's ear on one bell. Rings after [`Notice::listen`] are not missed, whenever [`Listener::ring`] is called.
#[derive(Debug)]
pub struct Listener(watch::Receiver<u64>);

impl Notice {
    /// No bells yet.
    pub fn new() -> Notice {
        Notice::default()
    }

    /// Starts to listen for a user's news; look at the catalog after this, not before.
    pub fn listen(&self, user: UserId) -> Listener {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        let bell = bells.entry(user).or_insert_with(|| watch::Sender::new(0));
        Listener(bell.subscribe())
    }

    /// Wakes all who listen for this user's news; call it after the commit, not before.
    pub fn ring(&self, user: UserId) {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = bells.get(&user) {
            bell.send_modify(|rings| *rings = rings.wrapping_add(1));
            if bell.is_closed() {
                bells.remove(&user);
            }
        }
    }

    /// Wakes everybody: the server is about to stop, or much has changed.
    pub fn ring_all(&self) {
        let bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.values().for_each(|bell| bell.send_modify(|rings| *rings = rings.wrapping_add(1)));
    }
}

impl Listener {
    /// Waits for the next ring. Safe to drop half way.
    pub async fn ring(&mut self) {
        if self.0.changed().await.is_err() {
            // The bell is gone, which only happens with the whole server; wait to be dropped with it.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_ring_between_listening_and_waiting_is_not_lost() {
        let notice = Notice::new();
        let mut listener = notice.listen(UserId(1));
        notice.ring(UserId(2));
        notice.ring(UserId(1));
        listener.ring().await;
        drop(listener);
        notice.ring(UserId(1));
        assert!(notice.bells.lock().is_ok_and(|bells| bells.is_empty()), "a bell nobody hears is taken down");
    }
}
