//! The server's router without a socket: requests of which nothing is known, from a paired device and from nobody, to a
//! library in memory. The fuzzer calls it, and an ordinary test replays the seeds (`fuzz/seeds/requests/`).
//!
//! The input is up to four requests, `METHOD PATH`, a line end, and the body; `=====` on a line of its own between them.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use retrosync_protocol::{
    BASE_PATH, DeviceId, Digest, Epoch, FRAMES_CONTENT_TYPE, PROBLEM_CONTENT_TYPE, Problem, Token, WriterId,
};
use retrosync_server::access::{Access, AccessOptions};
use retrosync_server::app::App;
use retrosync_server::blobs::objects::ObjectBlobs;
use retrosync_server::catalog::memory::MemoryCatalog;
use retrosync_server::catalog::{self, Catalog, DeviceRecord, SessionRecord, User, UserId};
use retrosync_server::library::Library;
use retrosync_server::notice::Notice;
use retrosync_server::proxies::Proxies;
use tokio::runtime::{Builder, Runtime};
use tower_service::Service as _;

/// Takes any bytes, and must return.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: &[(&str, Target)] = &[("requests", requests), ("foreign", foreign)];

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
        let app = world().await;
        let mut rest = input;
        for _ in 0..4 {
            let at = rest.windows(BETWEEN.len()).position(|window| window == BETWEEN);
            let (one, next) = at.map_or((rest, &[][..]), |at| (&rest[..at], &rest[at + BETWEEN.len()..]));
            ask(&app, one).await;
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

async fn ask(app: &Arc<App>, input: &[u8]) {
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
    let Ok(answer) = retrosync_server::api::router(app.clone()).call(request).await;
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
