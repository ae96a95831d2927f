//! Takes in a file of a device: which save it is of, what it replaces, and whether it is new. The one rule for both generations.
//!
//! No clock decides. What the device is known to have held is the parent; where that is no longer the head, the upload is a
//! branch, and the device keeps its own until a person has chosen. Two games are never one because their bytes are equal.

use std::collections::BTreeSet;

use bytes::Bytes;
use retrosync_protocol::{Digest, Doubt, Head, StoreResult, VersionId, Watched};

use super::Compat;
use super::caller::Device;
use super::envelope::Failure;
use super::manifest::UPLOAD_FIRST_MS;
use super::place::{self, Place};
use super::shelf::{Brought, Location, Mode, Save, Shelf, Strategy};
use super::times::believable;
use crate::library::{Draft, Now};
use crate::trace::{carried, to_carry};

/// A file as it came.
pub(super) struct Upload {
    pub(super) path: String,
    pub(super) key: String,
    /// What its folder says.
    pub(super) place: Place,
    /// It came through the first generation's bucket.
    pub(super) in_bucket: bool,
    pub(super) bytes: Bytes,
    /// The file's time by its device's clock.
    pub(super) modified_ms: Option<i64>,
    /// Which program, for people.
    pub(super) client: &'static str,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A new version.
    Stored,
    /// The place holds what we know already.
    Known,
    /// The user switched this place off.
    Disabled,
}

/// The answer's parts.
pub(super) struct Taken {
    pub(super) outcome: Outcome,
    pub(super) save: Save,
    pub(super) version: Option<VersionId>,
    pub(super) digest: Digest,
}

impl Compat {
    /// [`Compat::take_in`], to its end even when the client goes away in the middle.
    pub(super) async fn take_in_to_the_end(
        self: &std::sync::Arc<Self>,
        device: Device,
        upload: Upload,
    ) -> Result<Taken, Failure> {
        let compat = std::sync::Arc::clone(self);
        let taking = tokio::spawn(carried(to_carry(), async move { compat.take_in(&device, upload).await }));
        taking.await.map_err(|_| Failure::new(500, "Failed to upload file"))?
    }

    /// Takes in a file; when this answers, it is durable.
    pub(super) async fn take_in(&self, device: &Device, upload: Upload) -> Result<Taken, Failure> {
        let user = device.asker.user;
        let _turn = self.turn(user).await;
        let (now_ms, now_unix_s) = (self.app.now_unix_ms(), self.app.now_unix_s());
        let shelf = self.shelf(user).await?;
        let (save, mut location) = find(&shelf, device, &upload, now_ms)?;
        let digest = Digest::of(&upload.bytes);
        if location.mode == Mode::Disabled {
            return Ok(Taken { outcome: Outcome::Disabled, save, version: location.base, digest });
        }
        let id = save.library_id(&device.id)?;
        let now = self.app.library.now(&device.asker, std::slice::from_ref(&id), true).await?;
        let now = now.into_iter().next().unwrap_or_default();
        // A download counts once its bytes come back: until then the file may hold what it held before.
        let arrived = location.given.take().filter(|given| given.digest == digest).map(|given| given.version);
        let held = arrived.or_else(|| held(&now, location.base, digest));
        let (outcome, version) = match held {
            Some(version) if self.app.library.lacking(vec![digest]).await?.is_empty() => {
                (Outcome::Known, version)
            }
            _ => {
                let draft = draft(&save, &now, &location, &upload, id);
                let stored =
                    self.app.library.adopt(&device.asker, draft, upload.bytes.clone(), now_unix_s).await?;
                (Outcome::Stored, stored_version(&stored)?)
            }
        };
        let told_ms = believable(upload.modified_ms, now_ms);
        if outcome == Outcome::Stored {
            let size_bytes = upload.bytes.len() as u64;
            location.brought = Some(Brought {
                version,
                modified_ms: told_ms,
                uploaded_ms: now_ms,
                size_bytes,
                digest: Some(digest),
            });
        }
        location.base = Some(version);
        location.file_ms = upload.modified_ms.filter(|ms| *ms > 0).unwrap_or(told_ms);
        location.size_bytes = upload.bytes.len() as u64;
        // A download that shows itself was not asked for: it does not count for the next manifest, which begins another sync.
        let asked = location.offered.is_some_and(|(_, modified_ms)| modified_ms == UPLOAD_FIRST_MS);
        location.shown_unix_s = Some(now_unix_s).filter(|_| asked || arrived.is_none());
        location.updated_ms = now_ms;
        location.in_bucket = upload.in_bucket;
        if shelf.save(&save.id).is_none_or(|known| known.systems != save.systems) {
            self.put_save(user, &save).await?;
        }
        self.put_locations(user, &[location]).await?;
        Ok(Taken { outcome, save, version: Some(version), digest })
    }
}

/// The save that a path is of, and what is known of the path. A path stays with its save for ever.
pub(super) fn find(
    shelf: &Shelf,
    device: &Device,
    upload: &Upload,
    now_ms: i64,
) -> Result<(Save, Location), Failure> {
    let known = shelf.locations.iter().find(|l| l.device == device.id && l.path == upload.path);
    if let Some(known) = known
        && let Some(save) = shelf.save(&known.save)
    {
        return Ok((save.clone(), known.clone()));
    }
    if upload.key.is_empty() {
        return Err(Failure::new(400, "Invalid file path"));
    }
    let place = &upload.place;
    let same_name = shelf.saves.iter().filter(|save| save.key == upload.key && save.netplay == place.netplay);
    let mut same_name: Vec<&Save> = same_name.collect();
    let mut save = match same_name.iter().find(|save| save.folder == place.folder) {
        Some(save) => (*save).clone(),
        None => {
            // In two folders of one device lie two games; on two devices the folder may only be called otherwise.
            same_name.retain(|save| {
                place.may_be(&save.systems) && !shelf.places(save).any(|other| other.device == device.id)
            });
            match same_name.as_slice() {
                [only] => (*only).clone(),
                _ => Save::new(device.asker.user, &upload.key, &place.folder, place.netplay, now_ms),
            }
        }
    };
    // Each folder narrows what it can be.
    if save.systems.is_empty() {
        save.systems = place.systems.clone();
    } else if !place.systems.is_empty() {
        save.systems.retain(|system| place.systems.contains(system));
    }
    let location = Location::new(&device.id, &upload.path, &save.id, now_ms);
    Ok((save, location))
}

/// The version whose bytes the place shows to hold, if that is no news: what it held before, or, where we did not know what it
/// holds, any version of this very save. An older version where we know what it held is news: the player went back to it.
fn held(now: &Now, base: Option<VersionId>, digest: Digest) -> Option<VersionId> {
    let says =
        |version: &&crate::catalog::StoredVersion| version.record.content.is_some_and(|c| c.digest == digest);
    match base.and_then(|base| now.recent.iter().find(|version| version.id == base)) {
        Some(base) => Some(base).filter(says).map(|version| version.id),
        None => {
            let head = now.heads.iter().find(|head| head.content.is_some_and(|c| c.digest == digest));
            head.map(|head| head.version).or_else(|| now.recent.iter().find(says).map(|version| version.id))
        }
    }
}

fn draft(
    save: &Save,
    now: &Now,
    location: &Location,
    upload: &Upload,
    id: retrosync_protocol::SaveId,
) -> Draft {
    let base = location.base.and_then(|base| now.recent.iter().find(|version| version.id == base));
    let played = now.heads.iter().any(|head| head.content.is_some_and(|content| content.size_bytes > 0));
    // Nothing, or a cartridge's RAM as it leaves the factory, on a device that never held the played one: kept, no question.
    let mut watched = Watched::default();
    watched.update(&upload.bytes);
    let suspect = match watched.doubt() {
        Some(Doubt::Blank) => played && base.is_none(),
        doubt => doubt.is_some(),
    };
    let parents = match (base, save.strategy) {
        (Some(base), _) => sound(now, base.id),
        // Its own, and nobody else's: each upload goes on from the last.
        (None, Strategy::PerDevice) => now.heads.iter().map(|head| head.version).collect(),
        _ => Vec::new(),
    };
    Draft { save: id, parents, suspect, client: upload.client.into(), note: Some(note(&upload.path)) }
}

/// Where the file lay: for people.
fn note(path: &str) -> String {
    let mut note: String = path.chars().filter(|c| !c.is_control()).collect();
    let mut from = note.len().saturating_sub(390);
    while !note.is_char_boundary(from) {
        from += 1;
    }
    note.split_off(from)
}

/// This version, or, where its bytes are doubted, the sound ones that it went on from.
fn sound(now: &Now, base: VersionId) -> Vec<VersionId> {
    let (mut sound, mut seen, mut next) = (Vec::new(), BTreeSet::new(), vec![base]);
    while let Some(id) = next.pop() {
        let Some(version) = now.recent.iter().find(|version| version.id == id && seen.insert(id)) else {
            continue;
        };
        if version.record.suspect {
            next.extend(&version.record.parents);
        } else {
            sound.push(id);
        }
    }
    sound
}

fn stored_version(result: &StoreResult) -> Result<VersionId, Failure> {
    match result {
        StoreResult::Head { version, .. } | StoreResult::Branch { version, .. } => Ok(*version),
        StoreResult::Refused { problem } => Err(Failure::new(problem.status, problem.detail.clone())),
    }
}

/// The head to offer a place, if it should take another than it holds: the only one, or one that all agree with.
pub(super) fn settled(now: &Now) -> Option<&Head> {
    let first = now.heads.first()?;
    let digest = first.content?.digest;
    now.heads.iter().all(|head| head.content.is_some_and(|c| c.digest == digest)).then_some(first)
}

/// May this head's bytes go where another's were? `.sav` and `.srm` of one size are the same bytes; of two sizes they are of two emulators.
pub(super) fn fits(shelf: &Shelf, location: &Location, head: &Head) -> bool {
    let Some(content) = head.content else { return true };
    if location.size_bytes == 0 || location.size_bytes == content.size_bytes {
        return true;
    }
    let mut from = shelf.brought_content(&location.save, head.version, content.digest).peekable();
    let is_same_kind = |place: &Location| place::extension(&place.path) == place::extension(&location.path);
    from.peek().is_none() || from.any(is_same_kind)
}

#[cfg(test)]
mod tests {
    use super::note;

    #[test]
    fn a_note_is_the_end_of_the_path_cut_between_letters() {
        assert_eq!(note("/saves/x\n.srm"), "/saves/x.srm");
        let long = note(&format!("/a{}", "é".repeat(1000)));
        assert_eq!(long, "é".repeat(195));
        assert_eq!(note(&format!("/{}b", "é".repeat(1000))), format!("{}b", "é".repeat(194)));
    }
}
