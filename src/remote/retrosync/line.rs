//! One question to a RetroSync server and its answer: the envelope, the key, a version's bytes.
//!
//! An answer counts if it is JSON that says `success`; anything else, a captive portal's page too, is nobody's word.

use retrosync_protocol::Code;
use serde_json::Value;

use super::super::http::Bare;
use super::super::{Heard, RemoteSettings};
use super::{MOST_BYTES, PREFIX};
use crate::error::{Error, Kind, Result};

/// The longest answer that is read: a manifest of 10,000 saves.
const MOST_ANSWER_BYTES: u64 = 8 << 20;

/// The connection to one server.
pub(super) struct Line {
    bare: Bare,
    key: Option<String>,
    /// The status of the last answer; 0: there was none.
    status: u16,
}

impl Line {
    /// Sets up; asks nothing yet.
    pub(super) fn open(settings: &RemoteSettings) -> Result<Line> {
        let address = settings.server.strip_prefix(PREFIX).unwrap_or(&settings.server).to_owned();
        let key = settings.token.as_ref().and_then(|token| token.as_str().strip_prefix("rst_"));
        Ok(Line {
            key: key.map(str::to_owned),
            status: 0,
            bare: Bare::open(&RemoteSettings { server: address, ..settings.clone() })?,
        })
    }

    /// Refuses what may not be spoken with.
    pub(super) fn check(&self, settings: &RemoteSettings) -> Result<()> {
        self.bare.check(settings)
    }

    /// `cannot VERB ADDRESS`
    pub(super) fn doing(&self, verb: &str) -> String {
        format!("cannot {verb} `{}`", self.bare.address())
    }

    /// What a success says; with a body it is told something, else asked.
    pub(super) fn ask(&mut self, doing: &str, path: &str, body: Option<&[u8]>) -> Result<Value> {
        let (status, bytes) = self.reach(doing, path, body, ("application/json", MOST_ANSWER_BYTES))?;
        let mut answer: Value = serde_json::from_slice(&bytes?).unwrap_or_default();
        if status == 200 && answer["success"] == true {
            return Ok(answer["data"].take());
        }
        let said = answer["success"] == false;
        let kind = match status {
            401 if said => Kind::Unpaired,
            400 if said => Kind::Refused(Code::Malformed),
            402 if said => Kind::Refused(Code::AccessDenied),
            404 if said => Kind::Refused(Code::NotFound),
            507 => Kind::Full,
            _ => Kind::Offline,
        };
        let text: String = answer["error"].as_str().unwrap_or_default().chars().take(200).collect();
        let cause = if text.is_empty() { format!("it answered {status}, and not as agreed") } else { text };
        Err(match kind {
            Kind::Unpaired => {
                Error::new(kind, doing, cause).help("run `retrosync pair` to pair this device again")
            }
            _ => Error::new(kind, doing, cause),
        })
    }

    /// The bytes of a version, of whatever size the server says that they are.
    pub(super) fn download(&mut self, doing: &str, version: &str) -> Result<Vec<u8>> {
        let path = format!("/sync/download?saveVersionId={version}");
        match self.reach(doing, &path, None, ("application/octet-stream", MOST_BYTES))? {
            (200, bytes) => bytes,
            _ => Err(Error::new(Kind::Offline, doing, "the server names it and cannot give its bytes")),
        }
    }

    fn reach(
        &mut self,
        doing: &str,
        path: &str,
        body: Option<&[u8]>,
        kind: (&str, u64),
    ) -> Result<(u16, Result<Vec<u8>>)> {
        self.status = 0;
        let answer = self.bare.ask_other(doing, path, self.key.as_deref(), body, kind)?;
        self.status = answer.0;
        Ok(answer)
    }

    /// Was the last answer none, or one that says of nothing in particular that it cannot be done now?
    pub(super) fn is_down(&self) -> bool {
        matches!(self.status, 0 | 429 | 502..=504)
    }

    pub(super) fn heard(&self) -> Heard {
        self.bare.heard()
    }
}

/// RFC 4648, section 4.
pub(super) fn base64(bytes: &[u8], to: &mut Vec<u8>) {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for three in bytes.chunks(3) {
        let at = |index: usize| u32::from(three.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            to.push(if place <= three.len() { letter } else { b'=' });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("\u{ff}", "w78="),
        ] {
            let mut encoded = Vec::new();
            base64(bytes.as_bytes(), &mut encoded);
            assert_eq!(String::from_utf8_lossy(&encoded), text);
        }
    }
}
