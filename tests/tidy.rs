//! Keeps the tree as ARCHITECTURE.md draws it: pure modules pure, arrows downward, the daemon free of async runtimes,
//! files of a size that fits a sitting, the protocol's text equal to its types, and the pages' paths true.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Values in, values out.
const PURE: &[&str] =
    &["plan", "naming", "profile", "pace", "formats", "nearest", "table", "selection", "set"];

/// The pure files of the screen, below `src/screen/`; folders with all that is in them.
const PURE_OF_SCREEN: &[&str] =
    &["view", "pages", "picture", "canvas", "font", "text", "wrap", "panel", "buttons", "png"];

/// What a pure module may not even name.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant",
    "File::",
    "getrandom",
    "log::",
    "ureq",
    "inotify",
];

/// The floors of the daemon, the highest first; a module may use its own floor and those below. Not
/// listed, because they only print: `report`, `logging`.
const FLOORS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["screen"],
    &["door"],
    &["parts", "daemon", "survey"],
    &["choice"],
    &["cycle"],
    &["apply"],
    &[
        "plan", "scan", "watch", "playing", "machine", "remote", "attic", "disk", "journal", "identity",
        "network", "config", "boot", "discover",
    ],
    &["root", "profile", "naming", "pace", "formats", "whole", "facts", "retroarch_cfg"],
    &["volume", "snapshot", "error", "nearest", "table", "supervise", "selection", "set"],
];

const WARN_LINES: usize = 500;
const MOST_LINES: usize = 600;

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The code of a file: without comments and without what comes after `#[cfg(test)]`.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.split("\n#[cfg(test)]").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn is_test(path: &Path) -> bool {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    // Beside `pages/tests.rs` its parts.
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    folder == "tests"
        || name.ends_with("tests")
        || name.ends_with("_test")
        || name == "suite"
        || name == "simulation"
}

/// The top module of a source file: `remote` of `src/remote/http/frames.rs`.
fn module(path: &Path) -> String {
    let below = path.strip_prefix(root().join("src")).unwrap();
    let first = below.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// Is it one of the pure files of the screen?
fn is_pure_of_screen(path: &Path) -> bool {
    let below = path.strip_prefix(root().join("src/screen")).ok();
    let first =
        below.and_then(|below| below.components().next()).map(|first| first.as_os_str().to_string_lossy());
    first.is_some_and(|first| PURE_OF_SCREEN.contains(&first.trim_end_matches(".rs")))
}

/// The programs for cards are built without most of what `{:?}` prints: a person would read half a text.
#[test]
fn no_text_is_made_of_a_value_printed_for_debugging() {
    let folders = [root().join("src"), root().join("protocol/src")];
    let files = folders.iter().flat_map(|folder| sources(folder)).filter(|path| !is_test(path));
    let debugging: Vec<PathBuf> = files.filter(|path| code(path).contains("?}")).collect();
    assert_eq!(debugging, Vec::<PathBuf>::new());
}

#[test]
fn pure_modules_name_no_file_socket_clock_or_log() {
    let mut seen = BTreeSet::new();
    for path in sources(&root().join("src")) {
        if !(PURE.contains(&module(&path).as_str()) || is_pure_of_screen(&path)) || is_test(&path) {
            continue;
        }
        seen.insert(module(&path));
        let code = code(&path);
        for word in IMPURE {
            assert!(!code.contains(word), "{} is pure and names `{word}`", path.display());
        }
    }
    assert!(seen.contains("plan") && seen.contains("screen"), "this test looks at nothing");
}

#[test]
fn the_arrows_go_down() {
    let floor_of: BTreeMap<&str, usize> = FLOORS
        .iter()
        .enumerate()
        .flat_map(|(floor, modules)| modules.iter().map(move |module| (*module, floor)))
        .collect();
    for path in sources(&root().join("src")) {
        let from = module(&path);
        let Some(floor) = floor_of.get(from.as_str()).copied() else { continue };
        if is_test(&path) {
            continue;
        }
        for part in code(&path).split("crate::").skip(1) {
            for to in imported(part) {
                if let Some(other) = floor_of.get(to.as_str()) {
                    assert!(*other >= floor, "{}: an arrow up, from `{from}` to `{to}`", path.display());
                }
            }
        }
    }
}

/// The modules that the text after `crate::` names: `a::b`, or each of `{a::b, c::{d, e}}`.
fn imported(text: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
    };
    let Some(inside) = text.strip_prefix('{') else { return vec![word(text)] };
    let (mut depth, mut names, mut start) = (0, Vec::new(), true);
    for (at, letter) in inside.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            _ if start && !letter.is_whitespace() => {
                names.push(word(&inside[at..]));
                start = false;
            }
            _ => {}
        }
    }
    names
}

#[test]
fn the_daemon_has_no_async_runtime() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "-p", "retrosync", "-e", "normal", "--prefix", "none", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let tree = String::from_utf8_lossy(&output.stdout);
    assert!(tree.starts_with("retrosync v"), "{}", String::from_utf8_lossy(&output.stderr));
    let names: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains("ureq"), "{names:?}");
    for runtime in ["tokio", "async-std", "smol", "async-io", "futures-executor", "hyper", "reqwest"] {
        assert!(!names.contains(runtime), "`{runtime}` came into the daemon");
    }
}

/// What the hunt plants in the product's own lines (`protocol/src/mistake.rs`) is in no program: neither compiles with it, nothing
/// but the hunt asks for it, and a build of all packages, as the tests make it, has it off.
#[test]
fn no_program_can_make_a_planted_mistake() {
    for program in ["src/main.rs", "server/src/main.rs"] {
        let guard = "const _: () = assert!(!retrosync_protocol::Mistake::CAN_BE_MADE);";
        assert!(code(&root().join(program)).contains(guard), "{program} compiles with mistakes");
    }
    let listed = Command::new("git")
        .args([
            "grep",
            "-lE",
            "mistakes|all-features",
            "--",
            "scripts",
            "cross",
            "deploy",
            ".github",
            "*Cargo.toml",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    let asking = String::from_utf8(listed.stdout).unwrap();
    let allowed = ["protocol/Cargo.toml", "scripts/simulate", "simulation/Cargo.toml"];
    assert_eq!(asking.lines().collect::<Vec<_>>(), allowed);
    let features = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "-e", "features,normal,dev", "-i", "retrosync-protocol", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let features = String::from_utf8_lossy(&features.stdout);
    assert!(features.contains("retrosync-protocol v"), "{features}");
    assert!(!features.contains("\"mistakes\""), "{features}");
    const { assert!(!retrosync_protocol::Mistake::CAN_BE_MADE) };
}

#[test]
fn files_fit_a_sitting_and_say_what_they_are() {
    for folder in ["src", "protocol/src", "server/src", "tests"] {
        for path in sources(&root().join(folder)) {
            let text = std::fs::read_to_string(&path).unwrap();
            let lines = text.lines().count();
            let limit = if is_test(&path) || folder == "tests" { 2 * MOST_LINES } else { MOST_LINES };
            assert!(lines <= limit, "{} has {lines} lines", path.display());
            if lines > WARN_LINES {
                println!("{} has {lines} lines: is it one thing?", path.display());
            }
            assert!(text.starts_with("//!"), "{} does not open with what it is", path.display());
        }
    }
}

#[test]
fn the_protocols_text_and_its_types_name_the_same_refusals() {
    let text = std::fs::read_to_string(root().join("protocol/README.md")).unwrap();
    let section = text.split("### 2.1 Refusals").nth(1).unwrap().split("\n### ").next().unwrap();
    let told: BTreeMap<String, u16> = section
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            let code = cells.next()?.trim_end_matches('`').to_owned();
            Some((code, cells.next()?.parse().ok()?))
        })
        .collect();
    let typed: BTreeMap<String, u16> =
        retrosync_protocol::Code::ALL.iter().map(|code| (code.as_str().to_owned(), code.status())).collect();
    assert_eq!(told, typed);
}

/// Files of ours that a page names in backticks: `src/x.rs`, `server/tests/y/`; a part left out (`…`), chosen (`*`) or to be filled in (`NAME`) is none.
fn named(page: &str) -> impl Iterator<Item = &str> {
    const OURS: [&str; 9] =
        ["src/", "server/", "tests/", "docs/", "deploy/", "protocol/", "simulation/", "powercut/", "fuzz/"];
    let words = page.split('`').skip(1).step_by(2).filter_map(|quoted| quoted.split_whitespace().next());
    let words = words.filter(|word| OURS.iter().any(|ours| word.starts_with(ours)));
    words
        .filter(|word| !word.contains(['…', '*', '{', '<']) && !word.contains("NAME"))
        .map(|word| word.split("::").next().unwrap_or(word))
}

#[test]
fn every_file_that_a_page_names_is_there() {
    let listed = Command::new("git").args(["ls-files", "*.md"]).current_dir(root()).output().unwrap();
    let pages = String::from_utf8(listed.stdout).unwrap();
    assert!(pages.lines().count() > 10, "{pages}");
    let mut missing = Vec::new();
    for page in pages.lines() {
        let text = std::fs::read_to_string(root().join(page)).unwrap();
        let beside = Path::new(page).parent().unwrap();
        let is_there = |name: &&str| root().join(name).exists() || root().join(beside).join(name).exists();
        missing.extend(named(&text).filter(|name| !is_there(name)).map(|name| format!("{page}: {name}")));
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn what_this_test_reads_it_reads_rightly() {
    let page = "see `src/a.rs`, `cargo x`, `server/tests/b.rs::a_test --all` and `src/*.rs`";
    assert_eq!(named(page).collect::<Vec<_>>(), ["src/a.rs", "server/tests/b.rs"]);
    assert_eq!(imported("plan::{self, Plan};"), ["plan"]);
    assert_eq!(imported("{cli, plan::{Plan, Step}, disk::Disk};"), ["cli", "plan", "disk"]);
    assert_eq!(module(&root().join("src/remote/http/frames.rs")), "remote");
}
