//! Runs inside user-mode Linux, as its first process's child: makes cards, plays stories on them, has the kernel record.
//!
//! Everything here goes through the kernel's own vfat. Any failure ends the program: the host sees an answer missing.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use retrosync::identity::Identity;
use retrosync::root::{Root, STATE_FOLDER};
use retrosync::volume::{Os, Volume};
use retrosync::whole;
use retrosync_protocol::Digest;

use crate::calls::{Hands, Sequence, path, sequences};
use crate::crash::{BEGIN, DID};
use crate::judge::judge;
use crate::others::{self, Seat};
use crate::plan::{CARD_BYTES, Job, LOG_BYTES, Make, Plan, Seen, Task, answer};
use crate::saves::{files, save};
use crate::story::{Parts, ROOT, Step};
use crate::written::{endless, endless_after};

type Failed = Box<dyn std::error::Error>;

/// Does all jobs of the plan in `folder`.
///
/// # Errors
/// The first thing that failed.
pub(crate) fn run(folder: &Path) -> Result<(), Failed> {
    let plan: Plan = serde_json::from_slice(&fs::read(folder.join("plan"))?)?;
    fs::create_dir_all(ROOT)?;
    for (number, job) in plan.jobs.iter().enumerate() {
        let told = do_job(number, job)?;
        fs::write(answer(folder, number), told)?;
        println!("job {number} done");
    }
    Ok(())
}

fn do_job(number: usize, job: &Job) -> Result<String, Failed> {
    let card = Recorded::make(number, &job.make)?;
    let told = match &job.task {
        Task::Play => {
            card.format(&job.make)?;
            card.mount(&job.make)?;
            populate(&job.make)?;
            play(&card, &job.make)?;
            String::new()
        }
        Task::Calls(number) => {
            card.format(&job.make)?;
            card.mount(&job.make)?;
            let all = sequences();
            let sequence = all.get(*number).ok_or("there is no such sequence")?;
            begin(sequence, &job.make)?;
            card.mark(BEGIN)?;
            let mut hands = Hands::default();
            for (at, call) in sequence.calls.iter().enumerate() {
                hands.make(&Os, *call)?;
                card.mark(&format!("{DID}-{at}"))?;
            }
            String::new()
        }
        Task::Recover(state) => {
            card.put(state)?;
            card.mount(&job.make)?;
            card.mark(BEGIN)?;
            let (_, problems) = Parts::open(Arc::new(Os)).map_err(|error| error.to_string())?;
            card.mark("recovered")?;
            format!("{problems:?}")
        }
        Task::Look { state, acked } => {
            card.put(state)?;
            card.mount(&job.make)?;
            let seen = serde_json::to_string(&look()?)?;
            let story = job.make.story();
            let begun = story.after((acked + 1).min(story.steps.len()));
            let volume: Arc<dyn Volume> = Arc::new(Os);
            let judged = judge(&volume, Seat::Vfat, &story.after(*acked), &begun, &job.make.beside());
            format!("{seen}\n{}", judged.err().unwrap_or_default())
        }
    };
    card.close()?;
    Ok(told)
}

/// Mounts the first disk with the file system `kind`, judges what the last power cut left after `acked` steps, and goes on for ever.
///
/// # Errors
/// What was lost, or what failed.
pub(crate) fn live(kind: &str, acked: usize) -> Result<(), Failed> {
    fs::create_dir_all(ROOT)?;
    let (disk, told, options) = if kind == "vfat" {
        ("/dev/ubda", "/dev/ubdb", "codepage=437,iocharset=ascii")
    } else {
        ("/dev/vda", "/dev/vdb", "iocharset=utf8")
    };
    // Not by a line: a console may be steps behind when the power goes.
    let told = File::options().write(true).open(told)?;
    run_program("mount", &["-t", kind, "-o", options, disk, ROOT])?;
    fs::create_dir_all(Path::new(ROOT).join("Saves/mGBA"))?;
    others::populate()?;
    let (volume, now): (Arc<dyn Volume>, _) = (Arc::new(Os), endless_after(acked));
    let root = Root::create(volume.clone(), Path::new(ROOT)).map_err(|error| error.to_string())?;
    drop(root);
    let seat = if kind == "vfat" { Seat::Vfat } else { Seat::Exfat };
    judge(&volume, seat, &now, &endless_after(acked + 1), &[])?;
    println!("whole after {acked}");
    let (mut parts, _) = Parts::open(volume).map_err(|error| error.to_string())?;
    // What was on its way when the power went may have been done.
    let is_done = |step: Step| match step {
        Step::Bring(number, _) => {
            let mut here = Vec::new();
            let path = save(number).1.under(Path::new(ROOT));
            let read = whole::open(&Os, &path).and_then(|mut save| save.read_to_end(&mut here));
            read.is_ok() && Some(here) == endless_after(acked + 1).saves[number].bytes(number)
        }
        Step::Learn => parts.journal().base().cursor > now.cycles,
        _ => false,
    };
    let from = acked + usize::from(is_done(endless(acked)));
    for at in from.. {
        parts.take(endless(at), &endless_after(at)).map_err(|error| format!("step {at}: {error}"))?;
        told.write_all_at(&sector_of(at + 1), 0)?;
        told.sync_all()?;
    }
    Ok(())
}

/// How many steps are done, as the host reads it from the second disk.
fn sector_of(done: usize) -> [u8; 512] {
    let mut sector = [0; 512];
    sector[..8].copy_from_slice(&(done as u64).to_le_bytes());
    sector
}

/// The saves and all else that is there before the story; durable.
fn populate(make: &Make) -> Result<(), Failed> {
    let root = Path::new(ROOT);
    let write = |path: &Path, bytes: &[u8]| {
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        fs::write(path, bytes)
    };
    fs::create_dir_all(root.join("Saves/mGBA"))?;
    for (path, bytes) in make.beside() {
        write(&root.join(path), &bytes)?;
    }
    for (number, size) in make.story().begins {
        for (path, bytes) in files(number, 1, size) {
            write(&path, &bytes)?;
        }
    }
    if make.story().has_app() {
        others::populate()?;
    }
    let aside = Path::new("/mnt/aside");
    let made = if make.copied { aside } else { root };
    if make.copied {
        let _ = fs::remove_dir_all(aside);
        fs::create_dir(aside)?;
    }
    let state_dir = Root::create(Arc::new(Os), made).map_err(|error| error.to_string())?.state_dir();
    Identity::open(Arc::new(Os), &state_dir, "serial:1")
        .and_then(|(mut identity, _)| identity.save())
        .map_err(|error| error.to_string())?;
    if make.copied {
        fs::create_dir(root.join(STATE_FOLDER))?;
        for entry in fs::read_dir(&state_dir)? {
            let entry = entry?;
            fs::copy(entry.path(), root.join(STATE_FOLDER).join(entry.file_name()))?;
        }
    }
    if make.story().has_app() {
        others::populate_logs()?;
    }
    run_program("sync", &["-f", ROOT])?;
    // That wrote all and flushed nothing: a sync of any file flushes.
    File::open(root.join(STATE_FOLDER).join("root"))?.sync_all()?;
    Ok(())
}

/// The files of a sequence, and others beside them; durable.
fn begin(sequence: &Sequence, make: &Make) -> Result<(), Failed> {
    let root = Path::new(ROOT);
    for folder in ["Saves", "Aside"] {
        fs::create_dir_all(root.join(folder))?;
    }
    for (path, bytes) in make.beside() {
        fs::write(root.join(path), bytes)?;
    }
    for (name, sectors, mark) in &sequence.begins {
        fs::write(path(*name), vec![*mark; sectors * 512])?;
    }
    run_program("sync", &["-f", ROOT])?;
    let flushed = root.join("Aside/flushed");
    File::create(&flushed)?.sync_all()?;
    fs::remove_file(flushed)?;
    File::open(root.join("Aside"))?.sync_all()?;
    if !make.is_fresh() {
        File::open(root)?.sync_all()?;
    }
    Ok(())
}

fn play(card: &Recorded, make: &Make) -> Result<(), Failed> {
    let story = make.story();
    card.mark(BEGIN)?;
    let (mut parts, problems) = Parts::open(Arc::new(Os)).map_err(|error| error.to_string())?;
    if !problems.is_empty() {
        return Err(format!("a new card has problems: {problems:?}").into());
    }
    for (at, step) in story.steps.iter().enumerate() {
        parts.take(*step, &story.after(at)).map_err(|error| format!("step {at}: {error}"))?;
        card.mark(&format!("{DID}-{at}"))?;
    }
    Ok(())
}

/// Every file on the card, as the kernel shows it.
fn look() -> io::Result<Seen> {
    fn walk(folder: &Path, seen: &mut Seen) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let kind = fs::symlink_metadata(&path)?;
            if kind.is_dir() {
                walk(&path, seen)?;
                continue;
            }
            let mut bytes = Vec::new();
            let read = File::open(&path).and_then(|mut file| file.read_to_end(&mut bytes));
            let shown = path.strip_prefix(ROOT).unwrap_or(&path).to_string_lossy().into_owned();
            seen.push((shown, kind.len(), read.ok().map(|_| Digest::of(&bytes).to_string())));
        }
        Ok(())
    }
    let mut seen = Vec::new();
    walk(Path::new(ROOT), &mut seen)?;
    seen.sort();
    Ok(seen)
}

/// A card whose writes are recorded.
struct Recorded {
    number: usize,
    device: String,
}

impl Recorded {
    fn make(number: usize, make: &Make) -> Result<Recorded, Failed> {
        let sectors = u64::from(make.cluster_sectors) * 67_000 + 4000;
        let slice = |bytes: u64| number as u64 * bytes / 512;
        let linear = |name: &str, sectors: u64, disk: &str, from: u64| {
            let table = format!("0 {sectors} linear {disk} {from}");
            run_program("dmsetup", &["create", &format!("{name}{number}"), "--noudevsync", "--table", &table])
        };
        linear("card", sectors, "/dev/ubda", slice(CARD_BYTES))?;
        linear("log", LOG_BYTES / 512, "/dev/ubdb", slice(LOG_BYTES))?;
        let table = format!("0 {sectors} log-writes /dev/mapper/card{number} /dev/mapper/log{number}");
        run_program("dmsetup", &["create", &format!("both{number}"), "--noudevsync", "--table", &table])?;
        let centiseconds = if make.eager { "1" } else { "500" };
        fs::write("/proc/sys/vm/dirty_writeback_centisecs", centiseconds)?;
        fs::write("/proc/sys/vm/dirty_expire_centisecs", if make.eager { "1" } else { "3000" })?;
        Ok(Recorded { number, device: format!("/dev/mapper/both{number}") })
    }

    fn format(&self, make: &Make) -> io::Result<()> {
        run_program("mkfs.vfat", &["-F", "32", "-s", &make.cluster_sectors.to_string(), &self.device])
    }

    fn mount(&self, make: &Make) -> io::Result<()> {
        let options = format!("codepage=437,iocharset=ascii,{}", make.options);
        run_program("mount", &["-t", "vfat", "-o", options.trim_end_matches(','), &self.device, ROOT])
    }

    /// Writes a crash onto the card: runs of `sector, length, bytes`.
    fn put(&self, state: &Path) -> io::Result<()> {
        let (bytes, device) = (fs::read(state)?, File::options().write(true).open(&self.device)?);
        let mut rest = &bytes[..];
        while let Some((head, tail)) = rest.split_at_checked(16) {
            let word = |at: usize| {
                head[at..at + 8].iter().rev().fold(0u64, |word, byte| word << 8 | u64::from(*byte))
            };
            let run = tail.get(..word(8) as usize).ok_or(io::ErrorKind::UnexpectedEof)?;
            device.write_all_at(run, word(0) * 512)?;
            rest = &tail[run.len()..];
        }
        device.sync_all()
    }

    fn mark(&self, text: &str) -> io::Result<()> {
        run_program("dmsetup", &["message", &format!("both{}", self.number), "0", "mark", text])
    }

    fn close(self) -> io::Result<()> {
        run_program("umount", &[ROOT])?;
        for name in ["both", "log", "card"] {
            run_program("dmsetup", &["remove", "--noudevsync", &format!("{name}{}", self.number)])?;
        }
        Ok(())
    }
}

fn run_program(program: &str, arguments: &[&str]) -> io::Result<()> {
    let output = Command::new(program).args(arguments).output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(io::Error::other(format!("{program} {arguments:?}: {text}")))
}
