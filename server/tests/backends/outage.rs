//! The database goes away under a running server, and comes back.

use retrosync_protocol::Digest;
use serde_json::{Value, json};

use crate::support::cluster::Cluster;
use crate::support::{Server, frames, version};

#[test]
fn a_save_that_came_while_the_database_was_away_is_refused_and_kept_when_it_is_sent_again() {
    let Some(mut cluster) = Cluster::start() else { return };
    let server = Server::start_on(Some(cluster.database()), tempfile::tempdir().unwrap(), &[]);
    server.add_user("ada");
    let device = server.pair("Miyoo", "ada");
    let first = version("gb/sram/Tetris", Some(b"first"), &[], 1, 1);
    let first: Value = device.store("op-1", &first, Some(b"first"));
    assert_eq!(first["outcome"], "head");

    cluster.crash();
    let parent = first["version"].as_str().unwrap();
    let second = version("gb/sram/Tetris", Some(b"second"), &[parent], 1, 2);
    let body = frames::store(&second, Some(b"second"));
    for reply in [device.send("/versions", "op-2", &body), device.get("/changes?since=0&epoch=")] {
        assert_eq!((reply.status, reply.code().as_str()), (503, "unavailable"), "{}", reply.text());
        assert_eq!(reply.header("retry-after"), "5");
        assert_eq!(reply.json()["detail"], "the server cannot reach its database");
    }

    cluster.again();
    let changes: Value = device.get("/changes?since=0&epoch=").ok();
    assert_eq!(changes["saves"][0]["heads"], json!([first["heads"][0]]), "nothing half-written");
    let second: Value = device.store("op-2", &second, Some(b"second"));
    assert_eq!(second["outcome"], "head");
    assert_eq!(device.get(&format!("/content/{}", Digest::of(b"second"))).body, b"second");
}
