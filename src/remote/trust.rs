//! Whom TLS trusts, on a device whose clock may say 1970.
//!
//! Either one pinned public key and nothing else, or the compiled-in roots and the user's own authorities, judged at
//! the latest time that is known to have passed: when this program was built, the server's last good time, or the
//! clock on the wall where it is plausible. Never accepts a certificate just because it came.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use retrosync_protocol::Digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, ring, verify_tls12_signature,
    verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::SigningKey;
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use super::{RemoteSettings, ServerAddress, roots, signatures};
use crate::error::{Error, Kind, Result};
use crate::machine;

/// When this program was built, or a time before it.
const BUILD_UNIX_S: i64 = match option_env!("RETROSYNC_BUILD_UNIX_S") {
    Some(text) => match i64::from_str_radix(text, 10) {
        Ok(time) => time,
        Err(_) => SOURCE_UNIX_S,
    },
    None => SOURCE_UNIX_S,
};

/// 2026-11-01: this file is younger.
const SOURCE_UNIX_S: i64 = 1_793_491_200;

/// A clock that is further ahead than this is not believed.
const PLAUSIBLE_S: i64 = 20 * 365 * 86_400;

/// The latest time that is known to have passed.
fn judged_time(build_unix_s: i64, server_unix_s: Option<i64>, wall_unix_s: i64) -> i64 {
    let passed = build_unix_s.max(server_unix_s.unwrap_or(build_unix_s));
    if (passed..passed + PLAUSIBLE_S).contains(&wall_unix_s) { wall_unix_s } else { passed }
}

/// Can a clock show this? Not one that was never set, and not one that is decades ahead.
pub fn is_plausible(wall_unix_s: i64) -> bool {
    (BUILD_UNIX_S..BUILD_UNIX_S + PLAUSIBLE_S).contains(&wall_unix_s)
}

/// The time that certificates are judged at; learns the server's.
pub(super) struct Clock {
    server_unix_s: Mutex<Option<i64>>,
}

impl Clock {
    pub(super) fn new(server_unix_s: Option<i64>) -> Clock {
        Clock { server_unix_s: Mutex::new(server_unix_s) }
    }

    /// The server of a verified connection said what time it is.
    pub(super) fn learn(&self, server_unix_s: i64) {
        *self.server_unix_s.lock().unwrap_or_else(PoisonError::into_inner) = Some(server_unix_s);
    }

    fn now_unix_s(&self) -> i64 {
        let server = *self.server_unix_s.lock().unwrap_or_else(PoisonError::into_inner);
        judged_time(BUILD_UNIX_S, server, machine::unix_s())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now_unix_s())
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let now = u64::try_from(self.now_unix_s()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(now)))
    }
}

/// The TLS settings that the user's settings ask for.
pub(super) fn client_config(settings: &RemoteSettings, clock: Arc<Clock>) -> Result<Arc<ClientConfig>> {
    let trust = match settings.pinned_key {
        Some(key) => Trust::OneKey(key),
        None => Trust::Authorities(roots(settings.ca_file.as_deref())?),
    };
    config_of(clock, Arc::new(Verifier::new(trust)))
}

fn config_of(clock: Arc<Clock>, verifier: Arc<Verifier>) -> Result<Arc<ClientConfig>> {
    let config = ClientConfig::builder_with_details(verifier.provider.clone(), clock)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(Kind::Misused, "cannot set up TLS", error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// What the TLS library does by itself with ring, but for P-256 (see `signatures`) and for private keys: a client that shows
/// no certificate signs nothing, and leaves 30 KB of signing out of the program.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: ring::DEFAULT_CIPHER_SUITES.to_vec(),
        kx_groups: vec![ring::kx_group::X25519, ring::kx_group::SECP384R1],
        signature_verification_algorithms: signatures::ACCEPTED,
        secure_random: &Random,
        key_provider: &NoPrivateKeys,
    })
}

#[derive(Debug)]
struct Random;

impl SecureRandom for Random {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        getrandom::fill(buffer).map_err(|_| GetRandomFailed)
    }
}

#[derive(Debug)]
struct NoPrivateKeys;

impl KeyProvider for NoPrivateKeys {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("this program signs nothing".into()))
    }
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore> {
    let mut store = RootCertStore { roots: roots::everybodys() };
    let Some(path) = ca_file else { return Ok(store) };
    let refuse = |cause: &dyn fmt::Display| {
        Error::new(Kind::Misused, format!("cannot use certificates of `{}`", path.display()), cause)
            .help("`ca_file` is a PEM file: `-----BEGIN CERTIFICATE-----` and what follows")
    };
    let pem = std::fs::read(path).map_err(|error| refuse(&error))?;
    let mut found = false;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| refuse(&error))?;
        store.add(certificate).map_err(|error| refuse(&error))?;
        found = true;
    }
    if found { Ok(store) } else { Err(refuse(&"it holds no certificate")) }
}

/// Who is let in.
#[derive(Debug)]
enum Trust {
    /// The holder of one public key, whatever certificate is around it: no date, no name.
    OneKey(Digest),
    /// Whom one of these vouches for, by name and date. The library's own verifier would do the same, and bring the
    /// reading of revocation lists, of which we have none.
    Authorities(RootCertStore),
    /// Nobody: we only look.
    Nobody,
}

#[derive(Debug)]
struct Verifier {
    trust: Trust,
    seen: Mutex<Option<Digest>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(trust: Trust) -> Verifier {
        Verifier { trust, seen: Mutex::new(None), provider: provider() }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let key = Digest::of(&certificate.subject_public_key_info());
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
        match &self.trust {
            Trust::OneKey(trusted) if *trusted == key => {}
            Trust::OneKey(_) | Trust::Nobody => {
                return Err(CertificateError::ApplicationVerificationFailure.into());
            }
            Trust::Authorities(roots) => {
                let algorithms = self.provider.signature_verification_algorithms.all;
                let verified = |at| {
                    verify_server_cert_signed_by_trust_anchor(
                        &certificate,
                        roots,
                        intermediates,
                        at,
                        algorithms,
                    )
                };
                let mut at = now;
                while let Err(error) = verified(at) {
                    at = begun(&error, at, now).ok_or(error)?;
                }
                verify_server_name(&certificate, server_name)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// On a clock that was never set `now` is only the latest time that surely passed. A certificate that begins later has begun,
/// then: it was renewed while this device was off. Nobody whom its authority did not vouch for gains by it, and the
/// server's own time, told over the connection, is kept. On a clock that may be right it has not begun.
fn begun(error: &rustls::Error, at: UnixTime, now: UnixTime) -> Option<UnixTime> {
    let was_set = u64::try_from(machine::unix_s()).is_ok_and(|wall_unix_s| wall_unix_s >= now.as_secs());
    match error {
        rustls::Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })
            if !was_set && not_before.as_secs() > at.as_secs() =>
        {
            Some(*not_before)
        }
        _ => None,
    }
}

/// Looks at a server's public key, for a person to compare and to pin. Sends nothing and trusts nothing: the
/// handshake ends as soon as the key was seen.
///
/// # Errors
/// `Misused` for an address that is not `https`, `Offline` when nobody answers there in TLS.
pub fn key_of_server(server: &str) -> Result<Digest> {
    let address = ServerAddress::parse(server)?;
    let doing = || format!("cannot look at the key of `{address}`");
    if !address.is_secure() {
        return Err(Error::new(Kind::Misused, doing(), "it is not `https`"));
    }
    let offline = |cause: &dyn fmt::Display| Error::new(Kind::Offline, doing(), cause);
    let looker = Arc::new(Verifier::new(Trust::Nobody));
    let config = config_of(Arc::new(Clock::new(None)), looker.clone())?;
    let name = server_name(address.host()).map_err(|error| offline(&error))?;
    let mut socket =
        std::net::TcpStream::connect((address.host(), address.port())).map_err(|e| offline(&e))?;
    let timeout = Some(Duration::from_secs(15));
    socket
        .set_read_timeout(timeout)
        .and_then(|()| socket.set_write_timeout(timeout))
        .map_err(|e| offline(&e))?;
    let mut connection = ClientConnection::new(config, name).map_err(|error| offline(&error))?;
    let ended = connection.complete_io(&mut socket);
    let seen = *looker.seen.lock().unwrap_or_else(PoisonError::into_inner);
    seen.ok_or_else(|| offline(&ended.err().map_or_else(|| "no certificate came".into(), |e| e.to_string())))
}

/// A host as TLS names it.
pub(super) fn server_name(host: &str) -> Result<ServerName<'static>, rustls::pki_types::InvalidDnsNameError> {
    ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
}

/// Did the server show a certificate or a key that this device has no reason to trust?
pub fn is_untrusted(error: &Error) -> bool {
    error.cause == OTHER_KEY || error.cause.starts_with(UNTRUSTED)
}

const OTHER_KEY: &str = "the server's key is not the pinned one";
const UNTRUSTED: &str = "the server's certificate is not trusted";

/// What a failed handshake means: a wrong clock, or a server that is not trusted.
pub(super) fn judge(doing: String, error: &rustls::Error) -> Error {
    let clock = |cause: String| {
        Error::new(Kind::ClockWrong, doing.clone(), cause)
            .help("set this device's date; then it works again by itself")
    };
    match error {
        rustls::Error::InvalidCertificate(why) => match why {
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                clock("the server's certificate begins later than this device's date".into())
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                clock("the server's certificate is over by this device's date".into())
            }
            CertificateError::ApplicationVerificationFailure => {
                Error::new(Kind::Offline, doing, OTHER_KEY).help(
                    "somebody may be in between, or the server has a new key: compare it and pair again",
                )
            }
            other => {
                let cause = format!("{UNTRUSTED}: {}", untrusted(other));
                Error::new(Kind::Offline, doing, cause)
                    .help("for a certificate of your own set `ca_file` or `pin`")
            }
        },
        rustls::Error::InvalidMessage(_) => Error::new(Kind::Offline, doing, "what answered does not speak TLS")
            .help("if this is a server in your own network without a certificate, its address begins with `http://`"),
        rustls::Error::AlertReceived(alert) => {
            Error::new(Kind::Offline, doing, format!("the server refused with TLS alert {}", u8::from(*alert)))
        }
        rustls::Error::PeerIncompatible(_) => Error::new(
            Kind::Offline,
            doing,
            "this device and the server have no way of encrypting in common",
        ),
        rustls::Error::PeerMisbehaved(_) => Error::new(Kind::Offline, doing, "the server broke the rules of TLS"),
        other => Error::new(Kind::Offline, doing, other),
    }
}

/// In our own words: programs for cards leave out the library's, which are names in its code.
fn untrusted(why: &CertificateError) -> &'static str {
    match why {
        CertificateError::UnknownIssuer => "nobody whom this device trusts has signed it",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another address"
        }
        CertificateError::Revoked => "it was revoked",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it is not for a server"
        }
        CertificateError::BadSignature => "its signature is wrong",
        _ => "it is malformed, or of a kind that this device does not know",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_time_that_surely_passed() {
        let build = 1_000_000_000;
        for (server, wall, expected, why) in [
            (None, 0, build, "a clock in 1970 is not believed"),
            (None, build + 5, build + 5, "a plausible clock is"),
            (None, build + PLAUSIBLE_S, build, "a clock in the far future is not"),
            (Some(build + 100), 7, build + 100, "the server's last time helps"),
            (Some(build + 100), build + 50, build + 100, "a clock behind the server's time is not believed"),
            (Some(build - 100), 0, build, "an old server time cannot go before the build"),
        ] {
            assert_eq!(judged_time(build, server, wall), expected, "{why}");
        }
    }
}
