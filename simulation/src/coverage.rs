//! What a hunt has tried: which step of a cycle met which fault, and how often.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::link::Fault;

/// Counts of (step × fault).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<String, BTreeMap<String, u64>>);

impl Coverage {
    /// A step met a fault. Both are told as `Debug` tells them; only the first word counts.
    pub fn count(&mut self, step: &str, fault: &str) {
        self.add_up(word(step), word(fault), 1);
    }

    fn add_up(&mut self, step: &str, fault: &str, count: u64) {
        // Nearly always they are known.
        let faults = match self.0.get_mut(step) {
            Some(faults) => faults,
            None => self.0.entry(step.to_owned()).or_default(),
        };
        match faults.get_mut(fault) {
            Some(all) => *all += count,
            None => drop(faults.insert(fault.to_owned(), count)),
        }
    }

    /// What another one has counted.
    pub fn add(&mut self, other: &Coverage) {
        for (step, faults) in &other.0 {
            for (fault, count) in faults {
                self.add_up(step, fault, *count);
            }
        }
    }
}

/// Steps of which each is to be struck by each fault of the network that can befall it: its call stores, or it does not. Doubted
/// bytes and histories travel too seldom to be counted on.
const BY_NETWORK: [(&str, bool); 5] =
    [("asked", false), ("placed", false), ("stored", true), ("branched", true), ("chosen", true)];
/// Steps of which each is to meet each fault of a card.
const BY_CARD: [&str; 5] = ["looked", "placed", "stored", "chosen", "retired"];
const CARD: [&str; 3] = ["PowerGoes", "Killed", "CallFails"];

impl Coverage {
    /// Where a step met a fault that can befall it less often than this.
    pub fn holes(&self, least: u64) -> Vec<String> {
        let network = BY_NETWORK.iter().flat_map(|(step, stores)| {
            let faults = Fault::ALL.iter().filter(|fault| *stores || fault.befalls_all());
            faults.map(|fault| (*step, format!("{fault:?}")))
        });
        let card = BY_CARD.iter().flat_map(|step| CARD.map(|fault| (*step, fault.to_owned())));
        let count = |step, fault: &str| self.0.get(step).and_then(|faults| faults.get(fault)).copied();
        let counted =
            network.chain(card).map(|(step, fault)| (count(step, &fault).unwrap_or(0), step, fault));
        let few = counted.filter(|(count, ..)| *count < least);
        few.map(|(count, step, fault)| format!("{step} met {fault} {count} times")).collect()
    }
}

/// The first word of what `Debug` says: the variant.
fn word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default()
}

/// A table: a row for each fault, a column for each step.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: BTreeSet<&String> = self.0.values().flat_map(BTreeMap::keys).collect();
        write!(f, "{:<18}", "")?;
        for step in self.0.keys() {
            write!(f, "{step:>12}")?;
        }
        for fault in faults {
            write!(f, "\n{fault:<18}")?;
            for of in self.0.values() {
                write!(f, "{:>12}", of.get(fault).copied().unwrap_or(0))?;
            }
        }
        writeln!(f)
    }
}
