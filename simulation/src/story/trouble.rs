//! The kinds of trouble that a history can have, and which of them one has.

use crate::dice::Dice;

/// A kind of trouble, which a history has or has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Requests and answers that are lost, late, doubled, damaged or refused.
    Network,
    /// Power that goes, daemons that are killed.
    Power,
    /// Cards that are copied, exchanged or set back.
    Cards,
    /// A server that is set back to its backup.
    Server,
    /// Calls to a card that fail.
    Errors,
    /// Emulators that crash.
    Games,
    /// Cards that are full.
    Full,
    /// Clocks that begin in 1970, jump and drift.
    Clocks,
    /// Cards that are taken out.
    Slots,
    /// Devices that are paired again.
    Pairing,
    /// Players who let the newest version win.
    Newest,
}

impl Class {
    /// All of them, and in how many histories one has it.
    const ODDS: [(Class, usize); 11] = [
        (Class::Network, 2),
        (Class::Power, 2),
        (Class::Cards, 3),
        (Class::Server, 3),
        (Class::Errors, 4),
        (Class::Games, 2),
        (Class::Full, 5),
        (Class::Clocks, 3),
        (Class::Slots, 5),
        (Class::Pairing, 6),
        (Class::Newest, 4),
    ];
}

/// The kinds of trouble of one history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classes(pub(super) Vec<Class>);

impl Classes {
    /// These.
    pub fn of(classes: &[Class]) -> Classes {
        Classes(classes.to_vec())
    }

    /// All that there are.
    pub fn all() -> Classes {
        Classes(Class::ODDS.iter().map(|(class, _)| *class).collect())
    }

    /// Those of these names, divided by commas; `None` if one is unknown.
    pub fn named(names: &str) -> Option<Classes> {
        let is_it = |name: &str, class: &Class| format!("{class:?}").eq_ignore_ascii_case(name);
        let all = Classes::all().0;
        let found = names.split(',').filter(|name| !name.is_empty());
        found
            .map(|name| all.iter().copied().find(|class| is_it(name, class)))
            .collect::<Option<_>>()
            .map(Classes)
    }

    /// A random part of these: some histories are calm and some are hell.
    pub fn draw(&self, dice: &mut Dice) -> Classes {
        let mut drawn = Classes::default();
        for (class, odds) in Class::ODDS {
            if dice.one_in(odds) && self.has(class) {
                drawn.0.push(class);
            }
        }
        drawn
    }

    /// These and those.
    #[must_use]
    pub fn with(mut self, classes: &[Class]) -> Classes {
        for class in classes {
            if !self.has(*class) {
                self.0.push(*class);
            }
        }
        self
    }

    /// Is it among them?
    pub fn has(&self, class: Class) -> bool {
        self.0.contains(&class)
    }
}
