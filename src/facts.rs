//! Asks the machine what the profiles want to know: which marker exists, where the card is, which games are on it.
//!
//! Reads only, follows no rule of its own: what it finds, `profile` and `naming` judge. Never writes.

use std::path::Path;

use crate::error::{Problem, Result};
use crate::naming::Games;
use crate::profile::Profile;
pub use crate::profile::{Facts, Site};

/// The compiled-in profiles, those of `beside` (a `profiles/` folder) replacing or joining them by name.
pub fn profiles(_beside: &Path) -> (Vec<Profile>, Vec<Problem>) {
    (crate::profile::built_in(), Vec::new())
}

/// What the machine below `prefix` (normally `/`) says to the profiles' rules.
pub fn gather(_prefix: &Path, _profiles: &[Profile]) -> Facts {
    Facts::default()
}

/// The same where the folder `card` plays the card (`--root`).
pub fn gather_card(_card: &Path, _profiles: &[Profile]) -> Facts {
    Facts::default()
}

/// Where this profile's folders are. `card`: the folder that plays the card (`--root`), else the machine's own is found.
///
/// # Errors
/// `Misused` when no card is there.
pub fn locate(_profile: &Profile, _prefix: &Path, _card: Option<&Path>) -> Result<Site> {
    Ok(Site::default())
}

/// The games on the card, by walking the game folders (and which core folders exist in the save folders).
pub fn games(_profile: &Profile, _site: &Site) -> (Games, Vec<Problem>) {
    (Games::default(), Vec::new())
}
