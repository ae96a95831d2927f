//! Many clients at once, each doing its one thing again as soon as it is done: what a server can do at most.
//!
//! The clients are connected before the time begins to run. The first that is not answered as it should be ends the measurement.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use retrosync_protocol::{Changes, Epoch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::Outcome;
use crate::people::{Device, is_stored};
use crate::report::percentile;
use crate::wire::{Answer, Wire};

/// No answer takes longer than this, under any load.
pub(crate) const ANSWER_TIME: Duration = Duration::from_secs(60);

/// Who does one thing, over and over.
pub(crate) trait Client: Sized + Send + 'static {
    /// Does it once.
    fn once(&mut self) -> impl Future<Output = Outcome<()>> + Send;
}

/// What they came to.
pub(crate) struct Done<C> {
    /// How often it was done, a second, by all together.
    pub(crate) each_second: f64,
    /// How long it took at most, in 95 of 100.
    pub(crate) late_ms: f64,
    /// They themselves.
    pub(crate) clients: Vec<C>,
}

/// All of them, for so long.
pub(crate) async fn at_once<C: Client>(clients: Vec<C>, seconds: u64) -> Outcome<Done<C>> {
    let over = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for mut client in clients {
        let over = over.clone();
        tasks.spawn(async move {
            let mut took_ms = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let asked = Instant::now();
                client.once().await?;
                took_ms.push(ms(asked.elapsed()));
            }
            Outcome::Ok((client, took_ms))
        });
    }
    sleep(Duration::from_secs(seconds)).await;
    over.store(true, Ordering::Relaxed);
    let (mut clients, mut took_ms) = (Vec::new(), Vec::new());
    while let Some(ended) = tasks.join_next().await {
        let (client, took) = ended??;
        clients.push(client);
        took_ms.extend(took);
    }
    let each_second = took_ms.len() as f64 / began.elapsed().as_secs_f64();
    Ok(Done { each_second, late_ms: percentile(&mut took_ms, 0.95), clients })
}

/// A device that stores its next save.
pub(crate) struct Storing {
    pub(crate) device: Device,
    wire: Wire,
}

impl Storing {
    /// The first devices of these users; each has asked something before, as a daemon has: a fresh connection is not waited for.
    pub(crate) async fn of(
        server: SocketAddr,
        epoch: &Epoch,
        users: impl IntoIterator<Item = usize>,
    ) -> Outcome<Vec<Storing>> {
        let mut all = Vec::new();
        for user in users {
            let device = Device::new(user * 2);
            let mut wire = Wire::connect(server, device.home()).await?;
            ask(&mut wire, &device.poll(epoch, 0, 0)).await?;
            all.push(Storing { device, wire });
        }
        Ok(all)
    }
}

impl Client for Storing {
    async fn once(&mut self) -> Outcome<()> {
        let request = self.device.save()?;
        is_stored(&ask(&mut self.wire, &request).await?)
    }
}

/// A device that asks what is new, does not wait, and hears that nothing is.
pub(crate) struct Asking {
    wire: Wire,
    request: Vec<u8>,
}

impl Asking {
    /// The second device of this user, once it has heard everything.
    pub(crate) async fn of(server: SocketAddr, epoch: &Epoch, user: usize) -> Outcome<Asking> {
        let device = Device::new(user * 2 + 1);
        let mut wire = Wire::connect(server, device.home()).await?;
        let answer = ask(&mut wire, &device.poll(epoch, 0, 0)).await?;
        let changes: Changes = serde_json::from_slice(&answer.body)?;
        Ok(Asking { wire, request: device.poll(epoch, changes.cursor, 0) })
    }

    /// Those of these users.
    pub(crate) async fn of_each(
        server: SocketAddr,
        epoch: &Epoch,
        users: impl IntoIterator<Item = usize>,
    ) -> Outcome<Vec<Asking>> {
        let mut all = Vec::new();
        for user in users {
            all.push(Asking::of(server, epoch, user).await?);
        }
        Ok(all)
    }
}

impl Client for Asking {
    async fn once(&mut self) -> Outcome<()> {
        ask(&mut self.wire, &self.request).await.map(drop)
    }
}

/// Asks; an answer that does not come, or is not 200, ends the measurement.
pub(crate) async fn ask(wire: &mut Wire, request: &[u8]) -> Outcome<Answer> {
    let answer = timeout(ANSWER_TIME, wire.ask(request)).await.map_err(|_| "no answer for a minute")??;
    if answer.status != 200 {
        let said = String::from_utf8_lossy(&answer.body);
        return Err(format!("the server answered {}: {said}", answer.status).into());
    }
    Ok(answer)
}

pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
