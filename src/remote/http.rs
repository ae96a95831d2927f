//! stub
use super::*;
use retrosync_protocol::{Account, Device, DeviceId, Devices, Health};
/// Our server.
pub struct HttpRemote;
impl HttpRemote {
    /// Sets up; asks nothing yet.
    ///
    /// # Errors
    /// `Misused`.
    pub fn open(settings: &RemoteSettings) -> Result<HttpRemote> {
        ServerAddress::parse(&settings.server)?;
        Ok(HttpRemote)
    }
    /// All devices of the user.
    ///
    /// # Errors
    /// As `list`.
    pub fn devices(&mut self) -> Result<Devices> {
        Err(later())
    }
    /// Gives a device another name.
    ///
    /// # Errors
    /// As `list`, and `Refused(NotFound)`.
    pub fn rename_device(&mut self, _device: &DeviceId, _name: &str) -> Result<()> {
        Err(later())
    }
    /// Ends a device's access.
    ///
    /// # Errors
    /// As `list`, and `Refused(NotFound)`.
    pub fn revoke_device(&mut self, _device: &DeviceId) -> Result<()> {
        Err(later())
    }
    /// What the user has.
    ///
    /// # Errors
    /// As `list`.
    pub fn account(&mut self) -> Result<Account> {
        Err(later())
    }
    /// Is it our server, and does it work? Needs no token.
    ///
    /// # Errors
    /// `Offline`, when it is not.
    pub fn health(&mut self) -> Result<Health> {
        Err(later())
    }
}
impl Remote for HttpRemote {
    fn list(&mut self, _: &ChangesRequest) -> Result<Changes> {
        Err(later())
    }
    fn fetch(&mut self, _: &[Content], _: &mut Sink<'_>) -> Result<Vec<(Content, Error)>> {
        Err(later())
    }
    fn store(&mut self, _: &[Version], _: &Source<'_>) -> Result<Vec<StoreResult>> {
        Err(later())
    }
    fn history(&mut self, _: &SaveId, _: Option<VersionId>) -> Result<History> {
        Err(later())
    }
}
fn later() -> Error {
    let _: Option<Device> = None;
    Error::new(crate::error::Kind::Offline, "cannot reach the server", "not yet there")
}
