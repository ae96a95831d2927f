//! Who looks at a page: the session behind the cookie, and forms that can only have come from our own pages.
//!
//! Three guards stand before a change: the cookie is `SameSite=Strict`, the request's origin must be ours, and the form
//! must carry a token that is derived from the session's cookie, which another site cannot read.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Multipart, Request};
use axum::http::{HeaderMap, Uri, header, request::Parts};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use retrosync_protocol::{Code, Digest};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::page::Trouble;
use crate::access::{Login, Session};
use crate::api::request::{collect, malformed, short};
use crate::app::{App, host};
use crate::library::{Answer, Asker};
use crate::refusal::Refusal;
use crate::trace::asked_by;

const COOKIE: &str = "retrosync";
const MAX_FORM_BYTES: usize = 64 << 10;

/// Somebody who is logged in.
pub(super) struct Visitor {
    session: Session,
    cookie: String,
}

impl Visitor {
    /// Who asks the library.
    pub(super) fn asker(&self) -> &Asker {
        &self.session.asker
    }

    /// May they see the admin's page?
    pub(super) fn is_admin(&self) -> bool {
        self.session.admin
    }

    /// What every form of this session carries.
    pub(super) fn form_token(&self) -> String {
        Digest::of(format!("retrosync.form.1\n{}", self.cookie).as_bytes()).to_string()
    }

    /// Refuses a form of another session.
    pub(super) fn check(&self, form_token: &str) -> Answer<()> {
        if form_token == self.form_token() {
            Ok(())
        } else {
            Err(foreign("the form is from another session"))
        }
    }

    /// The cookie's value, to end the session.
    pub(super) fn cookie(&self) -> &str {
        &self.cookie
    }
}

impl FromRequestParts<Arc<App>> for Visitor {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Visitor, Trouble> {
        visitor(app, &parts.headers).await?.ok_or_else(|| Trouble::GoTo(door(&parts.uri)))
    }
}

/// Who is logged in, if anybody is.
pub(super) async fn visitor(app: &App, headers: &HeaderMap) -> Answer<Option<Visitor>> {
    let Some(cookie) = read_cookie(headers) else { return Ok(None) };
    match app.access.session(&cookie, app.now_unix_s()).await {
        Ok(session) => {
            asked_by(&session.asker);
            Ok(Some(Visitor { session, cookie }))
        }
        Err(refusal) if refusal.code() == Code::Unauthorized => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// The login page that leads back to here.
fn door(uri: &Uri) -> String {
    let here = uri.path_and_query().map_or("/", |path| path.as_str());
    if here == "/" { "/login".into() } else { format!("/login?next={}", escaped(here)) }
}

/// A text as one value after `?`.
pub(super) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// A page of ours to go to, or the first page: never another site.
pub(super) fn own_path(next: &str) -> &str {
    let ours = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains(|c: char| c == '\\' || c.is_control());
    if ours { next } else { "/" }
}

fn read_cookie(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == COOKIE)?;
    (value.len() == 64 && value.bytes().all(|b| b.is_ascii_hexdigit())).then(|| value.to_owned())
}

/// The `Set-Cookie` of a fresh session.
pub(super) fn session_cookie(app: &App, login: &Login) -> String {
    let left_s = (login.session.expires_unix_s - app.now_unix_s()).max(0);
    format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age={left_s}{}", login.cookie, secure(app))
}

/// The `Set-Cookie` that takes it away.
pub(super) fn no_cookie(app: &App) -> String {
    format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{}", secure(app))
}

fn secure(app: &App) -> &'static str {
    if app.is_secure() { "; Secure" } else { "" }
}

/// A form of our own pages, sent by somebody who is logged in.
pub(super) struct Form<T> {
    /// Who sent it.
    pub(super) visitor: Visitor,
    /// What they filled in.
    pub(super) fields: T,
}

#[derive(Deserialize)]
struct Guard {
    #[serde(default)]
    form_token: String,
}

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Form<T> {
    type Rejection = Trouble;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Form<T>, Trouble> {
        let visitor = visitor(app, request.headers()).await?.ok_or_else(|| Trouble::GoTo("/login".into()))?;
        let text = read_form(app, request).await?;
        let guard: Guard = parse(&text)?;
        visitor.check(&guard.form_token)?;
        Ok(Form { visitor, fields: parse(&text)? })
    }
}

/// A form of the doors, where nobody is logged in yet.
pub(super) struct DoorForm<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for DoorForm<T> {
    type Rejection = Trouble;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<DoorForm<T>, Trouble> {
        let text = read_form(app, request).await?;
        Ok(DoorForm(parse(&text)?))
    }
}

/// Somebody who is logged in sends a form with files: the pages' own guard, for who reads the parts as they come.
pub(super) struct FileForm {
    /// Who sends it.
    pub(super) visitor: Visitor,
    /// The parts, the form's token among the first.
    pub(super) parts: Multipart,
}

impl FromRequest<Arc<App>> for FileForm {
    type Rejection = Trouble;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<FileForm, Trouble> {
        let visitor = visitor(app, request.headers()).await?.ok_or_else(|| Trouble::GoTo("/login".into()))?;
        check_origin(app, request.headers())?;
        let parts = Multipart::from_request(request, app).await;
        let parts =
            parts.map_err(|why| malformed(format!("the form cannot be read: {}", why.body_text())))?;
        Ok(FileForm { visitor, parts })
    }
}

async fn read_form(app: &App, request: Request) -> Answer<Vec<u8>> {
    check_origin(app, request.headers())?;
    Ok(collect(request.into_body(), MAX_FORM_BYTES).await?.to_vec())
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Answer<T> {
    serde_urlencoded::from_bytes(text)
        .map_err(|error| malformed(format!("the form cannot be read: {}", short(error))))
}

fn foreign(detail: &str) -> Refusal {
    Refusal::new(Code::AccessDenied, detail).help("go back, load the page again and repeat it")
}

/// Browsers say which site a form is from; it must be ours. What says nothing is no browser.
pub(crate) fn check_origin(app: &App, headers: &HeaderMap) -> Answer<()> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?").to_owned());
    if let Some(origin) = text("origin") {
        let own = host(headers).is_some_and(|host| {
            origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) == Some(host)
        });
        if own || app.public_url.as_deref().is_some_and(|url| same_site(url, &origin)) {
            return Ok(());
        }
        let help = "if the server stands behind a proxy, start it with `--public-url` and that address";
        return Err(Refusal::new(Code::AccessDenied, "the form is from another site").help(help));
    }
    match text("sec-fetch-site").as_deref() {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) => Err(foreign("the form is from another site")),
    }
}

/// Is `origin` the scheme, host and port of `url`?
fn same_site(url: &str, origin: &str) -> bool {
    url.strip_prefix(origin).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_door_only_to_our_own_pages() {
        let rows = [
            ("/pair?code=ABCD-EFGH", "/pair?code=ABCD-EFGH"),
            ("", "/"),
            ("https://evil.example", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("/a\nb", "/"),
        ];
        for (next, path) in rows {
            assert_eq!(own_path(next), path, "{next:?}");
        }
    }

    #[test]
    fn an_origin_is_ours_by_scheme_host_and_port() {
        assert!(same_site("https://saves.example.org", "https://saves.example.org"));
        assert!(same_site("https://saves.example.org/retrosync", "https://saves.example.org"));
        assert!(!same_site("https://saves.example.org", "https://saves.example"));
        assert!(!same_site("https://saves.example.org", "http://saves.example.org"));
    }
}
