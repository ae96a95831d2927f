//! `retrosync doctor --explain PATH`: how a path is read and why, step by step: device, rule, system, core, save, homes.
//!
//! Asks what the daemon asks, and changes nothing.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::Call;
use crate::error::{Error, Kind, Result};
use crate::formats::Form;
use crate::naming::{self, Identified, Naming};
use crate::parts::Ground;
use crate::profile::{self, Group, Holds, Layout, Profile};
use crate::report::Exit;
use crate::snapshot::{Place, RelativePath};
use crate::whole;
use retrosync_protocol::{Kind as SaveKind, SaveId};

/// Says how `path` is read.
///
/// # Errors
/// `Misused` when it lies in no root.
pub(super) fn explain(call: &Call, ground: &Ground, path: &Path) -> Result<Exit> {
    let place = place(ground, path)?;
    let (naming, _) = ground.naming();
    // A file of a save that is several stands for all of them.
    let place = naming.whole(&place).unwrap_or(place);
    let (layout, by_path) = match naming.explain(&place) {
        Some((number, by_path)) => (ground.profile.layouts.get(number), by_path),
        None => (None, None),
    };
    let (kind, text, save) = match naming.identify(&place) {
        Identified::Save(save) => ("save", format!("is the save `{save}`"), Some(save)),
        Identified::Ignored(why) => ("ignored", format!("is no save: {why}"), None),
        Identified::Unknown(why) => ("unknown", format!("may be a save, but is not synced: {why}"), None),
    };
    let own = save.as_ref().and_then(|save| {
        let path = place.path.under(ground.site.roots.get(place.root)?);
        Form::of(save, whole::open(&*ground.volume(), &path).ok()?).ok()?.own()
    });
    let home = save.as_ref().and_then(|save| naming.home(save));
    let others =
        save.as_ref().map(|save| homes_elsewhere(&naming, &ground.profile, save)).unwrap_or_default();
    call.output.value(&json!({
        "path": path, "root": place.root, "is": kind, "why": text, "save": save,
        "device": ground.profile.name, "because": ground.reason,
        "save_folder": layout.map(|layout| &layout.folder),
        "rule": layout.map(rule), "confirmed": layout.map(|layout| layout.confirmed),
        "system": save.as_ref().map(SaveId::system), "core": save.as_ref().map(SaveId::core),
        "kept_by_path": by_path, "stays_here": own,
        "home": home.as_ref().map(|home| home.path.as_str()),
        "elsewhere": others.iter().map(|(name, path)| json!([name, path.as_str()])).collect::<Vec<_>>(),
    }));
    let say = |name: &str, text: String| call.output.line(format!("  {name:<16} {text}"));
    call.output.line(format!("`{}` of root {} {text}", place.path, place.root));
    say("device", format!("{} (`{}`): {}", ground.profile.title, ground.profile.name, ground.reason));
    match layout {
        Some(layout) => say("rule", rule(layout)),
        None => say("rule", "it lies in no save folder of this device".into()),
    }
    if let Some(save) = &save {
        say("save", meaning(save, by_path.as_deref()));
        if let Some(own) = own {
            say("not converted", own.into());
        }
    }
    match (&home, &save) {
        (Some(home), _) => say("here", format!("a new version of it would be put at `{}`", home.path)),
        (None, Some(_)) => {
            say("here", "its game is not on this card: a new version of it would not be put here".into())
        }
        (None, None) => {}
    }
    for (name, path) in others {
        say(&name, format!("`{path}`"));
    }
    Ok(if kind == "unknown" { Exit::Problems } else { Exit::Well })
}

fn place(ground: &Ground, path: &Path) -> Result<Place> {
    let doing = || format!("cannot explain `{}`", path.display());
    let path = std::path::absolute(path).map_err(|error| Error::io(doing(), &error))?;
    let below = |root: &PathBuf| RelativePath::new(path.strip_prefix(root).ok()?.to_str()?);
    let roots = ground.site.roots.iter().enumerate();
    let places = roots.filter_map(|(root, dir)| Some(Place { root, path: below(dir)? }));
    // A root may lie in another: the inner one counts.
    places.min_by_key(|place| place.path.as_str().len()).ok_or_else(|| {
        Error::new(Kind::Misused, doing(), "it lies in no root of this device")
            .help("`retrosync doctor` lists the roots")
    })
}

/// A save folder of the profile in words.
fn rule(layout: &Layout) -> String {
    let holds = layout.holds.iter().map(|holds| match holds {
        Holds::Saves => "battery saves",
        Holds::States => "save states",
        Holds::Trees => "folders that are one save each",
    });
    let sorted = layout.grouped_by.iter().map(|group| match group {
        Group::Core => "by core",
        Group::System => "by system",
        Group::SystemCore => "by system and core",
        Group::Game => "as the games are",
    });
    let sorted: Vec<&str> = sorted.collect();
    let sorted =
        if sorted.is_empty() { "not sorted".into() } else { format!("sorted {}", sorted.join(", then ")) };
    let doubt = layout.reason.as_ref().filter(|_| !layout.confirmed);
    format!(
        "`{}` holds {}, {}{}{}",
        layout.folder,
        holds.collect::<Vec<_>>().join(" and "),
        sorted,
        layout.core.as_ref().map(|core| format!("; of {core} alone")).unwrap_or_default(),
        doubt.map(|why| format!(". Not confirmed: {why}")).unwrap_or_default(),
    )
}

fn meaning(save: &SaveId, by_path: Option<&str>) -> String {
    if save.kind() == SaveKind::File {
        let why = by_path.unwrap_or("no table knows it");
        return format!("kept by its path, among cards of `{}` only, since {why}", save.system());
    }
    let core = match save.core() {
        Some(core) => format!("its bytes load in {core} only"),
        None => "its bytes load in any core".to_owned(),
    };
    format!("system `{}`, {}; {core}", save.system(), save.kind())
}

/// Where it would lie on the other firmwares, as they are shipped.
fn homes_elsewhere(naming: &Naming, here: &Profile, save: &SaveId) -> Vec<(String, RelativePath)> {
    let game = naming.game_file(save).unwrap_or_else(|| format!("{}.zip", save.title()));
    let others = profile::built_in().into_iter().filter(|other| other.name != here.name);
    let homes = others.map(|other| (naming::elsewhere(&other, save, &game), other.name));
    homes.filter_map(|(home, name)| Some((name, home?))).collect()
}
