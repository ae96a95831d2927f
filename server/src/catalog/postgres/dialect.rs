//! SQL that only PostgreSQL understands.

use super::sql::Touched;
use super::{Held, STRAYS, failed, rings};
use crate::catalog::Result;
use crate::catalog::columns::columns;

/// Leaves of a JSON list of saves: `place` in the list, and the version.
pub(super) const LEAVES_OF_EACH: &str = concat!("SELECT asked.n - 1 AS place, ", columns!(versions), "
     FROM jsonb_array_elements_text($1::jsonb) WITH ORDINALITY AS asked (save_id, n)
     JOIN versions ON versions.save_id = asked.save_id::bigint AND versions.leaf = 1 ORDER BY versions.change");

/// Of a user, for each pair of a JSON list (save key, digest in hex): `was` it ever that save's content?
pub(super) const WERE_CONTENTS: &str =
    "SELECT EXISTS (SELECT 1 FROM saves JOIN versions ON versions.save_id = saves.id
         WHERE saves.user_id = $1 AND saves.save_key = asked.pair ->> 0
         AND versions.content = decode(asked.pair ->> 1, 'hex')) AS was
     FROM jsonb_array_elements($2::jsonb) WITH ORDINALITY AS asked (pair, n) ORDER BY asked.n";

/// A JSON list of digests in hex, as `digest`.
pub(super) const DIGESTS: &str =
    "(SELECT decode(list.name, 'hex') AS digest FROM jsonb_array_elements_text($1::jsonb) AS list (name))";

/// What a new version brings with it, for a save ($1), a user ($2), a change ($3) and a JSON list of versions in hex that it
/// supersedes ($4): one statement, for each is a way to the database and back.
pub(super) const FOLLOWS_A_VERSION: &[&str] = &["WITH superseded AS (
         UPDATE versions SET leaf = 0 WHERE save_id = $1 AND leaf = 1 AND version IN
         (SELECT decode(list.name, 'hex') FROM jsonb_array_elements_text($4::jsonb) AS list (name))),
     of_save AS (UPDATE saves SET change = $3 WHERE id = $1)
     UPDATE users SET last_change = $3 WHERE id = $2"];

/// A JSON list of pairs: a device, and when it was last seen.
pub(super) const PUT_SEEN: &str = "UPDATE devices SET last_seen_unix_s = (seen.pair ->> 1)::bigint
     FROM jsonb_array_elements($1::jsonb) AS seen (pair) WHERE devices.device = seen.pair ->> 0";

/// Events of a user before an id, of kinds (JSON list), of a device's name, with a part of a save's name; at most so many.
pub(super) const EVENTS: &str = concat!(
    "SELECT ",
    columns!(events),
    " FROM events WHERE user_id = $1 AND id < $2
     AND ($3 = '[]' OR kind IN (SELECT jsonb_array_elements_text($3::jsonb)))
     AND ($4 IS NULL OR device_name = $4)
     AND ($5 IS NULL OR strpos(lower(save), lower($5 COLLATE \"C\")) > 0)
     ORDER BY id DESC LIMIT $6"
);

/// The time by the clock that all servers over this database share.
pub(super) async fn shared_unix_s(tx: &mut Held) -> Result<Option<i64>> {
    let query = sqlx::query_scalar("SELECT floor(extract(epoch FROM clock_timestamp()))::bigint");
    query.fetch_one(&mut **tx).await.map(Some).map_err(failed)
}

/// Before a stray is removed: of all that stores write, strays alone are not one user's. Two stores that removed the same two, each
/// in its own order, would wait for each other for ever.
pub(super) async fn alone_with_strays(tx: &mut Held) -> Result<()> {
    let query = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(STRAYS);
    query.execute(&mut **tx).await.map_err(failed).map(drop)
}

/// The last number that a table with numbers of its own has given.
pub(super) async fn last_number(tx: &mut Held, table: &str) -> Result<i64> {
    let query = sqlx::query_scalar(
        "SELECT coalesce(last_value, 0) FROM pg_sequences WHERE schemaname = current_schema() AND sequencename = $1",
    )
    .bind(format!("{table}_id_seq"));
    query.fetch_one(&mut **tx).await.map_err(failed)
}

/// The next number is above this one.
pub(super) async fn set_last_number(tx: &mut Held, table: &str, last: i64) -> Result<()> {
    // A sequence begins at 1, and 0 is not among its numbers.
    let query = sqlx::query("SELECT setval(pg_get_serial_sequence($1, 'id'), greatest($2, 1), $2 > 0)");
    query.bind(table).bind(last).execute(&mut **tx).await.map_err(failed).map(drop)
}

/// Commits, and other servers over this database hear of it with that: neither before the data nor never.
///
/// The ring is asked of every transaction: one that has failed half way is refused by it, where a bare `COMMIT` would be a
/// rollback that looks like success.
pub(super) async fn commit(mut tx: Held, touched: &Touched) -> Result<()> {
    rings::ring(&mut tx, touched).await?;
    tx.commit().await
}
