//! The start: what a server that should not be here leaves as it was, and what it says of how it is set up.

use std::fs::File;

use crate::support::Server;
use crate::{program, said};

#[test]
fn a_second_server_started_by_mistake_leaves_the_records_of_the_first_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    // Another program may be a newer one: it must not open the records before it knows that it is alone.
    let lock = File::create(folder.path().join("server.lock")).unwrap();
    lock.try_lock().unwrap();
    let output =
        program(folder.path()).args(["serve", "--listen", "127.0.0.1:0", "--data", "."]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("another server uses `.`: stop it first"), "{}", said(&output));
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["server.lock"]);
}

#[test]
fn a_user_is_not_added_to_an_empty_server_that_nobody_meant() {
    let folder = tempfile::tempdir().unwrap();
    let add =
        |words: &[&str]| program(folder.path()).args(["user", "add", "ada"]).args(words).output().unwrap();
    let output = add(&[]);
    assert_eq!(output.status.code(), Some(1));
    let told = "`./retrosync-data` is not a server's data directory: say where it is with `--data DIR`";
    assert!(said(&output).contains(told), "{}", said(&output));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let output = add(&["--data", "retrosync-data"]);
    assert!(output.status.success(), "before the first start, where it is said: {}", said(&output));
}

#[test]
fn a_server_behind_a_name_says_when_it_was_not_told_the_name() {
    let rows: [(&[&str], bool); 3] = [
        (&["--trusted-proxy", "127.0.0.1"], true),
        (&["--trusted-proxy", "127.0.0.1", "--public-url", "https://saves.example.org"], false),
        (&[], false),
    ];
    for (arguments, warned) in rows {
        let server = Server::start_with(arguments);
        let log = std::fs::read_to_string(server.log()).unwrap();
        assert_eq!(log.contains("`public_url` is not set"), warned, "{arguments:?}: {log}");
    }
}
