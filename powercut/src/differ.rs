//! Stub.
use std::io;
/// Stub.
pub fn play(_seed: u64, _mark: &dyn Fn(&str) -> io::Result<()>) -> io::Result<()> { Ok(()) }
