//! stub
use super::*;
/// A store without a server.
pub struct Folder;
impl Folder {
    /// Opens a store that is there.
    ///
    /// # Errors
    /// `Offline` when it is not (unmounted).
    pub fn open(_dir: &Path, _settings: &RemoteSettings) -> Result<Folder> {
        Ok(Folder)
    }
    /// Makes the store's folder; one that is there already is kept. Only pairing does this.
    ///
    /// # Errors
    /// When `dir` is missing or cannot be written.
    pub fn create(_dir: &Path) -> Result<()> {
        Ok(())
    }
}
impl Remote for Folder {
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
    Error::new(crate::error::Kind::Offline, "cannot reach the store", "not yet there")
}
