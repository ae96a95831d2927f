//! Whom the device trusts, over real TLS on loopback: a pinned key, an authority of one's own, and clocks that lie.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use retrosync::error::{Error, Kind};
use retrosync::machine::{self, Machine};
use retrosync::playing::{Playing, Signs};
use retrosync::remote::{Heard, HttpRemote, Remote, RemoteSettings, key_of_server};
use retrosync_protocol::{ChangesRequest, Digest, Token};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use support::card::Firmware;
use support::device::{Device, bytes};

/// A machine whose clock shows this.
struct Clock(i64);

impl Machine for Clock {
    fn boot_ms(&self) -> u64 {
        0
    }

    fn unix_s(&self) -> i64 {
        self.0
    }

    fn random(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).unwrap();
    }

    fn games(&self, _: &Signs) -> Playing {
        Playing::default()
    }
}

/// When a certificate is good, in years.
type Years = (i32, i32);

const GOOD: Years = (2020, 2120);
/// As most are: some time around now.
const SHORT: Years = (2025, 2040);
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
        let config = presenting(certificate.der(), &key);
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, heads) = mpsc::channel();
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

/// A server that shows this certificate.
fn presenting(certificate: &[u8], key: &KeyPair) -> Arc<ServerConfig> {
    let chain = vec![CertificateDer::from(certificate.to_vec())];
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .unwrap();
    Arc::new(config)
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
    let cause = "the server's certificate is not trusted: nobody whom this device trusts has signed it";
    assert_eq!(error.cause, cause);
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

#[test]
fn a_device_whose_clock_was_never_set_or_runs_far_ahead_still_knows_whom_to_trust() {
    #[derive(Clone, Copy, Debug)]
    enum Trust {
        Pinned,
        Authority,
        Nobody,
    }
    use Trust::{Authority, Nobody, Pinned};
    const Y1970: i64 = 0;
    const Y2099: i64 = 4_086_000_000;
    let rows = [
        (Y1970, SHORT, Authority, None, "in 1970 the time is at least that of the build"),
        (Y2099, SHORT, Authority, None, "a clock in 2099 is not believed"),
        (Y1970, AHEAD, Authority, None, "a certificate that was renewed since the last contact has begun"),
        (Y1970, OVER, Authority, Some(Kind::ClockWrong), "over since before the build, whatever the clock"),
        (
            Y2099,
            AHEAD,
            Authority,
            Some(Kind::ClockWrong),
            "nor does a clock make it good that is not believed",
        ),
        (Y1970, OVER, Pinned, None, "a pinned key needs no date"),
        (Y2099, AHEAD, Pinned, None, "a pinned key needs no date"),
        (Y1970, SHORT, Nobody, Some(Kind::Offline), "no clock makes a stranger's certificate trusted"),
        (Y1970, AHEAD, Nobody, Some(Kind::Offline), "nor does a late one"),
        (Y2099, SHORT, Nobody, Some(Kind::Offline), "no clock makes a stranger's certificate trusted"),
    ];
    for (clock, years, trust, expected, why) in rows {
        let server = Secure::start(&["127.0.0.1"], years);
        let mut settings = server.settings();
        match trust {
            Pinned => settings.pinned_key = Some(server.key),
            Authority => settings.ca_file = server.ca_file(),
            Nobody => {}
        }
        machine::play(Some(Arc::new(Clock(clock))));
        let asked = server.ask(settings).map_err(|error| error.kind);
        machine::play(None);
        assert_eq!(asked.err(), expected, "{clock} {years:?} {trust:?}: {why}");
        let told = server.heads.try_iter().count();
        assert_eq!(told > 0, expected.is_none(), "{why}: a token goes only to whom is trusted");
    }
}

/// A certificate that its own key signed, as a server at home has one.
fn self_signed() -> (Arc<ServerConfig>, Digest) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["nas.local".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let digest = Digest::of(&rcgen::PublicKeyData::subject_public_key_info(&key));
    (presenting(certificate.der(), &key), digest)
}

/// TLS before a plain server: each connection's bytes go there and back. Which certificate is shown can be changed; tells how
/// many bytes came out of TLS.
struct Front {
    port: u16,
    shown: Arc<Mutex<Arc<ServerConfig>>>,
    heard_bytes: Arc<AtomicUsize>,
}

impl Front {
    fn before(upstream: u16, config: Arc<ServerConfig>) -> Front {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (shown, heard_bytes) = (Arc::new(Mutex::new(config)), Arc::new(AtomicUsize::new(0)));
        let front = Front { port, shown: shown.clone(), heard_bytes: heard_bytes.clone() };
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let connection = ServerConnection::new(shown.lock().unwrap().clone()).unwrap();
                let heard_bytes = heard_bytes.clone();
                thread::spawn(move || {
                    let upstream = TcpStream::connect(("127.0.0.1", upstream)).unwrap();
                    pass(StreamOwned::new(connection, socket), upstream, &heard_bytes)
                });
            }
        });
        front
    }
}

/// Both ways in turn, until one side is gone.
fn pass(mut tls: StreamOwned<ServerConnection, TcpStream>, mut plain: TcpStream, heard_bytes: &AtomicUsize) {
    let turn = Some(Duration::from_millis(5));
    tls.sock.set_read_timeout(turn).unwrap();
    plain.set_read_timeout(turn).unwrap();
    let mut piece = [0; 16_384];
    let waits = |error: &std::io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
    loop {
        match tls.read(&mut piece) {
            Ok(count @ 1..) => {
                heard_bytes.fetch_add(count, Ordering::SeqCst);
                if plain.write_all(&piece[..count]).is_err() {
                    return;
                }
            }
            Err(error) if waits(&error) => {}
            _ => return,
        }
        match plain.read(&mut piece) {
            Ok(count @ 1..) => {
                if tls.write_all(&piece[..count]).and_then(|()| tls.flush()).is_err() {
                    return;
                }
            }
            Err(error) if waits(&error) => {}
            _ => return,
        }
    }
}

#[test]
fn a_key_that_was_compared_when_pairing_is_the_only_one_that_is_ever_trusted_there() {
    let server = support::server::Server::start();
    let (config, key) = self_signed();
    let front = Front::before(server.port(), config.clone());
    let url = format!("https://127.0.0.1:{}", front.port);
    let device = Device::new(Firmware::Onion, "Tetris (World)");

    let refused = device.run(&["pair", &url]).ends(1);
    assert!(refused.err.contains(&format!("compare its key and pair with `--pin {key}`")), "{}", refused.err);
    assert_eq!(front.heard_bytes.load(Ordering::SeqCst), 0, "not even a question");

    device.set(&format!("pin = \"{key}\"\n"));
    let mut pairing = device.start_pairing(&url);
    server.approve(&pairing.code());
    assert_eq!(pairing.end()["paired"], true);
    device.set("");
    device.plays(&bytes("first"));
    assert_eq!(device.once()["uploaded"][0], "gb/sram/Tetris (World)", "the pin was kept with the pairing");

    let heard = front.heard_bytes.load(Ordering::SeqCst);
    *front.shown.lock().unwrap() = self_signed().0;
    device.plays(&bytes("second"));
    let refused = device.run(&["once"]).ends(1);
    assert!(refused.err.contains("the server's key is not the pinned one"), "{}", refused.err);
    assert_eq!(front.heard_bytes.load(Ordering::SeqCst), heard, "whoever stands in between learns nothing");
    *front.shown.lock().unwrap() = config;
    device.once();
}

#[test]
fn a_server_that_signs_its_own_certificate_is_known_by_its_key_for_ever() {
    let mut server = support::server::Server::start_set(&["tls.self_signed=true"]);
    let device = Device::new(Firmware::Onion, "Tetris (World)");

    let refused = device.run(&["pair", &server.url()]).ends(1);
    let key = refused.err.split("--pin ").nth(1).and_then(|rest| rest.split('`').next()).unwrap().to_owned();
    let shown = support::wait_for("the server says how to pair", 60, || {
        Some(server.said()).filter(|said| said.contains("--pin"))
    });
    assert!(shown.contains(&format!("retrosync pair {} --pin {key}\n", server.url())), "{shown}");
    let groups: Vec<&str> = (0..64).step_by(8).map(|at| &key[at..at + 8]).collect();
    assert!(shown.contains(&format!("key        {}\n", groups.join(" "))), "{shown}");

    device.set(&format!("pin = \"{key}\"\n"));
    let mut pairing = device.start_pairing(&server.url());
    assert!(pairing.offer["url"].as_str().unwrap().starts_with("https://"), "{}", pairing.offer);
    server.approve(&pairing.code());
    assert_eq!(pairing.end()["paired"], true);
    device.set("");
    device.plays(&bytes("first"));
    assert_eq!(device.once()["uploaded"][0], "gb/sram/Tetris (World)");

    // A restart shows the same key; a certificate that is lost is made anew around it.
    server.kill();
    std::fs::remove_file(server.data().join("tls/certificate.pem")).unwrap();
    server.up();
    device.plays(&bytes("second"));
    device.once();

    // Another key is another server, whatever else it knows.
    server.kill();
    std::fs::remove_dir_all(server.data().join("tls")).unwrap();
    server.up();
    device.plays(&bytes("third"));
    let refused = device.run(&["once"]).ends(1);
    assert!(refused.err.contains("the server's key is not the pinned one"), "{}", refused.err);
    let refused = device.run(&["pair", &server.url(), "--again"]).ends(1);
    assert!(refused.err.contains("compare its key and pair with `--pin "), "{}", refused.err);
}

#[test]
fn a_device_finds_the_encrypted_server_and_its_key_though_its_clock_says_1970() {
    // A port that is free now; whoever takes it meanwhile is no server, and another is tried.
    let found = (0..5).find_map(|_| {
        let at = std::net::UdpSocket::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let settings = vec!["tls.self_signed=true", String::leak(format!("announce={at}"))];
        let server = support::server::Server::start_set(settings.leak());
        let answer = (0..5).find_map(|_| retrosync::discover::servers(at).into_iter().next());
        answer.map(|answer| (server, answer))
    });
    let (server, found) = found.expect("no server answered");
    assert_eq!((found.address.as_str(), found.sender.as_str()), (server.url().as_str(), ""));

    machine::play(Some(Arc::new(Clock(0))));
    let key = key_of_server(&found.address).unwrap();
    let settings = RemoteSettings {
        server: found.address,
        token: Some(Token::from_random(&[5; 32])),
        pinned_key: Some(key),
        ..RemoteSettings::default()
    };
    let asked = |settings: &RemoteSettings| {
        HttpRemote::open(settings)
            .and_then(|mut remote| remote.list(&ChangesRequest::default()))
            .unwrap_err()
            .kind
    };
    let known = asked(&settings);
    let stranger = asked(&RemoteSettings { pinned_key: None, ..settings });
    machine::play(None);
    assert_eq!(known, Kind::Unpaired, "it was asked, and does not know this token");
    assert_eq!(stranger, Kind::Offline, "without its key nobody is trusted");
}

/// A record that was cut, or a connection that was, is no end of a reply: only a farewell in TLS is, where a reply does not tell
/// its length.
#[test]
fn a_reply_that_ends_without_a_farewell_is_none_however_whole_it_looks() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum End {
        Farewell,
        Silent,
        InARecord,
    }
    for (end, is_reply) in [(End::Farewell, true), (End::Silent, false), (End::InARecord, false)] {
        let (config, key) = self_signed();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for mut socket in listener.incoming().map_while(Result::ok) {
                let mut tls = ServerConnection::new(config.clone()).unwrap();
                let mut asked = Vec::new();
                while !asked.ends_with(b"}") && tls.complete_io(&mut socket).is_ok_and(|(read, _)| read > 0) {
                    let _ = tls.reader().read_to_end(&mut asked);
                }
                tls.writer().write_all(reply_without_a_length().as_bytes()).unwrap();
                let mut records = Vec::new();
                if end == End::Farewell {
                    tls.send_close_notify();
                }
                while tls.wants_write() {
                    tls.write_tls(&mut records).unwrap();
                }
                if end == End::InARecord {
                    tls.writer().write_all(b" ").unwrap();
                    let mut last = Vec::new();
                    tls.write_tls(&mut last).unwrap();
                    records.extend_from_slice(&last[..last.len() / 2]);
                }
                let _ = socket.write_all(&records);
            }
        });
        let settings = RemoteSettings {
            server: format!("https://127.0.0.1:{port}"),
            token: Some(Token::from_random(&[5; 32])),
            pinned_key: Some(key),
            ..RemoteSettings::default()
        };
        let heard = HttpRemote::open(&settings).unwrap().list(&ChangesRequest::default());
        assert_eq!(
            heard.map(drop).map_err(|error| error.kind),
            if is_reply { Ok(()) } else { Err(Kind::Offline) },
            "{end:?}"
        );
    }
}

/// A quiet answer; its end is that of the connection.
fn reply_without_a_length() -> String {
    let epoch = "0123456789abcdef0123456789abcdef";
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nRetroSync-Epoch: {epoch}\r\nConnection: close\r\n\r\n\
         {{\"epoch\":\"{epoch}\",\"cursor\":0,\"more\":false,\"reset\":false,\"server_time_unix_s\":2015000000,\"saves\":[]}}"
    )
}
