//! Bugs that the hunt must find, planted at the seams: a simulation that cannot find them proves nothing.
//!
//! Each stands for a mistake that a sync program can make. Those told here are not in the product: they are what its card,
//! its machine, its remote or its server would look like if the product made the mistake. What they do stands beside what
//! is right: `mistakes` (the remote), `handheld` (the card and the machine), `device` (the start), `server`, `world`.
//!
//! Beside them [`Mistake`]s: wrong lines in the product itself, at the rules that they break. Only a build with the feature
//! `mistakes` can make those, as `scripts/simulate` does.

use std::fmt;

use retrosync_protocol::Mistake;

use crate::story::Class;

macro_rules! bugs {
    ($($(#[doc = $told:literal])* $name:ident needs [$($class:ident),*],)*) => {
        /// A planted bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Bug {
            /// In the product's own code.
            Within(Mistake),
            $($(#[doc = $told])* $name,)*
        }

        impl Bug {
            /// Those at the seams.
            pub const AT_SEAMS: &[Bug] = &[$(Bug::$name),*];

            /// The faults without which nobody would notice it: a hunt for it has them all.
            pub const fn needs(self) -> &'static [Class] {
                match self {
                    Bug::Within(mistake) => needs(mistake),
                    $(Bug::$name => &[$(Class::$class),*],)*
                }
            }

            /// What it does, in a sentence.
            pub const fn told(self) -> &'static str {
                match self {
                    Bug::Within(mistake) => mistake.told(),
                    $(Bug::$name => concat!($($told),*),)*
                }
            }
        }

        impl fmt::Display for Bug {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    Bug::Within(mistake) => f.pad(&format!("{mistake:?}")),
                    $(Bug::$name => f.pad(stringify!($name)),)*
                }
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

/// As [`Bug::needs`].
const fn needs(mistake: Mistake) -> &'static [Class] {
    match mistake {
        Mistake::ShrunkIsBelieved | Mistake::SuspectSupersedes => &[Class::Games],
        Mistake::LaunchIsNotNoted
        | Mistake::NumbersBeginAgain
        | Mistake::InPlaceNeedsNoCopy
        | Mistake::OpenIntentIsClosed
        | Mistake::StagedIsBelieved
        | Mistake::SettledBeforePlaced => &[Class::Power],
        Mistake::CopyKeepsItsWriter => &[Class::Cards],
        Mistake::UnmarkedIsOnline => &[Class::Slots],
        Mistake::AnotherHistoryIsTrusted => &[Class::Server],
        Mistake::UnknownParentIsDropped => &[Class::Server, Class::Network],
        Mistake::AnswersAreCrossed | Mistake::SaidBeforeIsNew => &[Class::Network],
        _ => &[],
    }
}

impl Bug {
    /// All that can be planted in this build: those at the seams, and those within.
    pub fn all() -> impl Iterator<Item = Bug> {
        let within = Mistake::ALL.iter().filter(|_| Mistake::CAN_BE_MADE);
        Bug::AT_SEAMS.iter().copied().chain(within.copied().map(Bug::Within))
    }

    /// The bug of that name.
    pub fn named(name: &str) -> Option<Bug> {
        Bug::all().find(|bug| bug.to_string().eq_ignore_ascii_case(name))
    }

    /// From here on the product's code makes this mistake in this thread; with a bug at the seams, or none, it makes none.
    pub(crate) fn plant(bug: Option<Bug>) {
        #[cfg(feature = "mistakes")]
        Mistake::make(if let Some(Bug::Within(mistake)) = bug { Some(mistake) } else { None });
        let _ = bug;
    }
}
