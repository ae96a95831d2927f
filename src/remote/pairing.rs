//! Letting this device in (protocol README section 3).
//!
//! The token is drawn and kept durably by the caller before the first call; here only its hash travels, except in
//! [`PairingClient::wait`], which goes where any authorized request may go.

use retrosync_protocol::{ClaimRequest, Code, Paired, PairingOffer, PairingRequest, Token};

use super::http::Bare;
use super::{Heard, RemoteSettings};
use crate::error::{Kind, Result};

/// The longest that the server waits for the user in one request.
const MOST_WAIT_S: u64 = 60;

/// What the server said to a device that waits to be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nobody approved it yet: ask again.
    Pending,
    /// It is in.
    Paired(Paired),
}

/// Pairs this device with our server.
pub struct PairingClient {
    bare: Bare,
}

impl PairingClient {
    /// Sets up; asks nothing yet. `settings.token` is not used.
    ///
    /// # Errors
    /// As [`super::open`].
    pub fn open(settings: &RemoteSettings) -> Result<PairingClient> {
        Ok(PairingClient { bare: Bare::open(settings)? })
    }

    /// Asks for a code to show. Asked again with the same token it gives the same code while that lives.
    ///
    /// # Errors
    /// `Offline`, also when asked too often; `Refused(Malformed)`.
    pub fn start(&mut self, request: &PairingRequest) -> Result<PairingOffer> {
        let doing = format!("cannot ask for a pairing code from `{}`", self.bare.address());
        self.bare.post(&doing, "/pairing", request)
    }

    /// Waits up to `wait_s` for the user's answer.
    ///
    /// # Errors
    /// `Offline`; `Refused(AccessDenied)` when the user said no, `Refused(ExpiredToken)` when the code is over,
    /// `Unpaired` when the server never heard of this token.
    pub fn wait(&mut self, token: &Token, wait_s: u64) -> Result<Answer> {
        let doing = format!("cannot pair with `{}`", self.bare.address());
        let wait_s = wait_s.min(MOST_WAIT_S);
        match self.bare.get(&doing, &format!("/pairing?wait_s={wait_s}"), token, wait_s) {
            Ok(paired) => Ok(Answer::Paired(paired)),
            Err(error) if error.kind == Kind::Refused(Code::AuthorizationPending) => Ok(Answer::Pending),
            Err(error) => Err(error),
        }
    }

    /// Gets in with a code that was made on the dashboard.
    ///
    /// # Errors
    /// `Offline`, also after too many wrong codes; `Refused(CodeUnknown)`, `Refused(ExpiredToken)`.
    pub fn claim(&mut self, request: &ClaimRequest) -> Result<Paired> {
        let doing = format!("cannot pair with `{}`", self.bare.address());
        self.bare.post(&doing, "/pairing/claim", request)
    }

    /// What the last answers said of the server's clock and of waiting.
    pub fn heard(&self) -> Heard {
        self.bare.heard()
    }
}
