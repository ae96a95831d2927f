//! `retrosync-server migrate`: all records from one database to another, whichever the two are.
//!
//! One transaction reads and one writes; what arrived is compared with what was sent before the commit, so a target is empty or
//! complete whenever it ends, and the same command may be given again. The epoch goes along: it is the same history. Only while
//! no server runs on either; what it cannot rule out by a lock it asks. Never changes the source.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use retrosync_protocol::Epoch;

use super::{KeepError, catalog_file, make_private};
use crate::catalog::postgres::{PostgresCatalog, PostgresOptions};
use crate::catalog::sqlite::SqliteCatalog;
use crate::catalog::tables::{self, Sum, Tables};
use crate::catalog::{Access, Catalog as _, CatalogError, Tx};
use crate::config::{Config, ConfigError, Database, Secret};

/// A database as it is named on the command line: `sqlite:DIR` (a data directory, or its `catalog.sqlite`) or `postgres://…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The data directory of a server.
    Sqlite(PathBuf),
    /// A database of a PostgreSQL server: how it is reached, without a password.
    Postgres(String),
}

impl Place {
    /// What an argument names. What it refuses it does not repeat: there may be a password in it.
    ///
    /// # Errors
    /// When it names no database, or has a password in it.
    pub fn of_argument(argument: &str, text: &str) -> Result<Place, ConfigError> {
        const WANTED: &str = "expected `sqlite:DIR` or `postgres://USER@HOST/NAME`";
        if let Some(path) = text.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            let path = Path::new(path);
            let folder = if path.ends_with("catalog.sqlite") { path.parent() } else { Some(path) };
            let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
            return Ok(Place::Sqlite(folder.unwrap_or(Path::new(".")).to_owned()));
        }
        match text.parse() {
            Ok(Database::Postgres { url, password: None }) => Ok(Place::Postgres(url)),
            Ok(Database::Postgres { password: Some(_), .. }) => Err(Config::password_in(argument)),
            Err(why) if text.starts_with("postgres") => Err(Config::unfit_argument(argument, &why)),
            Ok(Database::Sqlite) | Err(_) => Err(Config::unfit_argument(argument, WANTED)),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Sqlite(folder) => write!(f, "sqlite:{}", folder.display()),
            Place::Postgres(url) => f.write_str(url),
        }
    }
}

/// A database that no server uses while this is held.
pub struct Opened {
    /// Its records.
    pub catalog: Box<dyn Tables>,
    _alone: Option<File>,
}

impl Place {
    /// Opens the database to be read from: it must be there, and hold something.
    ///
    /// # Errors
    /// When it is not there, is empty, is in use, or is of a newer server.
    pub async fn open_source(&self, password: Option<&Secret>, epoch: &Epoch) -> Result<Opened, KeepError> {
        if let Place::Sqlite(folder) = self
            && !catalog_file(folder).exists()
        {
            return Err(KeepError::new(format!(
                "`{}` is not a server's data directory: it has no `catalog.sqlite`; help: name the folder that `serve --data` was given",
                folder.display()
            )));
        }
        let opened = self.open(password, epoch).await?;
        let mut rows = opened.catalog.begin_rows(Access::Read).await?;
        if tables::first_with_rows(rows.as_mut()).await?.is_none() {
            return Err(KeepError::new(format!(
                "`{self}` is empty: there is nothing to move; help: look at `--from` and `--to`"
            )));
        }
        drop(rows);
        Ok(opened)
    }

    /// Opens the database to be written to, and makes its tables.
    ///
    /// # Errors
    /// When it cannot be made, is in use, or is of a newer server.
    pub async fn open_target(&self, password: Option<&Secret>, epoch: &Epoch) -> Result<Opened, KeepError> {
        if let Place::Sqlite(folder) = self {
            make_private(folder).map_err(KeepError::at("make", folder))?;
        }
        self.open(password, epoch).await
    }

    async fn open(&self, password: Option<&Secret>, epoch: &Epoch) -> Result<Opened, KeepError> {
        let at = |why: CatalogError| KeepError::new(format!("cannot use `{self}`: {why}"));
        match self {
            Place::Sqlite(folder) => {
                let alone = alone(folder)?;
                let catalog = SqliteCatalog::open(&catalog_file(folder), epoch).await.map_err(at)?;
                Ok(Opened { catalog: Box::new(catalog), _alone: Some(alone) })
            }
            Place::Postgres(url) => {
                let password = password.map(|password| password.reveal().to_owned());
                let options = PostgresOptions { password, ..PostgresOptions::default() };
                let catalog = PostgresCatalog::open(url, options, epoch).await.map_err(at)?;
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
    copy_records_with(from, to, None, told).await
}

/// The same, under another epoch if one is given: a history that may lack what the source had.
pub(super) async fn copy_records_with(
    from: &dyn Tables,
    to: &dyn Tables,
    epoch: Option<&Epoch>,
    told: Told<'_>,
) -> Result<Vec<Sum>, KeepError> {
    let mut source = from.begin_rows(Access::Read).await?;
    let mut target = to.begin_rows(Access::Write).await?;
    let sums = tables::copy(source.as_mut(), target.as_mut(), told).await?;
    let mut target: Box<dyn Tx> = target;
    if let Some(epoch) = epoch {
        target.set_epoch(epoch).await?;
    }
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
    fn what_an_argument_names_is_a_database_and_a_password_is_never_repeated() {
        for (text, shown) in [
            ("sqlite:/srv/saves", "sqlite:/srv/saves"),
            ("sqlite:/srv/saves/catalog.sqlite", "sqlite:/srv/saves"),
            ("sqlite:catalog.sqlite", "sqlite:."),
            ("postgres://ada@db.example:5432/saves", "postgres://ada@db.example:5432/saves"),
        ] {
            assert_eq!(Place::of_argument("--to", text).unwrap().to_string(), shown);
        }
        for bad in [
            "",
            "sqlite",
            "sqlite:",
            "mysql://ada:s3cret@db/saves",
            "/srv/saves",
            "postgres://ada:s3cret@db.example:5432/saves",
            "postgres://db/saves?password=s3cret",
        ] {
            let why = Place::of_argument("--to", bad).unwrap_err().to_string();
            assert!(why.contains("`--to`") && !why.contains("s3cret"), "{why}");
        }
    }
}
