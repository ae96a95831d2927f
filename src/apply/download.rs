//! Downloads and retirements: all contents into the staging folder by one `fetch`, then one by one into place.

use litemap::LiteMap;
use retrosync_protocol::{Code, Content, Mistake, SaveId, VersionId};

use super::{Agreed, Deed, Hands, Outcome, entry_after, no_card};
use crate::disk::{Disk, Staged};
use crate::error::{Error, Kind, Result};
use crate::journal::Entry;
use crate::plan::Step;
use crate::playing::{Hooks, Signs, boot_ms};
use crate::snapshot::{Place, Stamp};

/// How old a look may be where nothing is replaced.
const LATELY_MS: u64 = 500;

/// How long a file of several takes to be replaced: some dozen writes that are waited for, on a card that is not the fastest.
const FILE_MS: u64 = 250;

/// One `Download` step.
struct Wanted<'a> {
    save: &'a SaveId,
    place: &'a Place,
    head: VersionId,
    content: Content,
    expects: Option<&'a Content>,
}

/// Puts remote versions in place, and moves deleted saves to the attic.
///
/// # Errors
/// When our own state cannot be written; what the remote or one save cannot do is in the outcome.
pub fn download(hands: &mut Hands<'_>, steps: &[&Step], outcome: &mut Outcome) -> Result<()> {
    let (unfit, wanted): (Vec<Wanted<'_>>, Vec<Wanted<'_>>) =
        steps.iter().filter_map(|step| wanted(step)).partition(|want| is_unfit(hands, want).is_some());
    for want in &unfit {
        is_unfit(hands, want).into_iter().for_each(|error| outcome.problem(want.save, error.clone()));
    }
    let mut staged = fetch(hands, &wanted, outcome);
    let mut looked = Looked { signs: hands.signs, hooks: hands.hooks, at_boot_ms: None };
    for want in &wanted {
        let Some(bytes) = staged.remove(&(want.place.root, want.content)) else {
            // Not fetched (its problem is told), or a twin took the bytes: the next round fetches them for this one.
            outcome.again |= outcome.failed.is_none() && has_twin(&wanted, want);
            continue;
        };
        // First what would hide it: a cut in between leaves the old save, and the state in the attic.
        if retire_all(hands, steps, Some(want.save), &mut looked, outcome)? {
            place(hands, want, bytes, &mut looked, outcome)?;
        }
    }
    retire_all(hands, steps, None, &mut looked, outcome)?;
    // A game may have started between the last look and the write: then what it loaded is what was there before.
    if !outcome.deeds.is_empty() {
        hands.launches.look(&hands.hooks.look(hands.signs), boot_ms());
    }
    Ok(())
}

fn wanted(step: &Step) -> Option<Wanted<'_>> {
    let Step::Download { save, place, head, content, expects } = step else { return None };
    Some(Wanted { save, place, head: *head, content: *content, expects: expects.as_ref() })
}

/// Why just this version could not be put in place the last two times.
fn is_unfit<'a>(hands: &'a Hands<'_>, want: &Wanted<'_>) -> Option<&'a Error> {
    hands.unfit.get(want.save).filter(|(head, _)| *head == want.head).and_then(|(_, error)| error.as_ref())
}

/// Just this version came damaged, or the card failed: it is tried once more soon, then with whatever else there is to do. True if
/// it was so before.
fn fails_again(hands: &mut Hands<'_>, want: &Wanted<'_>, outcome: &mut Outcome) -> bool {
    let failed = hands.unfit.get(want.save).is_some_and(|(head, _)| *head == want.head);
    if !failed {
        hands.unfit.insert(want.save.clone(), (want.head, None));
        outcome.failing = true;
    }
    failed
}

fn has_twin(wanted: &[Wanted<'_>], of: &Wanted<'_>) -> bool {
    wanted.iter().filter(|w| w.content == of.content && w.place.root == of.place.root).count() > 1
}

/// Brings all contents into the staging folders of the roots where they go.
fn fetch(
    hands: &mut Hands<'_>,
    wanted: &[Wanted<'_>],
    outcome: &mut Outcome,
) -> LiteMap<(usize, Content), Staged> {
    let mut staged = LiteMap::new();
    let mut roots: LiteMap<Content, Vec<usize>> = LiteMap::new();
    for want in wanted {
        let of = roots.entry(want.content).or_default();
        if !of.contains(&want.place.root) {
            of.push(want.place.root);
        }
    }
    if roots.is_empty() {
        return staged;
    }
    let contents: Vec<Content> = roots.keys().copied().collect();
    let cards = &mut *hands.cards;
    hands.live.begin(false, wanted.len());
    let mut sink = |content: &Content, payload: &mut dyn std::io::Read| {
        // The payload streams once: other roots that want it too get it in the next round.
        let root = roots.get(content).and_then(|of| of.first().copied());
        let disk = root.and_then(|root| cards.get_mut(root)).and_then(|card| card.disk.as_mut());
        let (Some(root), Some(disk)) = (root, disk) else {
            return Err(Error::new(Kind::Busy, "cannot stage a save", "its card is not there any more"));
        };
        staged.insert((root, *content), disk.stage(content, payload)?);
        Ok(())
    };
    let missing = match hands.remote.fetch(&contents, &mut sink) {
        Ok(missing) => missing,
        // What came before it failed is whole and verified: it is put in place all the same.
        Err(error) => {
            outcome.failed = Some(error);
            return staged;
        }
    };
    for (content, error) in missing {
        for want in wanted.iter().filter(|want| want.content == content) {
            if error.kind == Kind::Damaged {
                fails_again(hands, want, outcome);
            }
            // Its bytes may come back, and nobody rings for that.
            outcome.failing |= error.kind == Kind::Refused(Code::NotFound);
            outcome.problem(want.save, error.clone());
        }
    }
    staged
}

fn place(
    hands: &mut Hands<'_>,
    want: &Wanted<'_>,
    bytes: Staged,
    looked: &mut Looked<'_>,
    outcome: &mut Outcome,
) -> Result<()> {
    hands.live.one_more();
    if Mistake::SettledBeforePlaced.is_made() {
        let entry = entry_after(hands.base.saves.get(want.save), agreed(want, Stamp::default()));
        hands.journal.record(Entry::Settled { save: want.save.clone(), entry })?;
        hands.journal.sync()?;
    }
    let Some(disk) = hands.cards.get_mut(want.place.root).and_then(|card| card.disk.as_mut()) else {
        outcome.problem(want.save, no_card(want.place));
        return Ok(());
    };
    let bytes = bytes.written(hands.naming.as_new(want.place, want.save));
    if let Err(error) = looked.has_time_for(disk.files_to_change(&want.place.path, Some(&bytes))) {
        outcome.problem(want.save, error);
        return Ok(());
    }
    let mut guard = || if want.expects.is_some() { looked.now() } else { looked.lately() };
    let stamp = match disk.replace(&want.place.path, want.save, want.expects, bytes, &mut guard) {
        Ok(stamp) => stamp,
        Err(error) => {
            if error.kind == Kind::Damaged && fails_again(hands, want, outcome) {
                hands.unfit.insert(want.save.clone(), (want.head, Some(error.clone())));
            }
            outcome.problem(want.save, error);
            return Ok(());
        }
    };
    let at_boot_ms = shown_boot_ms(disk);
    let before = hands.base.saves.get(want.save);
    hands.launches.replaced(want.save, before.cloned(), at_boot_ms);
    let entry = entry_after(before, agreed(want, stamp));
    hands.journal.record(Entry::Settled { save: want.save.clone(), entry })?;
    let size_bytes = want.content.size_bytes;
    log::info!("{}: put in place at `{}`, {size_bytes} bytes", want.save, want.place.path);
    outcome.deeds.push(Deed::Placed { save: want.save.clone(), version: want.head, size_bytes });
    Ok(())
}

/// When a game could first see what was put in place: a game that started while a slow card made it durable has it. Taken
/// after the bytes are there, in hundredths of a second as the starts of processes are: what started before is not later.
fn shown_boot_ms(disk: &Disk) -> u64 {
    disk.shown_at_boot_ms().unwrap_or_else(boot_ms)
}

fn agreed<'a>(want: &Wanted<'a>, stamp: Stamp) -> Agreed<'a> {
    Agreed { version: want.head, content: Some(want.content), place: want.place, stamp }
}

/// All `Retire` steps of what would hide this save, or of what was deleted; false if one of them stays.
fn retire_all(
    hands: &mut Hands<'_>,
    steps: &[&Step],
    of: Option<&SaveId>,
    looked: &mut Looked<'_>,
    outcome: &mut Outcome,
) -> Result<bool> {
    let mut all = true;
    for step in steps {
        if let Step::Retire { save, place, head, expects, hides } = step
            && hides.as_ref() == of
        {
            all &= retire(hands, (save, place), *head, expects, looked, outcome)?;
        }
    }
    Ok(all)
}

/// One of them; false if it stays.
fn retire(
    hands: &mut Hands<'_>,
    (save, place): (&SaveId, &Place),
    head: VersionId,
    expects: &Content,
    looked: &mut Looked<'_>,
    outcome: &mut Outcome,
) -> Result<bool> {
    let disk: Option<&mut Disk> = hands.cards.get_mut(place.root).and_then(|card| card.disk.as_mut());
    let Some(disk) = disk else {
        outcome.problem(save, no_card(place));
        return Ok(false);
    };
    let retired = looked
        .has_time_for(disk.files_to_change(&place.path, None))
        .and_then(|()| disk.retire(&place.path, save, expects, &mut || looked.now()));
    if let Err(error) = retired {
        outcome.failing |= error.kind == Kind::Damaged;
        outcome.problem(save, error);
        return Ok(false);
    }
    let at_boot_ms = shown_boot_ms(disk);
    let before = hands.base.saves.get(save);
    hands.launches.replaced(save, before.cloned(), at_boot_ms);
    let now = Agreed { version: head, content: None, place, stamp: Stamp::default() };
    let entry = entry_after(before, now);
    hands.journal.record(Entry::Settled { save: save.clone(), entry })?;
    log::info!("{save}: deleted elsewhere or older than what came, `{}` is in the attic", place.path);
    outcome.deeds.push(Deed::Retired { save: save.clone(), version: head });
    Ok(true)
}

/// Does a game run? Asked right before the first byte changes (promise 7: a running game owns its save).
struct Looked<'a> {
    signs: &'a Signs,
    hooks: &'a Hooks,
    at_boot_ms: Option<u64>,
}

impl Looked<'_> {
    fn now(&mut self) -> Result<()> {
        self.at_boot_ms = None;
        let reason = self.hooks.look(self.signs).reason;
        if let Some(reason) = reason.filter(|_| !Mistake::GameIsNotAskedAgain.is_made()) {
            return Err(Error::new(Kind::Busy, "cannot put a save in place now", reason));
        }
        self.at_boot_ms = Some(boot_ms());
        Ok(())
    }

    /// Nobody can stop a game that is about to start: it would load half of a save of several files, and half of another.
    fn has_time_for(&self, files: usize) -> Result<()> {
        let takes_ms = FILE_MS * files as u64;
        match self.hooks.starts_in_ms() {
            Some(left_ms) if files > 1 && left_ms < takes_ms => Err(Error::new(
                Kind::Busy,
                "cannot put a save in place now",
                format!("a game starts, and {files} files take longer than that"),
            )),
            _ => Ok(()),
        }
    }

    /// For a file that is not there yet no game holds bytes: a thousand of them need not look a thousand times.
    fn lately(&mut self) -> Result<()> {
        let is_late = |at: u64| boot_ms().saturating_sub(at) >= LATELY_MS;
        if self.at_boot_ms.is_none_or(is_late) { self.now() } else { Ok(()) }
    }
}
