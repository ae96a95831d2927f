//! PURE. The few lines of a live `retroarch.cfg` that say where saves lie.
//!
//! Reads the text as RetroArch does (`key = "value"`, `#` comments, the first line of a key counts); whatever it does not
//! understand it passes over, since the file is the player's and may be torn. Never fails, never looks at the disk.

/// What `retroarch.cfg` says; `None`: it does not say, the profile's default counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetroarchCfg {
    /// Where battery saves go.
    pub savefile_directory: Option<String>,
    /// Where states go.
    pub savestate_directory: Option<String>,
    /// Battery saves lie beside the game.
    pub savefiles_in_content_dir: Option<bool>,
    /// States lie beside the game.
    pub savestates_in_content_dir: Option<bool>,
    /// One folder a core.
    pub sort_savefiles_enable: Option<bool>,
    /// One folder a core.
    pub sort_savestates_enable: Option<bool>,
    /// One folder a game folder.
    pub sort_savefiles_by_content_enable: Option<bool>,
    /// One folder a game folder.
    pub sort_savestates_by_content_enable: Option<bool>,
    /// Battery saves are written into containers.
    pub save_file_compression: Option<bool>,
    /// States are written into containers.
    pub savestate_file_compression: Option<bool>,
}

/// A folder as `retroarch.cfg` writes it: a path of the device, which may begin with `~` (home) or `:` (the program's
/// folder). Empty and `default` mean that RetroArch uses its own, as if nothing were said.
pub fn folder(value: Option<&str>) -> Option<&str> {
    value.filter(|path| !matches!(*path, "" | "default"))
}

impl RetroarchCfg {
    /// Reads the text; never fails.
    pub fn parse(text: &str) -> RetroarchCfg {
        let mut cfg = RetroarchCfg::default();
        for (key, value) in text.lines().filter_map(line) {
            let path = || (!value.contains('\0')).then(|| value.to_owned());
            let flag = || match value {
                "true" | "1" => Some(true),
                "false" | "0" => Some(false),
                _ => None,
            };
            match key {
                "savefile_directory" => first(&mut cfg.savefile_directory, path),
                "savestate_directory" => first(&mut cfg.savestate_directory, path),
                "savefiles_in_content_dir" => first(&mut cfg.savefiles_in_content_dir, flag),
                "savestates_in_content_dir" => first(&mut cfg.savestates_in_content_dir, flag),
                "sort_savefiles_enable" => first(&mut cfg.sort_savefiles_enable, flag),
                "sort_savestates_enable" => first(&mut cfg.sort_savestates_enable, flag),
                "sort_savefiles_by_content_enable" => first(&mut cfg.sort_savefiles_by_content_enable, flag),
                "sort_savestates_by_content_enable" => {
                    first(&mut cfg.sort_savestates_by_content_enable, flag)
                }
                "save_file_compression" => first(&mut cfg.save_file_compression, flag),
                "savestate_file_compression" => first(&mut cfg.savestate_file_compression, flag),
                _ => {}
            }
        }
        cfg
    }
}

fn first<T>(slot: &mut Option<T>, value: impl Fn() -> Option<T>) {
    if slot.is_none() {
        *slot = value();
    }
}

/// `key = "value"` or `key = value # comment`.
fn line(text: &str) -> Option<(&str, &str)> {
    let (key, value) = text.trim_start_matches('\u{feff}').split_once('=')?;
    let (key, value) = (key.trim(), value.trim());
    if key.starts_with('#') {
        return None;
    }
    let value = match value.strip_prefix('"') {
        // A torn line lacks its second quote: what is there may be half a path.
        Some(rest) => rest.split_once('"')?.0,
        None => value.split(|c: char| c.is_whitespace() || "#\"".contains(c)).next().unwrap_or_default(),
    };
    Some((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_that_matter_are_read() {
        let cfg = RetroarchCfg::parse(
            "# a comment\r\nsavefile_directory = \"/mnt/SDCARD/Saves/CurrentProfile/saves\"\r\n\
             savestate_directory=\"~/states\"\nsort_savefiles_enable = \"true\"\n  sort_savestates_enable = false # no\n\
             #sort_savefiles_by_content_enable = \"true\"\nsort_savefiles_enable = \"false\"\n",
        );
        assert_eq!(
            cfg,
            RetroarchCfg {
                savefile_directory: Some("/mnt/SDCARD/Saves/CurrentProfile/saves".into()),
                savestate_directory: Some("~/states".into()),
                sort_savefiles_enable: Some(true),
                sort_savestates_enable: Some(false),
                ..RetroarchCfg::default()
            }
        );
    }

    #[test]
    fn a_torn_line_says_nothing() {
        for text in [
            "savefile_directory = \"/mnt/SD",
            "savefile_directory",
            "= \"x\"",
            "sort_savefiles_enable = \"tr\"",
        ] {
            assert_eq!(RetroarchCfg::parse(text), RetroarchCfg::default(), "{text}");
        }
    }

    #[test]
    fn a_folder_s_special_words() {
        for (value, meant) in
            [(None, None), (Some(""), None), (Some("default"), None), (Some(":/saves"), Some(":/saves"))]
        {
            assert_eq!(folder(value), meant, "{value:?}");
        }
    }

    #[test]
    fn hostile_text_is_passed_over() {
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let pieces = [
            "savefile_directory",
            "sort_savefiles_enable",
            "=",
            "\"",
            "#",
            "\n",
            "\r",
            "\0",
            "\u{feff}",
            "é",
            " ",
            "true",
            "/",
        ];
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..12 {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                text.push_str(pieces[(seed % pieces.len() as u64) as usize]);
            }
            let cfg = RetroarchCfg::parse(&text);
            assert!(cfg.savefile_directory.is_none_or(|path| !path.contains(['"', '\0', '\n'])), "{text:?}");
        }
    }
}
