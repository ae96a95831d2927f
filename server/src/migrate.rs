//! `retrosync-server migrate`: the steps of a move and what is said of them. What moves records is `keep::migrate`.
//!
//! Bytes first, then the records that name them, then everything is verified where it is now. Never removes anything.

use std::sync::Arc;

use retrosync_server::blobs::Blobs;
use retrosync_server::catalog::tables::Sum;
use retrosync_server::catalog::{Access, Catalog};
use retrosync_server::config::{Config, ConfigError};
use retrosync_server::keep;
use retrosync_server::keep::migrate::{Place, Target, copy_records, look_at_target};
use retrosync_server::parts::{BytesAt, first_epoch, open_bytes};

use crate::{Outcome, say, tell_report};

/// What shall move where.
pub(crate) struct Move {
    pub(crate) from: Place,
    pub(crate) to: Place,
    pub(crate) bytes_from: Option<BytesAt>,
    pub(crate) bytes_to: Option<BytesAt>,
}

impl Move {
    /// What the arguments say.
    pub(crate) fn new(
        from: &str,
        to: &str,
        bytes_from: Option<BytesAt>,
        bytes_to: Option<BytesAt>,
    ) -> Result<Move, ConfigError> {
        let (from, to) = (Place::of_argument("--from", from)?, Place::of_argument("--to", to)?);
        Ok(Move { from, to, bytes_from, bytes_to })
    }
}

/// Moves everything, or goes on with a move that was interrupted.
pub(crate) async fn migrate(config: &Config, what: Move) -> Outcome {
    if what.from == what.to {
        return Err("the source and the target are the same".into());
    }
    let (password, epoch) = (config.database_password.as_ref(), first_epoch()?);
    let source = what.from.open_source(password, &epoch).await?;
    let target = what.to.open_target(password, &epoch).await?;
    let (from, to) = (source.catalog.as_ref(), target.catalog.as_ref());
    let found = look_at_target(from, to).await?;
    say(&format!("from  {}\nto    {}\n", what.from, what.to))?;

    let bytes = bytes(config, &what, from).await?;
    let sums = match found {
        Target::Complete(sums) => {
            say("the records were moved before")?;
            sums
        }
        Target::Empty => {
            let mut told = |table: &'static str, rows: u64| {
                // A terminal that is gone shall not end a move.
                let _ = say(&format!("  {table:<12} {rows:>10} rows"));
            };
            copy_records(from, to, &mut told).await?
        }
    };
    let rows: u64 = sums.iter().map(|sum: &Sum| sum.rows).sum();
    say(&format!("{} tables, {rows} rows: all compared, all the same", sums.len()))?;
    let whole = verified(to, bytes.as_ref()).await?;
    say(&format!("\nNow set `{}` for the server, and start it.", setting(&what.to)))?;
    Ok(whole)
}

/// The bytes where they shall be, copied there if that is elsewhere; `None`: nobody said where they are.
async fn bytes(
    config: &Config,
    what: &Move,
    from: &dyn Catalog,
) -> Result<Option<Arc<dyn Blobs>>, Box<dyn std::error::Error>> {
    let beside = match &what.from {
        Place::Sqlite(folder) => Some(BytesAt::Folder(folder.clone())),
        Place::Postgres(_) => None,
    };
    let at = what.bytes_from.clone().or(beside);
    // It goes along with the records, so the bytes are of the same before and after.
    let epoch = from.begin(Access::Read).await?.epoch().await?;
    let blobs = match &at {
        Some(at) => Some(open_bytes(config, at, &epoch).await?),
        None => None,
    };
    let Some(to) = what.bytes_to.as_ref().filter(|to| Some(*to) != at.as_ref()) else { return Ok(blobs) };
    let Some(blobs) = blobs else { return Err("say where the bytes are with `--bytes-from`".into()) };
    let target = open_bytes(config, to, &epoch).await?;
    let contents = from.begin(Access::Read).await?.all_contents().await?;
    let mut told = |contents: u64, size_bytes: u64| {
        let _ = say(&format!("  bytes        {contents:>10} contents, {size_bytes} bytes"));
    };
    // What could not be read is named again, with its saves, when everything is verified.
    let lost = keep::copy_contents(blobs.as_ref(), target.as_ref(), contents, &mut told).await?;
    for (content, why) in lost {
        log::warn!("content `{}` is not moved: {why}", content.digest);
    }
    Ok(Some(target))
}

/// Hashes every content again where it is now; says so where nobody knows where that is.
async fn verified(to: &dyn Catalog, blobs: Option<&Arc<dyn Blobs>>) -> Outcome {
    let Some(blobs) = blobs else {
        return say(
            "the bytes were not looked at: say where they are with `--bytes-from`, or run `retrosync-server check`",
        );
    };
    tell_report(&keep::check(to, blobs.as_ref()).await?)
}

/// The keys that name the new place.
fn setting(to: &Place) -> String {
    match to {
        Place::Sqlite(folder) => format!("data = \"{}\"", folder.display()),
        Place::Postgres(url) => format!("database = \"{url}\""),
    }
}
