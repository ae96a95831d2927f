//! PURE. The sides of a question, and in what each is ahead: told only where it is sure, for a person chooses by it.

use retrosync_protocol::{HistoryEntry, Played};

/// 2020-01-01: no handheld that syncs was played before. A clock without a battery says 1970, or 2000.
const FIRST_UNIX_S: i64 = 1_577_836_800;
/// As far may a clock go ahead of the server's.
const AHEAD_S: i64 = 300;

/// In what a side of a question is ahead of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Best {
    /// It was played later than all others, beyond doubt.
    pub(super) latest: bool,
    /// It is larger than all others.
    pub(super) largest: bool,
}

/// Can it have been played then? Not before there were such devices, nor after it arrived here.
pub(super) fn is_believable(played: Played, received_unix_s: i64) -> bool {
    played.from_unix_s >= FIRST_UNIX_S
        && played.from_unix_s <= played.to_unix_s
        && played.to_unix_s <= received_unix_s.saturating_add(AHEAD_S)
}

/// In what this side is ahead. Later is what began after all others had ended, by clocks that can be believed; where one cannot,
/// or two intervals overlap, nobody knows.
pub(super) fn best(side: &HistoryEntry, all: &[HistoryEntry]) -> Best {
    let others = || all.iter().filter(|other| other.version != side.version);
    let size = |entry: &HistoryEntry| entry.record.content.map(|content| content.size_bytes);
    let played = |entry: &HistoryEntry| {
        entry.record.played.filter(|played| is_believable(*played, entry.received_unix_s))
    };
    let later = |other: &HistoryEntry| match (played(side), played(other)) {
        (Some(mine), Some(other)) => mine.from_unix_s > other.to_unix_s,
        _ => false,
    };
    let larger = |other: &HistoryEntry| size(side).is_some() && size(other) < size(side);
    let is_question = all.len() > 1;
    Best { latest: is_question && others().all(later), largest: is_question && others().all(larger) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use retrosync_protocol::{Digest, Version};

    use super::*;

    const NOW: i64 = 1_790_000_000;
    const HOUR: i64 = 3600;

    fn side(number: u8, played: Option<(i64, i64)>, size_bytes: u64) -> HistoryEntry {
        let version: Version = serde_json::from_value(serde_json::json!({
            "save": "gb/sram/Tetris",
            "content": {"digest": Digest::of(&[number]), "size_bytes": size_bytes},
            "parents": [], "writer": "0".repeat(32), "sequence": number,
            "played": played.map(|(from, to)| serde_json::json!({"from_unix_s": from, "to_unix_s": to})),
            "suspect": false, "client": "", "profile": "", "core": null, "note": null,
        }))
        .unwrap();
        serde_json::from_value(serde_json::json!({
            "version": version.id(), "record": version, "device": null, "device_name": "x",
            "received_unix_s": NOW, "head": true,
        }))
        .unwrap()
    }

    #[test]
    fn latest_is_said_only_where_it_is_sure() {
        let ended = |ago_s: i64| Some((NOW - ago_s - HOUR, NOW - ago_s));
        let in_2099 = Some((4_100_000_000, 4_100_001_000));
        let in_1970 = Some((HOUR, 2 * HOUR));
        let rows = [
            ("one after the other", ended(0), ended(3 * HOUR), [true, false]),
            ("the other way round", ended(3 * HOUR), ended(0), [false, true]),
            ("they overlap", ended(0), ended(HOUR / 2), [false, false]),
            ("one within the other", Some((NOW - 5 * HOUR, NOW)), ended(HOUR), [false, false]),
            ("the same", ended(HOUR), ended(HOUR), [false, false]),
            ("one touches the other", ended(0), ended(HOUR), [false, false]),
            ("a clock in 2099", in_2099, ended(HOUR), [false, false]),
            ("a clock in 1970", in_1970, ended(HOUR), [false, false]),
            ("both clocks are wrong", in_1970, in_2099, [false, false]),
            ("one is not known", None, ended(HOUR), [false, false]),
            ("five minutes ahead is believed", Some((NOW, NOW + 300)), ended(HOUR), [true, false]),
            ("six are not", Some((NOW, NOW + 360)), ended(HOUR), [false, false]),
            ("it ends before it begins", Some((NOW, NOW - HOUR)), ended(2 * HOUR), [false, false]),
        ];
        for (what, left, right, latest) in rows {
            let sides = [side(1, left, 8192), side(2, right, 8192)];
            let told = [0, 1].map(|place| best(&sides[place], &sides).latest);
            assert_eq!(told, latest, "{what}");
        }
    }

    #[test]
    fn larger_is_said_of_one_side_only() {
        let rows = [(8192, 4096, [true, false]), (8192, 8192, [false, false]), (1, 2, [false, true])];
        for (left, right, largest) in rows {
            let sides = [side(1, None, left), side(2, None, right)];
            assert_eq!([0, 1].map(|place| best(&sides[place], &sides).largest), largest);
        }
        let alone = [side(1, None, 1)];
        assert_eq!(best(&alone[0], &alone), Best::default());
    }
}
