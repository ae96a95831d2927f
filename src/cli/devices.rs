//! `retrosync devices`: who may ask for these saves.

use retrosync_protocol::{Code, Device};
use serde_json::json;

use crate::cli::{Call, Command, misused};
use crate::error::{Error, Kind, Result};
use crate::parts::Ground;
use crate::remote::{self, HttpRemote};
use crate::report::{self, Exit};

/// `retrosync devices`.
pub const COMMAND: Command = Command {
    name: "devices",
    summary: "list, rename or revoke the devices of your account",
    words: (0, 3),
    flags: &[],
    run,
};

fn run(call: &Call) -> Result<Exit> {
    let ground = Ground::find(call.config()?)?;
    let settings = ground.paired(&ground.identity_as_it_is()?)?;
    if settings.server.starts_with("folder:") {
        return Err(Error::new(
            Kind::Misused,
            "cannot list the devices",
            "a folder keeps no list of devices",
        )
        .help("each device that uses the folder is its own: only a server lists, renames and revokes them"));
    }
    if settings.server.starts_with(remote::RETROSYNC) {
        let cause = "a RetroSync server lists them on its own dashboard";
        return Err(Error::new(Kind::Misused, "cannot list the devices", cause));
    }
    let mut remote = HttpRemote::open(&settings)?;
    let words: Vec<&str> = call.words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["list"] => {
            let devices = remote.devices()?.devices;
            call.output.value(&json!({ "devices": devices }));
            for device in &devices {
                call.output.line(text(device));
            }
        }
        ["rename", word, name] => {
            let device = find(&remote.devices()?.devices, word)?;
            remote.rename_device(&device.device, name)?;
            call.output.value(&json!({ "renamed": device.device, "name": name }));
            call.output.line(format!("`{}` is now called `{name}`", device.name));
        }
        ["revoke", word] => {
            let device = find(&remote.devices()?.devices, word)?;
            remote.revoke_device(&device.device)?;
            call.output.value(&json!({ "revoked": device.device }));
            call.output.line(format!("`{}` is out; what it stored stays", device.name));
        }
        _ => {
            return Err(misused(
                "`devices` wants `list`, `rename DEVICE NAME` or `revoke DEVICE`",
                Some(&COMMAND),
            ));
        }
    }
    Ok(Exit::Well)
}

fn text(device: &Device) -> String {
    let star = if device.this_device { '*' } else { ' ' };
    let seen = device.last_seen_unix_s.map_or("never".into(), report::time);
    format!(
        "{star} {}  {}  {}  {}  paired {}  last seen {seen}",
        device.device,
        device.name,
        device.profile,
        device.client,
        report::time(device.paired_unix_s)
    )
}

/// By id, by name, or `this`.
fn find(devices: &[Device], word: &str) -> Result<Device> {
    let fits = |device: &&Device| {
        device.device.as_str() == word
            || device.name.eq_ignore_ascii_case(word)
            || (word == "this" && device.this_device)
    };
    let mut found = devices.iter().filter(fits);
    let doing = || format!("cannot tell which device `{word}` is");
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one.clone()),
        (Some(_), Some(_)) => {
            Err(Error::new(Kind::Misused, doing(), "several have this name").help("use its id, `dev_…`"))
        }
        _ => Err(Error::new(Kind::Refused(Code::NotFound), doing(), "none has this id or name")
            .help("`retrosync devices` lists them")),
    }
}
