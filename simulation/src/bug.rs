//! Bugs that the hunt must find, planted at the seams: a simulation that cannot find them proves nothing.
//!
//! Each stands for a mistake that a sync program can make. None of them is in the product: they are what its card, its
//! machine, its remote or its server would look like if the product made the mistake. What they do stands beside what
//! is right: `mistakes` (the remote), `handheld` (the card and the machine), `device` (the start), `server`, `world`.

use crate::story::Class;

macro_rules! bugs {
    ($($(#[$doc:meta])* $name:ident needs [$($class:ident),*],)*) => {
        /// A planted bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Bug {
            $($(#[$doc])* $name,)*
        }

        impl Bug {
            /// All of them.
            pub const ALL: &[Bug] = &[$(Bug::$name),*];

            /// The faults without which nobody would notice it: a hunt for it has them all.
            pub const fn needs(self) -> &'static [Class] {
                match self { $(Bug::$name => &[$(Class::$class),*],)* }
            }
        }
    };
}

bugs! {
    // On the card.
    /// After a rename the file itself is not synced.
    NoSyncAfterRename needs [Power],
    /// Copies in the attic are not made durable before the save changes.
    AtticNotSynced needs [Power],
    /// Copies in the attic are entered and never written.
    AtticSkipped needs [],
    /// What was overwritten in place is not synced before it is called done.
    SaveNotSynced needs [Power],
    /// What both sides agreed on is durable before the bytes that it speaks of.
    BaseBeforeData needs [Power],
    /// A save is truncated before it is overwritten, as a plain `open` for writing does.
    TruncatesFirst needs [Power],
    /// The intent is not durable before the save changes.
    IntentNotSynced needs [Power],
    /// Leftovers of a cut are removed at start.
    LeftoversRemoved needs [Power],
    /// That the card is full is not noticed.
    SwallowsAFullCard needs [Full],
    /// A root without its marker gets a new one.
    MarkerRecreated needs [Slots],
    /// A number is used before it is reserved durably.
    NumbersNotReserved needs [Power],
    /// The server hears of a token that is not durable yet.
    TokenBeforeSync needs [Pairing],

    // Around games.
    /// Nobody looks whether a game runs.
    WritesUnderGames needs [],
    /// What a game loaded is taken to be what lies on the card when it ends.
    LaunchForgotten needs [],
    /// A game that has ended runs for ever.
    NeverThaws needs [],

    // Towards the remote.
    /// What is stored replaces whatever is newest.
    StoresBlindly needs [],
    /// What was written later, by the device's own clock, replaces what is newest.
    TrustsMtime needs [],
    /// A head that moved meanwhile is replaced by trying again.
    RetriesOverAMovedHead needs [],
    /// Bytes that would become a second version are not stored.
    SkipsBranchUpload needs [],
    /// Doubted bytes are stored like any others.
    SuspectMovesAHead needs [Games],
    /// A save that is missing on a card is deleted everywhere.
    DeletesOnAbsence needs [],
    /// Any answer is a yes: a captive portal's too.
    BelievesAnyAnswer needs [Network],
    /// What could not be stored is called stored.
    SettlesAFailedStore needs [Network],
    /// What is to be stored is called stored, and stored a little later.
    SettlesBeforeStored needs [Power],
    /// What comes from the server is not compared with its digest.
    BelievesAnyBytes needs [Network],
    /// The cursor moves on although the answer broke off.
    CursorBeforeNews needs [Network],
    /// A server's history is believed to be the one and only.
    ForgetsTheEpoch needs [Server],
    /// A number that was used for other bytes is taken for a store that was answered before.
    KeepsTheWriter needs [Cards],

    // In the server.
    /// A request that comes again is another one.
    DuplicateIsNew needs [Network],
    /// A server that was set back unawares is believed to be what it was: nobody sends it a landmark.
    KnowsNoLandmarks needs [Server],

    // In waiting.
    /// After each failure it is tried again as soon as after the first.
    NeverBacksOff needs [],
    /// What failed is not tried again.
    NeverTriesAgain needs [],
    /// A server that asks to be left alone is not.
    ForgetsToStayAway needs [],
}

impl Bug {
    /// The bug of that name.
    pub fn named(name: &str) -> Option<Bug> {
        Bug::ALL.iter().copied().find(|bug| format!("{bug:?}").eq_ignore_ascii_case(name))
    }
}
