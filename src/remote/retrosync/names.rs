//! PURE. What a save is called on a RetroSync server, and which save a name there is.
//!
//! That server knows a save by its flat key, the file's name without `.srm`, and so takes games of one name for one. What tells
//! them apart stands in the path that we register for each, `/RetroSync/KIND/SYSTEM/FILE`, which other clients never
//! read and each of our devices does.

use retrosync_protocol::{Digest, Kind, SaveId, compare_key};

/// Where our paths begin.
const PREFIX: &str = "/RetroSync/";

/// How many names a save can have there.
pub(super) const NAMES: u8 = 3;

/// The file's name there: the plain one, one with the system where that is another's, or one that nobody else has.
pub(super) fn file_name(save: &SaveId, number: u8) -> String {
    // A name with `..` is refused, that of the ending's dot too.
    let mut title = save.title().replace("..", "._").replace(['/', '\\'], "_");
    if title.ends_with('.') {
        title.pop();
        title.push('_');
    }
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
    (0..NAMES).any(|number| is_same(&key(&file_name(save, number)), told))
}

/// Is it the plain one, which games of other systems share?
pub(super) fn is_plain_key(told: &str, save: &SaveId) -> bool {
    is_same(&key(&file_name(save, 0)), told)
}

/// Are they one key to us, as the saves are? To the server they are two.
pub(super) fn is_same(key: &str, other: &str) -> bool {
    compare_key(key) == compare_key(other)
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
/// equal stay two, and bytes that it lost, or that are restored, are taken again, however often: the salt is drawn for each upload.
pub(super) fn hash_text(content: &Digest, salt: u64) -> String {
    let mut text = content.to_string();
    for at in (0..text.len().min(64)).filter(|at| salt >> at & 1 == 1) {
        text[at..=at].make_ascii_uppercase();
    }
    text
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
            (
                "n64/sram/Super Smash Bros.",
                "Super Smash Bros_.srm",
                "/RetroSync/sram/n64/Super Smash Bros..srm",
                "a dot at the end",
            ),
            ("gb/sram/What...", "What.__.srm", "/RetroSync/sram/gb/What....srm", "dots at the end"),
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
    fn equal_bytes_have_as_many_texts_of_one_digest_as_there_are_salts() {
        let digest = Digest::of(b"fresh");
        let texts = [0, u64::MAX, 0x5555_5555_5555_5555].map(|salt| hash_text(&digest, salt));
        assert!(texts[0] != texts[1] && texts[0] != texts[2] && texts[1] != texts[2], "{texts:?}");
        assert_eq!(texts[1], digest.to_string().to_ascii_uppercase());
        assert!(texts.iter().all(|text| text.to_ascii_lowercase() == digest.to_string()));
    }
}
