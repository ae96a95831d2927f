//! `GET /health/live` and `/health/ready`: whoever keeps servers running is told the truth, with a part gone too.

use serde_json::json;

use crate::LONG;
use crate::support::{Reply, Server, cluster, wait_for};

fn get(server: &Server, path: &str) -> Reply {
    server.bare("GET", path, &[], None)
}

/// Waits until `ready` answers so; what was found before is good for a second.
fn becomes(server: &Server, status: u16) -> Reply {
    wait_for(&format!("ready to answer {status}"), LONG, || {
        Some(get(server, "/health/ready")).filter(|reply| reply.status == status)
    })
}

#[track_caller]
fn says(reply: &Reply, detail: &str) {
    assert_eq!(reply.header("content-type"), "application/problem+json");
    assert_eq!((reply.code().as_str(), reply.json()["detail"].as_str()), ("unavailable", Some(detail)));
    assert_eq!(reply.header("cache-control"), "no-store");
}

#[test]
fn a_server_whose_blobs_are_gone_is_not_ready_until_they_are_back() {
    let server = Server::start();
    assert_eq!(get(&server, "/health/live").json(), json!({"status": "live"}));
    assert_eq!(get(&server, "/health/ready").json(), json!({"status": "ready"}));
    let (there, away) = (server.data().join("blobs"), server.data().join("away"));
    std::fs::rename(&there, &away).unwrap();
    says(&becomes(&server, 503), "the store of bytes does not answer");
    assert_eq!(get(&server, "/health/live").status, 200, "the process still answers");
    assert_eq!(server.get("/health", None).status, 200, "what devices ask is as ever");
    std::fs::rename(&away, &there).unwrap();
    becomes(&server, 200);
    let log = std::fs::read_to_string(server.log()).unwrap();
    assert!(log.contains("not ready: the store of bytes does not answer: "), "the owner reads why: {log}");
}

#[test]
fn a_server_whose_catalog_was_removed_or_replaced_is_not_ready_until_it_is_back() {
    let server = Server::start();
    becomes(&server, 200);
    let (there, away) = (server.data().join("catalog.sqlite"), server.data().join("away"));
    std::fs::rename(&there, &away).unwrap();
    says(&becomes(&server, 503), "the catalog does not answer");
    std::fs::write(&there, "another").unwrap();
    // What was found before is good for a second.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    says(&get(&server, "/health/ready"), "the catalog does not answer");
    assert_eq!(get(&server, "/health/live").status, 200);
    std::fs::rename(&away, &there).unwrap();
    becomes(&server, 200);
}

#[test]
fn a_server_whose_database_is_gone_is_not_ready_until_it_is_back() {
    let Some(mut database) = cluster::Cluster::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_on(Some(database.database()), folder, &[]);
    becomes(&server, 200);
    database.crash();
    let reply = becomes(&server, 503);
    says(&reply, "the catalog does not answer");
    assert_eq!(get(&server, "/health/live").status, 200);
    database.again();
    becomes(&server, 200);
}
