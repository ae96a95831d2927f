//! Pairing with a RetroSync server: the device shows a code that the user types there (A), or brings one that was made there (C).
//!
//! Here the server makes the key and tells it to whoever has the code; it answers the same until the code is over, so
//! that a lost reply costs nothing. It is durable before it is said (the caller's part).

use retrosync_protocol::{DeviceId, Digest, Token};
use serde_json::json;

use super::super::RemoteSettings;
use super::super::http::Bare;
use super::line::Line;
use crate::error::{Error, Kind, Result};

/// A device that was let in.
pub struct Letter {
    /// The key, in the form of our own tokens.
    pub token: Token,
    /// Its name there.
    pub device_name: String,
    /// Its id, in the form of our own.
    pub device: DeviceId,
}

/// Is it surely such a server, and none of ours? Asks for a code as a device does; nothing comes of one that nobody types.
///
/// # Errors
/// When it may be another, or does not answer. Ours speak this protocol, too, and one that is down must not be paired with by it.
pub fn speaks_it(settings: &RemoteSettings) -> Result<()> {
    Bare::open(settings)?.is_not_ours()?;
    show_code(settings).map(drop)
}

/// A code to show.
///
/// # Errors
/// `Offline`, also when asked too often.
pub fn show_code(settings: &RemoteSettings) -> Result<String> {
    let mut line = Line::open(&RemoteSettings { token: None, ..settings.clone() })?;
    let doing = line.doing("ask for a pairing code from");
    let data = line.ask(&doing, "/devices/code", Some(br#"{"deviceType":"other"}"#))?;
    let code = data["code"].as_str().filter(|code| is_code(code));
    code.map(str::to_owned).ok_or_else(|| Error::new(Kind::Offline, doing, "its answer is not as agreed"))
}

/// Has the user typed the code? Asked no more often than every two seconds. `None`: not yet.
///
/// # Errors
/// `Refused`: the code is unknown or over, or the account takes no more devices. `Offline`.
pub fn let_in(settings: &RemoteSettings, code: &str) -> Result<Option<Letter>> {
    let mut line = Line::open(&RemoteSettings { token: None, ..settings.clone() })?;
    let doing = line.doing("pair with");
    let body = json!({ "code": code }).to_string();
    let data = line.ask(&doing, "/devices/status", Some(body.as_bytes()))?;
    if data["status"] == "waiting" {
        return Ok(None);
    }
    let text = |name: &str| data["device"][name].as_str().unwrap_or_default();
    let token = data["apiKey"].as_str().and_then(|key| format!("rst_{key}").parse::<Token>().ok());
    let token = token.ok_or_else(|| Error::new(Kind::Offline, doing, "its answer is not as agreed"))?;
    let name: String = text("name").chars().filter(|c| !c.is_control()).take(60).collect();
    let id = Digest::of(text("id").as_bytes());
    let device = id.as_bytes().first_chunk().map(DeviceId::from_random);
    Ok(device.map(|device| Letter { token, device_name: name, device }))
}

/// Six letters or digits.
pub fn is_code(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
