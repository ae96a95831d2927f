//! A file of a form, taken in and never held whole: what is over 1 MiB goes to a file without a name while its digests are taken, and
//! from there block by block to the library.

use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use axum::extract::multipart::Field;
use bytes::{Bytes, BytesMut};
use retrosync_protocol::{
    BLOCK_BYTES, Code, Content, Digest, Doubt, Hasher, INLINE_LIMIT_BYTES, UploadRequest, Watched,
};

use super::upload::broken;
use crate::api::request::malformed;
use crate::app::App;
use crate::keep::make_private;
use crate::library::{Answer, Asker};
use crate::refusal::{Refusal, disk_full};

/// The largest file that a page takes: more than any console's memory card.
const MOST_BYTES: u64 = 64 << 20;
/// As much of a file as tells what kind it is.
const BEGIN_BYTES: usize = 16;

/// A file's bytes, small or in a file without a name.
pub(super) struct Held {
    pub(super) content: Content,
    /// What is doubted of the bytes by themselves.
    pub(super) doubt: Option<Doubt>,
    blocks: Vec<Digest>,
    /// How it begins.
    pub(super) begin: Bytes,
    pub(super) bytes: Bytes,
    pub(super) spilled: Option<std::fs::File>,
}

/// Takes a file in; `None`: it is empty, which is what a form without a file sends.
pub(super) async fn hold(app: &App, mut part: Field<'_>) -> Answer<Option<Held>> {
    let (mut whole, mut watched) = (Hasher::default(), Watched::default());
    let (mut blocks, mut block) = (Vec::new(), BytesMut::new());
    let (mut small, mut spilled) = (BytesMut::new(), None);
    let mut begin = BytesMut::new();
    while let Some(chunk) = part.chunk().await.map_err(broken)? {
        watched.update(&chunk);
        if watched.size_bytes() > MOST_BYTES {
            let most = MOST_BYTES >> 20;
            return Err(Refusal::new(Code::TooLarge, format!("a file has at most {most} MiB here"))
                .help("larger saves are synced by the device itself"));
        }
        begin.extend_from_slice(&chunk[..chunk.len().min(BEGIN_BYTES.saturating_sub(begin.len()))]);
        whole.update(&chunk);
        block.extend_from_slice(&chunk);
        while block.len() as u64 >= BLOCK_BYTES {
            blocks.push(Digest::of(&block.split_to(BLOCK_BYTES as usize)));
        }
        small.extend_from_slice(&chunk);
        if small.len() as u64 > INLINE_LIMIT_BYTES {
            let bytes = small.split().freeze();
            spilled = Some(spill(app, spilled.take(), bytes).await?);
        }
    }
    if watched.size_bytes() == 0 {
        return Ok(None);
    }
    if !block.is_empty() {
        blocks.push(Digest::of(&block));
    }
    let mut bytes = small.freeze();
    if spilled.is_some() {
        spilled = Some(spill(app, spilled.take(), bytes).await?);
        bytes = Bytes::new();
    }
    let content = Content { digest: whole.finish(), size_bytes: watched.size_bytes() };
    Ok(Some(Held { content, doubt: watched.doubt(), blocks, begin: begin.freeze(), bytes, spilled }))
}

/// Appends to a file without a name, which is made at first.
async fn spill(app: &App, file: Option<std::fs::File>, bytes: Bytes) -> Answer<std::fs::File> {
    let folder = app.held_in();
    let write = move || {
        let mut file = match file {
            Some(file) => file,
            None => nameless(&folder)?,
        };
        file.write_all(&bytes)?;
        Ok(file)
    };
    let written: std::io::Result<_> = tokio::task::spawn_blocking(write).await.map_err(failed)?;
    written.map_err(|why| match why.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => disk_full().caused_by(why),
        _ => failed(why),
    })
}

fn failed(why: impl std::error::Error + Send + Sync + 'static) -> Refusal {
    Refusal::internal("taking a file in", why)
}

/// A file that is gone when it is closed, whatever becomes of us.
fn nameless(folder: &Path) -> std::io::Result<std::fs::File> {
    make_private(folder)?;
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|why| std::io::Error::other(why.to_string()))?;
    let path = folder.join(Digest::from_bytes(random).to_string());
    let mut options = std::fs::File::options();
    let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

impl Held {
    /// Brings the bytes to the server's store as an upload, by the way that devices go; a version that names them may follow.
    pub(super) async fn send(&self, app: &App, asker: &Asker, now_unix_s: i64) -> Answer<()> {
        let request = UploadRequest { content: self.content, block_digests: self.blocks.clone() };
        let reply = app.library.upload(asker, &request, now_unix_s).await?;
        if reply.complete {
            return Ok(());
        }
        let mut batch = app.library.blocks(asker, self.content.digest).await?;
        for index in reply.missing {
            let digest = usize::try_from(index).ok().and_then(|place| self.blocks.get(place)).copied();
            let digest =
                digest.ok_or_else(|| Refusal::internal("taking a file in", "a block that is not there"))?;
            batch.add(index, digest, self.block(index * BLOCK_BYTES).await?).await?;
        }
        let reply = batch.finish(now_unix_s).await?;
        if reply.complete {
            Ok(())
        } else {
            Err(malformed("the file did not arrive whole").help("send it again"))
        }
    }

    async fn block(&self, at_bytes: u64) -> Answer<Bytes> {
        let Some(file) = &self.spilled else {
            let at = usize::try_from(at_bytes).unwrap_or(usize::MAX).min(self.bytes.len());
            let end = at.saturating_add(BLOCK_BYTES as usize).min(self.bytes.len());
            return Ok(self.bytes.slice(at..end));
        };
        let mut file = file.try_clone().map_err(failed)?;
        let read = move || {
            file.seek(std::io::SeekFrom::Start(at_bytes))?;
            let mut bytes = Vec::new();
            file.take(BLOCK_BYTES).read_to_end(&mut bytes)?;
            Ok(Bytes::from(bytes))
        };
        let read: std::io::Result<_> = tokio::task::spawn_blocking(read).await.map_err(failed)?;
        read.map_err(failed)
    }
}
