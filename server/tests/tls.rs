//! TLS that the server speaks itself: certificates of the owner's, renewed under it; clients that say nothing or the wrong thing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use retrosync_protocol::Digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use support::{Server, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);

/// A certificate and its key, written where the server looks; answers the certificate.
fn renew(folder: &Path) -> Vec<u8> {
    let key = KeyPair::generate().unwrap();
    let made = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    // The key first, as some tools do: between the two they do not belong together.
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    std::fs::write(folder.join("certificate.pem"), made.pem()).unwrap();
    made.der().to_vec()
}

fn settings(folder: &Path) -> [String; 4] {
    let name = |key: &str, file: &str| format!("tls.{key}_file={}", folder.join(file).display());
    ["--set".into(), name("cert", "certificate.pem"), "--set".into(), name("key", "key.pem")]
}

/// Takes every certificate, and keeps the last one that it saw.
#[derive(Debug, Default)]
struct Looker(Mutex<Vec<u8>>);

impl ServerCertVerifier for Looker {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.0.lock().unwrap() = shown.to_vec();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

fn place(server: &Server) -> String {
    server.url.split_once("https://").unwrap().1.to_owned()
}

/// One request over TLS: the certificate that was shown, the protocol that was agreed on, and the answer.
fn ask(server: &Server, request: &str) -> (Vec<u8>, Option<Vec<u8>>, String) {
    let looker = Arc::new(Looker::default());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(looker.clone())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let socket = TcpStream::connect(place(server)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), socket);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let shown = looker.0.lock().unwrap().clone();
    (shown, stream.conn.alpn_protocol().map(<[u8]>::to_vec), String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn ten_thousand_headers_are_refused_within_tls_too() {
    let server = start(&["--set".into(), "tls.self_signed=true".into()]);
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "a: b\r\n".repeat(10_000));
    let wide =
        format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "cookie: retrosync=b\r\n".repeat(10_000));
    for request in [many, wide] {
        let (_, _, answer) = ask(&server, &request);
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    let (_, _, answer) = ask(&server, HEALTH);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

const HEALTH: &str = "GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

fn shown(server: &Server) -> Vec<u8> {
    let (shown, _, answer) = ask(server, HEALTH);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    shown
}

/// What is said to plain HTTP.
fn in_the_clear(server: &Server, request: &str) -> String {
    let mut socket = TcpStream::connect(place(server)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

fn start(settings: &[String]) -> Server {
    let words: Vec<&str> = settings.iter().map(String::as_str).collect();
    let mut server = Server::idle();
    server.run(&words);
    server
}

#[test]
fn a_certificate_that_certbot_renews_is_shown_without_a_restart_and_a_broken_one_is_not() {
    let files = tempfile::tempdir().unwrap();
    let first = renew(files.path());
    let server = start(&settings(files.path()));
    assert_eq!(shown(&server), first);

    // By itself, a little later.
    let second = renew(files.path());
    wait_for("the renewed certificate", PATIENCE, || (shown(&server) == second).then_some(()));

    // What is broken is told of, and the good one stays.
    let log = || std::fs::read_to_string(server.log()).unwrap();
    std::fs::write(files.path().join("certificate.pem"), "no certificate").unwrap();
    wait_for("the warning", PATIENCE, || {
        log().contains("it holds none in PEM; the certificate of before").then_some(())
    });
    assert_eq!(shown(&server), second);

    // At once, when it is asked for.
    let third = renew(files.path());
    assert!(Command::new("kill").args(["-HUP", &server.id().to_string()]).status().unwrap().success());
    wait_for("the third certificate", PATIENCE, || (shown(&server) == third).then_some(()));
}

#[test]
fn a_client_that_says_nothing_or_the_wrong_thing_holds_up_nobody() {
    let mut server = start(&["--set".into(), "tls.self_signed=true".into()]);
    let silent: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(place(&server)).unwrap()).collect();
    let mut half = TcpStream::connect(place(&server)).unwrap();
    half.write_all(&[0x16, 3, 1]).unwrap();

    let (_, agreed, answer) = ask(&server, HEALTH);
    assert_eq!(agreed.as_deref(), Some(&b"http/1.1"[..]));
    assert!(answer.contains("retrosync-server/"), "{answer}");

    let told = in_the_clear(&server, HEALTH);
    assert!(told.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{told}");
    assert!(
        told.contains("\"code\":\"malformed\"") && told.contains("this server speaks HTTPS here"),
        "{told}"
    );
    let host = place(&server);
    let sent = in_the_clear(&server, &format!("GET / HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\n\r\n"));
    assert!(sent.contains(&format!("\r\nLocation: https://{host}/\r\n")), "{sent}");
    let noise = in_the_clear(&server, "\0\u{1}\u{2}\r\n\r\n");
    assert!(noise.starts_with("HTTP/1.1 400 "), "{noise}");

    // Whoever says nothing is not kept for ever.
    half.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(half.read(&mut [0; 64]).unwrap_or(0), 0, "the connection has ended");
    drop(silent);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn over_tls_a_session_goes_over_nothing_else() {
    let server = start(&["--set".into(), "tls.self_signed=true".into()]);
    server.add_user("ada");
    let form = "name=ada&password=correct+horse+battery";
    let request = format!(
        "POST /login HTTP/1.1\r\nHost: localhost\r\nOrigin: https://localhost\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let (_, _, answer) = ask(&server, &request);
    let cookie = answer.lines().find(|line| line.to_ascii_lowercase().starts_with("set-cookie:"));
    let cookie = cookie.unwrap_or_else(|| panic!("no cookie: {answer}"));
    assert!(cookie.contains("; Secure") && cookie.contains("; HttpOnly"), "{cookie}");
}

#[test]
fn the_key_that_devices_pin_is_for_the_servers_eyes_only_and_goes_with_a_backup() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = start(&["--set".into(), "tls.self_signed=true".into()]);
    let folder = server.data().join("tls");
    for (path, mode) in [(folder.clone(), 0o700), (folder.join("key.pem"), 0o600)] {
        let found = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{}", path.display());
    }
    let key = std::fs::read(folder.join("key.pem")).unwrap();
    let pair = KeyPair::from_pem(std::str::from_utf8(&key).unwrap()).unwrap();
    let pin = Digest::of(&rcgen::PublicKeyData::subject_public_key_info(&pair)).to_string();
    let said = std::fs::read_to_string(server.log()).unwrap();
    assert!(said.contains(&format!("--pin {pin}")), "{said}");

    let backup = server.folder.path().join("backup");
    let output = server.cli(&["backup", backup.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    let restored = server.folder.path().join("restored");
    let output = Command::new(env!("CARGO_BIN_EXE_retrosync-server"))
        .args(["restore", backup.to_str().unwrap(), "--data", restored.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(std::fs::read(restored.join("tls/key.pem")).unwrap(), key, "devices know the restored server");
    let mode = std::fs::metadata(restored.join("tls/key.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// How a start ends that must not succeed.
fn refused(settings: &[String]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let Output { status, stderr, .. } = Command::new(env!("CARGO_BIN_EXE_retrosync-server"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder.path().join("data"))
        .args(settings)
        .output()
        .unwrap();
    assert_eq!(status.code(), Some(1));
    String::from_utf8_lossy(&stderr).into_owned()
}

#[test]
fn wrong_files_are_refused_at_the_start_with_what_is_wrong() {
    let good = tempfile::tempdir().unwrap();
    renew(good.path());
    let set = |certificate: &Path, key: &Path| {
        let name = |key: &str, path: &Path| format!("tls.{key}_file={}", path.display());
        vec!["--set".into(), name("cert", certificate), "--set".into(), name("key", key)]
    };
    let at = |name: &str| good.path().join(name);
    let other = KeyPair::generate().unwrap();
    std::fs::write(at("other.pem"), other.serialize_pem()).unwrap();
    std::fs::write(at("empty.pem"), "").unwrap();
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let made = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&ed25519).unwrap();
    std::fs::write(at("ed.pem"), made.pem()).unwrap();
    std::fs::write(at("ed-key.pem"), ed25519.serialize_pem()).unwrap();
    let own = || vec!["--set".to_owned(), "tls.self_signed=true".to_owned()];
    let (certificate, key) = (at("certificate.pem"), at("key.pem"));
    let rows = [
        ("no certificate there", set(&at("none.pem"), &key), "cannot read the certificate `"),
        ("an empty one", set(&at("empty.pem"), &key), "it holds none in PEM"),
        ("a key for a certificate", set(&key, &key), "it holds none in PEM"),
        ("no key there", set(&certificate, &at("none.pem")), "cannot read the key `"),
        ("a certificate for a key", set(&certificate, &certificate), "it holds no private key in PEM"),
        ("another's key", set(&certificate, &at("other.pem")), "is not that of the certificate"),
        ("a kind that nobody takes", set(&at("ed.pem"), &at("ed-key.pem")), "it is of Ed25519"),
        ("half of it", set(&certificate, &key)[..2].to_vec(), "belong together"),
        ("both ways", [set(&certificate, &key), own()].concat(), "leave one of them out"),
    ];
    for (what, settings, why) in rows {
        let said = refused(&settings);
        assert!(said.starts_with("error: ") && said.contains(why), "{what}: {said}");
        assert!(!said.contains("PRIVATE"), "{what}: {said}");
    }
}

#[test]
fn a_container_learns_whether_the_server_is_ready() {
    for tls in ["false", "true"] {
        let server = start(&["--set".into(), format!("tls.self_signed={tls}")]);
        let port = server.url.rsplit(':').next().unwrap().to_owned();
        let listen = format!("listen=127.0.0.1:{port}");
        let words = ["health", "--set", &listen, "--set", &format!("tls.self_signed={tls}")];
        let asked = server.cli(&words);
        assert!(asked.status.success(), "tls {tls}: {asked:?}");
        drop(server);
        let folder = tempfile::tempdir().unwrap();
        let gone = Command::new(env!("CARGO_BIN_EXE_retrosync-server"))
            .args(words)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert_eq!(gone.status.code(), Some(1), "{gone:?}");
        assert!(String::from_utf8_lossy(&gone.stderr).contains("the server does not answer at"), "{gone:?}");
    }
}
