//! Accounts from the invitation to the end, what a device says of itself, and what an admin bounds.

use retrosync_protocol::{Digest, PairingOffer};
use serde_json::json;

use crate::SAVE;
use crate::support::browser::{Browser, leads_to, registered};
use crate::support::{Device, Server, token, token_sha256, version};

#[test]
fn what_a_device_says_of_itself_is_on_its_card_and_its_new_problems_in_the_log() {
    let server = Server::start();
    let browser = registered(&server);
    let device = server.pair("Miyoo", "ada");
    let said = json!({"folders": ["Saves/mGBA <World>"], "problems": ["the card is nearly full"]});
    for _ in 0..2 {
        assert_eq!(device.post("/report", &said).status, 204);
    }
    let page = browser.page("/devices");
    assert!(
        page.contains("Saves/mGBA &#60;World&#62;") && page.contains("the card is nearly full"),
        "{page}"
    );
    let log = browser.page("/activity?what=problems");
    assert_eq!(log.matches("the card is nearly full").count(), 1, "told once: {log}");
    let long = json!({"folders": vec!["x"; 300]});
    assert_eq!(device.post("/report", &long).code(), "malformed");
    assert_eq!(device.post("/report", &json!({"problems": ["a\nb"]})).code(), "malformed");
}

#[test]
fn an_account_is_renamed_gets_another_password_and_is_deleted_with_everything() {
    let server = Server::start();
    let browser = registered(&server);
    let device = server.pair("Miyoo", "ada");
    device.store("a-1", &version(SAVE, Some(b"first"), &[], 1, 1), Some(b"first"));
    let page = browser.page("/account");
    let form = "action=\"/account\"";
    leads_to(
        &browser.press(&page, form, &[("name", "Ada L"), ("email", "ada@example.org")]),
        "/account?done=account",
    );
    assert!(browser.page("/account").contains("value=\"ada@example.org\""));
    for (name, email) in [("", ""), ("ada\u{202e}", ""), ("ada", "no address"), (&"x".repeat(81), "")] {
        let refused = browser.press(&page, form, &[("name", name), ("email", email)]);
        assert_eq!(refused.status, 400, "{name} {email}: {}", refused.text());
    }
    let form = "action=\"/account/password\"";
    let wrong =
        browser.press(&page, form, &[("old", "wrong horse battery"), ("new", "another horse battery")]);
    assert_eq!(wrong.status, 403, "{}", wrong.text());
    let second = Browser::new(&server);
    let known = [("name", "ada l"), ("password", "correct horse battery")];
    leads_to(&second.submit("/login", &known), "/");
    let new = [("old", "correct horse battery"), ("new", "another horse battery")];
    leads_to(&browser.press(&page, form, &new), "/account?done=password");
    assert!(
        browser.page("/account?done=password").contains("The password is changed"),
        "still in, by a new session"
    );
    leads_to(&second.look("/account"), "/login?next=%2Faccount");

    let page = browser.page("/account");
    let form = "action=\"/account/delete\"";
    assert_eq!(browser.press(&page, form, &[("password", "correct horse battery")]).status, 403);
    leads_to(&browser.press(&page, form, &[("password", "another horse battery")]), "/");
    assert_eq!(device.get("/account").code(), "unauthorized");
    assert!(Browser::new(&server).page("/").contains("Make the first account"), "as on the first day");
    let again = registered(&server);
    assert!(again.page("/").contains("No saves yet"));
}

#[test]
fn everything_is_exported_as_a_zip_that_other_programs_read() {
    let server = Server::start();
    let browser = registered(&server);
    let device = server.pair("Miyoo", "ada");
    let first = device.store("a-1", &version(SAVE, Some(b"first"), &[], 1, 1), Some(b"first"));
    let root = first["version"].as_str().unwrap();
    device.store("a-2", &version(SAVE, Some(b"second"), &[root], 1, 2), Some(b"second"));
    let odd = "gb/sram/ポケモン: 緑?";
    device.store("a-3", &version(odd, Some(b"odd"), &[], 1, 3), Some(b"odd"));
    let page = browser.page("/save?id=gb%2Fsram%2FTetris%20%3CWorld%3E");
    let oldest = page.rsplit("class=\"what\"").next().unwrap();
    browser.press(oldest, "Note it", &[("label", "before the boss"), ("pinned", "yes")]);
    let reply = browser.look("/account/export.zip");
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/zip"));
    let file = server.folder.path().join("all.zip");
    std::fs::write(&file, &reply.body).unwrap();
    // Python's own reader checks every sum; `unzip` is another's.
    let listing = "import sys, zipfile, json\n\
        z = zipfile.ZipFile(sys.argv[1])\n\
        assert z.testzip() is None\n\
        all = json.loads(z.read('retrosync.json'))\n\
        for v in all['versions']:\n\
        \x20   print(v['entry']['record']['save'], z.read(v['file']).decode(), v['label'], v['pinned'])\n\
        print('devices', [device['name'] for device in all['devices']])\n\
        print('log', [line['what'] for line in all['log'] if line['what'] in ('pinned', 'paired')])\n";
    let told = std::process::Command::new("python3").args(["-c", listing]).arg(&file).output().unwrap();
    let mut lines: Vec<String> = String::from_utf8_lossy(&told.stdout).lines().map(str::to_owned).collect();
    lines.sort();
    let everything = [
        "devices ['Miyoo']".to_owned(),
        format!("{SAVE} first before the boss True"),
        format!("{SAVE} second None False"),
        format!("{odd} odd None False"),
        "log ['pinned', 'paired']".to_owned(),
    ];
    assert_eq!(lines, everything, "{told:?}");
    if let Ok(tested) = std::process::Command::new("unzip").arg("-tq").arg(&file).output() {
        assert!(tested.status.success(), "{tested:?}");
    }
}

#[test]
fn an_export_goes_on_after_a_content_that_is_lost_and_says_so() {
    let server = Server::start();
    let browser = registered(&server);
    let device = server.pair("Miyoo", "ada");
    for (number, (save, bytes)) in
        (1..).zip([("gb/sram/A", b"first"), ("gb/sram/B", b"other"), ("gb/sram/C", b"third")])
    {
        device.store(&format!("a-{number}"), &version(save, Some(bytes), &[], 1, number), Some(bytes));
    }
    let blob = crate::support::find_below(&server.data().join("blobs"), &Digest::of(b"other").to_string());
    std::fs::remove_file(blob.unwrap()).unwrap();
    let file = server.folder.path().join("all.zip");
    std::fs::write(&file, &browser.look("/account/export.zip").body).unwrap();
    let listing = "import sys, zipfile, json\n\
        z = zipfile.ZipFile(sys.argv[1])\n\
        assert z.testzip() is None\n\
        for v in json.loads(z.read('retrosync.json'))['versions']:\n\
        \x20   print(v['entry']['record']['save'], v.get('lost'), v['file'] and z.read(v['file']).decode())\n";
    let told = std::process::Command::new("python3").args(["-c", listing]).arg(&file).output().unwrap();
    let mut lines: Vec<String> = String::from_utf8_lossy(&told.stdout).lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["gb/sram/A None first", "gb/sram/B True None", "gb/sram/C None third"], "{told:?}");
}

#[test]
fn who_forgot_the_password_comes_in_again_and_keeps_every_device() {
    let server = Server::start();
    let admin = registered(&server);
    server.add_user("bob");
    let device = server.pair("Bob's Miyoo", "bob");
    let bob = Browser::new(&server);
    let log_in = |password: &str| {
        let page = bob.page("/login");
        assert!(page.contains("retrosync-server user password NAME"), "{page}");
        bob.press(&page, "Password", &[("name", "bob"), ("password", password)])
    };
    leads_to(&log_in("correct horse battery"), "/");
    let page = admin.page("/admin");
    assert_eq!(page.matches("Make a new password").count(), 1, "not for oneself: {page}");
    let made = admin.press(&page, "Make a new password", &[]).text();
    let password = made.split("class=\"invitation\">").nth(1).unwrap().split('<').next().unwrap();
    leads_to(&bob.look("/devices"), "/login?next=%2Fdevices");
    assert_eq!(log_in("correct horse battery").status, 403, "the old one is over");
    leads_to(&log_in(password), "/");
    assert!(bob.page("/activity").contains("an admin made a new one"));
    assert_eq!(bob.submit("/admin/password", &[("id", "1")]).status, 403, "not an admin");

    let made = server.cli(&["user", "password", "BOB"]);
    let said = String::from_utf8(made.stdout).unwrap();
    let password = said.split("password  ").nth(1).unwrap().lines().next().unwrap();
    assert!(said.starts_with("`bob` has a new password, and is logged out everywhere\n"), "{said}");
    leads_to(&bob.look("/devices"), "/login?next=%2Fdevices");
    leads_to(&log_in(password), "/");
    let short = server.cli_with_input(&["user", "password", "bob", "--password-stdin"], "short\n");
    assert_eq!(short.status.code(), Some(1));
    leads_to(&bob.look("/login"), "/");
    assert_eq!(server.cli(&["user", "password", "eve"]).status.code(), Some(1));
    let listed = String::from_utf8(server.cli(&["user", "list"]).stdout).unwrap();
    assert_eq!(listed, "ada  admin  devices 0, saves 0\nbob  user   devices 1, saves 0\n");
    device.get("/account").ok::<serde_json::Value>();
}

#[test]
fn nobody_takes_the_name_or_the_e_mail_with_which_another_logs_in() {
    let server = Server::start();
    let ada = registered(&server);
    let form = "action=\"/account\"";
    let page = ada.page("/account?done=account");
    leads_to(
        &ada.press(&page, form, &[("name", "ada"), ("email", "ada@example.org")]),
        "/account?done=account",
    );
    server.add_user("eve");
    let eve = Browser::new(&server);
    let page = eve.page("/login");
    leads_to(&eve.press(&page, "Password", &[("name", "eve"), ("password", "correct horse battery")]), "/");
    let page = eve.page("/account?done=account");
    for (name, email) in [("eve", "Ada@Example.org"), ("ada@example.org", ""), ("Ada", "")] {
        let refused = eve.press(&page, form, &[("name", name), ("email", email)]);
        let told = refused.text();
        assert!(refused.status == 400 && told.contains("is taken"), "{name} {email}: {told}");
    }
    let added = server.cli(&["user", "add", "ADA@example.org"]);
    assert_eq!(added.status.code(), Some(1), "nor is a user added under it");
    leads_to(
        &ada.press(&ada.page("/account"), form, &[("name", "ada"), ("email", "ada@example.org")]),
        "/account?done=account",
    );
}

#[test]
fn an_invitation_lets_one_person_in_with_limits_and_limits_hold() {
    let server = Server::start();
    let admin = registered(&server);
    let page = admin.page("/admin");
    let odd = admin.press(&page, "Make an invitation", &[("quota_gib", "much")]);
    assert!(odd.text().contains("a limit is a number"), "{}", odd.text());
    let made = admin.press(&page, "Make an invitation", &[("note", "Bob <World>"), ("quota_devices", "1")]);
    let text = made.text();
    let link = text.split("class=\"invitation\">").nth(1).unwrap().split('<').next().unwrap();
    let path = link.strip_prefix(server.url.as_str()).unwrap();
    assert!(admin.page("/admin").contains("Bob &#60;World&#62;"));

    let bob = Browser::new(&server);
    assert_eq!(bob.look("/register?invitation=AAAA-AAAA-AAAA-AAAA").status, 403);
    let page = bob.page(path);
    assert!(page.contains("You are invited"));
    let fields = [("name", "bob"), ("password", "correct horse battery")];
    leads_to(&bob.press(&page, "Password", &fields), "/");
    let stranger = Browser::new(&server);
    let fields = [("name", "eve"), ("password", "correct horse battery")];
    assert_eq!(stranger.press(&page, "Password", &fields).status, 403, "once only");

    server.pair("Bob's Miyoo", "bob");
    let token = token();
    let request = json!({"token_sha256": token_sha256(&token), "device_name": "Second"});
    let offer: PairingOffer = server.post("/pairing", None, &request).ok();
    let page = bob.page(&format!("/pair?code={}", offer.user_code));
    let refused = bob.press(&page, "let it in", &[("answer", "approve")]);
    assert!(refused.status == 507 && refused.text().contains("limit of 1 devices"), "{}", refused.text());
    assert_eq!(bob.look("/admin").status, 403, "not an admin");
    assert_eq!(bob.submit("/admin/registration", &[("open", "yes")]).status, 403);

    let page = admin.page("/admin");
    let bobs = page.split("<article").find(|part| part.contains("<h3>bob")).unwrap();
    leads_to(
        &admin.press(bobs, "name=\"quota_gib\"", &[("quota_gib", "0.000001"), ("quota_devices", "2")]),
        "/admin",
    );
    let paired = bob.press(
        &bob.page(&format!("/pair?code={}", offer.user_code)),
        "let it in",
        &[("answer", "approve")],
    );
    assert!(paired.text().contains("is in"), "{}", paired.text());
    let device = Device { server: &server, token, id: String::new() };
    let stored = device.store("b-1", &version(SAVE, Some(&[7; 4096]), &[], 9, 1), Some(&[7; 4096]));
    assert_eq!(stored["problem"]["code"], "quota_full", "{stored}");
    let wrong = admin.press(bobs, "Remove with everything", &[("name", "bill")]);
    assert!(wrong.text().contains("is not this user"), "{}", wrong.text());
    leads_to(&admin.press(bobs, "Remove with everything", &[("name", "bob")]), "/admin");
    leads_to(&bob.look("/devices"), "/login?next=%2Fdevices");
    leads_to(&admin.press(&admin.page("/admin"), "Open it", &[("open", "yes")]), "/admin");
    assert!(Browser::new(&server).page("/register").contains("Make your account"));
}
