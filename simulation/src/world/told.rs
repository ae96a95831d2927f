//! What a history left behind, in a story's words: for whoever looks for the cause.

use std::fmt::Write as _;

use retrosync::cycle::CycleReport;
use retrosync_protocol::{Digest, HistoryEntry, VersionId};

use super::World;
use crate::server::name;
use crate::story::SAVES;

impl World {
    /// What lies in the saves' places and what the server has as heads, in a story's words.
    pub(crate) fn told(&mut self) -> String {
        self.look();
        let mut text = self.said.as_mut().map(std::mem::take).unwrap_or_default();
        let called = |digest: Option<Digest>| digest.map_or("-".into(), |digest| self.truth.name(&digest));
        for (device, shelf) in self.shelves.iter().enumerate() {
            let saves: Vec<String> = (0..SAVES).map(|save| called(shelf.save(save))).collect();
            let kept: Vec<String> = shelf.copies().map(|digest| self.truth.name(&digest)).collect();
            let kept = if kept.is_empty() { String::new() } else { format!(" (kept: {})", kept.join(", ")) };
            let _ = writeln!(text, "      {}: {}{kept}", name(device), saves.join(" | "));
        }
        let heads = (0..SAVES).map(|save| {
            let heads = self.ledger.of(save).of_heads().into_iter().map(called);
            heads.collect::<Vec<_>>().join(" + ")
        });
        let _ = writeln!(text, "      server: {}", heads.collect::<Vec<_>>().join(" | "));
        text
    }

    /// All versions, the oldest first, each with its parents.
    pub(crate) fn versions_told(&self) -> String {
        let mut text = String::new();
        for save in self.kind.saves.iter() {
            for HistoryEntry { version, record, device_name, .. } in
                self.server.get().history(save).iter().rev()
            {
                let short = |version: &VersionId| version.to_string()[..6].to_owned();
                let content = record.content.map_or("deleted".into(), |c| self.truth.name(&c.digest));
                let parents: Vec<String> = record.parents.iter().map(short).collect();
                let is = if record.suspect { ", suspect" } else { "" };
                let (version, parents) = (short(version), parents.join(" "));
                let _ =
                    writeln!(text, "      {save} {version}: {content} by {device_name} over [{parents}]{is}");
            }
        }
        text
    }

    pub(super) fn say(&mut self, device: usize, report: Option<&CycleReport>) {
        let (Some(said), Some(report)) = (&mut self.said, report) else { return };
        let CycleReport { deeds, questions, waiting, failed, .. } = report;
        if !(deeds.is_empty() && questions.is_empty() && waiting.is_empty() && failed.is_none()) {
            let name = name(device);
            let _ = writeln!(said, "      {name}: {deeds:?} asks {questions:?} waits {waiting:?} {failed:?}");
        }
    }
}
