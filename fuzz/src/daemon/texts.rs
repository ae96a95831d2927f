//! What travels, what people write, and what emulators pack: the protocol's messages, our part of TOML, containers.

use std::io::Read as _;

use retrosync::formats;
use retrosync::formats::set::{Piece, Set};
use retrosync::profile::Profile;
use retrosync::table::{Table, Value};
use retrosync_protocol::{
    Account, BlockFrame, Changes, ChangesRequest, ChoiceReply, ChoiceRequest, ClaimRequest, ContentFrame,
    ContentRequest, DeviceChange, Devices, Health, History, Paired, PairingOffer, PairingRequest, Problem,
    SaveId, StoreFrame, StoreReply, Token, UploadReply, UploadRequest, UserCode, Version, compare_key,
    heads_of,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What was read is told so that it reads as the same.
fn message<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let read: T = serde_json::from_slice(bytes).ok()?;
    let told = serde_json::to_vec(&read).expect("what was read can be told");
    let again: T = serde_json::from_slice(&told).expect("what was told can be read");
    assert_eq!(told, serde_json::to_vec(&again).expect("as before"));
    Some(read)
}

fn save_id(text: &str) {
    let Ok(save) = text.parse::<SaveId>() else { return };
    assert_eq!(save.as_str().parse().as_ref(), Ok(&save));
    assert_eq!(&*compare_key(save.key()), save.key(), "a key of a key is that key");
    assert!(save.title().split('/').all(|part| !matches!(part, "" | "." | "..")), "{save}");
    assert!(save.slot().is_none_or(|slot| save.as_str().contains(slot)) && save.core() != Some(""));
}

/// The first byte chooses a message.
pub fn protocol(input: &[u8]) {
    let Some((which, bytes)) = input.split_first() else { return };
    match which % 26 {
        0 => drop(message::<PairingRequest>(bytes)),
        1 => drop(message::<PairingOffer>(bytes)),
        2 => drop(message::<ClaimRequest>(bytes)),
        3 => drop(message::<Paired>(bytes)),
        4 => drop(message::<ChangesRequest>(bytes)),
        5 => drop(message::<Changes>(bytes)),
        6 => drop(message::<History>(bytes)),
        7 => drop(message::<ContentRequest>(bytes)),
        8 => drop(message::<ContentFrame>(bytes)),
        9 => drop(message::<StoreFrame>(bytes)),
        10 => drop(message::<StoreReply>(bytes)),
        11 => drop(message::<ChoiceRequest>(bytes)),
        12 => drop(message::<ChoiceReply>(bytes)),
        13 => drop(message::<UploadRequest>(bytes)),
        14 => drop(message::<UploadReply>(bytes)),
        15 => drop(message::<BlockFrame>(bytes)),
        16 => drop(message::<Devices>(bytes)),
        17 => drop(message::<DeviceChange>(bytes)),
        18 => drop(message::<Account>(bytes)),
        19 => drop(message::<Health>(bytes)),
        20 => drop(message::<Problem>(bytes)),
        21 => {
            if let Some(version) = message::<Version>(bytes) {
                assert_eq!(version.id(), version.clone().id());
            }
        }
        22 => {
            if let Some(versions) = message::<Vec<Version>>(bytes) {
                let heads = heads_of(versions.iter().map(|version| (version.id(), version)));
                assert!(heads.len() <= versions.len());
            }
        }
        23 => save_id(&String::from_utf8_lossy(bytes)),
        24 => {
            if let Ok(code) = String::from_utf8_lossy(bytes).parse::<UserCode>() {
                assert_eq!(code.to_string().parse(), Ok(code));
            }
        }
        _ => {
            if let Ok(token) = String::from_utf8_lossy(bytes).parse::<Token>() {
                assert_eq!(format!("{token:?}"), "rst_…", "a token is never shown");
            }
        }
    }
}

/// More than this comes out of no input here; what a header promises is never believed before it came.
const MOST_BYTES: u64 = 64 << 20;

/// One of each family of forms, and one that has none.
const SAVES: [&str; 6] =
    ["nes/sram/a", "gb/sram/a", "gba/sram/a", "nds/sram/a", "n64/sram/a", "psx/card.0/a"];

/// The payload of a save that is several files: what comes apart goes together to the same bytes.
pub fn sets(input: &[u8]) {
    for set in [Set::Tree, Set::N64] {
        let Ok(parts) = set.parts(&mut &*input, "Game.", &[]) else { continue };
        let mut files: Vec<_> = parts.iter().map(|part| (part.name.clone(), part.size_bytes)).collect();
        files.sort();
        let of = |name: &str| parts.iter().find(|part| part.name == name).expect("each name is there once");
        let pieces = set.pieces(&files).expect("what came out of a payload makes one");
        let again = pieces.iter().flat_map(|piece| match piece {
            Piece::Bytes(bytes) => bytes.clone(),
            Piece::File(number, size_bytes) => {
                let part = of(&files[*number].0);
                assert_eq!(part.size_bytes, *size_bytes);
                input[part.offset as usize..][..*size_bytes as usize].to_vec()
            }
        });
        assert!(again.eq(input.iter().copied()), "{set:?}: not the same bytes");
    }
}

/// A save file: read in one go and in small pieces it is the same, a torn container is told, and the payload comes back out
/// of the form that it was in.
pub fn container(input: &[u8]) {
    for save in SAVES {
        one_save(&save.parse().expect("it is a save"), input);
    }
}

fn one_save(save: &SaveId, input: &[u8]) {
    let (content, doubt) = formats::inspect(save, input).expect("bytes in memory can be read");
    let mut whole = Vec::new();
    let read = formats::payload(save, input).take(MOST_BYTES).read_to_end(&mut whole);
    assert!((whole.len() as u64) < MOST_BYTES, "{} bytes became {}", input.len(), whole.len());
    if doubt != Some(retrosync::snapshot::Doubt::Torn) {
        assert_eq!(read.expect("it was whole"), whole.len());
        assert_eq!(
            (content.digest, content.size_bytes),
            (retrosync_protocol::Digest::of(&whole), whole.len() as u64)
        );
        let form = formats::Form::of(save, input).expect("bytes in memory can be read");
        let mut file = Vec::new();
        if form.write(&mut &whole[..], whole.len() as u64, &mut file).is_ok() && !form.is_plain() {
            let mut again = Vec::new();
            formats::payload(save, &file[..]).read_to_end(&mut again).expect("it was just written");
            assert!(again == whole, "{save}: what went into a form did not come out");
        }
    }
    if whole.len() < 1 << 16 {
        let (mut pieces, mut payload) = (Vec::new(), formats::payload(save, input));
        let mut piece = [0; 7];
        while let Ok(count @ 1..) = payload.read(&mut piece) {
            pieces.extend_from_slice(&piece[..count]);
        }
        assert!(pieces.starts_with(&whole) || whole.starts_with(&pieces), "it depends on who reads");
    }
}

/// As a whole TOML reader tells it.
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

/// A configuration or device profile: what is accepted means what a whole TOML reader says.
pub fn table(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(ours) = Table::parse(text) {
        let theirs: toml::Table = text.parse().unwrap_or_else(|error| panic!("no TOML: {error}"));
        assert_eq!(whole_table(&ours), theirs);
    }
    if let Err(refused) = Profile::parse(text, "fuzz") {
        let _ = refused.to_string();
    }
}
