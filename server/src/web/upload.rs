//! A file that a person brings: dropped on a save's page, or chosen there; or as a save of its own, from the first page.
//!
//! A file that is probably not that save is asked about once, and stored when the person is sure of it.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::extract::multipart::{Field, MultipartError};
use axum::response::{IntoResponse as _, Redirect};
use retrosync_protocol::{Code, Content, Digest, Doubt, Kind, MAX_PARENTS, SaveId, StoreResult, VersionId};
use serde::Deserialize;

use super::choices::{done_at, only};
use super::frame::Frame;
use super::held::{Held, hold};
use super::naming::{picture, system, title};
use super::page::{CODE, PageReply, Params, Trouble, see, show};
use super::session::{FileForm, Form, Visitor, escaped};
use super::words::size;
use crate::api::request::{cut_short, malformed, to_the_end};
use crate::app::App;
use crate::library::{Answer, Brought};
use crate::patience::TooSlow;
use crate::refusal::Refusal;

/// The longest note of a version (README 1.2).
const MOST_NOTE_BYTES: usize = 400;
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
    /// `yes`: whatever is odd about the file, it is meant.
    sure: String,
    file_name: String,
    file: Option<Held>,
    /// There was a part for a file, filled in or not.
    had_file: bool,
}

/// What is to become a version.
struct Wanted {
    save: SaveId,
    heads: Vec<VersionId>,
    note: Option<String>,
}

#[derive(Template)]
#[template(path = "doubt.html")]
struct DoubtPage {
    frame: Frame,
    save: String,
    link: String,
    title: String,
    system: String,
    picture: &'static str,
    /// What is odd about the file.
    why: String,
    /// The file's size, and the save's as it is.
    size: String,
    had: String,
    digest: Digest,
    heads: String,
    note: String,
}

/// `POST /save/upload` and `POST /upload`
pub(super) async fn upload(State(app): State<Arc<App>>, form: FileForm) -> PageReply {
    let (visitor, brings) = read(&app, form).await?;
    let save = which(&brings)?;
    let wanted = Wanted { save, heads: heads(&brings.heads)?, note: note(&brings.note)? };
    let held = brings.file.ok_or_else(|| malformed("no file came").help("choose a file first"))?;
    refuse_other_files(&wanted.save, &held)?;
    let (content, doubt, asker) = (held.content, held.doubt, visitor.asker().clone());
    let file = brought(&wanted, content, doubt, brings.sure == "yes");
    let stored = to_the_end(async move {
        let now_unix_s = app.now_unix_s();
        let body = if held.spilled.is_some() {
            held.send(&app, &asker, now_unix_s).await?;
            None
        } else {
            Some(held.bytes.clone())
        };
        let stored = app.library.bring(&asker, &Brought { body, ..file }, now_unix_s).await;
        // Whoever is asked need not send the file again: it waits beside the versions, and goes by itself when no answer comes.
        if stored.as_ref().is_err_and(|refusal| refusal.code() == Code::Doubted) {
            held.send(&app, &asker, now_unix_s).await?;
        }
        stored
    });
    match stored.await {
        Ok(result) => see(&done(&wanted, &result)),
        Err(refusal) if refusal.code() == Code::Doubted => {
            let blank = if doubt == Some(Doubt::Blank) { "yes" } else { "" };
            let code = [(CODE, Code::Doubted.as_str())];
            Ok((code, Redirect::to(&asks_at(&wanted, content.digest, blank))).into_response())
        }
        Err(refusal) => Err(Trouble::from(refusal)),
    }
}

/// Where it is asked whether a doubted file is meant.
fn asks_at(wanted: &Wanted, digest: Digest, blank: &str) -> String {
    let save = escaped(wanted.save.as_str());
    let heads = escaped(&joined(&wanted.heads));
    let note = escaped(wanted.note.as_deref().unwrap_or_default());
    format!("/save/bring?save={save}&digest={digest}&blank={blank}&heads={heads}&note={note}")
}

/// A file that waits for an answer, as the question and the answer name it.
#[derive(Deserialize)]
pub(super) struct Waiting {
    save: SaveId,
    digest: Digest,
    #[serde(default)]
    heads: String,
    #[serde(default)]
    note: String,
    /// `yes`: every byte of it is the same.
    #[serde(default)]
    blank: String,
    /// The answer: `yes`.
    #[serde(default)]
    sure: String,
}

/// `GET /save/bring?save=…&digest=…`: is it meant? Nothing is stored until somebody says so.
pub(super) async fn ask(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Params(waiting): Params<Waiting>,
) -> PageReply {
    let (frame, asker) = (Frame::of(&app, &visitor).await?, visitor.asker());
    let (save, content) = (&waiting.save, app.library.content(asker, waiting.digest).await?);
    let doubt = (waiting.blank == "yes").then_some(Doubt::Blank);
    let why = app.library.oddity(asker, save, doubt, content.size_bytes).await?;
    let had = match app.library.history(asker, save, None, 1).await {
        Ok(history) => history.versions.into_iter().next(),
        Err(refusal) if refusal.code() == Code::NotFound => None,
        Err(refusal) => return Err(refusal.into()),
    };
    let link = had.as_ref().map_or_else(|| "/".into(), |_| format!("/save?id={}", escaped(save.as_str())));
    show(&DoubtPage {
        frame,
        link,
        title: title(save).to_owned(),
        system: system(save.system()).to_owned(),
        picture: picture(save),
        why: why.unwrap_or("the save has changed meanwhile").into(),
        size: size(content.size_bytes),
        had: had
            .and_then(|had| had.record.content)
            .map(|content| size(content.size_bytes))
            .unwrap_or_default(),
        digest: content.digest,
        heads: waiting.heads,
        note: waiting.note,
        save: save.to_string(),
    })
}

/// `POST /save/bring`: the answer.
pub(super) async fn bring_all_the_same(State(app): State<Arc<App>>, form: Form<Waiting>) -> PageReply {
    let Form { visitor, fields } = form;
    if fields.sure != "yes" {
        return Err(malformed("the form does not say that you are sure").into());
    }
    let wanted = Wanted { heads: heads(&fields.heads)?, note: note(&fields.note)?, save: fields.save };
    let asker = visitor.asker().clone();
    let file = brought(&wanted, app.library.content(&asker, fields.digest).await?, None, true);
    let stored = async move { app.library.bring(&asker, &file, app.now_unix_s()).await };
    see(&done(&wanted, &to_the_end(stored).await?))
}

fn brought(wanted: &Wanted, content: Content, doubt: Option<Doubt>, sure: bool) -> Brought {
    let Wanted { save, heads, note } = wanted;
    Brought { save: save.clone(), content, body: None, heads: heads.clone(), note: note.clone(), doubt, sure }
}

/// Where to go once it is stored. What it replaced is one press away.
fn done(wanted: &Wanted, result: &StoreResult) -> String {
    match result {
        StoreResult::Branch { .. } => done_at(&wanted.save, "branched", None),
        _ => done_at(&wanted.save, "uploaded", only(&wanted.heads)),
    }
}

fn heads(text: &str) -> Answer<Vec<VersionId>> {
    let heads: Result<Vec<VersionId>, _> = text.split_whitespace().map(str::parse).collect();
    match heads {
        Ok(heads) if heads.len() <= MAX_PARENTS => Ok(heads),
        Ok(_) => {
            Err(malformed("the save has too many versions to choose from").help("choose one of them first"))
        }
        Err(error) => Err(malformed(format!("the form cannot be read: {error}"))),
    }
}

fn joined(heads: &[VersionId]) -> String {
    heads.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn note(text: &str) -> Answer<Option<String>> {
    let text = text.trim();
    if text.len() > MOST_NOTE_BYTES {
        return Err(malformed(format!("a note has at most {MOST_NOTE_BYTES} bytes")));
    }
    Ok(Some(text.to_owned()).filter(|note| !note.is_empty()))
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

/// How files begin that hold others or are shown to people, and what their kind is called. (APPNOTE 6.3.9, 4.3.7 and 4.3.16; RFC 1952, 2.3.1; RFC 8878, 3.1.1;
/// 7-Zip's `7zFormat.txt`; rarlab's technote, "RAR 5.0 signature"; libretro-common, `streams/rzip_stream.c`; ITU T.81, B.1.1; PNG 3, 5.2; GIF89a, 17;
/// ISO 32000-1, 7.5.2; System V ABI, 4.)
const CONTAINERS: &[(&[u8], &str)] = &[
    (b"PK\x03\x04", "a zip"),
    (b"PK\x05\x06", "a zip"),
    (b"\x1f\x8b\x08", "a gzip file"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"#RZIPv", "RetroArch's compressed container"),
    (b"\xff\xd8\xff", "a photo"),
    (b"\x89PNG\r\n\x1a\n", "a picture"),
    (b"GIF8", "a picture"),
    (b"%PDF-", "a document"),
    (b"\x7fELF", "a program"),
];

/// What a console's cartridge or card never begins with is no save: nothing is unpacked here, however little it claims to be. States are
/// of their emulators, and some of those do pack them.
fn refuse_other_files(save: &SaveId, held: &Held) -> Answer<()> {
    let found = CONTAINERS.iter().find(|(begin, _)| held.begin.starts_with(begin));
    match found {
        Some((_, kind)) if matches!(save.kind(), Kind::Sram | Kind::Rtc | Kind::Card) => {
            Err(malformed(format!("this is {kind}, not a save"))
                .help("unpack it first, or let the device that has it sync it"))
        }
        _ => Ok(()),
    }
}

async fn read(app: &App, form: FileForm) -> Answer<(Visitor, Brings)> {
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
            "sure" => brings.sure = text(part).await?,
            // Which of them would be stored is anybody's guess.
            "file" if std::mem::replace(&mut brings.had_file, true) => {
                return Err(malformed("more than one file came, and nothing was stored")
                    .help("bring one file at a time"));
            }
            "file" => {
                // Some browsers send a whole path.
                let name = part.file_name().unwrap_or_default();
                brings.file_name = name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
                brings.file = hold(app, part).await?.filter(|_| !brings.file_name.is_empty());
            }
            _ => {}
        }
    }
    Ok((visitor, brings))
}

pub(super) fn broken(error: MultipartError) -> Refusal {
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
