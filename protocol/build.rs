//! Writes the tables of canonical composition that `src/nfc.rs` unpacks, deflated: a few KB in place of the 112 KB that a
//! program carries when it links the library that they come from.

use std::collections::HashMap;
use std::path::Path;

use unicode_normalization::char::{canonical_combining_class, compose, decompose_canonical};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let folder = std::env::var_os("OUT_DIR").unwrap_or_default();
    if let Err(error) = std::fs::write(Path::new(&folder).join("nfc_tables.z"), tables()) {
        println!("cargo::error=cannot write the tables of canonical composition: {error}");
    }
}

/// All characters but the Hangul syllables, which are composed by rule.
fn characters() -> impl Iterator<Item = char> {
    ('\0'..=char::MAX).filter(|c| !('\u{AC00}'..='\u{D7A3}').contains(c))
}

fn whole(c: char) -> Vec<char> {
    let mut parts = Vec::new();
    decompose_canonical(c, |part| parts.push(part));
    parts
}

/// The one character that some others compose to. Several may be taken apart to the same; this one is put together.
fn together(parts: &[char]) -> Option<char> {
    parts.iter().skip(1).try_fold(*parts.first()?, |one, two| compose(one, *two))
}

fn tables() -> Vec<u8> {
    let wholes: Vec<(char, Vec<char>)> =
        characters().map(|c| (c, whole(c))).filter(|(c, parts)| parts[..] != [*c]).collect();
    let by_whole: HashMap<&[char], char> = wholes.iter().map(|(c, parts)| (&parts[..], *c)).collect();
    // One step: a character is two others, of which the first may be taken apart again, or it is one other.
    let steps: Vec<(char, char, char)> = wholes
        .iter()
        .map(|(c, parts)| match &parts[..] {
            [one] => (*c, *one, '\0'),
            [one, two] => (*c, *one, *two),
            [first @ .., last] => {
                (*c, together(first).or_else(|| by_whole.get(first).copied()).unwrap_or('\0'), *last)
            }
            [] => (*c, *c, '\0'),
        })
        .collect();
    let mut pairs: Vec<(char, char, usize)> = steps
        .iter()
        .enumerate()
        .filter(|(_, (c, one, two))| compose(*one, *two) == Some(*c))
        .map(|(index, (_, one, two))| (*two, *one, index))
        .collect();
    pairs.sort_unstable();

    let steps: Vec<[u32; 3]> =
        steps.iter().map(|(c, one, two)| [u32::from(*c), u32::from(*one), u32::from(*two)]).collect();
    let pairs: Vec<[u32; 1]> = pairs.iter().map(|(_, _, index)| [*index as u32]).collect();
    let mut bytes = Vec::new();
    columns(&mut bytes, &steps);
    columns(&mut bytes, &pairs);
    columns(&mut bytes, &classes());
    miniz_oxide::deflate::compress_to_vec(&bytes, 10)
}

/// Runs of characters of one combining class: first character, last character, class.
fn classes() -> Vec<[u32; 3]> {
    let mut runs: Vec<[u32; 3]> = Vec::new();
    for c in characters() {
        let (code, class) = (u32::from(c), canonical_combining_class(c).into());
        match runs.last_mut() {
            Some([_, last, of]) if *of == class && *last + 1 == code => *last = code,
            _ if class > 0 => runs.push([code, code, class]),
            _ => {}
        }
    }
    runs
}

/// A table column by column, each after its length and as differences from row to row: most of them repeat.
fn columns<const N: usize>(bytes: &mut Vec<u8>, rows: &[[u32; N]]) {
    for column in 0..N {
        bytes.extend((rows.len() as u32).to_le_bytes());
        let mut last = 0;
        for row in rows {
            bytes.extend(row[column].wrapping_sub(last).to_le_bytes());
            last = row[column];
        }
    }
}
