//! PURE. Unpacks the data that `build.rs` packed into the program: names repeat, and bytes on the card are dear.

use miniz_oxide::inflate::decompress_to_vec;

/// The text; empty if the bytes are none, which the tests of the tables and profiles would see.
pub(crate) fn unpack(bytes: &[u8]) -> String {
    decompress_to_vec(bytes).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}
