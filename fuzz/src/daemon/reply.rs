//! What answers a device: the real client over loopback, against a server that sends the input and closes.
//!
//! The first byte chooses the question, the second whether the input is the whole answer or the body of one that is well
//! formed up to there.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use retrosync::remote::{HttpRemote, PairingClient, Remote as _, RemoteSettings};
use retrosync_protocol::{
    ChangesRequest, Content, Digest, FRAMES_CONTENT_TYPE, PROBLEM_CONTENT_TYPE, PairingRequest, SaveId,
    Token, Version, WriterId,
};

static STAND_IN: LazyLock<StandIn> = LazyLock::new(StandIn::start);

/// The one server of this process.
struct StandIn {
    server: String,
    answer: Arc<Mutex<Vec<u8>>>,
}

impl StandIn {
    fn start() -> StandIn {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback is there");
        let server = format!("http://{}", listener.local_addr().expect("it listens"));
        let answer = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let bytes = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let _ = serve(stream, &bytes);
            }
        });
        StandIn { server, answer }
    }
}

/// Reads one request to its end, so that closing resets nothing; answers and closes.
fn serve(mut stream: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let (mut request, mut piece) = (Vec::new(), [0; 8192]);
    while !is_whole(&request) {
        match stream.read(&mut piece)? {
            0 => return Ok(()),
            count => request.extend_from_slice(&piece[..count]),
        }
    }
    stream.write_all(answer)?;
    stream.shutdown(Shutdown::Write)?;
    // Until the client has closed: whoever closes first keeps the port for a minute.
    while stream.read(&mut piece)? > 0 {}
    Ok(())
}

fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
    let body = &request[end + 4..];
    match head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse::<usize>().ok()) {
        Some(length) => body.len() >= length,
        None => !head.contains("transfer-encoding: chunked") || body.ends_with(b"0\r\n\r\n"),
    }
}

/// An answer that is well formed up to its body.
fn framed(how: u8, body: &[u8]) -> Vec<u8> {
    let (status, kind) = match how % 6 {
        1 => ("200 OK", "application/json"),
        2 => ("200 OK", FRAMES_CONTENT_TYPE),
        3 => ("409 Conflict", PROBLEM_CONTENT_TYPE),
        4 => ("206 Partial Content", "application/octet-stream"),
        _ => ("503 Service Unavailable", PROBLEM_CONTENT_TYPE),
    };
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nContent-Range: bytes 0-{}/{}\r\n\
         RetroSync-Epoch: 0123456789abcdef0123456789abcdef\r\n\r\n",
        body.len(),
        body.len(),
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}

fn contents() -> Vec<Content> {
    let of = |bytes: &[u8]| Content { digest: Digest::of(bytes), size_bytes: bytes.len() as u64 };
    // The second is what the seeds hold; the third is fetched alone, over 1 MiB.
    vec![of(b"abc"), of(&[7; 300]), Content { size_bytes: (1 << 20) + 1, ..of(b"large") }]
}

fn version() -> Version {
    Version {
        save: "gb/sram/Tetris".parse().unwrap_or_else(|_| unreachable!()),
        content: contents().into_iter().next(),
        parents: Vec::new(),
        writer: WriterId::from_random(&[9; 16]),
        sequence: 1,
        played: None,
        suspect: false,
        client: "retrosync/0.1.0".into(),
        profile: "onion".into(),
        core: None,
        note: None,
    }
}

/// No answer panics, no content is handed on that is not the one asked for, no more comes out than was asked for.
pub fn reply(input: &[u8]) {
    let [question, how, body @ ..] = input else { return };
    let stand_in = &*STAND_IN;
    let answer = if how % 6 == 0 { body.to_vec() } else { framed(*how, body) };
    *stand_in.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    let settings = RemoteSettings {
        server: stand_in.server.clone(),
        token: Some(Token::from_random(&[5; 32])),
        client: "retrosync/fuzz".into(),
        ..RemoteSettings::default()
    };
    let mut remote = HttpRemote::open(&settings).expect("the address is well formed");
    let save: SaveId = version().save;
    let failed = match question % 8 {
        0 => remote.list(&ChangesRequest::default()).err(),
        1 => {
            let taken = remote.fetch(&contents(), &mut |content, payload| {
                let mut bytes = Vec::new();
                if payload.read_to_end(&mut bytes).is_ok() {
                    assert_eq!(Digest::of(&bytes), content.digest, "other bytes than those asked for");
                }
                assert!(bytes.len() as u64 <= content.size_bytes, "more came than was asked for");
                Ok(())
            });
            taken.err()
        }
        2 => remote.history(&save, None).err(),
        3 => remote.devices().err(),
        4 => remote.account().err(),
        5 => remote.health().err(),
        6 => remote.store(&[version()], &|_| Ok(Box::new(&b"abc"[..]))).err(),
        _ => {
            let request = PairingRequest {
                token_sha256: Digest::of(b"token"),
                device_name: "Mini".into(),
                profile: "onion".into(),
                client: "retrosync/fuzz".into(),
            };
            let mut client = PairingClient::open(&settings).expect("the address is well formed");
            client.start(&request).err()
        }
    };
    if let Some(error) = failed {
        assert!(!error.to_string().contains("rst_0505"), "the token is told: {error}");
    }
}
