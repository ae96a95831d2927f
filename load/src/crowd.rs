//! Devices that wait for news, thousands of them, each on a connection of its own, and what they heard when.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use retrosync_protocol::{Changes, Epoch};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::Outcome;
use crate::people::Device;
use crate::wire::Wire;

/// How long a daemon's poll waits before it asks again.
pub(crate) const WAIT_S: u64 = 110;
/// How many connect at the same time.
const AT_ONCE: usize = 128;
/// For all to be there.
const GATHER_TIME: Duration = Duration::from_secs(600);

/// A device heard of something new.
pub(crate) struct Heard {
    pub(crate) device: usize,
    pub(crate) at: Instant,
}

/// Waiting devices. Dropped, they are gone.
pub(crate) struct Crowd {
    tasks: JoinSet<()>,
    /// What they heard.
    pub(crate) heard: mpsc::UnboundedReceiver<Heard>,
    failed: mpsc::UnboundedReceiver<String>,
}

impl Crowd {
    /// Devices `0..count` connect and wait; answers when all do.
    pub(crate) async fn gather(server: SocketAddr, epoch: &Epoch, count: usize) -> Outcome<Crowd> {
        let doors = Arc::new(Semaphore::new(AT_ONCE));
        let (heard, hears) = mpsc::unbounded_channel();
        let (fails, failed) = mpsc::unbounded_channel();
        let (arrives, mut arrived) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        for number in 0..count {
            let waits = Waits { device: Device::new(number), epoch: epoch.clone(), heard: heard.clone() };
            let (doors, fails, arrives) = (doors.clone(), fails.clone(), arrives.clone());
            // The first wait is of any length, so that they do not all come again in the same moment, as in no real crowd.
            let first_wait_s = 1 + number as u64 * (WAIT_S - 1) / count as u64;
            tasks.spawn(async move {
                let place = doors.acquire().await;
                let Err(why) = waits
                    .run(server, first_wait_s, || {
                        drop(place);
                        let _ = arrives.send(());
                    })
                    .await;
                let _ = fails.send(why.to_string());
            });
        }
        drop(arrives);
        let all = async {
            for _ in 0..count {
                arrived.recv().await;
            }
        };
        tokio::time::timeout(GATHER_TIME, all)
            .await
            .map_err(|_| "the devices do not get through to the server")?;
        let mut crowd = Crowd { tasks, heard: hears, failed };
        crowd.is_whole()?;
        Ok(crowd)
    }

    /// Does each still wait?
    ///
    /// # Errors
    /// What the first that does not met.
    pub(crate) fn is_whole(&mut self) -> Outcome<()> {
        match self.failed.try_recv() {
            Ok(why) => Err(format!("a waiting device was cut off: {why}").into()),
            Err(_) => Ok(()),
        }
    }

    /// They go, all at once.
    pub(crate) async fn leave(mut self) {
        self.tasks.shutdown().await;
    }
}

struct Waits {
    device: Device,
    epoch: Epoch,
    heard: mpsc::UnboundedSender<Heard>,
}

impl Waits {
    async fn run(
        self,
        server: SocketAddr,
        first_wait_s: u64,
        arrived: impl FnOnce() + Send,
    ) -> Outcome<std::convert::Infallible> {
        let mut wire = Wire::connect(server, self.device.home()).await?;
        // A quiet question first, as a daemon's: so the connection is one that has been used.
        let mut since = self.news(&mut wire, 0, 0).await?.cursor;
        wire.send(&self.device.poll(&self.epoch, since, first_wait_s)).await?;
        arrived();
        let mut answer = wire.answer().await?;
        loop {
            let changes: Changes = serde_json::from_slice(&answer.body)
                .map_err(|why| format!("a poll was answered with {}: {why}", answer.status))?;
            if changes.cursor > since {
                let _ = self.heard.send(Heard { device: self.device.number, at: Instant::now() });
            }
            since = changes.cursor;
            answer = wire.ask(&self.device.poll(&self.epoch, since, WAIT_S)).await?;
        }
    }

    async fn news(&self, wire: &mut Wire, since: u64, wait_s: u64) -> Outcome<Changes> {
        let answer = wire.ask(&self.device.poll(&self.epoch, since, wait_s)).await?;
        let said = || {
            format!("a poll was answered with {}: {}", answer.status, String::from_utf8_lossy(&answer.body))
        };
        serde_json::from_slice(&answer.body).map_err(|_| said().into())
    }
}
