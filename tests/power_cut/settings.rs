//! The settings file, which a person writes too: a cut while a toggle is kept leaves the settings of before or the new ones.

use std::io;
use std::path::Path;

use retrosync::config::file::keep;
use retrosync::table::Table;

use crate::fat::Fat;
use crate::{Luck, card, cut_everywhere};

const FILE: &str = "/card/.retrosync/retrosync.toml";
const COPY: &str = "/card/.retrosync/retrosync.toml.changing";

fn write(fat: &Fat, text: &str) -> io::Result<()> {
    keep(&*fat.volume(), Path::new(FILE), text.as_bytes(), &mut |_| {})
}

#[track_caller]
fn read(fat: &Fat, path: &str, story: &str) -> Option<String> {
    let bytes = fat.read(path).unwrap_or_else(|error| panic!("{story}: `{path}` cannot be read: {error}"));
    bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// A file of so many lines, with one setting at its end.
fn text(lines: usize, setting: &str) -> String {
    (0..lines).map(|line| format!("# a person's own line, number {line}\n")).collect::<String>() + setting
}

/// What it was and what it becomes.
fn rows() -> [(&'static str, String, String); 6] {
    let (on, off) = ("sync_while_playing = \"true\"\n", "sync_while_playing = \"false\"\n");
    let long = format!("leave_out = \"{}\"\n", "gb|".repeat(200));
    [
        ("a small file", text(1, on), text(1, off)),
        ("a line more", text(20, ""), text(20, off)),
        ("one that needs another cluster", text(13, on), text(13, &long)),
        ("one that needs fewer", text(13, &long), text(13, on)),
        ("the last line taken out", on.to_owned(), String::new()),
        ("lines that move", text(30, on), format!("{off}{}", text(30, ""))),
    ]
}

fn start(old: &str) -> Fat {
    let fat = card(None);
    fat.write(FILE, old.as_bytes());
    fat.settle();
    fat
}

#[test]
fn a_setting_that_was_changed_as_the_power_went_is_as_before_or_as_meant() {
    for (row, old, new) in rows() {
        let mut seen = [0, 0];
        cut_everywhere(&start(&old), 40, &mut |fat| drop(write(fat, &new)), &mut |fat, story| {
            let story = format!("{row}: {story}");
            let found = read(fat, FILE, &story).unwrap_or_else(|| panic!("{story}: it is gone"));
            assert!(found == old || found == new, "{story}: neither old nor new: {found}");
            seen[usize::from(found == new)] += 1;
            // And it goes on, over whatever the cut left.
            for more in [old.as_str(), "log = \"warn\"\n"] {
                write(fat, more).unwrap_or_else(|error| panic!("{story}: the next one: {error}"));
                assert_eq!(read(fat, FILE, &story).as_deref(), Some(more), "{story}: the next one");
                assert_eq!(read(fat, COPY, &story), None, "{story}: nothing is left beside it");
            }
            assert_eq!(fat.violations(), [""; 0], "{story}");
        });
        assert!(seen[0] > 0 && seen[1] > 0, "{row}: {seen:?}");
    }
}

#[test]
fn a_setting_is_there_after_any_cut_once_it_was_said_to_be() {
    for (row, old, new) in rows() {
        let fat = start(&old);
        write(&fat, &new).unwrap();
        for luck in Luck::kinds(fat.dirty(), 50) {
            let found = fat.crash(&mut luck.deal());
            assert_eq!(read(&found, FILE, row).as_deref(), Some(&*new), "{row}: {luck:?}");
        }
    }
}

/// exFAT may lose the whole entry that is being replaced: until it is, and for as long, the copy can be read.
#[test]
fn settings_that_are_being_replaced_lie_beside_the_file_too() {
    for (row, old, new) in rows() {
        cut_everywhere(&start(&old), 20, &mut |fat| drop(write(fat, &new)), &mut |fat, story| {
            let story = format!("{row}: {story}");
            let copy = read(fat, COPY, &story);
            if read(fat, FILE, &story).as_deref() == Some(&*new) {
                assert!(copy.is_none_or(|copy| copy == new), "{story}: half a copy");
            }
        });
    }
}

#[test]
fn a_file_that_is_made_is_not_there_or_can_be_read() {
    let new = text(20, "log = \"warn\"\n");
    cut_everywhere(&card(None), 40, &mut |fat| drop(write(fat, &new)), &mut |fat, story| {
        let found = read(fat, FILE, story).unwrap_or_default();
        let copy = read(fat, COPY, story).unwrap_or_default();
        assert!([&new, ""].contains(&&*found) && [&new, ""].contains(&&*copy), "{story}: half");
        assert!(Table::parse(&found).is_ok(), "{story}");
        write(fat, &new).unwrap_or_else(|error| panic!("{story}: not again: {error}"));
        assert_eq!(read(fat, FILE, story).as_ref(), Some(&new), "{story}");
        assert_eq!(fat.violations(), [""; 0], "{story}");
    });
}
