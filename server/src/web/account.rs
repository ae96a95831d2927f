//! The account: what is kept for the user, and the way out.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;

use super::page::{PageReply, show};
use super::session::Visitor;
use super::words::{grouped, size};
use crate::app::{App, SERVER_NAME};

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    user: String,
    form_token: String,
    saves: String,
    versions: String,
    size: String,
    quota: String,
    devices: String,
    server: &'static str,
}

/// `GET /account`
pub(super) async fn page(State(app): State<Arc<App>>, visitor: Visitor) -> PageReply {
    let account = app.access.account(visitor.asker()).await?;
    show(&AccountPage {
        user: account.user,
        form_token: visitor.form_token(),
        saves: grouped(account.saves),
        versions: grouped(account.versions),
        size: size(account.size_bytes),
        quota: account.quota_bytes.map(size).unwrap_or_default(),
        devices: grouped(account.devices),
        server: SERVER_NAME,
    })
}
