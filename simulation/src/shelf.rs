//! What a card holds that its player could get back: saves in their places, copies in the attic. Looked at again only
//! where it changed.

use std::path::Path;

use retrosync_protocol::Digest;

use crate::device::Device;
use crate::fat::Fat;
use crate::judge::{attic_of, attics_of};

/// See the module.
#[derive(Default)]
pub struct Shelf {
    /// Which card, how much it had been changed, and in which life of the daemon.
    looked_at: Option<(Fat, u64, u64)>,
    saves: Vec<Option<Digest>>,
    /// Which root's, its number there, and what it is.
    attic: Vec<(String, u64, Digest)>,
}

impl Shelf {
    /// Looks again; true if anything may have changed.
    ///
    /// # Errors
    /// The number of a kept copy that is not whole.
    pub fn look(&mut self, device: &mut Device) -> Result<bool, u64> {
        let (fat, saves) = {
            let mut handheld = device.handheld.get();
            let now = (handheld.fat.generation(), device.lives);
            let is_known = |(card, generation, life): &(Fat, u64, u64)| {
                card.is(&handheld.fat) && (*generation, *life) == now
            };
            if self.looked_at.as_ref().is_some_and(is_known) {
                return Ok(false);
            }
            let saves = (0..handheld.paths.len()).map(|save| handheld.digest_on_card(save)).collect();
            (handheld.fat.clone(), saves)
        };
        self.saves = saves;
        self.look_into_attic(device, &fat)?;
        self.looked_at = Some((fat.clone(), fat.generation(), device.lives));
        Ok(true)
    }

    /// A copy is never written again, so one that was whole is only read again in another life of the daemon.
    fn look_into_attic(&mut self, device: &mut Device, fat: &Fat) -> Result<(), u64> {
        let is_same = |(card, _, life): &(Fat, u64, u64)| card.is(fat) && *life == device.lives;
        let was_whole = if self.looked_at.as_ref().is_some_and(is_same) {
            std::mem::take(&mut self.attic)
        } else {
            Vec::new()
        };
        self.attic.clear();
        let Some(parts) = device.parts() else {
            // No daemon has it open, as when the card is out of its slot: it holds what it holds.
            self.attic.extend(attics_of(fat).map(|kept| (String::new(), 0, kept)));
            return Ok(());
        };
        for card in &parts.cards {
            let root = card.root.dir.to_string_lossy().into_owned();
            let Some(disk) = &card.disk else {
                self.attic.extend(attic_of(fat, &root).map(|kept| (root.clone(), 0, kept)));
                continue;
            };
            for entry in disk.attic().entries() {
                let kept = (root.clone(), entry.number, entry.file.digest);
                if !was_whole.contains(&kept) {
                    let bytes = fat.peek(Path::new(&format!("{root}/.retrosync/attic/{:08}", entry.number)));
                    if bytes.is_none_or(|bytes| Digest::of(bytes.bytes()) != entry.file.digest) {
                        return Err(entry.number);
                    }
                }
                self.attic.push(kept);
            }
        }
        Ok(())
    }

    /// All kept copies are read again at the next look.
    pub fn doubt(&mut self) {
        self.looked_at = None;
    }

    /// What lies in the place of a save.
    pub fn save(&self, save: usize) -> Option<Digest> {
        self.saves.get(save).copied().flatten()
    }

    /// What lies in the saves' places.
    pub fn saves(&self) -> impl Iterator<Item = Digest> + '_ {
        self.saves.iter().copied().flatten()
    }

    /// What is kept in the attic.
    pub fn copies(&self) -> impl Iterator<Item = Digest> + '_ {
        self.attic.iter().map(|(_, _, kept)| *kept)
    }

    /// How many copies are kept.
    pub fn kept(&self) -> usize {
        self.attic.len()
    }

    /// Is it in a save's place, or in the attic?
    pub fn holds(&self, digest: &Digest) -> bool {
        self.saves().any(|save| save == *digest) || self.attic.iter().any(|(_, _, kept)| kept == digest)
    }
}
