//! `retrosync pair`: a code to approve, shown big and as a QR code; the token is durable before we say so.

pub mod flow;
mod screen;

use retrosync_protocol::{Code, Paired};
use serde_json::{Value, json};

use crate::cli::pair::flow::{News, Offer};
use crate::cli::{Call, Command, Flag, saves};
use crate::error::{Error, Kind, Result};
use crate::parts::{Ground, open::Taken};
use crate::remote::{self, HttpRemote, Retrosync, is_untrusted, key_of_server};
use crate::report::{self, Exit, Output};

/// `retrosync pair`.
pub const COMMAND: Command = Command {
    name: "pair",
    summary: "connect this device with your account",
    words: (0, 1),
    flags: &[Flag { name: "again", takes_value: false }],
    run,
};

fn run(call: &Call) -> Result<Exit> {
    let mut config = call.config()?;
    if let Some(url) = call.words.first() {
        config.override_with("server", url)?;
    }
    let again = call.has("again");
    let mut ground = Ground::find(config)?;
    // Without an address that can be used nothing begins, and nothing is written.
    remote::check(&ground.remote_settings(&ground.identity_as_it_is()?)?)?;
    ground.mark()?;
    let mut taken = ground.take()?;
    let out = call.output;
    let mut server = ground.remote_settings(&taken.identity)?.server;
    if server.starts_with("folder:") {
        flow::use_folder(&ground, &mut taken)?;
        return Ok(found(
            call,
            &ground,
            json!({ "paired": true, "server": server }),
            &format!("using `{server}`"),
        ));
    }
    if !again && let Some(user) = stands(&ground, &taken, &server) {
        let name = taken.identity.facts.device_name.clone();
        let mut value = paired_value(&server, &user, &name);
        value["already"] = true.into();
        let text = format!("this device is paired with {server} as `{name}` of `{user}`");
        return Ok(found(call, &ground, value, &text));
    }
    let paired = pair(&ground, &mut taken, out).or_else(|error| {
        let settings = ground.remote_settings(&taken.identity)?;
        // Nobody whom we know, or a code of six digits, which ours makes none of.
        let is_odd = matches!(error.kind, Kind::Offline | Kind::Misused);
        if !is_odd || remote::speaks_it(&settings).is_err() {
            return Err(explain(error, &server, out));
        }
        // Another kind of server answers there.
        server.insert_str(0, remote::RETROSYNC);
        if call.words.is_empty() && ground.config.server.is_some() {
            return Err(error.help(format!("a RetroSync server is there: write `server = \"{server}\"`")));
        }
        ground.config.override_with("server", &server)?;
        pair(&ground, &mut taken, out)
    })?;
    let mut value = paired_value(&server, &paired.user, &paired.device_name);
    value["device"] = json!(paired.device);
    let text = format!("paired: this is `{}` of `{}`, on {server}", paired.device_name, paired.user);
    Ok(found(call, &ground, value, &text))
}

fn paired_value(server: &str, user: &str, name: &str) -> Value {
    json!({ "paired": true, "server": server, "user": user, "device_name": name })
}

/// Shows codes until one is typed.
fn pair(ground: &Ground, taken: &mut Taken, out: Output) -> Result<Paired> {
    let mut shown = false;
    flow::pair(ground, taken, false, &mut |news| match news {
        News::Offer(offer) => {
            show(out, offer, shown);
            shown = true;
        }
        News::Waiting(waited_s) => {
            out.value(&json!({ "waited_s": waited_s }));
            out.line(format!("  still waiting ({waited_s} s) …"));
        }
        News::Offline(error) => {
            out.value(&json!({ "offline": error.cause }));
            out.line(format!("  {}; trying again …", error.cause));
        }
    })
}

/// Whose this device is, if it is paired with that server and not known to be revoked.
fn stands(ground: &Ground, taken: &Taken, server: &str) -> Option<String> {
    let facts = &taken.identity.facts;
    if facts.server.as_deref() != Some(server) || facts.device.is_none() {
        return None;
    }
    let settings = ground.paired(&taken.identity).ok()?;
    let asked = match server.starts_with(remote::RETROSYNC) {
        true => Retrosync::open(&settings).and_then(|mut remote| remote.shared().map(drop)),
        false => HttpRemote::open(&settings).and_then(|mut remote| remote.account().map(drop)),
    };
    match asked {
        Err(error) if matches!(error.kind, Kind::Unpaired | Kind::Refused(_)) => None,
        _ => Some(facts.user.clone().unwrap_or_default()),
    }
}

fn show(out: Output, offer: &Offer, again: bool) {
    let code = &offer.code;
    out.value(&json!({
        "code": code, "url": offer.url, "url_complete": offer.url_complete,
        "expires_in_s": offer.expires_in_s
    }));
    if again {
        out.line("\nthat code is over; here is a new one");
    }
    out.line(format!("\n{}", screen::big(code)));
    out.line(format!("  code:  {code}\n  open:  {}\n", offer.url));
    if let Some(picture) = screen::qr(&offer.url_complete) {
        out.line(picture);
    }
    out.line(format!(
        "  point your phone at the square, or open the address and type the code.\n  \
         waiting for your approval; the code lives {} minutes …",
        offer.expires_in_s.div_ceil(60)
    ));
}

/// Says what was found on the card.
fn found(call: &Call, ground: &Ground, mut value: Value, text: &str) -> Exit {
    let (counted, problems) = saves::count(ground, std::iter::empty());
    value["saves"] = json!(counted.saves);
    value["games"] = json!(counted.games);
    value["problems"] = json!(report::problem_values(&problems));
    call.output.value(&value);
    call.output.line(format!(
        "\n{text}\n{} found, {} known",
        report::count(counted.saves, "save"),
        report::count(counted.games, "game")
    ));
    call.output.problems(&problems);
    if problems.is_empty() { Exit::Well } else { Exit::Problems }
}

/// A refusal with the next step; for a certificate that nobody vouches for, the key to compare.
fn explain(error: Error, server: &str, out: Output) -> Error {
    match error.kind {
        Kind::Refused(Code::AccessDenied) => {
            error.help("it was refused on the dashboard; run `retrosync pair` again")
        }
        Kind::Refused(Code::CodeUnknown | Code::ExpiredToken) if error.help.is_none() => {
            error.help("make a new code on the dashboard, or run `retrosync pair` without `--code`")
        }
        Kind::Offline if is_untrusted(&error) => match key_of_server(server) {
            Ok(key) => {
                out.value(&json!({ "key": key }));
                error.help(format!(
                    "if this is your own server with a certificate of its own, compare its key and pair with `--pin {key}`"
                ))
            }
            Err(_) => error,
        },
        _ => error,
    }
}
