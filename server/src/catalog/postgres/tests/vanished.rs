//! A database whose host vanishes without a word: nobody waits for ever, and it goes on by itself once it is back.

use std::path::PathBuf;
use std::time::Instant;

use super::wire::{End, Wire};
use super::*;

/// Mostly enough for a database that is there; a busy machine may need it twice (`reached`).
const ANSWER: Duration = Duration::from_secs(4);

/// A database behind a wire, with a user in it; and its address by way of the wire.
async fn behind_a_wire() -> Option<(Wire, String)> {
    let url = cluster::database()?;
    let catalog = open(&url).await;
    let mut tx = catalog.begin(Access::Write).await.unwrap();
    suite::add_user(tx.as_mut(), "ada").await;
    tx.commit().await.unwrap();
    catalog.close().await;
    let (address, folder) = url.split_once("?host=").unwrap();
    let wire = Wire::to(End::Socket(PathBuf::from(folder).join(".s.PGSQL.5432")));
    let address = address.replace("@localhost/", &format!("@127.0.0.1:{}/", wire.port()));
    Some((wire, address))
}

/// Until it is reached: at first, and over new connections once it is back.
async fn reached(catalog: &PostgresCatalog, access: Access) -> Box<dyn Tx> {
    let reached = async {
        loop {
            if let Ok(mut tx) = catalog.begin(access).await
                && tx.users().await.is_ok_and(|users| users.len() == 1)
            {
                return tx;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let reached = tokio::time::timeout(WAIT, reached).await;
    reached.unwrap_or_else(|_| panic!("not reached, or something is half-written"))
}

fn is_gone<T>(answer: Result<T>) -> bool {
    matches!(answer, Err(CatalogError::Gone(_)))
}

/// What is under way when the host vanishes.
#[derive(Clone, Copy, Debug)]
enum Doing {
    Looks,
    ReadsRows,
    Writes,
    Commits,
    Counts,
}

async fn vanishes_while_it(does: Doing) {
    let Some((wire, address)) = behind_a_wire().await else { return };
    let options =
        PostgresOptions { connections: 2, patience: WAIT, answer: ANSWER, ..PostgresOptions::default() };
    let catalog = PostgresCatalog::connect(&address, options).unwrap();
    let access = if matches!(does, Doing::Writes | Doing::Commits) { Access::Write } else { Access::Read };
    let mut tx = reached(&catalog, access).await;
    if let Doing::Commits = does {
        suite::add_user(tx.as_mut(), "bob").await;
    }
    wire.cut();
    let began = Instant::now();
    let asked = async {
        match does {
            Doing::Looks => is_gone(tx.user_by_name("ada").await),
            Doing::ReadsRows => is_gone(tx.users().await),
            Doing::Writes => is_gone(tx.add_user(&suite::user("bob")).await),
            Doing::Commits => is_gone(tx.commit().await),
            Doing::Counts => {
                drop(tx);
                is_gone(catalog.others().await)
            }
        }
    };
    let gone = tokio::time::timeout(WAIT, asked).await;
    assert_eq!(gone, Ok(true), "{does:?}: for ever, or for another reason");
    assert!(began.elapsed() >= ANSWER, "{does:?}: it was not waited for");

    wire.mend();
    drop(reached(&catalog, access).await);
    reached(&catalog, Access::Read).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_vanishes_in_the_middle_of_a_transaction_is_not_waited_for_for_ever() {
    let all = [Doing::Looks, Doing::ReadsRows, Doing::Writes, Doing::Commits, Doing::Counts];
    join_all(all.map(|does| tokio::spawn(vanishes_while_it(does)))).await.into_iter().for_each(|done| {
        done.unwrap();
    });
}
