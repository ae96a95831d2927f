//! Mistakes at the rules themselves, planted so that the hunt proves that it would find them there. In no program.
//!
//! The rule that one of these would break asks [`Mistake::is_made`] in its own line. Everywhere the answer is a constant, no,
//! and the compiler drops the question: not a byte of it is in a program. Only with the feature `mistakes`, which
//! `scripts/simulate` alone turns on and with which neither program compiles, a thread can be told to make one.
//!
//! They are told here and not in either program because both share these rules, and this crate.

macro_rules! mistakes {
    ($($(#[doc = $told:literal])* $name:ident,)*) => {
        /// A mistake.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mistake {
            $($(#[doc = $told])* $name,)*
        }

        impl Mistake {
            /// All of them.
            pub const ALL: &[Mistake] = &[$(Mistake::$name),*];

            /// What it does, in a sentence.
            pub const fn told(self) -> &'static str {
                match self { $(Mistake::$name => concat!($($told),*),)* }
            }
        }
    };
}

mistakes! {
    // What to do: `src/plan.rs`.
    /// What was played replaces whatever is newest, not what it was played on from.
    EditReplacesTheHeads,
    /// On a device that knows nothing of a save, its bytes replace what the others played.
    FirstContactReplaces,
    /// Bytes that nobody knows are taken for old ones of the save's history.
    UnknownIsTakenForOld,
    /// A save that is missing is taken for one that its player moved away: it never comes back.
    AbsentStaysAway,
    /// Half of a save is as good as a whole one.
    ShrunkIsBelieved,
    /// Two versions are no question.
    BranchIsNoQuestion,

    // What a running game holds: `src/cycle/loaded.rs`, `src/apply/download.rs`.
    /// What a game writes descends from what the journal says, not from what the game loaded.
    ParentFromTheJournal,
    /// What a game loaded is not on the card for the next start of the daemon.
    LaunchIsNotNoted,
    /// Whether a game runs is not asked again right before the first byte.
    GameIsNotAskedAgain,

    // Who this is, and which card: `src/identity.rs`, `src/root.rs`.
    /// A card that was copied goes on as the same writer.
    CopyKeepsItsWriter,
    /// After a start numbers begin with the first again.
    NumbersBeginAgain,
    /// A card without its marker is there.
    UnmarkedIsOnline,

    // What is known: `src/journal.rs`, `src/apply/`.
    /// What was agreed on with another history of the server still counts.
    AnotherHistoryIsTrusted,
    /// What is to be put in place is agreed on before it is there.
    SettledBeforePlaced,
    /// The answer for one version settles another of the same request.
    AnswersAreCrossed,

    // The card: `src/attic.rs`, `src/disk.rs`, `src/disk/recovery.rs`.
    /// What is overwritten in place needs no copy in the attic.
    InPlaceNeedsNoCopy,
    /// A save that has a copy in the attic needs no other.
    OneCopyIsEnough,
    /// What a cut left half done is called done, without a look.
    OpenIntentIsClosed,
    /// After a cut a staged file is put in place without being read.
    StagedIsBelieved,

    // The rule of heads: `server/src/library/`.
    /// Of two branches the later one is the head.
    LaterBranchIsTheHead,
    /// Doubted bytes supersede what they were made from.
    SuspectSupersedes,
    /// A parent that is not here is left out.
    UnknownParentIsDropped,
    /// What is said again after its answer was lost is a new version.
    SaidBeforeIsNew,
}

#[cfg(feature = "mistakes")]
std::thread_local! {
    static MADE: std::cell::Cell<Option<Mistake>> = const { std::cell::Cell::new(None) };
}

impl Mistake {
    /// Can any be made here? Not in a program.
    pub const CAN_BE_MADE: bool = cfg!(feature = "mistakes");

    /// Is it made in this thread?
    #[cfg(feature = "mistakes")]
    #[inline(always)]
    pub fn is_made(self) -> bool {
        MADE.get() == Some(self)
    }

    /// Is it made in this thread? Never.
    #[cfg(not(feature = "mistakes"))]
    #[inline(always)]
    pub const fn is_made(self) -> bool {
        false
    }

    /// From here on this thread makes this mistake, or none.
    #[cfg(feature = "mistakes")]
    pub fn make(mistake: Option<Mistake>) {
        MADE.set(mistake);
    }
}
