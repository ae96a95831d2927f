//! Devices come in: by the code they show, or by one that was made for them; and who guesses is slowed down.

use std::time::{Duration, Instant};

use retrosync_protocol::PairingOffer;
use serde_json::{Value, json};

use super::support::{Server, token, token_sha256};

#[test]
fn a_device_pairs_by_the_code_it_shows() {
    let server = Server::start();
    server.add_user("ada");
    let token = token();
    assert_eq!(server.get("/pairing", Some(&token)).code(), "unauthorized");
    let request = json!({"token_sha256": token_sha256(&token), "device_name": "Miyoo Mini Plus",
        "profile": "onion", "client": "retrosync/0.1.0 armv7"});
    let offer: PairingOffer = server.post("/pairing", None, &request).ok();
    let again: PairingOffer = server.post("/pairing", None, &request).ok();
    assert_eq!(offer.user_code, again.user_code, "a lost reply costs nothing");
    assert_eq!(offer.verification_url_complete, format!("{}/pair?code={}", server.url, offer.user_code));
    assert_eq!(server.get("/pairing", Some(&token)).code(), "authorization_pending");
    assert_eq!(server.get("/account", Some(&token)).code(), "unauthorized", "not in yet");

    let began = Instant::now();
    let paired: Value = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| server.get("/pairing?wait_s=60", Some(&token)).ok());
        let output = server.cli(&["approve", &offer.user_code.to_string()]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "`Miyoo Mini Plus` is in: a device of `ada`\n");
        waiting.join().unwrap()
    });
    assert!(began.elapsed() < Duration::from_secs(50), "the waiting device is told: {:?}", began.elapsed());
    assert_eq!(paired["user"], "ada");
    let again: Value = server.get("/pairing", Some(&token)).ok();
    assert_eq!(again, paired, "asked again, it answers the same");
    let account: Value = server.get("/account", Some(&token)).ok();
    assert_eq!(account["devices"], 1);

    let output = server.cli(&["approve", "AAAA-AAAA"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_headless_device_claims_a_code() {
    let server = Server::start();
    server.add_user("ada");
    let output = server.cli(&["user", "code", "ada"]);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let code = said.lines().next().unwrap();
    let token = token();
    let claim = json!({"user_code": code.to_lowercase(), "token_sha256": token_sha256(&token),
        "device_name": "NAS", "profile": "linux", "client": "test"});
    let paired: Value = server.post("/pairing/claim", None, &claim).ok();
    assert_eq!(paired["device_name"], "NAS");
    let account: Value = server.get("/account", Some(&token)).ok();
    assert_eq!(account["user"], "ada");

    let mut other = claim.clone();
    other["token_sha256"] = token_sha256(&super::support::token()).into();
    let used = server.post("/pairing/claim", None, &other).code();
    assert!(["code_unknown", "expired_token"].contains(&used.as_str()), "one use: {used}");
    other["user_code"] = "not a code".into();
    assert_eq!(server.post("/pairing/claim", None, &other).code(), "malformed");
}

#[test]
fn guessing_codes_is_slowed_down() {
    let server = Server::start();
    server.add_user("ada");
    let mut codes = vec![];
    for _ in 0..8 {
        let claim = json!({"user_code": "AAAA-AAAA", "token_sha256": token_sha256(&token()), "device_name": "x",
            "profile": "", "client": ""});
        let reply = server.post("/pairing/claim", None, &claim);
        if reply.code() == "slow_down" {
            assert!(!reply.header("retry-after").is_empty());
        }
        codes.push(reply.code());
    }
    assert_eq!(codes[..5], vec!["code_unknown"; 5], "the first five are only wrong");
    assert_eq!(codes[7], "slow_down", "{codes:?}");
}
