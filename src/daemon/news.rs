//! The long poll: a thread that asks the remote for changes and waits with it, on a connection of its own.
//!
//! It brings what changed and then keeps still until a cycle has taken that in and says from where to listen on. After
//! a failure it waits, longer each time and as long as the remote asked to be left alone, and then asks once without
//! waiting, to tell that the remote is back. Never touches the journal.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use retrosync_protocol::{Changes, ChangesRequest, Epoch, Landmark};

use crate::error::{Error, Kind, Result};
use crate::network;
use crate::pace::Hearing;
use crate::remote::Remote;
use crate::snapshot::Base;

/// How often to look for a route while there is none.
const ROUTE: Duration = Duration::from_secs(60);
/// A poll that a proxy cut is asked for a shorter time, down to this.
const LEAST_WAIT_S: u64 = 15;
const STACK_BYTES: usize = 256 << 10;

/// What the long poll tells.
pub(super) enum Heard {
    /// Changes since that cursor.
    News(u64, Changes),
    /// The remote can be reached again.
    Back,
    /// The remote did not answer.
    Nothing,
}

/// The thread's handle.
pub(super) struct Lister {
    from: Arc<(Mutex<Option<From>>, Condvar)>,
}

/// From where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
struct From {
    since: u64,
    epoch: Option<Epoch>,
    landmark: Option<Landmark>,
    /// Whether the remote can be reached at all is news: answer at once.
    anything: bool,
}

impl Lister {
    /// Starts the thread; it keeps still until [`Lister::listen_from`].
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn start(
        mut remote: Box<dyn Remote>,
        wait_s: u64,
        needs_route: bool,
        tell: impl Fn(Heard) + Send + 'static,
    ) -> Result<Lister> {
        let from = Arc::new((Mutex::new(None), Condvar::new()));
        let lister = Lister { from: Arc::clone(&from) };
        let run = move || listen(&mut *remote, wait_s, needs_route, &from, &tell);
        thread::Builder::new()
            .name("news".into())
            .stack_size(STACK_BYTES)
            .spawn(run)
            .map_err(|error| Error::io("cannot start a thread to hear from the server", &error))?;
        Ok(lister)
    }

    /// A cycle knows all up to here; `failed`: it was not told what is new. A poll that is open already goes on.
    pub(super) fn listen_from(&self, base: &Base, failed: bool) {
        let (epoch, landmark) = (base.epoch.clone(), base.landmark.clone());
        *lock(&self.from.0) = Some(From { since: base.cursor, epoch, landmark, anything: failed });
        self.from.1.notify_one();
    }
}

fn listen(
    remote: &mut dyn Remote,
    mut wait_s: u64,
    needs_route: bool,
    from: &(Mutex<Option<From>>, Condvar),
    tell: &impl Fn(Heard),
) {
    let mut hearing = Hearing::default();
    loop {
        let at = await_order(from);
        let mut is_back = false;
        while needs_route && !network::has_route() {
            thread::sleep(ROUTE);
            is_back = true;
        }
        let asked = Instant::now();
        let request = ChangesRequest {
            since: at.since,
            epoch: at.epoch.clone(),
            landmark: at.landmark.clone(),
            wait_s: if at.anything { 0 } else { wait_s },
            ..ChangesRequest::default()
        };
        match remote.list(&request) {
            Ok(changes) => {
                if hearing.answered(!at.anything) || is_back {
                    tell(Heard::Back);
                }
                let silence = changes.saves.is_empty()
                    && changes.lacking.is_empty()
                    && !changes.reset
                    && changes.cursor == at.since;
                if silence {
                    reorder(from, From { anything: false, ..at });
                } else {
                    // The cycle that takes this in orders anew; what was ordered before it is out of date.
                    lock(&from.0).take();
                    tell(Heard::News(at.since, changes));
                }
            }
            Err(error) => {
                log::debug!("the long poll ended: {error}");
                if error.kind == Kind::Offline && asked.elapsed().as_secs() >= (wait_s / 2).max(1) {
                    wait_s = (wait_s / 2).max(LEAST_WAIT_S);
                }
                tell(Heard::Nothing);
                let chance = asked.elapsed().subsec_nanos();
                let quiet_ms = remote.heard().retry_after_s.unwrap_or(0).saturating_mul(1_000);
                thread::sleep(Duration::from_millis(hearing.pause_ms(quiet_ms, chance)));
                reorder(from, From { anything: true, ..at });
            }
        }
    }
}

fn lock(from: &Mutex<Option<From>>) -> MutexGuard<'_, Option<From>> {
    from.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for an order and takes it.
fn await_order(from: &(Mutex<Option<From>>, Condvar)) -> From {
    let mut order = lock(&from.0);
    loop {
        match order.take() {
            Some(at) => return at,
            None => order = from.1.wait(order).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// Goes on from the same place, unless a cycle has said otherwise meanwhile.
fn reorder(from: &(Mutex<Option<From>>, Condvar), at: From) {
    lock(&from.0).get_or_insert(at);
}
