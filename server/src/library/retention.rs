//! PURE: which versions of a save keep their bytes. Records always stay: a version that is thinned out is a node of the graph
//! as before, so heads, ancestry and everything that a device decides from them are the same with its bytes and without.
//!
//! ```text
//! age of a version        what is kept                      (by the server's clock; a change of it only keeps more, or marks
//! the last day            every version                      what `gc` waits 30 days for)
//! the last week           the newest of each hour
//! the last 60 days        the newest of each day
//! the last year           the newest of each week
//! older                   the newest of each four weeks
//! ```
//!
//! And for ever, whatever their age:
//!
//!   - leaves: heads, every side of a question, what a tombstone hides;
//!   - what a leaf replaced, through tombstones: a restore can be taken back, a deleted save can be brought back;
//!   - what a person pinned or labelled;
//!   - suspects that nobody has decided about;
//!   - the last version of each device and writer, and what a device was last given.
//!
//! The spans nest (24 h, 7 d, 4 weeks), and only versions with bytes are counted: what stood for an hour can stand for its day
//! later, and no span loses the last that it has.

use std::collections::{BTreeMap, BTreeSet};

use retrosync_protocol::{DeviceId, Digest, VersionId, WriterId};

use super::choice::BY_THE_SERVER;
use crate::catalog::StoredVersion;

const HOUR_S: i64 = 3600;
const DAY_S: i64 = 24 * HOUR_S;
const WEEK_S: i64 = 7 * DAY_S;
const FOUR_WEEKS_S: i64 = 4 * WEEK_S;

/// Up to which age how much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Everything, so many days.
    pub all_days: u32,
    /// One an hour.
    pub hourly_days: u32,
    /// One a day.
    pub daily_days: u32,
    /// One a week; older: one every four weeks.
    pub weekly_days: u32,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention { all_days: 1, hourly_days: 7, daily_days: 60, weekly_days: 365 }
    }
}

impl Retention {
    /// Of which span only the newest is kept at this age; `None`: all are.
    fn span_s(&self, age_s: i64) -> Option<i64> {
        let within = |days: u32| age_s < i64::from(days) * DAY_S;
        match () {
            () if within(self.all_days) => None,
            () if within(self.hourly_days) => Some(HOUR_S),
            () if within(self.daily_days) => Some(DAY_S),
            () if within(self.weekly_days) => Some(WEEK_S),
            () => Some(FOUR_WEEKS_S),
        }
    }
}

/// The contents of a save that stay. `versions` are all of the save's; `spared` those that somebody pinned or that a device was
/// last given; `has_bytes` says of which contents there still are bytes.
pub(super) fn needed(
    versions: &[StoredVersion],
    spared: &BTreeSet<VersionId>,
    has_bytes: impl Fn(Digest) -> bool,
    retention: &Retention,
    now_unix_s: i64,
) -> BTreeSet<Digest> {
    let mut in_order: Vec<&StoredVersion> = versions.iter().collect();
    in_order.sort_by_key(|version| version.change);
    let mut kept = below_leaves(&in_order);
    kept.extend(spared);
    kept.extend(undecided(&in_order));
    kept.extend(last_of_each(&in_order));
    let mut newest: BTreeMap<(i64, i64), VersionId> = BTreeMap::new();
    for version in &in_order {
        let Some(content) = version.record.content else { continue };
        match retention.span_s(now_unix_s.saturating_sub(version.received_unix_s)) {
            None => drop(kept.insert(version.id)),
            Some(span_s) if has_bytes(content.digest) => {
                newest.insert((span_s, version.received_unix_s.div_euclid(span_s)), version.id);
            }
            Some(_) => {}
        }
    }
    kept.extend(newest.values());
    let kept = in_order.iter().filter(|version| kept.contains(&version.id));
    kept.filter_map(|version| Some(version.record.content?.digest)).collect()
}

/// Leaves, and what they replaced: through tombstones to what has bytes.
fn below_leaves(versions: &[&StoredVersion]) -> BTreeSet<VersionId> {
    let by_id: BTreeMap<VersionId, &StoredVersion> = versions.iter().map(|v| (v.id, *v)).collect();
    let mut kept = BTreeSet::new();
    let mut left: Vec<(&StoredVersion, bool)> =
        versions.iter().filter(|version| version.leaf).map(|version| (*version, true)).collect();
    while let Some((version, is_leaf)) = left.pop() {
        if !kept.insert(version.id) && !is_leaf {
            continue;
        }
        if is_leaf || version.record.content.is_none() {
            let parents = version.record.parents.iter().filter_map(|parent| by_id.get(parent));
            left.extend(parents.map(|parent| (*parent, false)));
        }
    }
    kept
}

/// Suspects that neither their device went on from nor a person decided about.
fn undecided<'a>(versions: &'a [&StoredVersion]) -> impl Iterator<Item = VersionId> + 'a {
    versions.iter().enumerate().filter(|(_, version)| version.record.suspect).filter_map(
        |(place, suspect)| {
            let decides = |later: &&StoredVersion| {
                !later.record.suspect
                    && (later.record.writer == suspect.record.writer
                        || later.record.client.starts_with(BY_THE_SERVER))
            };
            let later = versions.get(place + 1..).unwrap_or_default();
            (!later.iter().any(decides)).then_some(suspect.id)
        },
    )
}

/// The last sound version of each device, and of each writer.
fn last_of_each(versions: &[&StoredVersion]) -> BTreeSet<VersionId> {
    let mut devices: BTreeMap<&DeviceId, VersionId> = BTreeMap::new();
    let mut writers: BTreeMap<&WriterId, VersionId> = BTreeMap::new();
    for version in versions.iter().filter(|version| version.record.content.is_some()) {
        writers.insert(&version.record.writer, version.id);
        if let Some(device) = &version.device {
            devices.insert(device, version.id);
        }
    }
    devices.into_values().chain(writers.into_values()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use retrosync_protocol::{Content, Version};

    const NOW_UNIX_S: i64 = 1_790_000_000;

    fn version(number: u64, age_s: i64, parents: &[VersionId]) -> StoredVersion {
        let bytes = number.to_le_bytes();
        let record = Version {
            save: "gb/sram/Tetris".parse().unwrap(),
            content: Some(Content { digest: Digest::of(&bytes), size_bytes: 8 }),
            parents: parents.to_vec(),
            writer: WriterId::from_random(&[1; 16]),
            sequence: number,
            played: None,
            suspect: false,
            client: "test".into(),
            profile: String::new(),
            core: None,
            note: None,
        };
        StoredVersion {
            id: record.id(),
            record,
            received_unix_s: NOW_UNIX_S - age_s,
            device: None,
            device_name: "Mini".into(),
            change: number,
            leaf: false,
        }
    }

    /// Which numbers stay of these.
    fn kept(versions: &[StoredVersion], spared: &[VersionId], gone: &[u64]) -> Vec<u64> {
        let gone: Vec<Digest> = gone.iter().map(|number| Digest::of(&number.to_le_bytes())).collect();
        let spared = spared.iter().copied().collect();
        let has = |digest| !gone.contains(&digest);
        let needed = needed(versions, &spared, has, &Retention::default(), NOW_UNIX_S);
        let stays = |version: &&StoredVersion| needed.contains(&version.record.content.unwrap().digest);
        versions.iter().filter(|v| v.record.content.is_some()).filter(stays).map(|v| v.change).collect()
    }

    /// A line of versions of one writer, one each `every_s`, the oldest first, ending `until_s` ago; the last is the head.
    fn line(count: u64, every_s: i64, until_s: i64) -> Vec<StoredVersion> {
        let mut all: Vec<StoredVersion> = Vec::new();
        for number in 1..=count {
            let age_s = until_s + every_s * i64::try_from(count - number).unwrap();
            let parents: Vec<VersionId> = all.last().map(|last| last.id).into_iter().collect();
            all.push(version(number, age_s, &parents));
        }
        all.last_mut().unwrap().leaf = true;
        all
    }

    #[test]
    fn a_day_is_kept_whole_and_the_past_is_thinned() {
        let rows: [(&str, u64, i64, i64, usize); 6] = [
            ("every ten minutes of the last day", 100, 600, 0, 100),
            ("every ten minutes, two days ago: hours", 60, 600, 2 * DAY_S, 11),
            ("every hour, a month ago: days", 48, HOUR_S, 30 * DAY_S, 3),
            ("every day, half a year ago: weeks", 28, DAY_S, 180 * DAY_S, 5),
            ("every week, two years ago: four weeks", 16, WEEK_S, 730 * DAY_S, 5),
            ("one a year, for twenty years", 20, 365 * DAY_S, 365 * DAY_S, 20),
        ];
        for (case, count, every_s, until_s, most) in rows {
            let stay = kept(&line(count, every_s, until_s), &[], &[]);
            // The head and what it replaced stay beside the newest of each span; where a span begins is not ours to choose.
            assert!(stay.len() <= most + 2 && stay.len() >= most.min(3), "{case}: {stay:?}");
            assert!(stay.ends_with(&[count - 1, count]), "{case}: {stay:?}");
        }
    }

    #[test]
    fn what_a_person_or_the_graph_needs_stays_for_ever() {
        let old_s = 800 * DAY_S;
        let line = line(60, 60, old_s);
        let all_gone: Vec<u64> = Vec::new();
        let plain = kept(&line, &[], &all_gone);
        assert!(plain.len() <= 4 && plain.ends_with(&[59, 60]), "{plain:?}");
        assert!(kept(&line, &[line[6].id], &all_gone).contains(&7), "pinned, labelled, or held by a device");

        let mut branched = line.clone();
        branched[9].leaf = true;
        let stay = kept(&branched, &[], &all_gone);
        assert!(
            stay.contains(&10) && stay.contains(&9),
            "a side of a question, and what it replaced: {stay:?}"
        );

        let mut other_writer = line.clone();
        other_writer[19].record.writer = WriterId::from_random(&[2; 16]);
        assert!(kept(&other_writer, &[], &all_gone).contains(&20), "the last of each writer");
        let mut other_device = line.clone();
        other_device[24].device = Some(DeviceId::from_random(&[3; 8]));
        assert!(kept(&other_device, &[], &all_gone).contains(&25), "the last of each device");

        let mut doubted = line.clone();
        doubted[29].record.suspect = true;
        doubted[29].record.writer = WriterId::from_random(&[4; 16]);
        assert!(kept(&doubted, &[], &all_gone).contains(&30), "nobody has decided about it");
        doubted[39].record.client = "retrosync-server/9.9".into();
        let mut decided = doubted.clone();
        decided[44].record.writer = WriterId::from_random(&[4; 16]);
        assert!(
            !kept(&decided, &[], &all_gone).contains(&30),
            "a person chose since, and its device went on"
        );
    }

    #[test]
    fn a_deleted_save_can_be_brought_back_after_years() {
        let mut line = line(30, 60, 800 * DAY_S);
        line[29].leaf = false;
        for number in [31, 32] {
            let mut gone = version(number, 0, &[line.last().unwrap().id]);
            gone.record.content = None;
            gone.leaf = number == 32;
            line.push(gone);
        }
        assert!(kept(&line, &[], &[]).contains(&30), "through two tombstones");
    }

    #[test]
    fn no_span_loses_the_last_that_it_has() {
        // The newest of its four weeks is gone already: the next one stands for it.
        let line = line(3, DAY_S, 800 * DAY_S);
        let mut old = line.clone();
        old.push(version(4, 0, &[line[2].id]));
        old[2].leaf = false;
        old[3].leaf = true;
        let before = kept(&old, &[], &[]);
        assert!(before.contains(&3) || before.contains(&4));
        assert!(kept(&old, &[], &[3]).iter().any(|number| *number < 3), "{:?}", kept(&old, &[], &[3]));
    }

    #[test]
    fn thinning_again_later_takes_only_more() {
        // Day after day the same rule over what is left: what stays today stood among what stayed yesterday.
        let all = line(2000, 3 * HOUR_S, 0);
        let mut had: BTreeSet<Digest> = all.iter().map(|v| v.record.content.unwrap().digest).collect();
        for days in 0..900 {
            let now_unix_s = NOW_UNIX_S + days * DAY_S;
            let retention = Retention::default();
            let stay = needed(&all, &BTreeSet::new(), |digest| had.contains(&digest), &retention, now_unix_s);
            let stay: BTreeSet<Digest> = stay.intersection(&had).copied().collect();
            assert!(
                stay.len() >= 9,
                "250 days of play are nine times four weeks and more, on day {days}: {}",
                stay.len()
            );
            had = stay;
        }
        assert!(had.len() <= 14, "{}", had.len());
    }
}
