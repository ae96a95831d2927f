//! Which versions are the heads of a save: the one rule that server, folder backend and tests share.

use std::collections::BTreeSet;

use crate::{Version, VersionId};

/// The heads among all versions of one save (README 1.3), in the order given.
///
/// Suspect versions neither are heads nor supersede any; a tombstone yields to any head with content.
pub fn heads_of<'a>(versions: impl Iterator<Item = (VersionId, &'a Version)> + Clone) -> Vec<VersionId> {
    let sound = versions.filter(|(_, version)| !version.suspect);
    let superseded: BTreeSet<VersionId> =
        sound.clone().flat_map(|(_, v)| v.parents.iter().copied()).collect();
    let leaves: Vec<(VersionId, bool)> = sound
        .filter(|(id, _)| !superseded.contains(id))
        .map(|(id, version)| (id, version.content.is_some()))
        .collect();
    let alive = leaves.iter().any(|(_, alive)| *alive);
    leaves.into_iter().filter(|(_, is_alive)| *is_alive || !alive).map(|(id, _)| id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, Digest, WriterId};

    fn version(sequence: u64, parents: &[&Version], alive: bool, suspect: bool) -> Version {
        let mut parents: Vec<_> = parents.iter().map(|v| v.id()).collect();
        parents.sort();
        Version {
            save: "gb/sram/x".parse().unwrap_or_else(|e| unreachable!("{e}")),
            content: alive.then(|| Content { digest: Digest::of(&sequence.to_le_bytes()), size_bytes: 8 }),
            parents,
            writer: WriterId::from_random(&[1; 16]),
            sequence,
            played: None,
            suspect,
            client: String::new(),
            profile: String::new(),
            core: None,
            note: None,
        }
    }

    fn heads(versions: &[&Version]) -> Vec<u64> {
        let ids = heads_of(versions.iter().map(|v| (v.id(), *v)));
        versions.iter().filter(|v| ids.contains(&v.id())).map(|v| v.sequence).collect()
    }

    #[test]
    fn the_rule_row_by_row() {
        let first = version(1, &[], true, false);
        let second = version(2, &[&first], true, false);
        let branch = version(3, &[&first], true, false);
        let merge = version(4, &[&second, &branch], true, false);
        let doubt = version(5, &[&second], true, true);
        let gone = version(6, &[&second], false, false);
        let edit = version(7, &[&second], true, false);
        assert_eq!(heads(&[]), [] as [u64; 0], "nothing known");
        assert_eq!(heads(&[&first, &second]), [2], "a child supersedes");
        assert_eq!(heads(&[&first, &second, &branch]), [2, 3], "two children are a question");
        assert_eq!(heads(&[&first, &second, &branch, &merge]), [4], "one answer settles it");
        assert_eq!(heads(&[&first, &second, &doubt]), [2], "a suspect never moves a head");
        assert_eq!(heads(&[&doubt]), [] as [u64; 0], "only suspects: no head");
        assert_eq!(heads(&[&first, &second, &gone]), [6], "a tombstone is a head");
        assert_eq!(heads(&[&first, &second, &gone, &edit]), [7], "an edit beats a delete");
    }
}
