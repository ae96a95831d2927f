//! The dashboard: plain pages that work without a script and are lively with a little, one file a page. It asks `access`
//! and `library` only.
//!
//! Every page needs a session but the doors; every form carries the session's own token and must come from our own
//! pages. Names that devices and files bring are always escaped (the templates do it).

mod account;
mod activity;
mod admin;
mod assets;
mod choices;
mod devices;
mod doors;
mod download;
mod export;
mod frame;
mod held;
mod live;
mod naming;
mod page;
mod pair;
mod question;
mod save;
mod saves;
mod session;
mod storage;
mod upload;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, Uri, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use retrosync_protocol::Code;

use crate::app::App;
use crate::refusal::Refusal;
use page::Trouble;
pub(crate) use session::check_origin;
pub(crate) use words::civil;

/// Our own files only, and nothing written into a page; no other page may frame ours.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The largest form with a file: a file of 64 MiB and what is around it.
const MOST_UPLOAD_BYTES: usize = 66 << 20;

/// All pages.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(saves::page))
        .route("/save", get(save::page))
        .route("/save/download", get(download::download))
        .route("/save/restore", post(choices::restore))
        .route("/save/resolve", post(choices::resolve))
        .route("/save/retire", post(choices::retire))
        .route("/save/mark", post(choices::mark))
        .route("/save/bring", get(upload::ask).post(upload::bring_all_the_same))
        .route("/save/upload", post(upload::upload).layer(DefaultBodyLimit::max(MOST_UPLOAD_BYTES)))
        .route("/upload", post(upload::upload).layer(DefaultBodyLimit::max(MOST_UPLOAD_BYTES)))
        .route("/saves", get(saves::elsewhere))
        .route("/storage", get(storage::page))
        .route("/activity", get(activity::page))
        .route("/live", get(live::events))
        .route("/stamp", get(live::now))
        .route("/devices", get(devices::page))
        .route("/devices/{device}/rename", post(devices::rename))
        .route("/devices/{device}/revoke", post(devices::revoke))
        .route("/pair", get(pair::page).post(pair::answer))
        .route("/pair/code", post(pair::make_code))
        .route("/pair/six", post(pair::make_six))
        .route("/account", get(account::page).post(account::change))
        .route("/account/password", post(account::password))
        .route("/account/export.zip", get(account::export))
        .route("/account/delete", post(account::delete))
        .route("/admin", get(admin::page))
        .route("/admin/registration", post(admin::registration))
        .route("/admin/invite", post(admin::invite))
        .route("/admin/withdraw", post(admin::withdraw))
        .route("/admin/limits", post(admin::limits))
        .route("/admin/password", post(admin::password))
        .route("/admin/remove", post(admin::remove))
        .route("/register", get(doors::register_page).post(doors::register))
        .route("/login", get(doors::login_page).post(doors::login))
        .route("/logout", post(doors::logout))
        .route("/assets/{name}", get(assets::asset))
        .fallback(no_page)
        .method_not_allowed_fallback(no_page)
        .layer(from_fn(every_page))
        .with_state(app)
}

async fn no_page(uri: Uri) -> Trouble {
    Refusal::new(Code::NotFound, format!("there is no page `{}`", uri.path())).into()
}

/// What every page carries.
async fn every_page(request: axum::extract::Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let always = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
    ];
    for (name, value) in always {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
