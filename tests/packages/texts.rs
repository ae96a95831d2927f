//! The texts in the packages: what a shell of any firmware reads, whatever card they were copied to.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

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
        println!("not tried, for want of shellcheck");
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
