//! Forms of the dashboard, rightly sent, whose fields are wrong, missing or odd: a page that says so or a field that is borne, never a
//! fault, and nothing of it can be seen as anything but text.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::held::is_whole;
use crate::support::browser::{Browser, attribute, parts, registered};
use crate::support::{Device, Server, version};

/// The forms, and what is right for each: as a rule but for one field, so that nothing ends here.
fn forms(device: &Device<'_>, head: &str) -> Vec<(String, Vec<(&'static str, String)>)> {
    let fields = |fields: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
    };
    let save = ("save", "gb/sram/Tetris");
    let choice = fields(&[save, ("version", head), ("heads", head), ("both", ""), ("note", "a note")]);
    vec![
        ("/save/restore".into(), choice.clone()),
        ("/save/resolve".into(), choice.clone()),
        ("/save/retire".into(), choice),
        (
            "/save/mark".into(),
            fields(&[save, ("version", head), ("pinned", "yes"), ("label", "before the boss")]),
        ),
        (format!("/devices/{}/rename", device.id), fields(&[("name", "Miyoo")])),
        ("/pair".into(), fields(&[("code", "AAAA-AAAA"), ("answer", "approve")])),
        ("/account".into(), fields(&[("name", "ada"), ("email", "ada@example.com")])),
        (
            "/account/password".into(),
            fields(&[("old", "wrong horse battery"), ("new", "another horse battery")]),
        ),
        ("/account/delete".into(), fields(&[("password", "wrong horse battery")])),
        ("/admin/registration".into(), fields(&[("open", "no")])),
        ("/admin/invite".into(), fields(&[("note", "Bob"), ("quota_gib", "1"), ("quota_devices", "2")])),
        ("/admin/withdraw".into(), fields(&[("id", &"0".repeat(64))])),
        (
            "/admin/limits".into(),
            fields(&[("id", "99"), ("quota_gib", "1"), ("quota_devices", "2"), ("admin", "")]),
        ),
        ("/admin/password".into(), fields(&[("id", "99")])),
        ("/admin/remove".into(), fields(&[("id", "99"), ("name", "nobody")])),
        ("/login".into(), fields(&[("name", "nobody"), ("password", "wrong horse battery"), ("next", "/")])),
        ("/register".into(), fields(&[("name", "nobody"), ("password", "short"), ("invitation", "")])),
        (
            "/save/bring".into(),
            fields(&[
                save,
                ("heads", head),
                ("note", ""),
                ("digest", "00"),
                ("blank", "yes"),
                ("sure", "yes"),
            ]),
        ),
        ("/save/upload".into(), fields(&[save, ("heads", head), ("note", ""), ("sure", "yes")])),
        ("/upload".into(), fields(&[("system", "gb"), ("title", "")])),
    ]
}

/// As a form writes them, so not only texts: a `%ff` is a byte.
const ODD: &[&str] = &[
    "",
    "%00",
    "%ff%fe",
    "..",
    "..%2f..%2fetc%2fpasswd",
    "%5c%5c%3f%5cC%3a%5cx",
    "-1",
    "1e300",
    "99999999999999999999",
    "NaN",
    "%27%20OR%201%3d1--",
    "%3cscript%3ealert(1)%3c%2fscript%3e",
    "%0d%0aSet-Cookie%3a%20a%3db",
    "%e2%80%ae",
    "%ed%a0%bd",
    "%2f%2fevil.example",
    "gb%2fsram%2fa%00b",
];

/// Is it a page that says what is wrong, or leads to one of ours?
#[track_caller]
fn is_borne(what: &str, browser: &Browser<'_>, path: &str, kind: &str, body: &[u8]) {
    let headers = [("origin", browser.server.url.as_str()), ("content-type", kind)];
    let reply = browser.send("POST", path, &headers, Some(body));
    let to = reply.header("location");
    assert!(reply.status < 500, "{what}: {} {}", reply.status, reply.text());
    assert!(to.is_empty() || (to.starts_with('/') && !to.starts_with("//")), "{what} leads to {to}");
    if reply.status != 303 {
        assert!(reply.header("content-type").starts_with("text/html"), "{what}: {}", reply.text());
        assert!(!reply.text().contains("<script>"), "{what}: {}", reply.text());
    }
}

/// Forms without a field of their own.
const BARE: &[&str] = &["/logout", "/devices/{device}/revoke", "/pair/code", "/pair/six"];

#[test]
fn every_field_of_every_form_wrong_missing_or_odd_is_refused_by_a_page_or_borne() {
    let server = Server::start();
    let browser = registered(&server);
    let device = server.pair("Miyoo", "ada");
    let stored = device.store("op-1", &version("gb/sram/Tetris", Some(b"kept"), &[], 1, 1), Some(b"kept"));
    let head = stored["version"].as_str().unwrap();
    let token = attribute(browser.page("/").split("form_token\"").nth(1).unwrap(), "value");
    let forms = forms(&device, head);
    let tried: BTreeSet<String> = (forms.iter().map(|(path, _)| path.replace(&device.id, "{device}")))
        .chain(BARE.iter().map(|path| (*path).to_owned()))
        .collect();
    assert_eq!(tried, crate::csrf::routes(), "a new form has a row here");
    for (path, fields) in forms {
        for wrong in 0..fields.len() {
            let others: Vec<(&str, &str)> = (fields.iter().enumerate())
                .filter(|(place, _)| *place != wrong)
                .map(|(_, (name, value))| (*name, value.as_str()))
                .chain([("form_token", token.as_str())])
                .collect();
            let name = fields[wrong].0;
            let huge = "x".repeat(60_000);
            let odd = ODD.iter().map(|odd| Some(*odd)).chain([None, Some(huge.as_str())]);
            for odd in odd {
                let what = format!("{path}, `{name}` is {:?}", odd.map(|odd| &odd[..odd.len().min(40)]));
                if path.ends_with("upload") {
                    let mut all = vec![others[others.len() - 1]];
                    all.extend(&others[..others.len() - 1]);
                    let text = odd.map(percent);
                    all.extend(text.as_deref().map(|text| (name, text)));
                    let file = if name == "title" { "x.srm" } else { "" };
                    let body = parts(&all, Some((file, b"bytes")));
                    is_borne(&what, &browser, &path, "multipart/form-data; boundary=b0undary", &body);
                } else {
                    let mut body = serde_urlencoded::to_string(&others).unwrap();
                    odd.iter().for_each(|odd| body.push_str(&format!("&{name}={odd}")));
                    // Twice is wrong too.
                    odd.iter()
                        .filter(|odd| odd.len() < 4)
                        .for_each(|odd| body.push_str(&format!("&{name}={odd}")));
                    is_borne(&what, &browser, &path, "application/x-www-form-urlencoded", body.as_bytes());
                }
            }
        }
    }
    assert!(browser.page("/account").contains("ada"), "still logged in, still called so");
    let admin = browser.page("/admin");
    assert!(!admin.contains("<script>") && !admin.contains("mallory"), "{admin}");
    for page in ["/", "/activity", "/devices", "/storage", "/save?id=gb%2Fsram%2FTetris"] {
        browser.page(page);
    }
    let history: Value = device.get("/history?save=gb%2Fsram%2FTetris").ok();
    let versions = history["versions"].as_array().unwrap();
    assert!(versions.iter().any(|known| known["version"] == head), "what was there is there");
    is_whole(&server);
}

/// A form's value as a text; what is none is left as it is written.
fn percent(written: &str) -> String {
    let decoded = serde_urlencoded::from_str::<Vec<(String, String)>>(&format!("x={written}"));
    decoded
        .ok()
        .and_then(|pairs| pairs.into_iter().next())
        .map_or_else(|| written.to_owned(), |(_, text)| text)
}
