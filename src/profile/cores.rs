//! PURE. The lines of Batocera's and Knulli's settings that say which core the player chose.
//!
//! `gba.core=gpsp` for a system, `gba["Game.zip"].core=mgba` for one game, which goes first; `auto` and nothing mean the usual one.
//! Source: batocera-linux/batocera.linux, configgen (settings/unixSettings.py, Emulator.py). A later line counts. Whatever it
//! does not understand it passes over: the file is the player's and may be torn. Never fails.

use litemap::LiteMap;

/// The cores that the player chose, by system folder, or by system folder and game.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChosenCores(LiteMap<String, String>);

impl ChosenCores {
    /// Reads the text; never fails.
    pub fn parse(text: &str) -> ChosenCores {
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let chosen = lines.filter_map(|line| {
            let (key, core) = line.rsplit_once('=')?;
            Some((key.trim().strip_suffix(".core")?.to_lowercase(), core.trim().to_owned()))
        });
        ChosenCores(chosen.collect())
    }

    /// What was chosen for a game of this system folder, in the firmware's spelling of cores.
    pub fn of(&self, folder: &str, game_file: &str) -> Option<&str> {
        let folder = folder.to_lowercase();
        let game = self.0.get(&format!("{folder}[\"{}\"]", game_file.to_lowercase()));
        let is_one = |core: &&String| !matches!(core.as_str(), "" | "auto");
        game.filter(is_one).or_else(|| self.0.get(&folder).filter(is_one)).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_game_s_choice_goes_before_its_system_s() {
        let text = "# gb.core=mgba\ngba.core = gpsp\r\nGBA[\"Metroid = Fusion.zip\"].core=mgba\nsnes.core=auto\n\
                    gb.core=\nnes.emulator=libretro\nnes.cor";
        let chosen = ChosenCores::parse(text);
        for (folder, game, core) in [
            ("gba", "Other.zip", Some("gpsp")),
            ("gba", "Metroid = Fusion.zip", Some("mgba")),
            ("snes", "Zelda.sfc", None),
            ("gb", "Tetris.gb", None),
            ("nes", "Zelda.nes", None),
        ] {
            assert_eq!(chosen.of(folder, game), core, "{folder} {game}");
        }
    }
}
