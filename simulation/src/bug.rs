//! Bugs that the hunt must find, planted at the seams: a simulation that cannot find them proves nothing.
//!
//! Each stands for a mistake that a sync program can make. None of them is in the product: they are what its card, its
//! machine or its remote would look like if the product made the mistake.

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// After a rename the file itself is not synced.
    NoSyncAfterRename,
    /// Copies in the attic are not made durable before the save changes.
    AtticNotSynced,
    /// What was overwritten in place is not synced before it is called done.
    SaveNotSynced,
    /// The intent is not durable before the save changes.
    IntentNotSynced,
    /// Leftovers of a cut are removed at start.
    LeftoversRemoved,
    /// Nobody looks whether a game runs.
    WritesUnderGames,
    /// What a game loaded is taken to be what lies on the card when it ends.
    LaunchForgotten,
    /// What is stored replaces whatever is newest.
    StoresBlindly,
    /// Any answer is a yes: a captive portal's too.
    BelievesAnyAnswer,
    /// A save that is missing on a card is deleted everywhere.
    DeletesOnAbsence,
    /// A number is used before it is reserved durably.
    NumbersNotReserved,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 11] = [
        Bug::NoSyncAfterRename,
        Bug::AtticNotSynced,
        Bug::SaveNotSynced,
        Bug::IntentNotSynced,
        Bug::LeftoversRemoved,
        Bug::WritesUnderGames,
        Bug::LaunchForgotten,
        Bug::StoresBlindly,
        Bug::BelievesAnyAnswer,
        Bug::DeletesOnAbsence,
        Bug::NumbersNotReserved,
    ];

    /// The bug of that name.
    pub fn named(name: &str) -> Option<Bug> {
        Bug::ALL.into_iter().find(|bug| format!("{bug:?}").eq_ignore_ascii_case(name))
    }
}
