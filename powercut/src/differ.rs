//! Real vfat against the model in `tests/support/fat.rs`, which the daemon's own tests and the simulation believe: whatever a
//! cut leaves of a sequence of calls on the one must be among what it may leave on the other.
//!
//! A card is seen as a player's tools would: names, sizes, what each sector holds, which names share clusters, which
//! chains are too short or too long. Sectors are not torn here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use retrosync::volume::Volume;

use crate::calls::{Hands, Sequence, path};
use crate::crash::{State, states};
use crate::fat::{Fat, Fate};
use crate::image::SECTOR;
use crate::log::Entry;
use crate::mounted::Mounted;
use crate::plan::Make;
use crate::story::ROOT;

/// What is seen on a card: a line for each file.
pub(crate) type Sight = BTreeSet<String>;

/// What came of a sequence.
#[derive(Default)]
pub(crate) struct Compared {
    /// Different sights on real vfat.
    pub(crate) seen: BTreeSet<Sight>,
    /// Crash states that were looked at.
    pub(crate) states: u64,
    /// How many sights the model allows at one cut or another.
    pub(crate) allowed: usize,
}

/// Compares what was recorded of a sequence with the model.
///
/// # Errors
/// A sight that the model does not allow, or a card that is none.
pub(crate) fn compare(
    sequence: &Sequence,
    make: &Make,
    entries: &[Entry],
    orders: u64,
) -> Result<Compared, String> {
    let allowed: Vec<_> =
        (0..=sequence.calls.len()).map(|call| outcomes(sequence, make.is_fresh(), call)).collect();
    let neighbours: Vec<_> = make.beside().into_iter().map(|(path, _)| path).collect();
    let mut compared = Compared::default();
    let mut wrong = None;
    states(entries, orders, false, &mut |State { crash, acked, flushed, at, is_new }| {
        compared.states += u64::from(is_new);
        let Some(card) = Mounted::new(crash, Path::new(ROOT)) else {
            wrong = Some("the card is no FAT32 any more".to_owned());
            return false;
        };
        let sight = real(&card, &neighbours);
        // A mark may stand earlier among unflushed writes than it was made; the next call may have been on its way.
        let cuts = flushed..=(acked + 1).min(sequence.calls.len());
        if !cuts.clone().any(|cut| allowed[cut].contains(&sight)) {
            wrong = Some(format!(
                "`{}`, cut in one of the calls {cuts:?}, log entry {}: real vfat shows what the model does not allow: {sight:?}",
                sequence.name, at.0
            ));
            return false;
        }
        compared.seen.insert(sight);
        true
    });
    compared.allowed = allowed.iter().flatten().collect::<BTreeSet<_>>().len();
    wrong.map_or(Ok(compared), Err)
}

/// All that the model may show after a cut in this call; with folders that nobody synced since they were made, or not.
pub(crate) fn outcomes(sequence: &Sequence, is_fresh: bool, call: usize) -> BTreeSet<Sight> {
    let fat = Fat::new();
    expect(fat.create_folder(Path::new(ROOT)));
    for folder in ["Saves", "Aside"] {
        expect(fat.create_folder(&Path::new(ROOT).join(folder)));
    }
    for (name, sectors, mark) in &sequence.begins {
        let file = fat.create_new(&path(*name));
        expect(file.and_then(|mut file| file.write_all_at(&vec![*mark; sectors * SECTOR], 0)));
    }
    fat.settle();
    if !is_fresh {
        expect(fat.sync_folder(Path::new(ROOT)));
    }
    let mut hands = Hands::default();
    for before in &sequence.calls[..call] {
        expect(hands.make(&fat, *before));
    }
    if let Some(during) = sequence.calls.get(call) {
        fat.cut_at(0);
        drop(hands.make(&fat, *during));
    }
    let (mut all, mut luck) = (BTreeSet::new(), Drawn::default());
    loop {
        all.insert(modelled(&fat.crash(&mut luck)));
        if !luck.next() {
            return all;
        }
    }
}

/// The sequences of this program cannot fail on an empty card.
fn expect<T>(result: std::io::Result<T>) -> T {
    result.unwrap_or_else(|error| unreachable!("the model refuses a call: {error}"))
}

/// Deals every way in which a crash can fall out, one after another.
#[derive(Default)]
struct Drawn {
    lots: Vec<bool>,
    at: usize,
}

impl Drawn {
    fn draw(&mut self) -> bool {
        if self.at == self.lots.len() {
            self.lots.push(false);
        }
        self.at += 1;
        self.lots[self.at - 1]
    }

    /// Is there another way?
    fn next(&mut self) -> bool {
        self.lots.truncate(self.at);
        self.at = 0;
        while self.lots.pop_if(|lot| *lot).is_some() {}
        self.lots.last_mut().is_some_and(|lot| {
            *lot = true;
            true
        })
    }
}

impl Fate for Drawn {
    fn reaches(&mut self) -> bool {
        self.draw()
    }

    fn tears(&mut self) -> bool {
        self.draw()
    }
}

/// One file's line.
fn line(path: &Path, size: u64, bytes: Option<&[u8]>, is_too_long: bool, shares: &[&Path]) -> String {
    let shown = |path: &Path| path.strip_prefix(ROOT).unwrap_or(path).display().to_string();
    let marks = bytes.map(|bytes| {
        let mark = |sector: &[u8]| match sector {
            // No call writes nulls, and nothing that large is a mark: a sector that was never written.
            [first @ 1..0x20, rest @ ..] if rest.iter().all(|byte| byte == first) => first.to_string(),
            _ => "?".into(),
        };
        bytes.chunks(SECTOR).map(mark).collect::<Vec<_>>().join("")
    });
    let mut line = format!("{} {size} B [{}]", shown(path), marks.as_deref().unwrap_or("too short"));
    if is_too_long && marks.is_some() {
        line += " too long";
    }
    for other in shares {
        line += &format!(" ={}", shown(other));
    }
    line
}

fn modelled(fat: &Fat) -> Sight {
    let held = fat.held();
    let lines = held.iter().map(|file| {
        let chain = |other: &&crate::fat::Held| other.path != file.path && other.chain == file.chain;
        let shares: Vec<&Path> = match file.chain {
            Some(_) => held.iter().filter(chain).map(|other| &*other.path).collect(),
            None => Vec::new(),
        };
        line(&file.path, file.size, file.bytes.as_deref(), file.is_too_long, &shares)
    });
    lines.collect()
}

fn real(card: &Mounted, neighbours: &[String]) -> Sight {
    let chains = card.chains();
    let mut owners: BTreeMap<u32, BTreeSet<usize>> = BTreeMap::new();
    for (at, (_, clusters, _)) in chains.iter().enumerate() {
        for cluster in clusters {
            owners.entry(*cluster).or_default().insert(at);
        }
    }
    let mut sight = Sight::new();
    for (at, (path, clusters, whole)) in chains.iter().enumerate() {
        if neighbours.iter().any(|beside| Path::new(ROOT).join(beside) == *path) {
            continue;
        }
        let others: BTreeSet<usize> = clusters
            .iter()
            .flat_map(|cluster| &owners[cluster])
            .filter(|owner| **owner != at)
            .copied()
            .collect();
        let shares: Vec<&Path> = others.iter().map(|other| &*chains[*other].0).collect();
        let size = card.stamp(path).map_or(0, |stamp| stamp.size_bytes);
        let mut bytes = Vec::new();
        let is_read = *whole
            && card
                .open(path)
                .is_ok_and(|mut file| std::io::Read::read_to_end(&mut file, &mut bytes).is_ok());
        let is_too_long = clusters.len() as u64 > size.div_ceil(SECTOR as u64);
        sight.insert(line(path, size, is_read.then_some(&bytes), is_too_long, &shares));
    }
    sight
}

/// How often each of the things that the textbooks do not tell was seen.
pub(crate) fn tally<'a>(sights: impl Iterator<Item = &'a Sight>) -> String {
    let all: Vec<&String> = sights.flatten().collect();
    let count = |what: &str| all.iter().filter(|line| line.contains(what)).count();
    format!(
        "{} files with a chain too short, {} too long, {} on another's clusters, {} with half a name",
        count("too short"),
        count("too long"),
        count(" ="),
        count("~1.")
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::calls::sequences;

    #[test]
    fn the_model_shows_what_loses_saves_and_what_does_not() {
        let of = |name: &str, call: usize| -> String {
            let all = sequences();
            let sequence = all.iter().find(|sequence| sequence.name == name).expect("a sequence");
            outcomes(sequence, false, call).into_iter().flatten().collect::<Vec<_>>().join("\n")
        };
        for (name, call, shows) in [
            ("the textbook's replacement", 5, "ONE.SRM 1024 B [too short]"),
            ("a file that is made and synced before its folder", 2, "ONE.SRM 1024 B [too short]"),
            ("a file that grows", 2, "ONE.SRM 512 B [1] too long"),
            ("a file that is truncated in place", 3, "ONE.SRM 1024 B [too short]"),
            ("a long name that is moved away and another that comes", 4, "Saves/ALONGN~1.SRM 1024 B [11]"),
            ("a long name that is moved away and another that comes", 8, "Saves/ALONGN~1.SRM 512 B [2]"),
        ] {
            assert!(of(name, call).contains(shows), "{name}, call {call}: {}", of(name, call));
        }
        assert!(
            !of("a file that is overwritten", 3).contains("too short"),
            "in place nothing but bytes is at stake"
        );
    }
}
