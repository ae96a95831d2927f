//! Rings between servers over one database, by `NOTIFY` and `LISTEN`.
//!
//! A payload names the server that rings, which need not hear itself, and the user. A listener that lost its connection may
//! have missed anything, so it says so once it listens again. Holds no data of anybody.

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use sqlx::PgPool;
use sqlx::postgres::{PgListener, PgNotification};

use super::sql::Touched;
use super::{Held, failed};
use crate::catalog::{Heard, Result, UserId};

const CHANNEL: &str = "retrosync";
/// How long to wait before the next try to listen.
const AGAIN: Duration = Duration::from_secs(1);
/// After this long a silent connection is asked whether it is still one.
const SILENCE: Duration = Duration::from_secs(30);
/// How long it may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// This process, among those that ring.
pub(super) fn own_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let mut bytes = [0; 8];
        // Without randomness all are called the same and hear nobody; a wait then ends by itself, late.
        let _ = getrandom::fill(&mut bytes);
        format!("{:016x}", u64::from_le_bytes(bytes))
    })
}

/// Rings with the commit of this transaction.
pub(super) async fn ring(tx: &mut Held, touched: &Touched) -> Result<()> {
    let query = sqlx::query(
        "SELECT pg_notify($1, $2 || ' ' || users.id) FROM (
             SELECT unnest($3::bigint[]) UNION SELECT user_id FROM devices WHERE device = ANY($4::text[])) AS users (id)",
    )
    .bind(CHANNEL)
    .bind(own_name())
    .bind(listed(&touched.users))
    .bind(listed(&touched.devices));
    query.execute(&mut **tx).await.map_err(failed).map(drop)
}

fn listed<T: Clone>(set: &BTreeSet<T>) -> Vec<T> {
    set.iter().cloned().collect()
}

/// What other servers ring, for ever.
pub(super) fn heard(pool: PgPool) -> BoxStream<'static, Heard> {
    let start = Ear { pool, listener: None, told: false };
    stream::unfold(start, |mut ear| async move { Some((ear.next().await, ear)) }).boxed()
}

struct Ear {
    pool: PgPool,
    listener: Option<PgListener>,
    /// That it cannot listen was said.
    told: bool,
}

impl Ear {
    async fn next(&mut self) -> Heard {
        loop {
            let Some(listener) = &mut self.listener else {
                // A host may vanish between the connection and the word.
                let listening = tokio::time::timeout(SILENCE, listen(&self.pool)).await;
                match listening.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut)) {
                    Ok(listener) => {
                        self.listener = Some(listener);
                        self.told = false;
                        return Heard::Unsure;
                    }
                    Err(why) => {
                        if !std::mem::replace(&mut self.told, true) {
                            log::warn!("news of other servers are not heard: {}", failed(why));
                        }
                        tokio::time::sleep(AGAIN).await;
                        continue;
                    }
                }
            };
            match tokio::time::timeout(SILENCE, listener.try_recv()).await {
                Ok(Ok(Some(ring))) => {
                    if let Some(heard) = of_others(&ring) {
                        return heard;
                    }
                }
                Ok(Ok(None) | Err(_)) => self.listener = None,
                Err(_) if is_alive(listener).await => {}
                Err(_) => self.listener = None,
            }
        }
    }
}

async fn listen(pool: &PgPool) -> std::result::Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// A host that vanished sends nothing, not even an end.
async fn is_alive(listener: &mut PgListener) -> bool {
    let asked = sqlx::query("SELECT 1").execute(listener);
    matches!(tokio::time::timeout(ANSWER, asked).await, Ok(Ok(_)))
}

fn of_others(ring: &PgNotification) -> Option<Heard> {
    let (from, user) = ring.payload().split_once(' ')?;
    let user = user.parse().ok()?;
    (from != own_name()).then_some(Heard::News(UserId(user)))
}
