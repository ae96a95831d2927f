//! Handhelds that fall silent in the middle of a save: told so, and nobody else waits for them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::bucket::{date, pair};
use crate::client::{GBA, Home, THEN_MS, base64, data, post, register, sha256};

/// Sends a head and the beginning of a body, and no more.
fn begin(home: &Home, head: &str, body: &[u8], whole_bytes: usize) -> TcpStream {
    let mut stream = TcpStream::connect(home.server.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(90))).unwrap();
    write!(stream, "{head}content-length: {whole_bytes}\r\n\r\n").unwrap();
    let _ = stream.write_all(body);
    stream
}

fn answer(mut stream: TcpStream) -> String {
    let mut answer = vec![];
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_handheld_of_the_first_generation_that_falls_silent_is_told_so_as_s3_tells_it() {
    let home = Home::with(&["--set", "limits.silence_s=5"]);
    let one = pair(&home, "one");
    let path = format!("/retrosync-saves/{}/{}/retroarch/Tetris/Tetris.srm", one.user, one.id);
    let save = vec![7; 3 << 20];
    let signed = one.signed("PUT", &path, &sha256(&save), &date(0), &one.secret);
    let headers: String = signed.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("PUT {path} HTTP/1.1\r\n{headers}");
    let halves = [10, save.len() - 1].map(|sent| begin(&home, &head, &save[..sent], save.len()));
    for half in halves {
        let told = answer(half);
        assert!(told.starts_with("HTTP/1.1 400 ") && told.contains("<Code>RequestTimeout</Code>"), "{told}");
    }
    assert_eq!(one.get("Tetris").status, 404, "nothing of it was kept");
    one.put("Tetris", &save);
    assert_eq!(one.get("Tetris").body, save);
}

#[test]
fn a_save_does_not_wait_for_handhelds_of_another_player_that_fell_asleep_while_they_sent_theirs() {
    let home = Home::new();
    let sleeper = home.device();
    let save = base64(&vec![7; 6 << 20]);
    let body =
        json!({"filePath": "x.srm", "action": "upload", "localPath": "/saves/x.srm", "fileContent": save});
    let body = body.to_string();
    let head = format!("POST /api/sync/files HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\n", sleeper.key);
    // More of them than there are places, and more of each than comes without one.
    let part = &body.as_bytes()[..(2 << 20) + 5000];
    let asleep: Vec<TcpStream> = (0..5).map(|_| begin(&home, &head, part, body.len())).collect();
    let other = register(&home.server, "eve@example.com");
    let bearer = format!("Bearer {other}");
    let headers = [("authorization", bearer.as_str())];
    let code = data(&home.server.bare("POST", "/api/devices/create-pairing-code", &headers, Some(b"{}")));
    let paired = data(&post(&home.server, "/api/devices/status", &json!({"code": code["code"]})));
    let key = paired["apiKey"].as_str().unwrap();
    let sent = home.server.bare("POST", "/api/sync/files", &[("x-api-key", key)], Some(body.as_bytes()));
    assert_eq!(data(&sent)["uploaded"], true, "while they sleep");
    sleeper.upload(GBA, b"a small one of their own", THEN_MS);
    drop(asleep);
}
