//! PURE. The lines of NextUI's settings that say how saves and states are called.
//!
//! Source: LoveRetro/NextUI, workspace/all/common/config.h (the numbers), workspace/all/minarch/ma_saves.c (the names).
//! Whatever it does not understand it passes over: the file is the player's and may be torn. Never fails.

/// How the player's saves and states are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MinuiSettings {
    /// The name of a battery save.
    pub saves: SaveNames,
    /// The name of a state.
    pub states: StateNames,
}

/// `saveFormat`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SaveNames {
    /// `Game.gba.sav`
    #[default]
    File,
    /// `Game.srm`, in an RZIP container or not; either is read.
    Retroarch,
    /// `Game.sav`
    Generic,
}

/// `stateFormat`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StateNames {
    /// `Game.gba.st0` … `.st9`
    #[default]
    File,
    /// `Game.state.0` …, `Game.state.auto`
    Dotted,
    /// `Game.state`, `Game.state1` …, `Game.state.auto`
    Retroarch,
}

impl MinuiSettings {
    /// Reads the text; never fails.
    pub fn parse(text: &str) -> MinuiSettings {
        let mut settings = MinuiSettings::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            match (key.trim(), value.trim()) {
                ("saveFormat", "0") => settings.saves = SaveNames::File,
                ("saveFormat", "1" | "3") => settings.saves = SaveNames::Retroarch,
                ("saveFormat", "2") => settings.saves = SaveNames::Generic,
                ("stateFormat", "0") => settings.states = StateNames::File,
                ("stateFormat", "1" | "2") => settings.states = StateNames::Dotted,
                ("stateFormat", "3" | "4") => settings.states = StateNames::Retroarch,
                _ => {}
            }
        }
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_its_name_and_a_torn_file_is_the_default() {
        for (text, saves, states) in [
            ("", SaveNames::File, StateNames::File),
            ("font=1\nsaveFormat=1\r\nstateFormat=3\n", SaveNames::Retroarch, StateNames::Retroarch),
            ("saveFormat=2\nstateFormat=1", SaveNames::Generic, StateNames::Dotted),
            ("saveFormat=3\nstateFormat=4", SaveNames::Retroarch, StateNames::Retroarch),
            ("saveFormat=\nstateFormat", SaveNames::File, StateNames::File),
            ("saveFormat=9", SaveNames::File, StateNames::File),
        ] {
            assert_eq!(MinuiSettings::parse(text), MinuiSettings { saves, states }, "{text:?}");
        }
    }
}
