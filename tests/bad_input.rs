//! What comes from outside and is wrong: each has a clear text, and nothing is lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use support::card::{Card, Firmware};
use support::counter_rom;
use support::device::{Bytes, Device, bytes, read};
use support::not_allowed;
use support::server::Server;
use support::wait_for;

const GAME: &str = "Tetris (World)";
const SAVE: &str = "gb/sram/Tetris (World)";

fn paired() -> (Server, Device, Device) {
    let server = Server::start();
    let (a, b) = (Device::new(Firmware::Onion, GAME), Device::new(Firmware::Minui, GAME));
    a.pair(&server);
    b.pair(&server);
    (server, a, b)
}

/// The error's three lines: what, why, what next.
#[track_caller]
fn is_explained(text: &str) {
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.iter().any(|line| line.starts_with("error: ") || line.starts_with("problem: ")), "{text}");
    assert!(lines.iter().any(|line| line.starts_with("  cause: ")), "{text}");
    assert!(lines.iter().any(|line| line.starts_with("  help: ")), "{text}");
    assert!(!text.contains("rst_"), "a secret in {text}");
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_name() {
    let device = Device::new(Firmware::Onion, GAME);
    device.set("sevrer = \"http://127.0.0.1:1\"\n");
    let run = device.run(&["once"]).ends(2);
    let config = device.folder().join("retrosync.toml");
    assert_eq!(
        run.err,
        format!(
            "error: cannot read the configuration `{}`\n  cause: line 6: unknown key `sevrer`\n  help: did you mean `server`?\n",
            config.display()
        )
    );
}

#[test]
fn a_server_that_is_down_costs_nothing() {
    let (mut server, a, b) = paired();
    a.plays(&bytes("played while it was down"));
    server.kill();
    let run = a.run(&["once"]).ends(1);
    is_explained(&run.err);
    assert_eq!(a.json(&["status"])["queued"], 1);
    server.up();
    a.once();
    b.once();
    assert_eq!(b.save(), Some(bytes("played while it was down")));
}

#[test]
fn each_wrong_address_says_what_is_wrong_with_it() {
    let rows = [
        ("nothing listens there", "http://127.0.0.1:9", 1),
        ("no scheme", "nas:8377", 2),
        ("no host", "https://", 2),
        ("the token would cross the internet in the clear", "http://192.0.2.1", 2),
        ("a folder that is not there", "folder:/nonexistent/stick", 1),
    ];
    for (row, address, code) in rows {
        let device = Device::new(Firmware::Onion, GAME);
        let run = device.run(&["pair", address]);
        assert_eq!(run.code, code, "{row}: {run:?}");
        is_explained(&run.err);
    }
}

/// A hotel's network: every request is answered with its own page.
fn captive_portal() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.set_read_timeout(Some(Duration::from_millis(500)));
            let mut request = [0; 65536];
            let _ = stream.read(&mut request);
            let page = "<html><title>Welcome to our hotel</title></html>";
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
                page.len()
            );
        }
    });
    port
}

#[test]
fn a_captive_portals_page_is_no_answer() {
    let (_server, a, b) = paired();
    a.plays(&bytes("in the hotel"));
    let portal = format!("http://127.0.0.1:{}", captive_portal());
    let token = format!("rst_{}", "ab".repeat(32));
    let lured =
        a.program().env("RETROSYNC_SERVER", &portal).env("RETROSYNC_TOKEN", token).run(["once"]).ends(1);
    is_explained(&lured.err);
    let new = Device::new(Firmware::Onion, GAME).run(&["pair", &portal]).ends(1);
    is_explained(&new.err);
    assert_eq!(a.save(), Some(bytes("in the hotel")));
    a.once();
    b.once();
    assert_eq!(b.save(), Some(bytes("in the hotel")));
}

/// A small file system of its own, if we may mount one.
struct SmallCard<'a>(&'a Path);

impl<'a> SmallCard<'a> {
    fn mount(dir: &'a Path, size: &str) -> Option<SmallCard<'a>> {
        std::fs::create_dir_all(dir).unwrap();
        let option = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &option, "tmpfs"]).arg(dir).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(SmallCard(dir))
    }
}

impl Drop for SmallCard<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn a_full_card_keeps_its_save_and_gets_the_new_one_when_there_is_room() {
    let (_server, a, b) = paired();
    a.plays(&bytes("first"));
    a.once();
    b.once();
    // The same card, moved to a file system that can be filled.
    let aside = b.folder().join("aside");
    std::fs::rename(&b.card.root, &aside).unwrap();
    let Some(_card) = SmallCard::mount(&b.card.root, "2m") else {
        not_allowed("a full card", "mount");
        return;
    };
    let copied = Command::new("cp").arg("-a").arg(aside.join(".")).arg(&b.card.root).status().unwrap();
    assert!(copied.success());
    let filler = b.card.root.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while file.write_all(&[1; 1024]).is_ok() {}
    drop(file);
    a.plays(&bytes("second"));
    a.once();
    let full = b.run(&["once"]);
    assert!(full.code == 1 || full.code == 3, "{full:?}");
    is_explained(&full.err);
    assert_eq!(b.save(), Some(bytes("first")), "the old save is whole");
    std::fs::remove_file(&filler).unwrap();
    b.once();
    assert_eq!(b.save(), Some(bytes("second")));
}

#[test]
fn a_save_that_cannot_be_read_stops_no_other() {
    let (_server, a, b) = paired();
    let other = Card::lay_out(&a.card.root, Firmware::Onion, "Other").unwrap();
    let other_b = Card::lay_out(&b.card.root, Firmware::Minui, "Other").unwrap();
    a.plays(&bytes("cannot be read"));
    std::fs::write(other.save(), &*bytes("can be read")).unwrap();
    let strace = |path: &Path| {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=read", "-P"]).arg(path);
        command.args(["-e", "inject=read:error=EIO"]);
        command
    };
    let works =
        strace(Path::new("/nonexistent")).arg("true").output().is_ok_and(|output| output.status.success());
    if !works || std::env::var_os("RETROSYNC_RUNNER").is_some() {
        not_allowed("a save that cannot be read", "trace a process");
        return;
    }
    let program = a.program().into_command();
    let mut broken = strace(&a.card.save());
    broken.arg(program.get_program()).args(program.get_args()).args(["once", "--json"]).env_clear();
    broken.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = broken.output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["uploaded"], serde_json::json!(["gb/sram/Other"]), "{said}");
    assert!(said["problems"].to_string().contains("Tetris"), "{said}");
    b.once();
    assert_eq!(read(&other_b.save()), Some(bytes("can be read")));
    assert_eq!(b.save(), None, "unknown is not absent, and not sent");
    a.once();
    b.once();
    assert_eq!(b.save(), Some(bytes("cannot be read")), "it is sent once it can be read");
}

#[test]
fn a_file_that_grows_while_it_is_read_is_sent_when_it_is_whole() {
    let (_server, a, b) = paired();
    let _daemons = (a.daemon(), b.daemon());
    let mut file = std::fs::File::create(a.card.save()).unwrap();
    let mut whole = Vec::new();
    for block in 0..32u8 {
        let piece = [block; 1024];
        file.write_all(&piece).unwrap();
        whole.extend_from_slice(&piece);
        std::thread::sleep(Duration::from_millis(30));
    }
    drop(file);
    wait_for("the whole file is on the other device", 60, || {
        (b.save() == Some(Bytes(whole.clone()))).then_some(())
    });
    assert_eq!(a.save(), Some(Bytes(whole)));
}

#[test]
fn names_with_every_legal_odd_character_travel() {
    let server = Server::start();
    let (a, b) = (Device::new(Firmware::Onion, GAME), Device::new(Firmware::Minui, GAME));
    let titles = [
        "Pokémon - Édition Été! (F) [b1]",
        "100% & 'quotes' ~^`$@;=,+{}#",
        "名前 ゲーム",
        "Пример.v1.2",
        "with  two  spaces",
        "-dash first",
        "emoji 🎮",
        "%2F%00 not escaped",
        &"long ".repeat(40),
    ];
    let titles: Vec<&str> = titles.iter().map(|title| title.trim_end()).collect();
    let cards: Vec<(Card, Card)> = titles
        .iter()
        .map(|title| {
            let here = Card::lay_out(&a.card.root, Firmware::Onion, title).unwrap();
            (here, Card::lay_out(&b.card.root, Firmware::Minui, title).unwrap())
        })
        .collect();
    a.pair(&server);
    b.pair(&server);
    for ((card, _), title) in cards.iter().zip(&titles) {
        std::fs::write(card.save(), &*bytes(&format!("{:.40}", title))).unwrap();
    }
    a.once();
    b.once();
    for ((_, card), title) in cards.iter().zip(&titles) {
        assert_eq!(read(&card.save()), Some(bytes(&format!("{:.40}", title))), "{title}");
    }
    let explained = a.json(&["doctor", "--explain", cards[2].0.save().to_str().unwrap()]);
    assert_eq!(explained["save"], "gb/sram/名前 ゲーム");
}

#[test]
fn a_save_of_0_bytes_never_replaces_one_that_was_played() {
    let (_server, a, b) = paired();
    a.plays(&bytes("long played"));
    a.once();
    b.once();
    a.plays(b"");
    let said = a.once_asks();
    assert_eq!(said["questions"][0]["kind"], "suspect", "{said}");
    b.once();
    assert_eq!(b.save(), Some(bytes("long played")));
    let history = a.json(&["history", SAVE]);
    let digits = history["versions"][0]["version"].as_str().unwrap()[..12].to_owned();
    a.run(&["restore", SAVE, &digits]).ends(0);
    assert_eq!(a.save(), Some(bytes("long played")), "and it comes back");
}

#[test]
fn a_save_of_100_mb_travels_in_little_memory() {
    let (_server, a, b) = paired();
    let daemons = [a.daemon(), b.daemon()];
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut file = std::io::BufWriter::new(std::fs::File::create(a.card.save()).unwrap());
    for _ in 0..100_000_000 / 8 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        file.write_all(&state.to_le_bytes()).unwrap();
    }
    file.flush().unwrap();
    drop(file);
    wait_for("100 MB are on the other device", 420, || {
        let there = std::fs::metadata(b.card.save()).map_or(0, |metadata| metadata.len());
        (there == 100_000_000).then_some(())
    });
    let same = Command::new("cmp").arg(a.card.save()).arg(b.card.save()).status().unwrap();
    assert!(same.success());
    for daemon in &daemons {
        let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
        let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        let peak_kib: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
        println!("peak memory: {peak_kib} KiB");
        if std::env::var_os("RETROSYNC_RUNNER").is_none() {
            assert!(peak_kib < 24 * 1024, "{peak}");
        }
    }
}

#[test]
fn files_of_any_date_are_synced_by_their_bytes() {
    let (_server, a, b) = paired();
    let year_2100 = SystemTime::UNIX_EPOCH + Duration::from_secs(4_102_444_800);
    let dates =
        [("1970", SystemTime::UNIX_EPOCH), ("2100", year_2100), ("1970 again", SystemTime::UNIX_EPOCH)];
    for (name, date) in dates {
        a.plays(&bytes(name));
        std::fs::File::options().write(true).open(a.card.save()).unwrap().set_modified(date).unwrap();
        a.once();
        b.once();
        assert_eq!(b.save(), Some(bytes(name)), "a file dated {name}");
    }
}

#[test]
fn what_is_no_save_is_left_alone() {
    let (_server, a, _b) = paired();
    let folder = a.card.save().parent().unwrap().to_owned();
    std::os::unix::fs::symlink("/etc/passwd", folder.join("Linked.srm")).unwrap();
    std::fs::create_dir(folder.join("Folder.srm")).unwrap();
    std::fs::write(folder.join("notes.txt"), "mine").unwrap();
    std::fs::write(a.card.rom().with_file_name("Linked.gb"), counter_rom::rom()).unwrap();
    let said = a.run(&["once", "--json"]).json();
    assert_eq!(said["uploaded"], serde_json::json!([]), "{said}");
    assert_eq!(std::fs::read_to_string(folder.join("notes.txt")).unwrap(), "mine");
}
