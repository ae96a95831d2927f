//! The stand-in's HTTP/1.1: requests read, answers written, and what is wrong with a wire: silence, cuts, downloads without an end.
//!
//! What an answer says is the state's business (`their_server`).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;

use super::{Bug, Health, State};

/// Bytes without an end, or as many as a card would hold.
fn pour(stream: &TcpStream, state: &Mutex<State>) {
    let mut out = stream;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nConnection: close\r\n\r\n";
    let mut poured = 0;
    let piece = [7; 1 << 16];
    let _ = out.write_all(head.as_bytes());
    while poured < 256 << 20 && out.write_all(&piece).is_ok() {
        poured += piece.len() as u64;
    }
    state.lock().unwrap().poured = poured;
}

pub(super) fn serve(stream: &TcpStream, shared: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    let mut out = stream;
    loop {
        let (mut line, mut length, mut key) = (String::new(), 0, None);
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header).unwrap_or(0) == 0 {
                return;
            }
            let Some((name, value)) = header.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "x-api-key" => key = Some(value.to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let line = line.rsplit_once(' ').unwrap().0.to_owned();
        let mut state = shared.lock().unwrap();
        state.asked.push(line.clone());
        let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(state.now_ms() as u64));
        let is_upload = line == "POST /api/sync/files";
        let silent = state.bugs.iter_mut().find_map(|bug| match bug {
            Bug::Silent(left @ 1..) if is_upload => {
                *left -= 1;
                Some(())
            }
            _ => None,
        });
        let health = state.bugs.iter().find_map(|bug| match bug {
            Bug::IsOurs(health) if line == "GET /api/v1/health" => Some(*health),
            _ => None,
        });
        let hangs_up = state.bugs.iter().any(|bug| match bug {
            Bug::HangsUp(key) if is_upload => {
                String::from_utf8_lossy(&body).contains(&format!("\"{key}.srm\""))
            }
            Bug::HangsUp(key) => {
                let of_key = state.saves.iter().filter(|save| save.key == *key);
                let mut versions = of_key.flat_map(|save| &save.versions);
                line.contains("/download") && versions.any(|version| line.ends_with(&version.id))
            }
            _ => false,
        });
        if hangs_up || silent.is_some() || health == Some(Health::Silent) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
            return;
        }
        let mut ours = "";
        let (status, kind, body) = if state.has(Bug::Portal) {
            (200, "text/html", b"<html>Welcome to the hotel. success: true</html>".to_vec())
        } else if let Some(health) = health {
            ours = if health == Health::NotFound { "RetroSync-Epoch: ep_0\r\n" } else { "" };
            match health {
                Health::BadGateway => (502, "text/html", b"<html>502 Bad Gateway</html>".to_vec()),
                Health::Unavailable => {
                    (503, "application/problem+json", b"{\"code\":\"unavailable\"}".to_vec())
                }
                Health::Portal => (200, "text/html", b"<html>Log in</html>".to_vec()),
                Health::NotFound | Health::Silent => (404, "text/html", b"<html>404</html>".to_vec()),
            }
        } else if let Some(version) = line.strip_prefix("GET /api/sync/download?saveVersionId=") {
            let save = state.saves.iter().find(|save| save.versions.iter().any(|known| known.id == version));
            let chokes = save.is_some_and(|save| state.has_choked_on(&save.key));
            let version =
                state.saves.iter().flat_map(|save| &save.versions).find(|known| known.id == version);
            match version.map(|version| version.bytes.clone().filter(|_| !chokes)) {
                Some(Some(_)) if state.has(Bug::Endless) => {
                    drop(state);
                    pour(stream, shared);
                    return;
                }
                Some(Some(bytes)) if state.has(Bug::CutsDownloads) => {
                    let half = &bytes[..bytes.len() / 2];
                    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nConnection: close\r\n\r\n";
                    let _ = out.write_all(&[head.as_bytes(), half].concat());
                    let _ = stream.shutdown(std::net::Shutdown::Both);
                    return;
                }
                Some(Some(mut bytes)) => {
                    if let Some(Bug::Flips(left @ 1..)) =
                        state.bugs.iter_mut().find(|bug| matches!(bug, Bug::Flips(_)))
                    {
                        *left -= 1;
                        bytes[0] ^= 1;
                    }
                    (200, "application/octet-stream", bytes)
                }
                Some(None) => (500, "application/json", refusal("Failed to download file")),
                None => (401, "application/json", refusal("Save version not found")),
            }
        } else {
            let body = serde_json::from_slice(&body).unwrap_or_default();
            match state.answer(&line, key.as_deref(), &body) {
                Ok(data) => {
                    (200, "application/json", json!({"success": true, "data": data}).to_string().into_bytes())
                }
                Err((404, "")) => (404, "text/html", b"<html>404</html>".to_vec()),
                Err((status, text)) => (status, "application/json", refusal(text)),
            }
        };
        if is_upload && state.has(Bug::LosesReplies) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
            return;
        }
        drop(state);
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nDate: {date}\r\n{ours}Content-Length: {}\r\n\r\n",
            body.len()
        );
        if out.write_all(&[head.as_bytes(), &body].concat()).is_err() {
            return;
        }
    }
}

fn refusal(text: &str) -> Vec<u8> {
    json!({"success": false, "error": text}).to_string().into_bytes()
}
