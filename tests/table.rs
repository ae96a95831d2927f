//! The small TOML reader, held against a whole one: what it accepts means the same; what it refuses, it refuses by line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;

use retrosync::table::{DEEPEST, Table, Value};

/// As the whole reader tells it.
fn whole(value: &Value) -> toml::Value {
    match value {
        Value::Text(text) => toml::Value::String(text.clone()),
        Value::Number(number) => toml::Value::Integer(*number),
        Value::Truth(truth) => toml::Value::Boolean(*truth),
        Value::List(nodes) | Value::Tables(nodes) => {
            toml::Value::Array(nodes.iter().map(|node| whole(&node.value)).collect())
        }
        Value::Table(table) => toml::Value::Table(whole_table(table)),
    }
}

fn whole_table(table: &Table) -> toml::Table {
    table.entries().iter().map(|entry| (entry.key.clone(), whole(&entry.node.value))).collect()
}

/// Accepted by both with one meaning.
fn same(text: &str, what: &str) {
    let ours = Table::parse(text).unwrap_or_else(|refusal| panic!("{what}: {refusal}\n{text}"));
    let theirs: toml::Table = text.parse().unwrap_or_else(|e| panic!("{what}: {e}\n{text}"));
    assert_eq!(whole_table(&ours), theirs, "{what}\n{text}");
}

#[test]
fn every_data_file_means_what_a_whole_reader_says() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for folder in ["device-profiles", "protocol"] {
        for entry in fs::read_dir(here.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "toml") && !path.ends_with("Cargo.toml") {
                same(&fs::read_to_string(&path).unwrap(), &path.display().to_string());
                count += 1;
            }
        }
    }
    assert!(count >= 7, "{count} files");
}

#[test]
fn what_people_write_means_what_a_whole_reader_says() {
    for (what, text) in [
        ("nothing", ""),
        ("a comment at the end", "a = 1 # one"),
        ("lines of Windows", "a = 1\r\n\r\n[b]\r\nc = \"d\"\r\n"),
        ("a byte order mark", "\u{feff}a = 1\n"),
        ("numbers", "a = +1\nb = -17\nc = 1_000\nd = 0\ne = -9223372036854775808\n"),
        ("escapes", r#"a = "\"\\\b\t\n\f\r\u00e9\U0001f3ae""#),
        ("a literal", r"a = 'C:\new'"),
        ("a literal key", "'a b' = 1\n\"c\\td\" = 2\n- = 3\n1 = 4\n"),
        ("no text", "a = \"\"\nb = ''\n"),
        ("a `#` in a text", "a = \"#1\" # x"),
        ("another alphabet", "a = \"ポケモン\"\n"),
        ("a long list", "a = [\n  1, # one\n  2,\n\n]\nb = [[], [\"x\"]]\n"),
        ("braces", "a = { b = 1, c.d = [2], c.e = { } }\n"),
        ("dots", "a.b.c = 1\na . \"b\" . d = 2\n"),
        ("tables", "[a]\nx = 1\n[a.b.c]\ny = 2\n[a.b]\nz = 3\n"),
        ("lists of tables", "[[a]]\nx = 1\n[a.b]\ny = 2\n[[a]]\n[[a.c]]\nz = 3\n[[a.c]]\n"),
        ("a table below dots", "[a]\nb.c = 1\n[a.b.d]\ne = 2\n"),
    ] {
        same(text, what);
    }
}

#[test]
fn what_a_whole_reader_refuses_is_refused_with_its_line() {
    for (line, text) in [
        (1, "a"),
        (1, "a ="),
        (2, "\na = = 1"),
        (1, "= 1"),
        (2, "a = 1\na = 2"),
        (1, "a = 1 b = 2"),
        (1, "a = \"x"),
        (1, "a = \"x\ny\""),
        (1, "a = \"\\q\""),
        (1, "a = \"\\ud800\""),
        (1, "a = \"\\u00\""),
        (1, "a = \"\\u+041\""),
        (1, "a = \"\u{1}\""),
        (1, "a = \"\u{7f}\""),
        (1, "a = yes"),
        (1, "a = 01"),
        (1, "a = 1__0"),
        (1, "a = _1"),
        (1, "a = 9223372036854775808"),
        (1, "a = [1 2]"),
        (2, "a = [1,\n"),
        (1, "a = [,]"),
        (1, "a = {b 1}"),
        (1, "a = {b = 1, b = 2}"),
        (1, "[a"),
        (1, "[[a]"),
        (1, "[]"),
        (1, "[a] x = 1"),
        (3, "[a]\n\n[a]"),
        (2, "[[a]]\n[a]"),
        (2, "a = [1]\n[[a]]"),
        (2, "a = [{}]\n[[a]]"),
        (2, "a = {}\n[a]"),
        (2, "a = {}\n[a.b]"),
        (2, "a = {}\na.b = 1"),
        (2, "a.b = 1\n[a]"),
        (3, "[a.b]\n[a]\nb.c = 1"),
        (2, "a = 1\na.b = 2"),
        (1, "a\u{a0}= 1"),
        (1, "\r"),
    ] {
        assert!(text.parse::<toml::Table>().is_err(), "it is TOML: {text:?}");
        let refusal = Table::parse(text).expect_err(text);
        assert_eq!(refusal.line, line, "{text:?}: {refusal}");
    }
}

#[test]
fn what_we_have_no_key_for_is_refused_in_words() {
    for (text, cause) in [
        ("a = 1.5", "line 1: the value is no whole number, and a text needs quotes"),
        ("a = 0x10", "line 1: the value is no whole number, and a text needs quotes"),
        ("a = 2026-11-01", "line 1: the value is no whole number, and a text needs quotes"),
        ("a = \"\"\"x\"\"\"", "line 1: a text over several lines cannot be read: write it on one line"),
        ("a = '''x'''", "line 1: a text over several lines cannot be read: write it on one line"),
    ] {
        assert_eq!(Table::parse(text).expect_err(text).to_string(), cause);
    }
}

#[test]
fn a_bottomless_text_is_refused_before_the_stack_ends() {
    for text in [
        format!("a = {}", "[".repeat(1_000_000)),
        format!("a = {}", "{a=".repeat(1_000_000)),
        format!("[{}a]", "a.".repeat(1_000_000)),
        format!("{}a = 1", "a.".repeat(1_000_000)),
    ] {
        assert_eq!(Table::parse(&text).unwrap_err().cause, "nested too deep");
    }
    same(&format!("a = {}{}", "[".repeat(DEEPEST), "]".repeat(DEEPEST)), "as deep as it may");
}

/// Every cut and every changed byte of a real file: refused, or accepted with one meaning; never a panic.
#[test]
fn a_damaged_file_is_refused_or_means_the_same() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("device-profiles/knulli.toml");
    let text = fs::read_to_string(path).unwrap();
    for at in 0..text.len() {
        for replaced in ["", "\"", "[", "]", "=", ".", "#", "\n", "\\", "{", "0", "_", "\r"] {
            let (Some(before), Some(after)) = (text.get(..at), text.get(at + 1..)) else { continue };
            let damaged = format!("{before}{replaced}{after}");
            let Ok(ours) = Table::parse(&damaged) else { continue };
            if let Ok(theirs) = damaged.parse::<toml::Table>() {
                assert_eq!(whole_table(&ours), theirs, "{damaged}");
            } else {
                panic!("accepted what is no TOML, at {at} {replaced:?}:\n{damaged}");
            }
        }
    }
}
