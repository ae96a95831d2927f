//! The published document: it names every endpoint that there is, and a program that reads it (schemathesis) and asks whatever the
//! document allows, and much that it does not, meets no fault of the server and no reply that the document lacks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Server, version};

const ROUTER: &str = include_str!("../src/api/mod.rs");
/// How many questions an endpoint is asked in the ordinary tests; and in how many seconds `scripts/ask` wants as many as there is time for.
const QUESTIONS: &str = "15";
const LONG: &str = "RETROSYNC_ASK_FOR_S";

/// `GET /changes` and so on: what the router knows.
fn routes() -> BTreeSet<String> {
    let mut routes = BTreeSet::new();
    for line in ROUTER.lines().filter_map(|line| line.trim().strip_prefix(".route(\"")) {
        let (path, verbs) = line.split_once('"').unwrap();
        for verb in ["get", "post", "patch", "put", "delete"] {
            if verbs.contains(&format!("{verb}(")) {
                routes.insert(format!("{} {path}", verb.to_uppercase()));
            }
        }
    }
    routes
}

#[test]
fn every_endpoint_of_the_router_is_in_the_document_and_no_other() {
    let server = Server::start();
    let described: BTreeSet<String> = server.operations().into_iter().collect();
    assert!(described.len() > 18, "{described:?}");
    assert_eq!(routes(), described);
}

/// The program, where `scripts/setup schemathesis` has put it.
fn program() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let file = root.join(".tools/schemathesis/bin/schemathesis");
    let found = file.exists();
    if !found {
        assert!(std::env::var_os("RETROSYNC_NO_SKIPS").is_none(), "not tried: schemathesis is not installed");
        println!("not tried: schemathesis is not installed: run `scripts/setup schemathesis`");
    }
    found.then_some(file)
}

/// Asks everything that the document names, as a device or as nobody.
fn ask(server: &Server, program: &Path, token: Option<&str>, seed: u32) {
    let folder = server.folder.path().join(format!("asked-{seed}"));
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new(program);
    command
        .current_dir(&folder)
        .env("SCHEMATHESIS_HOOKS", "schemathesis_frames")
        .env("PYTHONPATH", Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args(["--no-color", "run"])
        .arg(format!("{}/api/v1/openapi.json", server.url))
        .args(["--url", &format!("{}/api/v1", server.url)])
        .args(["--phases", "examples,coverage,fuzzing", "--request-timeout", "30"])
        .args(["--seed", &seed.to_string(), "--suppress-health-check", "all", "--warnings", "off"])
        // A verb that an endpoint lacks is `not_found` here, as the protocol says, and not 405.
        .args([
            "--exclude-checks",
            "unsupported_method,allow_header_conformance,positive_data_acceptance,negative_data_rejection",
        ])
        .args(["--continue-on-failure"]);
    match std::env::var(LONG) {
        Ok(seconds) => command.args(["--max-time", &seconds, "--generation-database", "none"]),
        Err(_) => command.args(["--max-examples", QUESTIONS, "--generation-deterministic"]),
    };
    if let Some(token) = token {
        command.args(["--header", &format!("Authorization: Bearer {token}")]);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{said}");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn whatever_the_document_allows_is_answered_as_it_says_and_by_no_fault() {
    let Some(program) = program() else { return };
    let server = Server::start();
    server.add_user("ada");
    let (device, other) = (server.pair("Miyoo", "ada"), server.pair("RG35XX", "ada"));
    let root =
        device.store("op-1", &version("gb/sram/Tetris (World)", Some(b"first"), &[], 1, 1), Some(b"first"));
    let root = root["version"].as_str().unwrap();
    device.store("op-2", &version("gb/sram/Tetris (World)", Some(b"left"), &[root], 1, 2), Some(b"left"));
    other.store("op-3", &version("gb/sram/Tetris (World)", Some(b"right"), &[root], 2, 1), Some(b"right"));
    std::thread::scope(|scope| {
        let nobody = scope.spawn(|| ask(&server, &program, None, 2));
        ask(&server, &program, Some(&device.token), 1);
        nobody.join().unwrap();
    });
    assert_eq!(device.get("/account").status, 200, "and what is there is there");
    let checked = server.cli(&["check"]);
    assert!(checked.status.success(), "{checked:?}");
}
