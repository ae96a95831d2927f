//! Who this device is: token, writer id and its sequence, server, pins, the roots that belong together.
//!
//! Kept in two alternating slots in the primary root. Promise 5 for pairing: the token is durable before anybody is told
//! that the device is paired. A writer never uses one sequence number twice: numbers are reserved durably, in blocks,
//! before the first of a block is given out. On any doubt (other hardware, a damaged record) the writer is drawn again.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use retrosync_protocol::{DeviceId, Mistake, Token, WriterId};

use crate::durable::{MOST_COUNTED, Pair};
use crate::error::{Error, Kind, Result};
use crate::machine;
use crate::root::RootId;
use crate::volume::Volume;

/// How many sequence numbers one durable write reserves.
const BLOCK: u64 = 64;

/// The fields, as they are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// What proves this device to the server; `None`: not paired.
    #[serde(default)]
    pub token: Option<Token>,
    /// A pairing that nobody has approved yet. What is above and below stands until then.
    #[serde(default)]
    pub begun: Option<Begun>,
    /// The server's address, or `folder:` and a path.
    #[serde(default)]
    pub server: Option<String>,
    /// What the server calls this device.
    #[serde(default)]
    pub device: Option<DeviceId>,
    /// What people call it.
    #[serde(default)]
    pub device_name: String,
    /// Whose it is.
    #[serde(default)]
    pub user: Option<String>,
    /// SHA-256 of server keys learnt at pairing, in hex.
    #[serde(default)]
    pub pins: Vec<String>,
    /// The user agreed, when pairing, that the token goes over plain HTTP in the local network.
    #[serde(default)]
    pub plain_http: bool,
    /// The user's own certificate authority, as it was named when pairing.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The markers that pairing saw, by root folder.
    #[serde(default)]
    pub roots: BTreeMap<PathBuf, RootId>,
    /// The last good time a server told: a floor for a clock that was lost.
    #[serde(default)]
    pub server_time_unix_s: Option<i64>,
    writer: WriterId,
    /// Every number below it may have been used.
    #[serde(rename = "next_sequence")]
    reserved_to: u64,
    hardware: String,
}

/// A token that a server was told of, and the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// Kept before the server heard of it.
    pub token: Token,
    /// The server's address.
    pub server: String,
}

/// What opening found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The identity that was left here.
    AsLeft,
    /// There was none: not yet paired.
    New,
    /// There was one and it is in doubt: a new writer was drawn. The journal's entries must be distrusted. Says why.
    Doubted(String),
}

/// The identity of this card in this device.
pub struct Identity {
    /// What is kept; call [`Identity::save`] after changing it.
    pub facts: Facts,
    next_sequence: u64,
    pair: Pair,
}

impl Identity {
    /// Reads the identity in `state_dir` and compares it with this device's `hardware` ([`hardware`]). Writes nothing
    /// unless a new writer had to be drawn.
    ///
    /// # Errors
    /// When the card cannot be read, or not be written after a doubt.
    pub fn open(volume: Arc<dyn Volume>, state_dir: &Path, hardware: &str) -> Result<(Identity, Opened)> {
        let doing = || format!("cannot read the identity in `{}`", state_dir.display());
        let (pair, found) =
            Pair::open::<Facts>(volume, state_dir, "identity").map_err(|error| Error::io(doing(), &error))?;
        let Some(facts) = found.record else {
            let facts = Facts {
                token: None,
                begun: None,
                server: None,
                device: None,
                device_name: String::new(),
                user: None,
                pins: Vec::new(),
                plain_http: false,
                ca_file: None,
                roots: BTreeMap::new(),
                server_time_unix_s: None,
                writer: draw_writer()?,
                reserved_to: 1,
                hardware: hardware.to_owned(),
            };
            let identity = Identity { facts, next_sequence: 1, pair };
            let opened = match found.damaged {
                true => Opened::Doubted("the identity is damaged".into()),
                false => Opened::New,
            };
            return Ok((identity, opened));
        };
        let next_sequence = if Mistake::NumbersBeginAgain.is_made() { 1 } else { facts.reserved_to };
        let mut identity = Identity { next_sequence, facts, pair };
        if identity.next_sequence > MOST_COUNTED {
            identity.redraw_writer()?;
            return Ok((identity, Opened::Doubted("its count of versions is impossible".into())));
        }
        if differs(&identity.facts.hardware, hardware) {
            identity.facts.hardware = hardware.to_owned();
            identity.redraw_writer()?;
            return Ok((identity, Opened::Doubted("the card was last used in another device".into())));
        }
        if identity.facts.hardware.is_empty() {
            identity.facts.hardware = hardware.to_owned();
        }
        Ok((identity, Opened::AsLeft))
    }

    /// Makes the facts durable.
    ///
    /// # Errors
    /// When the card cannot take it; then what was saved before stands.
    pub fn save(&mut self) -> Result<()> {
        self.pair.write(&self.facts).map_err(|error| Error::io("cannot keep this device's identity", &error))
    }

    /// Who writes versions here.
    pub fn writer(&self) -> &WriterId {
        &self.facts.writer
    }

    /// A number that this writer never used and never will again: reserved durably before it is returned.
    ///
    /// # Errors
    /// When the card cannot take the reservation; then no number was given out.
    pub fn take_sequence(&mut self) -> Result<u64> {
        if self.next_sequence == self.facts.reserved_to {
            self.facts.reserved_to += BLOCK;
            if let Err(error) = self.save() {
                self.facts.reserved_to -= BLOCK;
                return Err(error);
            }
        }
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        Ok(sequence)
    }

    /// Draws a new writer, durably: after `writer_reused`, or any other doubt. The journal must be distrusted with it.
    ///
    /// # Errors
    /// When there is no randomness or the card cannot take it.
    pub fn redraw_writer(&mut self) -> Result<()> {
        if Mistake::CopyKeepsItsWriter.is_made() {
            return self.save();
        }
        self.facts.writer = draw_writer()?;
        (self.next_sequence, self.facts.reserved_to) = (1, 1);
        self.save()
    }
}

fn draw_writer() -> Result<WriterId> {
    let mut random = [0; 16];
    machine::random(&mut random)
        .map_err(|error| Error::new(Kind::Damaged, "cannot draw a writer id", error))?;
    Ok(WriterId::from_random(&random))
}

/// Only two hints of one kind can differ: a missing Wi-Fi dongle is no other device.
fn differs(kept: &str, now: &str) -> bool {
    let kind = |hint: &str| hint.split_once(':').map(|(kind, _)| kind.to_owned());
    kept != now && kind(kept).is_some() && kind(kept) == kind(now)
}

/// What tells this device from another of its kind: `serial:…`, `mac:…` or `machine:…`; empty if nothing does.
/// `prefix` is where the machine's file system begins (`/`).
pub fn hardware(prefix: &Path) -> String {
    let read = |path: &str| std::fs::read_to_string(prefix.join(path)).unwrap_or_default();
    let cpuinfo = read("proc/cpuinfo");
    let serial = cpuinfo
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == "Serial")
        .map(|(_, value)| value.trim())
        .filter(|serial| serial.bytes().any(|byte| byte != b'0'));
    if let Some(serial) = serial {
        return format!("serial:{serial}");
    }
    let mac = read("sys/class/net/wlan0/address");
    // A locally administered address is drawn anew at each boot on some handhelds: it tells nothing.
    let burnt_in = |mac: &str| {
        mac.get(..2).and_then(|octet| u8::from_str_radix(octet, 16).ok()).is_some_and(|octet| octet & 2 == 0)
    };
    if burnt_in(mac.trim()) && !mac.starts_with("00:00:00:00:00:00") {
        return format!("mac:{}", mac.trim());
    }
    let machine = read("etc/machine-id");
    if machine.trim().is_empty() { String::new() } else { format!("machine:{}", machine.trim()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::volume::Os;

    #[test]
    fn a_card_in_another_device_gets_another_writer_and_keeps_its_pairing() {
        let card = tempfile::tempdir().unwrap();
        let open = |hardware| Identity::open(Arc::new(Os), card.path(), hardware).unwrap();
        let (mut identity, opened) = open("serial:1");
        assert_eq!(opened, Opened::New);
        identity.facts.server = Some("http://server.example".into());
        identity.save().unwrap();
        let writer = identity.writer().clone();
        for (hardware, same) in
            [("serial:1", true), ("", true), ("mac:aa", true), ("serial:2", false), ("serial:2", true)]
        {
            let before = open("").0.writer().clone();
            let (identity, opened) = open(hardware);
            assert_eq!(opened == Opened::AsLeft, same, "{hardware}: {opened:?}");
            assert_eq!(*identity.writer() == before, same, "{hardware}");
            assert_eq!(identity.facts.server.as_deref(), Some("http://server.example"));
        }
        assert_ne!(*open("").0.writer(), writer);
    }

    #[test]
    fn a_damaged_identity_is_a_doubt_not_a_new_device() {
        let card = tempfile::tempdir().unwrap();
        let open = || Identity::open(Arc::new(Os), card.path(), "").unwrap();
        open().0.save().unwrap();
        std::fs::write(card.path().join("identity.0"), b"00000000 {}\n").unwrap();
        assert_eq!(open().1, Opened::Doubted("the identity is damaged".into()));
    }

    #[test]
    fn an_identity_has_one_form_on_the_card() {
        let writer = WriterId::from_random(&[7; 16]);
        let own = format!(r#""writer":"{writer}","next_sequence":65,"hardware":"serial:1"}}"#);
        let text = concat!(
            r#"{"token":null,"begun":null,"server":"http://server.example","device":null,"device_name":"Flip","#,
            r#""user":"ada","pins":[],"plain_http":true,"ca_file":null,"roots":{},"server_time_unix_s":5,"#,
        );
        let text = format!("{text}{own}");
        let facts: Facts = serde_json::from_str(&text).unwrap();
        assert_eq!((facts.reserved_to, &facts.writer), (65, &writer));
        assert_eq!(serde_json::to_string(&facts).unwrap(), text);
        assert!(serde_json::from_str::<Facts>(&format!("{{{own}")).is_ok(), "the rest may be missing");
        assert!(serde_json::from_str::<Facts>("{}").is_err(), "a writer may not");
    }

    #[test]
    fn hardware_is_told_by_what_does_not_change() {
        for (files, hint) in [
            (&[("proc/cpuinfo", "model\t: A7\nSerial\t\t: 02c0ffee\n")][..], "serial:02c0ffee"),
            (&[("proc/cpuinfo", "Serial : 0000\n"), ("etc/machine-id", "ab12\n")], "machine:ab12"),
            (&[("sys/class/net/wlan0/address", "3c:71:bf:00:00:01\n")], "mac:3c:71:bf:00:00:01"),
            // Drawn at each boot.
            (&[("sys/class/net/wlan0/address", "3e:71:bf:00:00:01\n")], ""),
            (&[], ""),
        ] {
            let machine = tempfile::tempdir().unwrap();
            for (path, text) in files {
                let path = machine.path().join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            assert_eq!(hardware(machine.path()), hint, "{files:?}");
        }
    }
}
