//! The records and messages that the daemon and the server share.
//!
//! `protocol/README.md` is the authority; this crate is its types. Everything is parsed at the edge into types
//! that cannot be wrong. Values only: no file, no socket, no clock, no randomness, no log.

mod digest;
pub mod discovery;
mod doubt;
mod frames;
mod heads;
mod messages;
mod mistake;
mod nfc;
mod refusal;
mod save_id;
mod text;
mod version;
mod wire;

pub use digest::{Digest, Hasher};
pub use doubt::{Doubt, Watched, keeps_its_size};
pub use frames::{Body, Encoding, FRAMES_CONTENT_TYPE, FrameError, MAX_HEADER_BYTES, encode_header};
pub use heads::heads_of;
pub use messages::*;
pub use mistake::Mistake;
pub use refusal::{Code, PROBLEM_CONTENT_TYPE, Problem};
pub use save_id::{Kind, SaveId, SaveIdError, compare_key};
pub use text::{
    Core, DeviceId, Epoch, Landmark, Malformed, OperationId, Slot, System, Token, UserCode, WriterId,
};
pub use version::{Content, Played, Version, VersionId};

/// The path below which every endpoint of this protocol version lives.
pub const BASE_PATH: &str = "/api/v1";
/// Contents over this travel as blocks (README section 6).
pub const INLINE_LIMIT_BYTES: u64 = 1 << 20;
/// The size of an upload's blocks; the last may be shorter.
pub const BLOCK_BYTES: u64 = 64 << 10;
/// The largest body of frames in one request.
pub const MAX_FRAMES_BYTES: u64 = 16 << 20;
/// The most frames in one request.
pub const MAX_FRAMES: usize = 500;
/// The largest content.
pub const MAX_CONTENT_BYTES: u64 = 512 << 20;
/// The most parents of one version.
pub const MAX_PARENTS: usize = 16;
