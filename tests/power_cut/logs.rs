//! The log that people read, under the same cuts: lines may be lost, but the card stays one that can be written.
//!
//! A file whose chain is longer than its size, or shorter, makes the kernel set the card read-only when it grows or is read; a
//! name on clusters that are free by then takes another file's along when it goes. Then no game can save.

use std::io;
use std::path::Path;

use retrosync::logging::append;
use retrosync::volume::Volume;

use crate::fat::Fat;
use crate::{OTHER, assert_nothing_lost, bytes, card, cut_everywhere};

const LOG: &str = "/card/.retrosync/log.txt";
const OLD: &str = "/card/.retrosync/log.old";
/// As much as the log may have before it is set aside, in bytes.
const FULL: usize = 128 << 10;

/// A card with a log of that size, and one that was set aside before.
fn with_logs(size_bytes: usize) -> Fat {
    let fat = card(None);
    fat.write(LOG, &bytes(0x51, size_bytes));
    fat.write(OLD, &bytes(0x52, 2000));
    fat.settle();
    fat
}

/// Some lines, and between them another file that is made durable: the table goes with it.
fn tell(fat: &Fat, lines: usize) -> io::Result<()> {
    for _ in 0..lines {
        append(fat, Path::new(LOG), &bytes(0x61, 700))?;
        fat.open_write(Path::new(OTHER))?.sync()?;
    }
    Ok(())
}

#[test]
fn a_card_stays_writable_where_the_log_grew_or_was_set_aside_as_the_power_went() {
    for (row, size_bytes) in [("it grows", 1100), ("it is set aside", FULL - 900)] {
        let start = with_logs(size_bytes);
        cut_everywhere(&start, 12, &mut |fat| drop(tell(fat, 3)), &mut |fat, story| {
            let story = format!("{row}: {story}");
            for name in [LOG, OLD] {
                fat.read(name).unwrap_or_else(|error| panic!("{story}: `{name}` cannot be read: {error}"));
            }
            tell(fat, 4).unwrap_or_else(|error| panic!("{story}: it cannot go on: {error}"));
            assert!(fat.shares(Path::new(LOG)).is_empty(), "{story}: two names of the same clusters");
            assert_nothing_lost(fat, None, None, &story);
        });
    }
}
