//! The texts in the packages: what a shell of any firmware reads, whatever card they were copied to.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::not_tried;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every package: a folder with a file `apps`.
pub(crate) fn packages() -> BTreeSet<&'static str> {
    let entries = fs::read_dir(root().join("package")).unwrap().map(Result::unwrap);
    let apps = entries.filter(|entry| entry.path().join("apps").is_file());
    let zips =
        apps.filter(|entry| !fs::read_to_string(entry.path().join("apps")).unwrap().contains("form tar"));
    zips.map(|entry| &*entry.file_name().into_string().unwrap().leak()).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn is_script(path: &Path, text: &str) -> bool {
    path.extension().is_some_and(|end| end == "sh") || text.starts_with("#!")
}

#[test]
fn a_shell_of_any_firmware_reads_every_script() {
    let mut scripts = 0;
    for path in files(&root().join("package")) {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains('\r') && text.ends_with('\n'), "{name}: lines end with a line feed alone");
        assert!(!name.contains(' '), "{name}: a firmware's unquoted list would split it");
        if is_script(&path, &text) {
            scripts += 1;
            assert!(text.starts_with("#!/bin/sh\n") || text.starts_with("# shellcheck shell=sh\n"), "{name}");
            assert!(Command::new("sh").arg("-n").arg(&path).status().unwrap().success(), "{name}");
        }
    }
    assert!(scripts > 5, "this test looks at nothing");
}

#[test]
fn shellcheck_finds_nothing() {
    if Command::new("shellcheck").arg("--version").output().is_err() {
        not_tried("the scripts", "shellcheck");
        return;
    }
    let mut command = Command::new("shellcheck");
    command.current_dir(root()).args(["--shell=sh", "--external-sources", "--exclude=SC1091"]);
    for path in files(&root().join("package")) {
        let text = fs::read_to_string(&path).unwrap();
        if is_script(&path, &text) {
            command.arg(path.strip_prefix(root()).unwrap());
        }
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let ours = Command::new("shellcheck").current_dir(root()).arg("scripts/package").output().unwrap();
    assert!(ours.status.success(), "{}", String::from_utf8_lossy(&ours.stdout));
}

/// The archives of `scripts/package`; none where it did not run.
fn archives(ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("dist")).into_iter().flatten().flatten();
    let version = format!("-{}.{ending}", env!("CARGO_PKG_VERSION"));
    entries.map(|entry| entry.path()).filter(|path| path.to_string_lossy().ends_with(&version)).collect()
}

/// What is copied onto a card, as it is there: every placeholder filled, every name and line as any firmware's shell takes it.
#[test]
fn no_firmware_s_shell_splits_a_name_or_stumbles_over_a_line_of_an_archive() {
    let archives = [archives("zip"), archives("muxapp")].concat();
    if archives.is_empty() {
        not_tried("the archives", "the packages (`scripts/package`)");
        return;
    }
    for archive in archives {
        let shown = archive.file_name().unwrap().to_string_lossy().into_owned();
        let folder = tempfile::tempdir().unwrap();
        let unzipped = Command::new("unzip").arg("-q").arg(&archive).arg("-d").arg(folder.path()).status();
        assert!(unzipped.unwrap().success(), "{shown}");
        for path in files(folder.path()) {
            let name = format!("{shown}: {}", path.strip_prefix(folder.path()).unwrap().display());
            let plain = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
            assert!(path.to_str().unwrap().chars().all(plain), "{name}: an unquoted list would split it");
            let Ok(text) = String::from_utf8(fs::read(&path).unwrap()) else { continue };
            assert!(!text.contains('\r'), "{name}: lines end with a line feed alone");
            let left = text
                .split('@')
                .skip(1)
                .step_by(2)
                .find(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_uppercase()));
            assert_eq!(left, None, "{name}: a placeholder is left");
            if is_script(&path, &text) {
                let mode = fs::metadata(&path).unwrap().permissions().mode();
                assert_eq!(mode & 0o111, 0o111, "{name}: it can be executed");
                for shell in [&["dash"][..], &["busybox", "sh"]] {
                    let reads = Command::new(shell[0]).args(&shell[1..]).arg("-n").arg(&path).status();
                    assert!(reads.unwrap().success(), "{name}: {shell:?}");
                }
            }
        }
    }
}

#[test]
fn the_same_sources_make_the_same_archives_on_another_machine() {
    let needed = ["armv7", "aarch64", "x86_64"].map(|target| format!("dist/retrosync-{target}"));
    if !needed.iter().all(|program| root().join(program).is_file()) {
        not_tried("the archives", "the programs for cards (`scripts/build`)");
        return;
    }
    // One of each form: zip, its second ending, tar, a tree for each platform.
    let names = ["muos", "linux", "minui"];
    let sums = |tree: &Path, mask: &str, zone: &str| {
        let into = tempfile::tempdir().unwrap();
        let line = format!("umask {mask} && exec scripts/package --into \"$@\"");
        let made = Command::new("sh")
            .args(["-c", &line, "sh"])
            .arg(into.path())
            .args(names)
            .current_dir(tree)
            .env("TZ", zone)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let checked = Command::new("sha256sum")
            .args(["--check", "--strict", "--quiet", "SHA256SUMS"])
            .current_dir(into.path())
            .status();
        assert!(checked.unwrap().success(), "the digests are theirs");
        fs::read_to_string(into.path().join("SHA256SUMS")).unwrap()
    };
    let copy = tempfile::tempdir().unwrap();
    let single = ["scripts/package", "Cargo.toml"].map(|name| root().join(name));
    let sources = [files(&root().join("package")), files(&root().join("assets")), single.to_vec()].concat();
    for path in sources {
        let to = copy.path().join(path.strip_prefix(root()).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(path, to).unwrap();
    }
    fs::create_dir(copy.path().join("dist")).unwrap();
    for program in needed {
        std::os::unix::fs::symlink(root().join(&program), copy.path().join(&program)).unwrap();
    }
    let here = sums(root(), "022", "UTC");
    assert_eq!(here.lines().count(), 4, "{here}");
    assert_eq!(sums(copy.path(), "077", "Asia/Tokyo"), here);
}

#[test]
fn a_package_that_does_not_exist_is_named_and_so_are_those_that_do() {
    let output = Command::new(root().join("scripts/package")).arg("oniom").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.starts_with("error: there is no package `oniom`\n  help: the packages are allium "),
        "{said}"
    );
}

/// The lines of a page's section.
fn section<'a>(page: &'a str, title: &str) -> Vec<&'a str> {
    page.lines()
        .skip_while(|line| *line != title)
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .collect()
}

#[test]
fn every_page_tells_the_three_steps_what_is_synced_and_what_nobody_has_seen() {
    for path in files(&root().join("docs/devices")) {
        let (name, page) = (path.file_stem().unwrap().to_str().unwrap(), fs::read_to_string(&path).unwrap());
        let titles: Vec<&str> = page.lines().filter(|line| line.starts_with('#')).collect();
        assert_eq!(
            titles[1..],
            ["## Install", "## What is synced", "## Start, games, sleep, removal", "## What is confirmed"],
            "{name}"
        );
        assert!(!page.contains("\n\n\n"), "{name}: an empty line too many");
        let numbered = |line: &&str| line.starts_with(|c: char| c.is_ascii_digit());
        let steps: Vec<&str> = section(&page, "## Install").into_iter().filter(numbered).collect();
        assert_eq!(steps.len(), 3, "{name}: {steps:?}");
        let synced = section(&page, "## What is synced");
        let at = synced.iter().position(|line| *line == "Not synced:").unwrap_or_else(|| panic!("{name}"));
        let items = |lines: &[&str]| lines.iter().filter(|line| line.starts_with("- ")).count();
        assert!(items(&synced[..at]) >= 2 && items(&synced[at..]) >= 2, "{name}");
        let told = section(&page, "## Start, games, sleep, removal").join("\n");
        for what in ["At boot", "Games", "Sleep and power-off", "Removal"] {
            assert!(told.contains(&format!("- **{what}**: ")), "{name}: {what}");
        }
        let confirmed = section(&page, "## What is confirmed");
        let at = confirmed.iter().position(|line| *line == "Not confirmed; please tell us:");
        let at = at.unwrap_or_else(|| panic!("{name}: nothing is unconfirmed?"));
        assert!(items(&confirmed[..at]) >= 1 && items(&confirmed[at..]) >= 1, "{name}");
    }
}

/// Where to write the address, and every file of the firmware that is changed, is on the page of each package.
#[test]
fn every_page_names_its_archive_its_settings_and_what_it_changes() {
    for name in packages() {
        let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
        let page = read(&format!("docs/devices/{name}.md"));
        let apps = read(&format!("package/{name}/apps"));
        let folder =
            apps.lines().find_map(|row| row.strip_prefix("app ")).unwrap().split(' ').next().unwrap();
        for text in [format!("`retrosync-{name}-VERSION.zip`"), format!("`{folder}/retrosync.toml`")] {
            assert!(page.contains(&text), "{name}: its page does not say {text}");
        }
        let from = apps.lines().find_map(|row| row.strip_prefix("like ")).unwrap_or(name);
        let each = fs::read_to_string(root().join(format!("package/{from}/app/hooks.each.toml")));
        let hooks = read(&format!("package/{from}/app/hooks.toml")) + &each.unwrap_or_default();
        for file in hooks.lines().filter_map(|line| line.strip_prefix("file = ")) {
            let path = Path::new(file.trim_matches('"'));
            let part = |path: Option<&Path>| path.unwrap().file_name().unwrap().to_str().unwrap().to_owned();
            let (own, parent) = (part(Some(path)), part(path.parent()));
            assert!(
                page.contains(&own) || page.contains(&parent),
                "{name}: its page does not tell of {file}"
            );
        }
    }
}

#[test]
fn every_pak_names_the_devices_that_its_package_is_for() {
    for name in ["minui", "nextui"] {
        let read = |path: &str| fs::read_to_string(root().join(format!("package/{name}/{path}"))).unwrap();
        let pak: serde_json::Value =
            serde_json::from_str(&read("card/Tools/@PLATFORM@/RetroSync.pak/pak.json")).unwrap();
        let platforms: Vec<&str> =
            pak["platforms"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        let row = read("apps");
        let row = row.lines().find_map(|row| row.strip_prefix("platforms ")).unwrap();
        assert_eq!(platforms.join(" "), row, "{name}");
        assert_eq!(pak["release_filename"], format!("retrosync-{name}-@VERSION@.zip"));
    }
}

#[test]
fn every_profile_is_in_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for path in files(&root().join("device-profiles")) {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let row = readme.lines().find(|line| line.starts_with("| [") && line.contains(&format!("`{name}`")));
        assert!(row.is_some(), "`{name}` has no row in the README");
    }
}

#[test]
fn every_device_of_the_readme_has_its_page_and_every_package_its_device() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let linked: BTreeSet<&str> =
        readme.split("(docs/devices/").skip(1).filter_map(|rest| rest.split(".md)").next()).collect();
    let pages = files(&root().join("docs/devices"));
    let pages: BTreeSet<&str> =
        pages.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
    let missing: Vec<_> = linked.difference(&pages).collect();
    assert!(missing.is_empty(), "linked and not there: {missing:?}");
    let unlinked: Vec<_> = packages().into_iter().filter(|name| !linked.contains(name)).collect();
    assert!(unlinked.is_empty(), "packages without a page: {unlinked:?}");
}
