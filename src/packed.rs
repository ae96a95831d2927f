//! PURE. Unpacks the data that `build.rs` packed into the program: names repeat, and bytes on the card are dear.

use miniz_oxide::inflate::decompress_to_vec;

/// The text; empty if the bytes are none, which the tests of the tables and profiles would see.
pub(crate) fn unpack(bytes: &[u8]) -> String {
    String::from_utf8(unpack_bytes(bytes)).unwrap_or_default()
}

/// What is no text; empty likewise.
pub(crate) fn unpack_bytes(bytes: &[u8]) -> Vec<u8> {
    decompress_to_vec(bytes).unwrap_or_default()
}
