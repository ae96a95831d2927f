//! Who spoke, and the server's router without a socket: requests of which nothing is known, from a paired device and from nobody, to a
//! library in memory. The fuzzer calls it, and an ordinary test replays the seeds (`fuzz/seeds/requests/`).
//!
//! The input is up to four requests, `METHOD PATH`, a line end, and the body; `=====` on a line of its own between them.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use retrosync_protocol::{
    BASE_PATH, DeviceId, Digest, Epoch, FRAMES_CONTENT_TYPE, PROBLEM_CONTENT_TYPE, Problem, Token, WriterId,
    discovery,
};
use retrosync_server::access::{Access, AccessOptions};
use retrosync_server::app::App;
use retrosync_server::blobs::objects::ObjectBlobs;
use retrosync_server::catalog::memory::MemoryCatalog;
use retrosync_server::catalog::{self, Catalog, DeviceRecord, SessionRecord, User, UserId};
use retrosync_server::library::Library;
use retrosync_server::notice::Notice;
use retrosync_server::proxies::{Network, Proxies};
use tokio::runtime::{Builder, Runtime};
use tower_service::Service as _;

/// Takes any bytes, and must return.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: &[(&str, Target)] =
    &[("addresses", addresses), ("requests", requests), ("foreign", foreign)];

const BETWEEN: &[u8] = b"\n=====\n";

/// A long poll waits no time here: the clock moves when there is nothing else to do.
static RUNTIME: LazyLock<Mutex<Runtime>> = LazyLock::new(|| {
    Mutex::new(
        Builder::new_current_thread().enable_time().start_paused(true).build().expect("there are threads"),
    )
});

/// No request is an internal error, every refusal is a problem document, and no answer repeats a token.
pub fn requests(input: &[u8]) {
    let runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    runtime.block_on(async {
        let mut api = retrosync_server::api::router(world().await);
        let mut rest = input;
        for _ in 0..4 {
            let at = rest.windows(BETWEEN.len()).position(|window| window == BETWEEN);
            let (one, next) = at.map_or((rest, &[][..]), |at| (&rest[..at], &rest[at + BETWEEN.len()..]));
            ask(&mut api, one).await;
            rest = next;
        }
    });
}

/// The cookie of the user's browser; the seeds of forms carry what the server makes of it.
const COOKIE: &str = "0909090909090909090909090909090909090909090909090909090909090909";

/// One request to RetroSync's own API, its bucket of S3, or the dashboard: `METHOD PATH`, headers, an empty line, and the body. The
/// readers that are met so are those of a form with files, of signed requests, of chunked bodies, of their JSON and of queries. No
/// answer is a fault of the server but where their own server says so of a body that is no JSON.
pub fn foreign(input: &[u8]) {
    let runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    runtime.block_on(async {
        let app = world().await;
        let end = input.windows(2).position(|two| two == b"\n\n").unwrap_or(input.len());
        let (head, body) = (&input[..end], input.get(end + 2..).unwrap_or_default());
        let head = String::from_utf8_lossy(head);
        let mut lines = head.lines();
        let Some((method, path)) = lines.next().and_then(|line| line.split_once(' ')) else { return };
        if !path.starts_with('/') || path.starts_with(BASE_PATH) || path.starts_with("/live") {
            return;
        }
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in lines.filter_map(|line| line.split_once(": ")).take(30) {
            request = request.header(name, value);
        }
        request = request
            .header("cookie", format!("retrosync={COOKIE}"))
            .header("x-api-key", &token().as_str()[4..])
            .header("host", "retrosync.example");
        let Ok(request) = request.body(Body::from(body.to_vec())) else { return };
        let mut pages = retrosync_server::compat::retrosync::router(app.clone())
            .merge(retrosync_server::web::router(app.clone()));
        let Ok(answer) = pages.call(request).await;
        let (head, body) = answer.into_parts();
        let Ok(body) = body.collect().await else { return };
        let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        let says_so = text.contains("\"error\":\"Failed to ");
        assert!(head.status != StatusCode::INTERNAL_SERVER_ERROR || says_so, "{method} {path}: {text}");
        assert!(!text.contains("rst_0505"), "a token was told");
    });
}

/// Who spoke: a header of a proxy whose clients write what they like before it, and a datagram of anybody in the network.
pub fn addresses(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (line, rest) = text.split_once('\n').unwrap_or((&text, ""));
    who_asked(line, rest);
    for network in [line, rest] {
        if let Ok(network) = network.parse::<Network>() {
            assert_eq!(network.to_string().parse(), Ok(network));
        }
    }
    assert!(!discovery::is_question(input) || input == discovery::question());
    for host in ["192.168.1.9", "[fd00::9]"] {
        let Some(found) = discovery::address(input, host) else { continue };
        let (scheme, place) = found.split_once("://").expect("it is an address");
        assert!(scheme == "https" || scheme == "http" && discovery::host_of(place) == host, "{found}");
        assert!(!discovery::host_of(place).is_empty(), "{found}");
        assert!(place.bytes().all(|byte| byte.is_ascii_graphic() && !b"@\\?#".contains(&byte)), "{found}");
    }
    if let Some(answer) = discovery::answer(Some(line), true, 1) {
        assert!(answer.len() <= discovery::BYTES);
    }
}

/// What the nearest proxy said of its client stands, whatever the client wrote.
fn who_asked(line: &str, other: &str) {
    let [proxy, client, stranger] =
        ["10.0.0.1", "203.0.113.9", "203.0.113.77"].map(|text| text.parse::<IpAddr>().expect("an address"));
    let proxies = Proxies::new(vec!["10.0.0.0/8".parse().expect("a network")]);
    let headers = |rows: &[(&'static str, String)]| {
        let mut map = HeaderMap::new();
        for (name, value) in rows {
            map.append(*name, value.parse().ok()?);
        }
        Some(map)
    };
    for (name, said, else_where) in
        [("x-forwarded-for", "203.0.113.9", "forwarded"), ("forwarded", "for=203.0.113.9", "x-forwarded-for")]
    {
        if let Some(map) = headers(&[(name, other.to_owned()), (name, format!("{line}, {said}"))]) {
            assert_eq!(proxies.client(proxy, &map), client);
            assert_eq!(proxies.client(stranger, &map), stranger, "nobody named it");
        }
        let own = format!("{line}, {said}");
        if let Some(map) = headers(&[(else_where, other.to_owned()), (name, own)]) {
            let told = proxies.client(proxy, &map);
            assert!(told == client || told == proxy, "a client chose {told}");
        }
    }
}

/// A server with one user and one device.
async fn world() -> Arc<App> {
    let catalog = Arc::new(MemoryCatalog::new(Epoch::from_random(&[7; 16])));
    let user = User {
        id: UserId(0),
        name: "ada".into(),
        password_hash: String::new(),
        admin: true,
        writer: WriterId::from_random(&[1; 16]),
        quota_bytes: Some(1 << 20),
        quota_devices: None,
        email: None,
        created_unix_s: 0,
    };
    let mut tx = catalog.begin(catalog::Access::Write).await.expect("it is in memory");
    let user = tx.add_user(&user).await.expect("it is in memory").expect("the name is free");
    let device = DeviceRecord {
        device: DeviceId::from_random(&[2; 8]),
        user,
        name: "Mini".into(),
        profile: "onion".into(),
        client: "retrosync/fuzz".into(),
        token_sha256: token().digest(),
        writer: WriterId::from_random(&[3; 16]),
        paired_unix_s: 0,
        last_seen_unix_s: None,
        revoked: false,
        report: String::new(),
    };
    tx.add_device(&device).await.expect("it is in memory");
    let session =
        SessionRecord { token_sha256: Digest::of(COOKIE.as_bytes()), user, expires_unix_s: i64::MAX };
    tx.add_session(&session).await.expect("it is in memory");
    tx.commit().await.expect("it is in memory");
    let access = Access::new(catalog.clone(), AccessOptions::default());
    let library = Library::new(catalog, Arc::new(ObjectBlobs::in_memory()), Arc::new(Notice::new()));
    App::new(library, access, None, Proxies::default()).await.expect("it is in memory")
}

fn token() -> Token {
    Token::from_random(&[5; 32])
}

async fn ask(api: &mut Router, input: &[u8]) {
    let (head, body) = input.split_at(input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len()));
    let head = String::from_utf8_lossy(head);
    // What is below no base path is the dashboard's to answer.
    let Some((method, path)) = head.split_once(' ').filter(|(_, path)| path.starts_with('/')) else { return };
    let body = body.get(1..).unwrap_or_default();
    let kind = if body.starts_with(b"{") { "application/json" } else { FRAMES_CONTENT_TYPE };
    let mut request =
        Request::builder().method(method).uri(format!("{BASE_PATH}{path}")).header("content-type", kind);
    // `/pairing` is asked by nobody in particular, all else by the device.
    if !path.starts_with("/pairing") {
        request = request.header("authorization", format!("Bearer {}", token().as_str()));
    }
    let operation = format!("op-{}", path.len());
    let Ok(request) = request.header("idempotency-key", operation).body(Body::from(body.to_vec())) else {
        return;
    };
    let Ok(answer) = api.call(request).await;
    let (head, body) = answer.into_parts();
    let Ok(body) = body.collect().await else { return };
    let body = body.to_bytes();
    assert_ne!(head.status, StatusCode::INTERNAL_SERVER_ERROR, "{}", String::from_utf8_lossy(&body));
    assert!(!body.windows(8).any(|window| window == b"rst_0505"), "a token was told");
    if method == "HEAD" {
        return;
    }
    if head.status.is_client_error() || head.status.is_server_error() {
        assert_eq!(
            head.headers.get("content-type").map(|kind| kind.as_bytes()),
            Some(PROBLEM_CONTENT_TYPE.as_bytes())
        );
        serde_json::from_slice::<Problem>(&body).expect("a refusal says what is wrong");
    }
}
