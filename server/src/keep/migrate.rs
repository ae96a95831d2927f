//! `retrosync-server migrate`: all records from one database to another, whichever the two are.
//!
//! One transaction reads and one writes; what arrived is compared with what was sent before the commit, so a target is empty or
//! complete whenever it ends, and the same command may be given again. The epoch goes along: it is the same history. Only while
//! no server runs on either; what it cannot rule out by a lock it asks. Never changes the source.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use retrosync_protocol::Epoch;

use super::{KeepError, catalog_file, make_private};
use crate::catalog::postgres::{PostgresCatalog, PostgresOptions};
use crate::catalog::sqlite::SqliteCatalog;
use crate::catalog::tables::{self, Sum, Tables};
use crate::catalog::{Access, Tx};

/// A database as it is named on the command line: `sqlite:PATH` (a data directory or its file) or `postgres://…`.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// The data directory of a server, with `catalog.sqlite` in it.
    Sqlite(PathBuf),
    /// The address, with its password.
    Postgres(String),
}

impl FromStr for Database {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Database, &'static str> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Database::Postgres(text.to_owned()));
        }
        let path = text.strip_prefix("sqlite:").filter(|path| !path.is_empty());
        let path = Path::new(path.ok_or("expected `sqlite:DIR` or `postgres://USER:PASSWORD@HOST/NAME`")?);
        let folder = if path.ends_with("catalog.sqlite") { path.parent() } else { Some(path) };
        let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
        Ok(Database::Sqlite(folder.unwrap_or(Path::new(".")).to_owned()))
    }
}

/// Without the password, for people and logs.
impl std::fmt::Display for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Database::Sqlite(folder) => write!(f, "sqlite:{}", folder.display()),
            Database::Postgres(url) => {
                let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
                let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
                // What follows `?` may hold a password as well.
                let place = place.split_once('?').map_or(place, |(place, _)| place);
                write!(f, "{scheme}://{place}")
            }
        }
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// A database that nobody else uses while this is held.
pub struct Opened {
    /// Its records.
    pub catalog: Box<dyn Tables>,
    _alone: Option<File>,
}

impl Database {
    /// Opens the database to be read from: it must be there.
    ///
    /// # Errors
    /// When it is not there, is in use, or is of a newer server.
    pub async fn open_source(&self, epoch: &Epoch) -> Result<Opened, KeepError> {
        if let Database::Sqlite(folder) = self
            && !catalog_file(folder).exists()
        {
            return Err(KeepError::new(format!(
                "`{}` is not a server's data directory: it has no `catalog.sqlite`",
                folder.display()
            )));
        }
        self.open(epoch).await
    }

    /// Opens the database to be written to, and makes its tables.
    ///
    /// # Errors
    /// When it cannot be made, is in use, or is of a newer server.
    pub async fn open_target(&self, epoch: &Epoch) -> Result<Opened, KeepError> {
        if let Database::Sqlite(folder) = self {
            make_private(folder).map_err(KeepError::at("make", folder))?;
        }
        self.open(epoch).await
    }

    async fn open(&self, epoch: &Epoch) -> Result<Opened, KeepError> {
        let at = |why: crate::catalog::CatalogError| KeepError::new(format!("cannot use `{self}`: {why}"));
        match self {
            Database::Sqlite(folder) => {
                let alone = alone(folder)?;
                let catalog = SqliteCatalog::open(&catalog_file(folder), epoch).await.map_err(at)?;
                Ok(Opened { catalog: Box::new(catalog), _alone: Some(alone) })
            }
            Database::Postgres(url) => {
                let catalog =
                    PostgresCatalog::open(url, PostgresOptions::default(), epoch).await.map_err(at)?;
                if catalog.others().await.map_err(at)? > 0 {
                    return Err(KeepError::new(format!("a server uses `{self}`: stop all of them first")));
                }
                Ok(Opened { catalog: Box::new(catalog), _alone: None })
            }
        }
    }
}

/// The lock that a server holds on its data directory while it runs.
fn alone(folder: &Path) -> Result<File, KeepError> {
    let path = folder.join("server.lock");
    let file = File::create(&path).map_err(KeepError::at("write", &path))?;
    let in_use = |_| KeepError::new(format!("a server uses `{}`: stop it first", folder.display()));
    file.try_lock().map_err(in_use)?;
    Ok(file)
}

/// Hears of each table while it is copied, with the rows so far.
pub type Told<'a> = &'a mut (dyn FnMut(&'static str, u64) + Send);

/// Copies every record and the epoch into an empty catalog, compares, and commits.
///
/// # Errors
/// When one of the two fails, or the target holds anything; it is as it was then.
pub async fn copy_records(from: &dyn Tables, to: &dyn Tables, told: Told<'_>) -> Result<Vec<Sum>, KeepError> {
    let mut source = from.begin_rows(Access::Read).await?;
    let mut target = to.begin_rows(Access::Write).await?;
    let sums = tables::copy(source.as_mut(), target.as_mut(), told).await?;
    let target: Box<dyn Tx> = target;
    target.commit().await?;
    Ok(sums)
}

/// What a target holds already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Nothing: everything is still to be copied.
    Empty,
    /// Just what the source holds: it was copied before.
    Complete(Vec<Sum>),
}

/// Looks at a target before anything is done.
///
/// # Errors
/// When it holds something else than the source.
pub async fn look_at_target(from: &dyn Tables, to: &dyn Tables) -> Result<Target, KeepError> {
    let mut target = to.begin_rows(Access::Read).await?;
    let Some(table) = tables::first_with_rows(target.as_mut()).await? else { return Ok(Target::Empty) };
    let mut source = from.begin_rows(Access::Read).await?;
    let same_epoch = source.epoch().await? == target.epoch().await?;
    let (had, wanted) = (tables::sums(target.as_mut()).await?, tables::sums(source.as_mut()).await?);
    match same_epoch && had == wanted {
        true => Ok(Target::Complete(had)),
        false => Err(KeepError::new(format!(
            "the target holds something else (its table `{table}` has rows); name an empty database, nothing is overwritten"
        ))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_database_is_shown_without_its_password() {
        for (text, shown) in [
            ("sqlite:/srv/saves", "sqlite:/srv/saves"),
            ("sqlite:/srv/saves/catalog.sqlite", "sqlite:/srv/saves"),
            ("sqlite:catalog.sqlite", "sqlite:."),
            ("postgres://ada:s3@cret@db.example:5432/saves", "postgres://db.example:5432/saves"),
            ("postgresql://db/saves?password=s3cret", "postgresql://db/saves"),
        ] {
            let database: Database = text.parse().unwrap();
            assert_eq!((database.to_string().as_str(), format!("{database:?}").as_str()), (shown, shown));
        }
        for bad in ["", "sqlite:", "mysql://x", "/srv/saves"] {
            assert!(bad.parse::<Database>().is_err(), "{bad}");
        }
    }
}
