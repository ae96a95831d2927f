//! The daemon's readers, one function each: bytes of which nothing is known go in, nothing may panic, loop or grow, and
//! what every reader promises is asserted. The fuzzer calls them, and an ordinary test replays the seeds
//! (`fuzz/seeds/NAME/`) through them, so that they never rot. A new reader is one row here and a folder of seeds.

mod card;
mod memory;
mod names;
mod reply;
mod texts;

/// Takes any bytes, and must return.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("attic", card::attic),
    ("container", texts::container),
    ("identity", card::identity),
    ("journal", card::journal),
    ("naming", names::naming),
    ("protocol", texts::protocol),
    ("reply", reply::reply),
    ("retroarch_cfg", names::retroarch_cfg),
    ("sets", texts::sets),
    ("slot", card::slot),
    ("table", texts::table),
    ("texts_of_the_card", names::texts_of_the_card),
];
