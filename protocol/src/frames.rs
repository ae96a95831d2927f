//! Several bodies in one request or reply (README 2.2). Headers only; the bodies stream past this module.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The content type of a sequence of frames.
pub const FRAMES_CONTENT_TYPE: &str = "application/vnd.retrosync.frames";
/// The longest header that a reader accepts.
pub const MAX_HEADER_BYTES: u32 = 65_536;

/// How a frame's body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// As it is.
    Identity,
    /// A zlib stream (RFC 1950).
    Deflate,
}

/// The body that follows a frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// How many bytes follow on the wire.
    pub length_bytes: u64,
    /// How they are written.
    pub encoding: Encoding,
}

/// A header that cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameError {
    /// How long the header would be.
    pub length_bytes: usize,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a frame's header of {} bytes is longer than {MAX_HEADER_BYTES}", self.length_bytes)
    }
}

impl std::error::Error for FrameError {}

/// Prefixes a header (already JSON) with its length; the caller writes the body after it.
///
/// # Errors
/// When the header is longer than [`MAX_HEADER_BYTES`].
pub fn encode_header(json: &[u8]) -> Result<Vec<u8>, FrameError> {
    let length = u32::try_from(json.len())
        .ok()
        .filter(|length| *length <= MAX_HEADER_BYTES)
        .ok_or(FrameError { length_bytes: json.len() })?;
    let mut frame = Vec::with_capacity(json.len() + 4);
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(json);
    Ok(frame)
}
