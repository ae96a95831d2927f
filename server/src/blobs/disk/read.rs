//! Reading a folder of blobs: a range as a stream, and the list of all.

use std::io::{self, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::failed;
use crate::blobs::{BlobStream, Found, Result};

/// How much is read at a time.
const CHUNK_BYTES: u64 = 128 << 10;

/// A range of a file, cut at its end; `None`: no such file.
pub(super) async fn open(path: PathBuf, range: Range<u64>) -> Result<Option<BlobStream>> {
    let mut file = match File::open(path).await {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed)?,
    };
    let size_bytes = file.metadata().await.map_err(failed)?.len();
    let start = range.start.min(size_bytes);
    let left_bytes = range.end.min(size_bytes).saturating_sub(start);
    file.seek(SeekFrom::Start(start)).await.map_err(failed)?;
    Ok(Some(stream::try_unfold((file, left_bytes), next_chunk).boxed()))
}

async fn next_chunk((mut file, left_bytes): (File, u64)) -> io::Result<Option<(Bytes, (File, u64))>> {
    if left_bytes == 0 {
        return Ok(None);
    }
    let most = usize::try_from(left_bytes.min(CHUNK_BYTES)).unwrap_or(usize::MAX);
    let mut chunk = BytesMut::with_capacity(most);
    while chunk.len() < most {
        if (&mut file).take((most - chunk.len()) as u64).read_buf(&mut chunk).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Some((chunk.freeze(), (file, left_bytes - most as u64))))
}

/// All blobs, a folder at a time.
pub(super) fn list(root: PathBuf) -> BoxStream<'static, Result<Found>> {
    let folders = stream::iter((0..=255_u8).map(move |first| root.join(format!("{first:02x}"))));
    let listed = folders.then(|folder| async move {
        let found = tokio::task::spawn_blocking(move || list_folder(&folder)).await;
        match found.map_err(io::Error::other).flatten() {
            Ok(found) => found.into_iter().map(Ok).collect(),
            Err(why) => vec![Err(failed(why))],
        }
    });
    listed.flat_map(stream::iter).boxed()
}

fn list_folder(folder: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // What has no digest for a name is not ours to judge.
        let Some(digest) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let metadata = entry.metadata()?;
        let written = metadata.modified()?.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let written_unix_s = i64::try_from(written).unwrap_or(i64::MAX);
        found.push(Found { digest, size_bytes: metadata.len(), written_unix_s });
    }
    found.sort_by_key(|blob| blob.digest);
    Ok(found)
}
