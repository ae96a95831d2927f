//! PURE. What the user's file says where a profile is wrong: folders, their sorting, processes.
//!
//! Some facts of the profiles are inferred (`confirmed = false`); each of them can be put right on the device itself by a
//! line in `retrosync.toml`, and any of them by a whole profile in the folder `profiles/`.

use super::{Group, Holds, Layout, Profile};

/// What the user said of this device; `None`: as the profile has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Where battery saves are: absolute, or below the card.
    pub saves_folder: Option<String>,
    /// Where states are.
    pub states_folder: Option<String>,
    /// What the subfolders of the battery saves are named after.
    pub saves_sorted_by: Option<Vec<Group>>,
    /// What the subfolders of the states are named after.
    pub states_sorted_by: Option<Vec<Group>>,
    /// Where games are: a folder that holds one folder a system.
    pub games_folder: Option<String>,
    /// Where RetroArch's own file is.
    pub retroarch_cfg: Option<String>,
    /// More names of processes that are running games.
    pub game_processes: Vec<String>,
}

/// Reads the names of levels, from the top: `none`, `core`, `system`, `system core`, `game`.
///
/// # Errors
/// Says what would be right.
pub fn sorting(text: &str) -> Result<Vec<Group>, String> {
    Ok(match text {
        "none" => Vec::new(),
        "core" => vec![Group::Core],
        "system" => vec![Group::System],
        "system core" => vec![Group::System, Group::Core],
        "game" => vec![Group::Game],
        _ => return Err("not `none`, `core`, `system`, `system core` or `game`".into()),
    })
}

impl Profile {
    /// Puts right what the user said is otherwise.
    pub fn put_right(&mut self, said: &Overrides) {
        if let Some(folder) = &said.games_folder {
            self.games.folders = vec![folder.clone()];
        }
        if let (Some(path), Some(spec)) = (&said.retroarch_cfg, &mut self.retroarch) {
            spec.config = vec![path.clone()];
        }
        self.running.process_names.extend(said.game_processes.iter().cloned());
        self.put_layouts_right(Holds::Saves, said.saves_folder.as_ref(), said.saves_sorted_by.as_ref());
        self.put_layouts_right(Holds::States, said.states_folder.as_ref(), said.states_sorted_by.as_ref());
    }

    /// RetroArch's folders only: an emulator's own stays.
    fn put_layouts_right(&mut self, holds: Holds, folder: Option<&String>, sorted_by: Option<&Vec<Group>>) {
        if folder.is_none() && sorted_by.is_none() {
            return;
        }
        let mut put_right = Vec::new();
        for layout in &mut self.layouts {
            if layout.core.is_some() || !layout.holds.contains(&holds) {
                continue;
            }
            layout.holds.retain(|held| *held != holds);
            put_right.push(Layout {
                folder: folder.unwrap_or(&layout.folder).clone(),
                holds: vec![holds],
                grouped_by: sorted_by.unwrap_or(&layout.grouped_by).clone(),
                fixed: true,
                confirmed: true,
                reason: None,
                ..layout.clone()
            });
        }
        // Several of the profile's folders are one now.
        put_right.dedup();
        self.layouts.retain(|layout| !layout.holds.is_empty());
        self.layouts.append(&mut put_right);
    }
}
