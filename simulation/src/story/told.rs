//! An event in plain words.

use std::fmt;

use super::{Event, SAVES, TITLES};
use crate::handheld::Wall;
use crate::server::name;

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = |save: &usize| TITLES[*save % SAVES];
        match self {
            Event::Waits { seconds } => write!(f, "{seconds} s go by"),
            Event::Starts { device, save, is_seen } => {
                let unseen = if *is_seen { "" } else { ", not to be seen yet" };
                write!(f, "{}: starts {}{unseen}", name(*device), title(save))
            }
            Event::Saves { device, truncates } => {
                write!(f, "{}: saves in the game{}", name(*device), how(*truncates))
            }
            Event::Exits { device, saves: true, truncates } => {
                write!(f, "{}: saves and ends the game{}", name(*device), how(*truncates))
            }
            Event::Exits { device, .. } => write!(f, "{}: ends the game without saving", name(*device)),
            Event::Cycle { device, trigger, fault, meanwhile, mishap } => {
                write!(f, "{}: syncs ({trigger:?})", name(*device))?;
                if let Some((call, fault)) = fault {
                    write!(f, ", call {call}: {fault:?}")?;
                }
                if let Some((call, act, save)) = meanwhile {
                    write!(f, ", during call {call}: {act:?} {}", title(save))?;
                }
                match mishap {
                    None => Ok(()),
                    Some(mishap) => write!(f, ", {mishap:?}"),
                }
            }
            Event::Polls { device } => write!(f, "{}: hears what is new", name(*device)),
            Event::Restarts { device } => write!(f, "{}: the daemon starts again", name(*device)),
            Event::PowerGoes { device } => write!(f, "{}: the power goes", name(*device)),
            Event::Deletes { device, save } => {
                write!(f, "{}: deletes the file of {}", name(*device), title(save))
            }
            Event::Retires { save } => write!(f, "dashboard: deletes {}", title(save)),
            Event::Restores { save, nth } => {
                write!(f, "dashboard: restores version {nth} of {}", title(save))
            }
            Event::Brings { save, is_stale } => {
                let page = if *is_stale { ", over a page of long ago" } else { "" };
                write!(f, "dashboard: a file is brought for {}{page}", title(save))
            }
            Event::Resolves { device, save, this } => {
                let keep = if *this { "its own" } else { "the other" };
                write!(f, "{}: answers for {}: keep {keep}", name(*device), title(save))
            }
            Event::RestoresKept { device, save, nth } => {
                write!(f, "{}: restores kept copy {nth} of {}", name(*device), title(save))
            }
            Event::ClonesCard { from, to } => {
                write!(f, "{}: gets a copy of the card of {}", name(*to), name(*from))
            }
            Event::KeepsImage { device } => write!(f, "{}: its card is copied to a computer", name(*device)),
            Event::PutsImage { device } => write!(f, "{}: its card is set back to that copy", name(*device)),
            Event::ForgetsJournal { device } => write!(f, "{}: its journal is deleted", name(*device)),
            Event::Autosaves { device } => {
                write!(f, "{}: the game writes what it wrote before", name(*device))
            }
            Event::Crashes { device, how } => write!(f, "{}: the game crashes ({how:?})", name(*device)),
            Event::PowerGoesInSave { device, truncates } => {
                write!(f, "{}: the power goes while the game saves{}", name(*device), how(*truncates))
            }
            Event::CardFills { device, sectors: Some(sectors) } => {
                write!(f, "{}: the card is full but for {sectors} sectors", name(*device))
            }
            Event::CardFills { device, .. } => write!(f, "{}: there is room on the card", name(*device)),
            Event::SetsClock { device, wall: None } => write!(f, "{}: the clock is right", name(*device)),
            Event::SetsClock { device, wall: Some(Wall { boot_unix_s, drift }) } => {
                write!(f, "{}: the clock begins at {boot_unix_s}, off by {drift} in 1,000", name(*device))
            }
            Event::CardOut { device } => write!(f, "{}: the card is taken out", name(*device)),
            Event::CardIn { device } => write!(f, "{}: the card is put in again", name(*device)),
            Event::SecondOut { device } => write!(f, "{}: the second card is taken out", name(*device)),
            Event::SecondIn { device } => write!(f, "{}: the second card is put in again", name(*device)),
            Event::SwapsCards { one, other } => {
                write!(f, "{} and {} exchange their cards", name(*one), name(*other))
            }
            Event::PairsAgain { device, cut } => {
                write!(f, "{}: is paired again", name(*device))?;
                cut.map_or(Ok(()), |at| write!(f, ", the power goes before change {at}"))
            }
            Event::Prefers { device, newest } => {
                let what = if *newest { "the newest version win" } else { "itself be asked" };
                write!(f, "{}: lets {what}", name(*device))
            }
            Event::RestoresHere { device, save, nth } => {
                write!(f, "{}: restores version {nth} of {}", name(*device), title(save))
            }
            Event::AcceptsMassChange { device } => {
                write!(f, "{}: says that all of it is meant", name(*device))
            }
            Event::LateArrive => write!(f, "what was on its way to the server arrives"),
            Event::BacksUp => write!(f, "server: backs up"),
            Event::RestoresServer => write!(f, "server: is restored from its backup"),
            Event::SetsServerBack => write!(f, "server: its backup is copied over it, and nobody tells it"),
        }
    }
}

fn how(truncates: bool) -> &'static str {
    if truncates { ", truncating" } else { "" }
}
