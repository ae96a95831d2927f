//! Whom the device trusts, over real TLS on loopback: a pinned key, an authority of one's own, and clocks that lie.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use retrosync::error::{Error, Kind};
use retrosync::remote::{Heard, HttpRemote, Remote, RemoteSettings, key_of_server};
use retrosync_protocol::{ChangesRequest, Digest, Token};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// When a certificate is good, in years.
type Years = (i32, i32);

const GOOD: Years = (2020, 2120);
const OVER: Years = (2019, 2020);
const AHEAD: Years = (2080, 2120);

/// A server with a certificate, and the authority that signed it.
struct Secure {
    port: u16,
    key: Digest,
    authority: tempfile::TempDir,
    heads: mpsc::Receiver<String>,
}

impl Secure {
    /// Serves quiet answers until the test ends; tells the heads of what it was asked.
    fn start(names: &[&str], (from, to): Years) -> Secure {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = tempfile::tempdir().unwrap();
        std::fs::write(authority.path().join("ca.pem"), issuer.pem()).unwrap();

        let key = KeyPair::generate().unwrap();
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, heads) = mpsc::channel();
        let config = Arc::new(config);
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let connection = ServerConnection::new(config.clone()).unwrap();
                serve(StreamOwned::new(connection, socket), &tell);
            }
        });
        let key = Digest::of(&rcgen::PublicKeyData::subject_public_key_info(&key));
        Secure { port, key, authority, heads }
    }

    fn settings(&self) -> RemoteSettings {
        RemoteSettings {
            server: format!("https://127.0.0.1:{}", self.port),
            token: Some(Token::from_random(&[5; 32])),
            ..RemoteSettings::default()
        }
    }

    fn ca_file(&self) -> Option<PathBuf> {
        Some(self.authority.path().join("ca.pem"))
    }

    /// One question; what was heard.
    fn ask(&self, settings: RemoteSettings) -> Result<Heard, Error> {
        let mut remote = HttpRemote::open(&settings)?;
        remote.list(&ChangesRequest::default())?;
        remote.list(&ChangesRequest::default())?;
        Ok(remote.heard())
    }
}

fn serve(mut stream: StreamOwned<ServerConnection, std::net::TcpStream>, tell: &mpsc::Sender<String>) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        bytes.extend_from_slice(&buffer[..read]);
        // The questions here are one small JSON object each.
        if bytes.ends_with(b"}") {
            let _ = tell.send(String::from_utf8_lossy(&bytes).into_owned());
            bytes.clear();
            let epoch = "0123456789abcdef0123456789abcdef";
            let body = format!(
                r#"{{"epoch":"{epoch}","cursor":0,"more":false,"reset":false,"server_time_unix_s":2015000000,"saves":[]}}"#
            );
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nRetroSync-Epoch: {epoch}\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            if stream.write_all((head + &body).as_bytes()).is_err() {
                return;
            }
        }
    }
}

fn now_unix_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed()
}

#[test]
fn an_authority_of_ones_own_is_trusted_when_it_is_named() {
    let server = Secure::start(&["127.0.0.1"], GOOD);
    let heard = server.ask(RemoteSettings { ca_file: server.ca_file(), ..server.settings() }).unwrap();
    assert_eq!(heard.server_time_unix_s, Some(2_015_000_000));
    assert_eq!(server.heads.try_iter().count(), 2);

    let error = server.ask(server.settings()).unwrap_err();
    assert_eq!(error.kind, Kind::Offline, "{error}");
    assert!(error.cause.contains("is not trusted"), "{error}");
    assert_eq!(server.heads.try_iter().count(), 0, "nothing was asked, and no token sent");
}

#[test]
fn a_pinned_key_needs_no_authority_no_name_and_no_date() {
    for (names, years) in [
        (&["127.0.0.1"], GOOD),
        (&["elsewhere.example"], GOOD),
        (&["127.0.0.1"], OVER),
        (&["127.0.0.1"], AHEAD),
    ] {
        let server = Secure::start(names, years);
        server.ask(RemoteSettings { pinned_key: Some(server.key), ..server.settings() }).unwrap();
    }
}

#[test]
fn another_key_than_the_pinned_one_is_refused_whoever_signed_it() {
    let server = Secure::start(&["127.0.0.1"], GOOD);
    let pinned_key = Some(Digest::of(b"another key"));
    let error = server
        .ask(RemoteSettings { pinned_key, ca_file: server.ca_file(), ..server.settings() })
        .unwrap_err();
    assert_eq!(error.kind, Kind::Offline, "{error}");
    assert!(error.cause.contains("not the pinned one"), "{error}");
    assert_eq!(server.heads.try_iter().count(), 0);
}

#[test]
fn a_certificate_of_another_name_is_refused() {
    let server = Secure::start(&["elsewhere.example"], GOOD);
    let error = server.ask(RemoteSettings { ca_file: server.ca_file(), ..server.settings() }).unwrap_err();
    assert_eq!(error.kind, Kind::Offline, "{error}");
    assert_eq!(server.heads.try_iter().count(), 0);
}

#[test]
fn dates_that_do_not_fit_are_the_clocks_fault_and_the_servers_time_mends_them() {
    for years in [OVER, AHEAD] {
        let server = Secure::start(&["127.0.0.1"], years);
        let error =
            server.ask(RemoteSettings { ca_file: server.ca_file(), ..server.settings() }).unwrap_err();
        assert_eq!(error.kind, Kind::ClockWrong, "{years:?}: {error}");
        assert_eq!(server.heads.try_iter().count(), 0);
    }
    // A card that last heard the server in 2085 on a device whose clock is far behind.
    let server = Secure::start(&["127.0.0.1"], AHEAD);
    let later = now_unix_s().max(3_630_000_000);
    let settings =
        RemoteSettings { server_time_unix_s: Some(later), ca_file: server.ca_file(), ..server.settings() };
    server.ask(settings).unwrap();
}

#[test]
fn looking_at_a_key_asks_nothing_and_trusts_nothing() {
    let server = Secure::start(&["127.0.0.1"], OVER);
    assert_eq!(key_of_server(&server.settings().server).unwrap(), server.key);
    assert_eq!(server.heads.try_iter().count(), 0);
    assert_eq!(key_of_server("http://127.0.0.1:1").unwrap_err().kind, Kind::Misused);
    assert_eq!(key_of_server("https://127.0.0.1:1").unwrap_err().kind, Kind::Offline);
}

#[test]
fn a_certificate_file_that_is_none_is_told_of() {
    let server = Secure::start(&["127.0.0.1"], GOOD);
    let broken = server.authority.path().join("broken.pem");
    for text in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        std::fs::write(&broken, text).unwrap();
        let error =
            server.ask(RemoteSettings { ca_file: Some(broken.clone()), ..server.settings() }).unwrap_err();
        assert_eq!(error.kind, Kind::Misused, "{text}: {error}");
        assert!(error.doing.contains("broken.pem"), "{error}");
    }
}
