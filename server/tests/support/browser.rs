//! A person at the dashboard: a plain HTTP client with a cookie that presses the buttons of pages. No script runs here, and each
//! page that it sees is held against what all pages promise.

use std::cell::RefCell;

use retrosync_protocol::Code;

use super::{Reply, Server};

/// A browser without a script: keeps the cookie, sends its origin, follows nothing by itself.
pub struct Browser<'a> {
    pub server: &'a Server,
    pub cookie: RefCell<String>,
}

impl<'a> Browser<'a> {
    pub fn new(server: &'a Server) -> Browser<'a> {
        Browser { server, cookie: RefCell::default() }
    }

    pub fn send(&self, method: &str, path: &str, extra: &[(&str, &str)], body: Option<&[u8]>) -> Reply {
        let cookie = self.cookie.borrow().clone();
        let mut headers = vec![("cookie", cookie.as_str())];
        headers.extend_from_slice(extra);
        let reply = self.server.bare(method, path, &headers, body);
        if let Some((pair, flags)) = reply.header("set-cookie").split_once(';') {
            assert!(flags.contains("HttpOnly") && flags.contains("SameSite=Strict"), "{flags}");
            *self.cookie.borrow_mut() = pair.to_owned();
        }
        let policy = reply.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        if reply.header("content-type").starts_with("text/html") {
            let code = reply.header("retrosync-code");
            let is_code =
                Code::ALL.iter().any(|known| known.as_str() == code && known.status() == reply.status);
            assert_eq!(reply.status >= 400, is_code, "{path}: {} has the code `{code}`", reply.status);
            let page = reply.text();
            let scripts = page.matches("<script").count();
            assert_eq!(scripts, page.matches("<script src=\"/assets/dashboard.js\" defer></script>").count());
            assert!(!page.contains("style=\""), "{path}: the policy forbids it");
            assert!(!page.contains("<World>"), "{path}: a name is not escaped");
        }
        reply
    }

    pub fn look(&self, path: &str) -> Reply {
        self.send("GET", path, &[], None)
    }

    /// A page that is there.
    #[track_caller]
    pub fn page(&self, path: &str) -> String {
        let reply = self.look(path);
        assert_eq!(reply.status, 200, "{path}: {} {}", reply.header("location"), reply.text());
        reply.text()
    }

    pub fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.submit_from(&self.server.url, path, fields)
    }

    pub fn submit_from(&self, origin: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
        let text = serde_urlencoded::to_string(fields).unwrap();
        let headers = [("origin", origin), ("content-type", "application/x-www-form-urlencoded")];
        self.send("POST", path, &headers, Some(text.as_bytes()))
    }

    /// Presses the button of the form whose text has `mark`, with all its hidden fields.
    #[track_caller]
    pub fn press(&self, page: &str, mark: &str, more: &[(&str, &str)]) -> Reply {
        let form = page.split("<form").skip(1).map(|part| part.split("</form>").next().unwrap());
        let form = form.into_iter().find(|form| form.contains(mark));
        let form = form.unwrap_or_else(|| panic!("no form with {mark}:\n{page}"));
        let path = attribute(form, "action");
        let inputs = form.split("<input").skip(1).filter(|input| input.contains("type=\"hidden\""));
        let hidden: Vec<(String, String)> =
            inputs.map(|input| (attribute(input, "name"), attribute(input, "value"))).collect();
        let mut fields: Vec<(&str, &str)> = hidden.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        fields.extend_from_slice(more);
        self.submit(&path, &fields)
    }
}

pub fn attribute(tag: &str, name: &str) -> String {
    let (_, rest) = tag.split_once(&format!("{name}=\"")).unwrap_or_else(|| panic!("no {name} in {tag}"));
    unescape(rest.split('"').next().unwrap())
}

/// What a browser makes of the character references that the templates write.
pub fn unescape(text: &str) -> String {
    let named = [
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&#38;", "&"),
        ("&amp;", "&"),
    ];
    named.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[track_caller]
pub fn leads_to(reply: &Reply, path: &str) {
    assert_eq!((reply.status, reply.header("location")), (303, path), "{}", reply.text());
}

pub fn registered(server: &Server) -> Browser<'_> {
    let browser = Browser::new(server);
    assert!(browser.page("/").contains("Make the first account"));
    leads_to(&browser.look("/login"), "/register");
    assert!(browser.page("/register").contains("Welcome"));
    leads_to(&browser.submit("/register", &[("name", "ada"), ("password", "correct horse battery")]), "/");
    browser
}

/// A form with files, as a browser sends it.
pub fn parts(fields: &[(&str, &str)], file: Option<(&str, &[u8])>) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend_from_slice(
            format!("--b0undary\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                .as_bytes(),
        );
    }
    if let Some((name, bytes)) = file {
        body.extend_from_slice(
            format!("--b0undary\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\ncontent-type: application/octet-stream\r\n\r\n")
                .as_bytes(),
        );
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b0undary--\r\n");
    body
}
