//! PURE. What a save is called on a RetroSync server, and which save a name there is.
//!
//! That server knows a save by its flat key, the file's name without `.srm`, and so takes games of one name for one. What tells
//! them apart stands in the path that we register for each, `/RetroSync/KIND/SYSTEM/FILE`, which other clients never
//! read and each of our devices does.

use retrosync_protocol::{Digest, Kind, SaveId};

/// Where our paths begin.
const PREFIX: &str = "/RetroSync/";

/// How many names a save can have there.
pub(super) const NAMES: u8 = 3;

/// The file's name there: the plain one, one with the system where that is another's, or one that nobody else has.
pub(super) fn file_name(save: &SaveId, number: u8) -> String {
    // A name with `..` is refused.
    let title = save.title().replace("..", "._").replace(['/', '\\'], "_");
    let apart = match number {
        0 => String::new(),
        1 => format!(" [{}]", save.system()),
        _ => format!(" [{} {}]", save.system(), &Digest::of(save.key().as_bytes()).to_string()[..8]),
    };
    match save.kind() {
        Kind::Sram => format!("{title}{apart}.srm"),
        _ => format!("{title}{apart}.{}", words(save)),
    }
}

/// The flat key of a file's name, as the server makes it.
pub(super) fn key(file: &str) -> String {
    let name = file.split_whitespace().collect::<Vec<_>>().join(" ");
    name.strip_suffix(".srm").or(name.strip_suffix(".sav")).unwrap_or(&name).to_owned()
}

/// Is this the key of that save there?
pub(super) fn is_key(told: &str, save: &SaveId) -> bool {
    (0..NAMES).any(|number| key(&file_name(save, number)) == told)
}

/// Is it the plain one, which games of other systems share?
pub(super) fn is_plain_key(told: &str, save: &SaveId) -> bool {
    key(&file_name(save, 0)) == told
}

/// The path that we register.
pub(super) fn path(save: &SaveId) -> String {
    let (system, title) = (save.system(), save.title());
    format!("{PREFIX}{}/{system}/{title}.{}", words(save), if is_sram(save) { "srm" } else { "save" })
}

/// The save of a path that we registered.
pub(super) fn save_at(path: &str) -> Option<SaveId> {
    let (words, rest) = path.strip_prefix(PREFIX)?.split_once('/')?;
    let (system, file) = rest.split_once('/')?;
    let title = file.strip_suffix(".srm").or(file.strip_suffix(".save"))?;
    let save: SaveId = format!("{system}/{words}/{title}").parse().ok()?;
    (self::path(&save) == path).then_some(save)
}

fn is_sram(save: &SaveId) -> bool {
    words(save) == "sram"
}

/// `kind[.slot][@core]`
fn words(save: &SaveId) -> &str {
    save.as_str().split('/').nth(1).unwrap_or_default()
}

/// The digest as text, in one of 2^24 mixtures of small and capital letters. The server compares the text: so two games whose bytes are
/// equal stay two, and bytes that it lost, or that are restored, are taken again.
pub(super) fn hash_text(content: &Digest, save: &SaveId, attempt: u64) -> String {
    let salt = Digest::of(format!("{}#{attempt}", save.key()).as_bytes());
    let bits = salt.as_bytes().iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
    let text = content.to_string();
    text.chars()
        .zip(bits)
        .map(|(c, is_capital)| if is_capital { c.to_ascii_uppercase() } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_row_by_row() {
        for (save, file, path, what) in [
            (
                "gb/sram/Tetris (World)",
                "Tetris (World).srm",
                "/RetroSync/sram/gb/Tetris (World).srm",
                "a game",
            ),
            (
                "gb/rtc/Tetris (World)",
                "Tetris (World).rtc",
                "/RetroSync/rtc/gb/Tetris (World).save",
                "its clock",
            ),
            (
                "psx/card.0/Gran Turismo",
                "Gran Turismo.card.0",
                "/RetroSync/card.0/psx/Gran Turismo.save",
                "a slot",
            ),
            (
                "gb/state.1@gambatte/A",
                "A.state.1@gambatte",
                "/RetroSync/state.1@gambatte/gb/A.save",
                "a core",
            ),
            ("gb/sram/Wait...What", "Wait._.What.srm", "/RetroSync/sram/gb/Wait...What.srm", "dots"),
            ("gb/sram/Game.srm", "Game.srm.srm", "/RetroSync/sram/gb/Game.srm.srm", "an ending in the title"),
        ] {
            let save: SaveId = save.parse().unwrap();
            assert_eq!((file_name(&save, 0).as_str(), self::path(&save).as_str()), (file, path), "{what}");
            assert_eq!(save_at(path), Some(save.clone()), "{what}");
            assert!(is_key(&key(file), &save) && !file.contains(".."), "{what}");
        }
    }

    #[test]
    fn what_is_no_path_of_ours_is_no_save() {
        for path in [
            "/mnt/mmc/MUOS/save/file/mGBA/Tetris.srm",
            "/RetroSync/",
            "/RetroSync/sram/gb",
            "/RetroSync/sram/gb/",
            "/RetroSync/sram/GB/Tetris.srm",
            "/RetroSync/sram/gb/../../etc/passwd",
            "/RetroSync/sram/gb/Tetris.save",
            "/RetroSync/SRAM/gb/Tetris.srm",
        ] {
            assert_eq!(save_at(path), None, "{path}");
        }
    }

    #[test]
    fn equal_bytes_of_two_games_have_two_texts_of_one_digest() {
        let digest = Digest::of(b"fresh");
        let [a, b]: [SaveId; 2] = ["gb/sram/A".parse().unwrap(), "gb/sram/B".parse().unwrap()];
        let texts = [hash_text(&digest, &a, 0), hash_text(&digest, &b, 0), hash_text(&digest, &a, 1)];
        assert!(texts[0] != texts[1] && texts[0] != texts[2], "{texts:?}");
        assert!(texts.iter().all(|text| text.to_ascii_lowercase() == digest.to_string()));
    }
}
