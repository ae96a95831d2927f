//! Pairing step by step, for a person who waits and for a daemon that waits by itself.
//!
//! The token is drawn and durable before the server hears of it (of its hash only), and what the server answered is
//! durable before anybody is told. A lost reply or a cut costs nothing: the same token asks again.

use std::time::Duration;

use retrosync_protocol::{ClaimRequest, Code, Epoch, Paired, PairingRequest, Token};

use crate::error::{Error, Kind, Result};
use crate::identity::Begun;
use crate::journal::Entry;
use crate::parts::{self, Ground, open::Taken};
use crate::remote::{self, Answer, Letter, PairingClient, RemoteSettings};

/// How long one question to the server waits.
const WAIT_S: u64 = 25;
/// The pause after the network failed.
const PAUSE: Duration = Duration::from_secs(3);

/// How long a code of a RetroSync server lives, in seconds, and how often it may be asked for.
const THEIR_CODE_S: u64 = 15 * 60;
const THEIR_PAUSE: Duration = Duration::from_secs(3);

/// What there is to tell meanwhile.
pub enum News<'a> {
    /// Show this code.
    Offer(&'a Offer),
    /// Still waiting, for that many seconds now.
    Waiting(u64),
    /// The server does not answer; it is tried again.
    Offline(&'a Error),
}

/// A code that the user types elsewhere.
pub struct Offer {
    /// The code.
    pub code: String,
    /// Where it is typed.
    pub url: String,
    /// The same with the code filled in.
    pub url_complete: String,
    /// How long it lives.
    pub expires_in_s: u64,
}

/// Pairs the card that was taken; everything is durable when it returns.
///
/// # Errors
/// `Refused`: no, by the user or because of the code. `Offline` when the server does not answer at first and `patient`
/// is false.
pub fn pair(
    ground: &Ground,
    taken: &mut Taken,
    patient: bool,
    tell: &mut dyn FnMut(News<'_>),
) -> Result<Paired> {
    let settings = ground.remote_settings(&taken.identity)?;
    if settings.server.starts_with(remote::RETROSYNC) {
        let letter = pair_there(ground, &settings, patient, tell)?;
        let paired = Paired {
            device: letter.device,
            device_name: letter.device_name,
            user: "RetroSync".into(),
            epoch: Epoch::from_random(&[0; 16]),
        };
        keep(taken, settings, letter.token, &paired)?;
        return Ok(paired);
    }
    let token = draw_token(taken, &settings)?;
    let request = PairingRequest {
        token_sha256: token.digest(),
        device_name: ground.device_name(),
        profile: ground.profile.name.clone(),
        client: parts::client(),
    };
    let mut client = PairingClient::open(&settings)?;
    let paired = match &ground.config.code {
        Some(code) => {
            let code =
                code.parse().map_err(|why| Error::new(Kind::Misused, "cannot pair by the code", why))?;
            let claim = ClaimRequest { user_code: code, device: request };
            retry(patient, tell, &mut || client.claim(&claim))?
        }
        None => wait(&mut client, &request, &token, patient, tell)?,
    };
    taken.identity.facts.server_time_unix_s = client.heard().server_time_unix_s;
    keep(taken, settings, token, &paired)?;
    Ok(paired)
}

/// The token of a pairing that was cut short, or a new one; durable.
fn draw_token(taken: &mut Taken, settings: &RemoteSettings) -> Result<Token> {
    let facts = &mut taken.identity.facts;
    if let Some(begun) = facts.begun.as_ref().filter(|begun| begun.server == settings.server) {
        return Ok(begun.token.clone());
    }
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| Error::new(Kind::Damaged, "cannot draw a token", error))?;
    let token = Token::from_random(&random);
    facts.begun = Some(Begun { token: token.clone(), server: settings.server.clone() });
    taken.identity.save()?;
    Ok(token)
}

fn wait(
    client: &mut PairingClient,
    request: &PairingRequest,
    token: &Token,
    patient: bool,
    tell: &mut dyn FnMut(News<'_>),
) -> Result<Paired> {
    loop {
        let offer = retry(patient, tell, &mut || client.start(request))?;
        tell(News::Offer(&Offer {
            code: offer.user_code.to_string(),
            url: offer.verification_url,
            url_complete: offer.verification_url_complete,
            expires_in_s: offer.expires_in_s,
        }));
        let mut waited_s = 0;
        loop {
            match client.wait(token, WAIT_S) {
                Ok(Answer::Paired(paired)) => return Ok(paired),
                Ok(Answer::Pending) => {
                    waited_s += WAIT_S;
                    tell(News::Waiting(waited_s));
                }
                Err(error) if passes(error.kind) => {
                    tell(News::Offline(&error));
                    std::thread::sleep(PAUSE);
                }
                // The code is over, or the server has forgotten it: show a new one.
                Err(Error {
                    kind: Kind::Refused(Code::ExpiredToken | Code::Unauthorized) | Kind::Unpaired,
                    ..
                }) => {
                    break;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Pairs with a RetroSync server: the key is the server's to make.
fn pair_there(
    ground: &Ground,
    settings: &RemoteSettings,
    patient: bool,
    tell: &mut dyn FnMut(News<'_>),
) -> Result<Letter> {
    let made_there = ground.config.code.clone();
    loop {
        let code = match &made_there {
            Some(code) => code.clone(),
            None => retry(patient, tell, &mut || remote::show_code(settings))?,
        };
        let url = settings.server.strip_prefix(remote::RETROSYNC).unwrap_or_default();
        if made_there.is_none() {
            let (url, url_complete) = (url.to_owned(), url.to_owned());
            tell(News::Offer(&Offer { code: code.clone(), url, url_complete, expires_in_s: THEIR_CODE_S }));
        }
        for look in 1..=THEIR_CODE_S / THEIR_PAUSE.as_secs() {
            match remote::let_in(settings, &code) {
                Ok(Some(letter)) => return Ok(letter),
                Ok(None) if look % 8 == 0 => tell(News::Waiting(look * THEIR_PAUSE.as_secs())),
                Ok(None) => {}
                Err(error) if passes(error.kind) && (patient || made_there.is_none()) => {
                    tell(News::Offline(&error));
                }
                // The code is over: show a new one.
                Err(Error { kind: Kind::Refused(Code::Malformed | Code::NotFound), .. })
                    if made_there.is_none() =>
                {
                    break;
                }
                Err(error) => return Err(error),
            }
            std::thread::sleep(THEIR_PAUSE);
        }
    }
}

/// Will trying again later help?
fn passes(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Offline
            | Kind::Busy
            | Kind::Refused(Code::TooSlow | Code::SlowDown | Code::Unavailable | Code::Internal)
    )
}

fn retry<T>(patient: bool, tell: &mut dyn FnMut(News<'_>), ask: &mut dyn FnMut() -> Result<T>) -> Result<T> {
    loop {
        match ask() {
            Err(error) if patient && passes(error.kind) => {
                tell(News::Offline(&error));
                std::thread::sleep(PAUSE * 5);
            }
            answer => return answer,
        }
    }
}

/// Promise 5 for pairing: durable before it is said.
fn keep(taken: &mut Taken, settings: RemoteSettings, token: Token, paired: &Paired) -> Result<()> {
    // Another user or another history: whatever was agreed on before is asked again.
    taken.journal.record(Entry::Distrusted)?;
    taken.journal.sync()?;
    let roots = taken.roots.iter().map(|root| (root.dir.clone(), root.id.clone())).collect();
    let facts = &mut taken.identity.facts;
    (facts.token, facts.begun) = (Some(token), None);
    facts.server = Some(settings.server);
    (facts.plain_http, facts.ca_file) = (settings.plain_http, settings.ca_file);
    facts.device = Some(paired.device.clone());
    facts.device_name = paired.device_name.clone();
    facts.user = Some(paired.user.clone());
    facts.pins = settings.pinned_key.iter().map(ToString::to_string).collect();
    facts.roots = roots;
    taken.identity.save()
}

/// Begins to use a folder: there is nobody to ask.
///
/// # Errors
/// When the folder is not there, or the card cannot take it.
pub fn use_folder(ground: &Ground, taken: &mut Taken) -> Result<()> {
    let settings = ground.remote_settings(&taken.identity)?;
    remote::make(&settings)?;
    remote::open(&settings)?;
    let new = taken.identity.facts.server.as_deref() != Some(settings.server.as_str());
    if new {
        taken.journal.record(Entry::Distrusted)?;
        taken.journal.sync()?;
    }
    let roots = taken.roots.iter().map(|root| (root.dir.clone(), root.id.clone())).collect();
    let facts = &mut taken.identity.facts;
    facts.server = Some(settings.server);
    facts.device_name = ground.device_name();
    (facts.token, facts.begun, facts.device, facts.user) = (None, None, None, None);
    facts.roots = roots;
    taken.identity.save()
}
