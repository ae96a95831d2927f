//! Plain HTTP on a port that speaks TLS: somebody wrote `http://` for `https://`. A browser is sent to the right address, a
//! program is told; nothing that it sent is used.

use std::io;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use retrosync_protocol::{Code, PROBLEM_CONTENT_TYPE};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::host;
use crate::refusal::Refusal;

/// So much of what was sent is looked at.
const HEAD_BYTES: usize = 8 << 10;
/// So much more is read away, so that the answer is met and not a reset.
const REST_BYTES: u64 = 1 << 20;

/// Answers and ends. May wait for its client; the caller bounds how long.
pub(super) async fn refuse(mut stream: TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while head.len() < HEAD_BYTES && !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    stream.write_all(answer(&String::from_utf8_lossy(&head)).as_bytes()).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(REST_BYTES), &mut tokio::io::sink()).await?;
    Ok(())
}

fn answer(head: &str) -> String {
    let headers = headers(head);
    let wants_page = headers
        .get("accept")
        .is_some_and(|kinds| kinds.to_str().is_ok_and(|kinds| kinds.contains("text/html")));
    if let Some(host) = host(&headers).filter(|_| wants_page && head.starts_with("GET ")) {
        return format!(
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: https://{host}/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    }
    let refusal = Refusal::new(Code::Malformed, "this server speaks HTTPS here")
        .help("its address begins with `https://`");
    let text = serde_json::to_string(refusal.problem()).unwrap_or_default();
    format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: {PROBLEM_CONTENT_TYPE}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )
}

/// The lines of the head that are headers.
fn headers(head: &str) -> HeaderMap {
    let lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    lines
        .filter_map(|(name, value)| {
            Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value.trim()).ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_sent_on_and_a_program_is_told() {
        const TOLD: &str = "HTTP/1.1 400 Bad Request\r\n";
        let rows = [
            (
                "a browser",
                "GET /x HTTP/1.1\r\nHost: nas:8377\r\nAccept: text/html,*/*\r\n\r\n",
                "HTTP/1.1 307 Temporary Redirect\r\nLocation: https://nas:8377/\r\n",
            ),
            ("a device", "GET /api/v1/health HTTP/1.1\r\nHost: nas:8377\r\n\r\n", TOLD),
            ("a form", "POST /login HTTP/1.1\r\nHost: nas:8377\r\nAccept: text/html\r\n\r\n", TOLD),
            ("a host that is none", "GET / HTTP/1.1\r\nHost: a@b\r\nAccept: text/html\r\n\r\n", TOLD),
            ("no host", "GET / HTTP/1.1\r\nAccept: text/html\r\n\r\n", TOLD),
            ("noise", "\0\u{1}\u{2}:\r\n:\r\n\r\n", TOLD),
            ("nothing", "", TOLD),
        ];
        for (who, head, begins) in rows {
            let answer = answer(head);
            assert!(answer.starts_with(begins), "{who}: {answer}");
            assert!(answer.contains("Connection: close"), "{who}: {answer}");
        }
    }
}
