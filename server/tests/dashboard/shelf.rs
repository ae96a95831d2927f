//! What the pages say of saves and devices: of more than one page of them, of other programs' saves, of refusals.

use serde_json::{Value, json};

use crate::support::browser::{leads_to, registered};
use crate::support::{Server, frames, version};

#[test]
fn of_more_saves_than_fit_a_page_the_question_is_first_and_the_last_is_reached() {
    let server = Server::start();
    let browser = registered(&server);
    let (miyoo, anbernic) = (server.pair("Miyoo", "ada"), server.pair("RG35XX", "ada"));
    for numbers in [1..=400_u64, 401..=501] {
        let operation = format!("a-{}", numbers.start());
        let stores = numbers.map(|number| {
            let save = format!("arcade/sram/game {number:03}");
            frames::store(&version(&save, Some(b"same"), &[], 1, number), Some(b"same"))
        });
        assert_eq!(miyoo.send("/versions", &operation, &stores.collect::<Vec<_>>().concat()).status, 200);
    }
    let question = "zxs/sram/Zzz";
    miyoo.store("a-502", &version(question, Some(b"left"), &[], 1, 502), Some(b"left"));
    anbernic.store("b-1", &version(question, Some(b"right"), &[], 2, 1), Some(b"right"));

    let first = browser.page("/");
    assert!(
        first.contains("Waits for your choice") && first.contains("Zzz"),
        "the question is on the first page"
    );
    assert!(first.contains("Page 1 of 2") && !first.contains("game 500"), "499 fit beside it");
    let next = first.split("Next page").next().unwrap().rsplit("href=\"").next().unwrap();
    let next = next.split('"').next().unwrap().replace("&#38;", "&");
    let second = browser.page(&next);
    assert!(second.contains("game 500") && second.contains("game 501"), "{second}");
    assert!(!second.contains("game 499") && !second.contains("Next page") && second.contains(">Back<"));
    assert!(!second.contains("Waits for your choice"));
    assert!(browser.page("/?system=arcade&page=2").contains("game 501"), "of one system too");
    assert!(browser.page("/?page=99").contains("game 501"), "a page that is over is the last");
}

#[test]
fn saves_of_retrosyncs_own_clients_are_shown_and_downloaded_like_any_other() {
    let server = Server::start();
    let browser = registered(&server);
    let device = server.pair("Miyoo", "ada");
    for (number, save) in
        (1..).zip(["retrosync/file.saves/mgba/Pokemon Emerald", "retrosync/file.saves/nes/Tetris"])
    {
        device.store(&format!("a-{number}"), &version(save, Some(b"x"), &[], 1, number), Some(b"x"));
    }
    let page = browser.page("/");
    assert!(page.contains("RetroSync’s own clients") && !page.contains("mgba/Pokemon"), "{page}");
    let page = browser.page("/save?id=retrosync/file.saves/nes/Tetris");
    assert!(page.contains("<h1>Tetris</h1>") && page.contains("systems.svg#nes"), "{page}");
    assert!(page.contains("OnionOS"), "the firmware by its name");
    let page = browser.page("/save?id=retrosync/file.saves/mgba/Pokemon%20Emerald");
    let link = page.split("/save/download").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&");
    let reply = browser.look(&format!("/save/download{link}"));
    assert!(
        reply.header("content-disposition").contains("\"Pokemon Emerald.srm\""),
        "a card takes it back: {}",
        reply.header("content-disposition")
    );
}

#[test]
fn six_digits_from_the_page_let_a_first_client_in() {
    let server = Server::start();
    let browser = registered(&server);
    let made = browser.press(&browser.page("/pair"), "Make six digits", &[]).text();
    let code = made.split("code-shown large\"><code>").nth(1).unwrap().split('<').next().unwrap();
    assert!(code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()), "{code}");
    assert!(!made.contains("data-stamp"), "the page stays: what it says is said once");
    let body = json!({"code": code, "deviceName": "Old Miyoo", "deviceType": "miyoo_flip"}).to_string();
    let headers = [("content-type", "application/json")];
    let reply = server.bare("POST", "/api/devices/pair", &headers, Some(body.as_bytes()));
    let told: Value = serde_json::from_str(&reply.text()).unwrap();
    assert_eq!(told["success"], true, "{told}");
    assert!(browser.page("/devices").contains("Old Miyoo"));
}

#[test]
fn a_refusal_keeps_the_way_to_all_pages_and_what_was_typed() {
    let server = Server::start();
    let browser = registered(&server);
    let device = server.pair("Miyoo", "ada");
    let long = "é".repeat(60);
    let refused = browser.press(&browser.page("/devices"), "Rename", &[("name", &long)]);
    assert_eq!((refused.status, refused.header("retrosync-code")), (400, "malformed"));
    let page = refused.text();
    assert!(page.contains(&format!("value=\"{long}\"")) && page.contains("<details open>"), "{page}");
    assert!(page.contains("role=\"alert\""), "{page}");
    leads_to(&browser.press(&page, "Rename", &[("name", "Attic")]), "/devices");
    let body = json!({"folders": [], "problems": ["`MUOS/save/<b>` cannot be read"]});
    let token = [("authorization", format!("Bearer {}", device.token))];
    let headers = [(token[0].0, token[0].1.as_str()), ("content-type", "application/json")];
    assert_eq!(
        server.bare("POST", "/api/v1/report", &headers, Some(body.to_string().as_bytes())).status,
        204
    );
    for path in ["/devices", "/activity"] {
        let page = browser.page(path);
        assert!(page.contains("<code>MUOS/save/&#60;b&#62;</code> cannot be read"), "{path}: {page}");
    }
    let nothing = browser.look("/save?id=gb/sram/Nope");
    let page = nothing.text();
    assert_eq!(nothing.status, 404);
    assert!(page.contains("<code>gb/sram/Nope</code>") && page.contains("href=\"/activity\""), "{page}");
    let stranger = crate::support::browser::Browser::new(&server);
    assert!(!stranger.look("/nothing").text().contains("href=\"/activity\""));
}
