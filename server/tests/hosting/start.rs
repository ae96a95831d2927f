//! The start: what a server that should not be here leaves as it was, and what it says of how it is set up.

use std::fs::File;

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
