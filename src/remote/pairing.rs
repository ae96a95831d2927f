//! stub
use super::*;
use retrosync_protocol::{ClaimRequest, Paired, PairingOffer, PairingRequest};
/// What the server said to a device that waits to be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nobody approved it yet: ask again.
    Pending,
    /// It is in.
    Paired(Paired),
}
/// Pairs this device with our server. The token is drawn and kept durably by the caller first.
pub struct PairingClient;
impl PairingClient {
    /// Sets up; asks nothing yet. `settings.token` is not used.
    ///
    /// # Errors
    /// As [`open`].
    pub fn open(settings: &RemoteSettings) -> Result<PairingClient> {
        ServerAddress::parse(&settings.server)?;
        Ok(PairingClient)
    }
    /// Asks for a code to show. Asked again with the same token it gives the same code while that lives.
    ///
    /// # Errors
    /// `Offline`, `Refused`.
    pub fn start(&mut self, _request: &PairingRequest) -> Result<PairingOffer> {
        Err(later())
    }
    /// Waits up to `wait_s` for the user's answer.
    ///
    /// # Errors
    /// `Offline`; `Refused(AccessDenied)` when the user said no, `Refused(ExpiredToken)` when the code is over.
    pub fn wait(&mut self, _token: &Token, _wait_s: u64) -> Result<Answer> {
        Err(later())
    }
    /// Gets in with a code that was made on the dashboard.
    ///
    /// # Errors
    /// `Offline`; `Refused(CodeUnknown)`, `Refused(ExpiredToken)`, `Refused(SlowDown)`.
    pub fn claim(&mut self, _request: &ClaimRequest) -> Result<Paired> {
        Err(later())
    }
}
fn later() -> Error {
    Error::new(crate::error::Kind::Offline, "cannot reach the server", "not yet there")
}
