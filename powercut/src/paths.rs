//! Every place of the daemon that writes, and the step that plays it on real vfat: docs/WRITES.md, for readers, is made of this.
//!
//! Held against `src/`: a call more in a file, or a file more with such a call, and the test says that somebody has to decide
//! which step plays it, or why nothing is lost where it is cut.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::written::stories;

/// What writes, as it stands in a source.
const CALLS: [&str; 23] = [
    "fs::write(",
    "fs::rename(",
    "fs::remove_",
    "fs::create_dir",
    "fs::copy(",
    "hard_link(",
    "File::create",
    "OpenOptions::new()",
    "File::options()",
    ".create_new(",
    ".open_write(",
    ".set_len(",
    ".write_all_at(",
    "make_folder(",
    "Pair::open",
    "Log::open(",
    "Log::restart(",
    "replace(&Os",
    "replace(volume",
    "replace::replace(",
    "disk.replace(",
    "disk.retire(",
    "attic.put(",
];

/// Which steps play it.
enum By {
    /// These, by their names in `story.rs`.
    Steps(&'static [&'static str]),
    /// The recoveries that are recorded after each story.
    Recoveries(&'static [&'static str]),
    /// None: what is lost where it is cut, and why that may be.
    Nothing(&'static str),
}

use By::{Nothing, Recoveries, Steps};

/// A source below `src/`, how many of [`CALLS`] it has, what it writes, and who plays it.
type Row = (&'static str, usize, &'static str, By);

fn rows() -> Vec<Row> {
    vec![
        ("apply/download.rs", 2, "a save that another device played", Steps(&["Bring", "Retire"])),
        (
            "attic.rs",
            3,
            "kept copies and their index; the oldest of them go",
            Steps(&["Bring", "Retire", "Thin"]),
        ),
        (
            "boot.rs",
            3,
            "hooks of a firmware: its scripts with our line and without, scripts of ours, the entry in its list of games, what is remembered of them",
            Steps(&["Hook"]),
        ),
        ("boot/replace.rs", 2, "a small file, replaced whole", Steps(&["Hook", "Set", "Teach"])),
        ("choice.rs", 2, "a version that a person chose or restored", Steps(&["Bring"])),
        (
            "cli/doctor/probe.rs",
            3,
            "a file of `doctor`'s own, in a folder of its own",
            Nothing("both go at once, names before clusters; what a cut leaves nobody reads"),
        ),
        (
            "cli/start.rs",
            2,
            "`.retrosync/supervisor`: its process, and why the daemon is left alone",
            Nothing("of one length, overwritten in place; only shown, never believed"),
        ),
        ("config/file.rs", 3, "`retrosync.toml` and its copy", Steps(&["Set"])),
        ("disk.rs", 2, "a save: staged, put in place, retired", Steps(&["Bring", "Retire"])),
        ("disk/intent.rs", 1, "the record of what is being replaced", Steps(&["Bring", "Retire"])),
        (
            "disk/recovery.rs",
            1,
            "what a cut interrupted, finished or undone",
            Recoveries(&["Bring", "Retire"]),
        ),
        ("disk/set.rs", 2, "a save that is several files", Steps(&["Bring"])),
        ("disk/staging.rs", 4, "incoming bytes, spare files", Steps(&["Bring"])),
        ("disk/steps.rs", 3, "the single steps of a replacement", Steps(&["Bring", "Retire"])),
        ("durable.rs", 1, "a folder of ours", Steps(&["Bring", "Mark", "Shelve"])),
        ("durable/log.rs", 7, "a log of records: journal, the attic's index", Steps(&["Learn", "Bring"])),
        ("durable/pair.rs", 4, "two slots in turn", Steps(&["Pair", "Count", "Bring"])),
        (
            "identity.rs",
            1,
            "token, writer, sequence numbers, the server's keys and address, markers, a pairing that is begun: one record",
            Steps(&["Pair", "Count"]),
        ),
        ("journal.rs", 2, "what both sides agreed on; what games loaded", Steps(&["Learn"])),
        ("logging.rs", 4, "`.retrosync/log.txt`, set aside as `log.old`", Steps(&["Log"])),
        (
            "remote/folder.rs",
            1,
            "the store on the card of a server that keeps no histories",
            Steps(&["Shelve"]),
        ),
        (
            "remote/folder/files.rs",
            11,
            "its files, and those of a store on a share or a stick",
            Steps(&["Shelve"]),
        ),
        (
            "root.rs",
            5,
            "the marker of a root; the lock with a process's id, which is only shown",
            Steps(&["Mark", "Lock"]),
        ),
        ("screen/drm.rs", 2, "a device, no file", Nothing("a panel")),
        ("screen/errands.rs", 1, "`/dev/null`", Nothing("no file")),
        ("screen/evdev.rs", 1, "a device, no file", Nothing("a pad")),
        ("screen/framebuffer.rs", 4, "a device, no file", Nothing("a panel")),
        (
            "screen/place.rs",
            2,
            "`screen --shot`: a picture, where a person says",
            Nothing("a picture, for people"),
        ),
        ("screen/turns.rs", 1, "`.retrosync/buttons.txt`: learned buttons", Steps(&["Teach"])),
        ("supervise.rs", 2, "a control group of the kernel, `/dev/null`", Nothing("no file")),
        ("volume.rs", 8, "the calls themselves", Steps(&["Bring", "Hook", "Mark"])),
        ("volume/beneath.rs", 5, "the same calls, below a card's roots", Steps(&["Hook"])),
    ]
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../src")
}

/// How often each source of the daemon calls what writes; tests do not count.
fn counted(folder: &Path, below: &str, all: &mut BTreeMap<String, usize>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            if name != "tests" {
                counted(&entry.path(), &format!("{below}{name}/"), all)?;
            }
            continue;
        }
        if !name.ends_with(".rs") || name.ends_with("tests.rs") || name == "suite.rs" {
            continue;
        }
        let text = fs::read_to_string(entry.path())?;
        let code = text.split("\n#[cfg(test)]").next().unwrap_or_default().lines();
        let code: Vec<_> = code.filter(|line| !line.trim_start().starts_with("//")).collect();
        let count = CALLS.iter().map(|call| code.join("\n").matches(call).count()).sum();
        if count > 0 {
            all.insert(format!("{below}{name}"), count);
        }
    }
    Ok(())
}

#[test]
fn nothing_is_written_on_a_card_that_no_step_plays() -> std::io::Result<()> {
    let mut found = BTreeMap::new();
    counted(&source(), "", &mut found)?;
    let rows = rows();
    let told: BTreeMap<_, _> = rows.iter().map(|(file, count, ..)| ((*file).to_owned(), *count)).collect();
    assert_eq!(
        found, told,
        "left: calls that write, by file of `src/`; right: rows of powercut/src/paths.rs"
    );
    let name = |step| format!("{step:?}").split('(').next().unwrap_or_default().to_owned();
    let written = stories(512);
    let played: BTreeSet<String> = written.iter().flat_map(|story| &story.steps).map(name).collect();
    let mut named = BTreeSet::new();
    for (file, _, _, by) in &rows {
        if let Steps(steps) | Recoveries(steps) = by {
            for step in *steps {
                assert!(played.contains(*step), "{file}: no story has the step `{step}`");
                named.insert((*step).to_owned());
            }
        }
    }
    assert_eq!(named, played, "left: steps that a row names; right: steps of the stories");
    Ok(())
}

#[test]
fn the_page_for_readers_says_the_same() -> std::io::Result<()> {
    let mut page = "# What the daemon writes on a card, and the test that cuts the power there\n\n\
        Each row is played by the daemon's own code on real vfat in user-mode Linux (`scripts/powercut`, steps in\n\
        [powercut/src/written.rs](../powercut/src/written.rs)): after a cut at any point, with any order and tearing that a card may choose,\n\
        it is the old one or the new one, never mixed, never missing. Made of `powercut/src/paths.rs`, whose test counts the calls in\n\
        `src/` that write: one more, and it fails until a row says which step plays it, or why nothing is lost without one.\n\n\
        | in `src/` | what is written | played by |\n|---|---|---|\n"
        .to_owned();
    for (file, _, what, by) in rows() {
        let by = match by {
            Steps(steps) => steps.iter().map(|step| format!("`{step}`")).collect::<Vec<_>>().join(", "),
            Recoveries(steps) => {
                format!("the recoveries after `{}`, recorded and cut too", steps.join("`, `"))
            }
            Nothing(why) => format!("nothing: {why}"),
        };
        page += &format!("| `{file}` | {what} | {by} |\n");
    }
    page += "\n`Set`, `Hook`, `Teach` also stand in the work that kernels are killed in, on vfat and on exFAT. What exFAT may lose in the instant\n\
        of a replacement (the entry itself) the daemon puts back from the copy that lies beside it meanwhile.\n";
    let path = source().join("../docs/WRITES.md");
    if std::env::var_os("RETROSYNC_WRITE_DOCS").is_some() {
        return fs::write(path, page);
    }
    assert_eq!(
        fs::read_to_string(path)?,
        page,
        "run `RETROSYNC_WRITE_DOCS=1 cargo test -p retrosync-powercut paths`"
    );
    Ok(())
}
