//! A database and a bucket that are elsewhere, and gone, emptied or of a newer server: told in every voice, nothing half-written, and
//! all goes on when they are back.

use retrosync_protocol::Digest;
use serde_json::json;

use crate::database::{asked, foreign_key};
use crate::held::held;
use crate::support::browser::{Browser, attribute, parts, registered};
use crate::support::bucket::Bucket;
use crate::support::cluster::Cluster;
use crate::support::{Server, version};

const ALL_UNAVAILABLE: [(u16, &str); 3] = [(503, "unavailable"), (503, "unavailable"), (503, "refused")];

/// What a person is told who brings a file.
fn brought(browser: &Browser<'_>, form_token: &str) -> (u16, String) {
    let fields = [("form_token", form_token), ("system", "gb"), ("title", "Brought")];
    let headers =
        [("origin", browser.server.url.as_str()), ("content-type", "multipart/form-data; boundary=b0undary")];
    let body = parts(&fields, Some(("Brought.srm", b"brought")));
    let reply = browser.send("POST", "/upload", &headers, Some(&body));
    let told = if reply.status == 303 { "brought" } else { reply.header("retrosync-code") };
    (reply.status, told.to_owned())
}

fn form_token(browser: &Browser<'_>) -> String {
    attribute(browser.page("/").split("form_token\"").nth(1).unwrap(), "value")
}

#[test]
fn a_bucket_that_vanished_or_was_emptied_is_told_in_every_voice_and_loses_no_record() {
    let Some(bucket) = Bucket::start() else { return };
    let server = Server::start_over(None, Some(bucket), &["--open-registration"]);
    let bucket = server.bucket.as_ref().unwrap();
    let browser = registered(&server);
    let device = server.pair("Miyoo", "ada");
    let key = foreign_key(&server);
    let (page, token) = (browser.page("/pair"), form_token(&browser));
    let kept = device.store("op-1", &version("gb/sram/Kept", Some(b"kept"), &[], 1, 1), Some(b"kept"));
    let kept = kept["version"].as_str().unwrap().to_owned();
    let body = json!({"filePath": "Old.srm", "action": "upload", "fileContent": "b2xk", "localPath": "/saves/Old.srm"});
    let old =
        server.bare("POST", "/api/sync/files", &[("x-api-key", &key)], Some(body.to_string().as_bytes()));
    let old = old.json()["data"]["saveVersionId"].as_str().unwrap().to_owned();
    let before = held(&device);
    bucket.vanish();
    for there in ["no bucket", "another one, empty"] {
        let [stored, pressed, uploaded] = asked(&server, &device, &browser, &key, &page);
        // A code needs no bytes.
        assert_eq!((stored.0, stored.1.as_str(), pressed.0 < 400), (503, "unavailable", true), "{there}");
        assert_eq!((uploaded.0, uploaded.1.as_str()), (503, "refused"), "{there}");
        assert_eq!(brought(&browser, &token), (503, "unavailable".into()), "{there}");
        let content = format!("/content/{}", Digest::of(b"kept"));
        let reply = device.get(&content);
        assert_eq!((reply.status, reply.code().as_str()), (503, "unavailable"), "{there}: not \"not found\"");
        let look = browser.look(&format!("/save/download?id=gb%2Fsram%2FKept&version={kept}"));
        assert_eq!((look.status, look.header("retrosync-code")), (503, "unavailable"), "{there}");
        let path = format!("/api/sync/download?saveVersionId={old}");
        let theirs = server.bare("GET", &path, &[("x-api-key", &key), ("accept", "application/json")], None);
        assert!(
            theirs.status >= 500 && !theirs.text().contains("\"success\":true"),
            "{there}: {}",
            theirs.text()
        );
        assert_eq!(server.bare("GET", "/health/ready", &[], None).status, 503, "{there}");
        assert_eq!(server.bare("GET", "/health/live", &[], None).status, 200, "{there}");
        assert_eq!(held(&device), before, "{there}: no record speaks of what did not arrive");
        bucket.make();
    }
}

#[test]
fn a_postgres_that_is_gone_is_told_in_every_voice_and_used_again_when_it_is_back() {
    let Some(mut cluster) = Cluster::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_on(Some(cluster.database()), folder, &["--open-registration"]);
    let browser = registered(&server);
    let device = server.pair("Miyoo", "ada");
    let key = foreign_key(&server);
    let (page, token) = (browser.page("/pair"), form_token(&browser));
    device.store("op-1", &version("gb/sram/Kept", Some(b"kept"), &[], 1, 1), Some(b"kept"));
    let before = held(&device);
    cluster.crash();
    let refused = asked(&server, &device, &browser, &key, &page);
    assert_eq!(refused, ALL_UNAVAILABLE.map(|(status, told)| (status, told.to_owned())));
    assert_eq!(brought(&browser, &token), (503, "unavailable".into()));
    let home = browser.look("/");
    assert_eq!(
        (home.status, home.header("retrosync-code")),
        (503, "unavailable"),
        "and no page as if nobody were logged in"
    );
    assert_eq!(server.bare("GET", "/health/ready", &[], None).status, 503);
    cluster.again();
    assert_eq!(held(&device), before, "nothing half-written");
    let again = asked(&server, &device, &browser, &key, &page);
    assert_eq!(again.map(|(_, said)| said), ["stored", "", "stored"], "the same requests again");
    assert_eq!(brought(&browser, &token), (303, "brought".into()));
    let checked = server.cli(&["check"]);
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn a_postgres_of_a_newer_server_is_refused_at_the_start_and_left_as_it_was() {
    let Some(cluster) = Cluster::start() else { return };
    let url = cluster.database();
    let name = url.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
    let mut server = Server::start_on(Some(url), tempfile::tempdir().unwrap(), &[]);
    server.add_user("ada");
    server.stop();
    cluster.sql(&name, "UPDATE schema_state SET changes = 99, oldest_server = 99");
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["check"], &["user", "add", "bob"]] {
        let output = server.cli(command);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{command:?}: {text}");
        let says = text.starts_with("error: ")
            && text.contains("newer server (schema 99")
            && text.contains("update retrosync-server");
        assert!(says, "{command:?}: {text}");
    }
    assert_eq!(cluster.sql(&name, "SELECT string_agg(name, ',') FROM users"), "ada", "nothing was added");
}
