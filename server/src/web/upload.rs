//! A file that a person brings: dropped on a save's page, or chosen there; or as a save of its own, from the first page.
//!
//! Read part by part and never held whole: what is over 1 MiB goes to a file without a name while its digests are taken,
//! and from there block by block to the library, by the way that devices go too.

use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use axum::extract::State;
use axum::extract::multipart::Field;
use bytes::{Bytes, BytesMut};
use retrosync_protocol::{
    BLOCK_BYTES, Code, Content, Digest, Hasher, INLINE_LIMIT_BYTES, Kind, SaveId, StoreResult, UploadRequest,
    VersionId,
};

use super::page::{PageReply, see};
use super::session::{FileForm, escaped};
use crate::api::request::{cut_short, malformed, to_the_end};
use crate::app::App;
use crate::keep::make_private;
use crate::library::{Answer, Asker, Brought};
use crate::patience::TooSlow;
use crate::refusal::{Refusal, disk_full};

/// The largest file that a page takes: more than any console's memory card.
const MOST_BYTES: u64 = 64 << 20;
/// As much of a file as tells an archive.
const BEGIN_BYTES: usize = 8;
/// The largest part beside the file.
const MOST_FIELD_BYTES: usize = 64 << 10;

/// What came with the form.
#[derive(Default)]
struct Brings {
    save: String,
    system: String,
    title: String,
    heads: String,
    note: String,
    file_name: String,
    file: Option<Held>,
}

/// A file's bytes, small or in a file without a name.
struct Held {
    content: Content,
    blocks: Vec<Digest>,
    /// How it begins.
    begin: Bytes,
    bytes: Bytes,
    spilled: Option<std::fs::File>,
}

/// `POST /save/upload` and `POST /upload`
pub(super) async fn upload(State(app): State<Arc<App>>, form: FileForm) -> PageReply {
    let (asker, brings) = read(&app, form).await?;
    let save = which(&brings)?;
    let link = format!("/save?id={}", escaped(save.as_str()));
    let heads = brings.heads.split_whitespace().map(str::parse::<VersionId>).collect::<Result<_, _>>();
    let heads = heads.map_err(|error| malformed(format!("the form cannot be read: {error}")))?;
    let held = brings.file.ok_or_else(|| malformed("no file came").help("choose a file first"))?;
    refuse_archives(&save, &held)?;
    let note = Some(brings.note.trim().to_owned()).filter(|note| !note.is_empty());
    let result = to_the_end(async move {
        let now_unix_s = app.now_unix_s();
        let body = if held.spilled.is_some() {
            send_blocks(&app, &asker, &held, now_unix_s).await?;
            None
        } else {
            Some(held.bytes.clone())
        };
        let file = Brought { save, content: held.content, body, heads, note };
        app.library.bring(&asker, &file, now_unix_s).await
    });
    match result.await? {
        StoreResult::Branch { .. } => see(&format!("{link}&done=branched")),
        _ => see(&format!("{link}&done=uploaded")),
    }
}

/// Which save it is: the page's own, or made of the system and the file's name.
fn which(brings: &Brings) -> Answer<SaveId> {
    let named = |text: String| text.parse::<SaveId>().map_err(|error| malformed(error.to_string()));
    if !brings.save.is_empty() {
        return named(brings.save.clone());
    }
    let (stem, ending) = brings.file_name.rsplit_once('.').unwrap_or((&brings.file_name, ""));
    let title = Some(brings.title.trim()).filter(|title| !title.is_empty()).unwrap_or(stem);
    let kind = match ending.to_ascii_lowercase().as_str() {
        "rtc" => "rtc",
        "mcr" | "mcd" | "mc" | "gme" => "card.0",
        text if text.starts_with("state") => {
            return Err(malformed("a state is of one emulator's core")
                .help("bring it on the page of a state that is here already"));
        }
        _ if brings.system == "psx" => "card.0",
        _ => "sram",
    };
    named(format!("{}/{kind}/{title}", brings.system))
}

/// How files begin that hold others, and what their kind is called. (APPNOTE 6.3.9, 4.3.7 and 4.3.16; RFC 1952, 2.3.1; RFC 8878, 3.1.1;
/// 7-Zip's `7zFormat.txt`; rarlab's technote, "RAR 5.0 signature"; libretro-common, `streams/rzip_stream.c`.)
const CONTAINERS: &[(&[u8], &str)] = &[
    (b"PK\x03\x04", "a zip"),
    (b"PK\x05\x06", "a zip"),
    (b"\x1f\x8b\x08", "a gzip file"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"#RZIPv", "RetroArch's compressed container"),
];

/// What a console's cartridge or card never begins with is no save: nothing is unpacked here, however little it claims to be. States are
/// of their emulators, and some of those do pack them.
fn refuse_archives(save: &SaveId, held: &Held) -> Answer<()> {
    let found = CONTAINERS.iter().find(|(begin, _)| held.begin.starts_with(begin));
    match found {
        Some((_, kind)) if matches!(save.kind(), Kind::Sram | Kind::Rtc | Kind::Card) => {
            Err(malformed(format!("this is {kind}, not a save"))
                .help("unpack it first, or let the device that has it sync it"))
        }
        _ => Ok(()),
    }
}

async fn read(app: &App, form: FileForm) -> Answer<(Asker, Brings)> {
    let FileForm { visitor, mut parts } = form;
    let mut brings = Brings::default();
    let mut checked = false;
    while let Some(part) = parts.next_field().await.map_err(broken)? {
        let name = part.name().unwrap_or_default().to_owned();
        if name == "form_token" {
            visitor.check(&text(part).await?)?;
            checked = true;
            continue;
        }
        // The token stands first: not a byte of a stranger's file is read.
        if !checked {
            visitor.check("")?;
        }
        match name.as_str() {
            "save" => brings.save = text(part).await?,
            "system" => brings.system = text(part).await?,
            "title" => brings.title = text(part).await?,
            "heads" => brings.heads = text(part).await?,
            "note" => brings.note = text(part).await?,
            "file" => {
                // Some browsers send a whole path.
                let name = part.file_name().unwrap_or_default();
                brings.file_name = name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
                brings.file = hold(app, part).await?.filter(|_| !brings.file_name.is_empty());
            }
            _ => {}
        }
    }
    Ok((visitor.asker().clone(), brings))
}

fn broken(error: axum::extract::multipart::MultipartError) -> Refusal {
    if TooSlow::caused(&error) {
        return cut_short(&error);
    }
    malformed(format!("the form did not arrive whole: {}", error.body_text()))
}

async fn text(mut part: Field<'_>) -> Answer<String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = part.chunk().await.map_err(broken)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MOST_FIELD_BYTES {
            return Err(Refusal::new(Code::TooLarge, "a part of the form is too large"));
        }
    }
    String::from_utf8(bytes).map_err(|_| malformed("a part of the form is not UTF-8"))
}

/// Takes a file in; `None`: it is empty, which is what a form without a file sends.
async fn hold(app: &App, mut part: Field<'_>) -> Answer<Option<Held>> {
    let (mut whole, mut size_bytes) = (Hasher::default(), 0_u64);
    let (mut blocks, mut block) = (Vec::new(), BytesMut::new());
    let (mut small, mut spilled) = (BytesMut::new(), None);
    let mut begin = BytesMut::new();
    while let Some(chunk) = part.chunk().await.map_err(broken)? {
        size_bytes += chunk.len() as u64;
        if size_bytes > MOST_BYTES {
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
    if size_bytes == 0 {
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
    let content = Content { digest: whole.finish(), size_bytes };
    Ok(Some(Held { content, blocks, begin: begin.freeze(), bytes, spilled }))
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

async fn send_blocks(app: &App, asker: &Asker, held: &Held, now_unix_s: i64) -> Answer<()> {
    let Some(file) = &held.spilled else { return Ok(()) };
    let request = UploadRequest { content: held.content, block_digests: held.blocks.clone() };
    let reply = app.library.upload(asker, &request, now_unix_s).await?;
    if reply.complete {
        return Ok(());
    }
    let mut batch = app.library.blocks(asker, held.content.digest).await?;
    for index in reply.missing {
        let digest = usize::try_from(index).ok().and_then(|place| held.blocks.get(place)).copied();
        let digest =
            digest.ok_or_else(|| Refusal::internal("taking a file in", "a block that is not there"))?;
        let bytes = block_of(file, index * BLOCK_BYTES).await?;
        batch.add(index, digest, bytes).await?;
    }
    let reply = batch.finish(now_unix_s).await?;
    if reply.complete {
        Ok(())
    } else {
        Err(malformed("the file did not arrive whole").help("send it again"))
    }
}

async fn block_of(file: &std::fs::File, at_bytes: u64) -> Answer<Bytes> {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_file_becomes_the_save_that_its_name_says() {
        let rows = [
            ("gb", "", "Tetris (World).srm", Ok("gb/sram/Tetris (World)")),
            ("gb", "Tetris", "whatever.sav", Ok("gb/sram/Tetris")),
            ("psx", "", "Final Fantasy VII.mcr", Ok("psx/card.0/Final Fantasy VII")),
            ("psx", "", "Final Fantasy VII.srm", Ok("psx/card.0/Final Fantasy VII")),
            ("gb", "", "Pokemon.rtc", Ok("gb/rtc/Pokemon")),
            ("gb", "", "Tetris.state1", Err(Code::Malformed)),
            ("gb", "..", "x.srm", Err(Code::Malformed)),
            ("../gb", "", "x.srm", Err(Code::Malformed)),
            ("", "", "x.srm", Err(Code::Malformed)),
        ];
        for (system, title, file_name, expected) in rows {
            let [system, title, file_name] = [system, title, file_name].map(str::to_owned);
            let brings = Brings { system, title, file_name, ..Brings::default() };
            let told = which(&brings).map(|save| save.to_string()).map_err(|refusal| refusal.code());
            assert_eq!(told, expected.map(str::to_owned), "{}", brings.file_name);
        }
    }
}
