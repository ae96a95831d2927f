//! What a crash leaves of the model's card: any subset of what was dirty.

use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use super::card::{Card, Chain, Dirent, EMPTY, Folder, Name, Node, Sector};
use super::{Fate, SECTOR};

impl Card {
    pub(super) fn crash(&mut self, fate: &mut dyn Fate) {
        self.generation += 1;
        self.table_is_dirty = true;
        for node in 0..self.nodes.len() {
            let Node { dirent, clusters, ref home, dirty, in_sync, .. } = self.nodes[node];
            if dirty && home.is_some() && fate.reaches() {
                if let Some(chain) = dirent.chain.filter(|_| !in_sync) {
                    // Written back by the kernel itself, which is seconds later: the table went with it.
                    let chain = &mut self.chains[chain];
                    chain.linked = chain.linked.max(chain.now.len().min(clusters));
                }
                self.write_inode(node);
            }
        }
        for folder in &mut self.folders {
            folder.crash(fate);
        }
        self.lose_folders();
        for chain in &mut self.chains {
            chain.crash(fate);
        }
        self.mount();
        (self.cut_at, self.fail_at, self.off) = (None, None, false);
    }

    /// A folder that did not reach the card is gone with all below it.
    fn lose_folders(&mut self) {
        let lost: Vec<Arc<[u8]>> =
            self.folders.iter().filter(|of| !of.durable).map(|of| Arc::clone(&of.path)).collect();
        let is_below = |path: &[u8], lost: &[u8]| {
            path.strip_prefix(lost).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        };
        if !lost.is_empty() {
            self.folders.retain(|of| !lost.iter().any(|lost| is_below(&of.path, lost)));
        }
    }

    /// Only what is durable is there.
    fn mount(&mut self) {
        self.nodes.clear();
        for (folder, of) in self.folders.iter_mut().enumerate() {
            of.names.retain(|_, name| name.durable.is_some());
            for (name, Name { durable, node, .. }) in &mut of.names {
                let (dirent, home) = (durable.unwrap_or(EMPTY), Some((folder, Arc::clone(name))));
                let (clusters, mtime) = (dirent.size.div_ceil(SECTOR as u64) as usize, self.clock);
                *node = Some(self.nodes.len());
                self.nodes.push(Node { dirent, clusters, home, mtime, ..Node::default() });
            }
        }
    }
}

impl Folder {
    fn crash(&mut self, fate: &mut dyn Fate) {
        (self.durable, self.claimed) = (self.durable || fate.reaches(), false);
        let mut ghosts: Vec<(Arc<OsStr>, Dirent)> = Vec::new();
        for (long, name) in &mut self.names {
            let Some(pending) = name.pending else { continue };
            if fate.reaches() {
                name.write();
            } else if let Some(passed) = name.passed.filter(|_| fate.reaches()) {
                name.durable = passed;
            } else if let (Some(short), Some(entry)) =
                (short_form(long), pending.or(name.passed.flatten()).or(name.durable))
                && fate.tears()
            {
                // Of its slots, which lie in two sectors, only the last reached the card, or only it is left.
                name.durable = None;
                ghosts.push((short.into(), entry));
            }
            (name.pending, name.passed) = (None, None);
        }
        for (short, entry) in ghosts {
            self.names.insert(short, Name { durable: Some(entry), ..Name::default() });
        }
    }
}

/// The name by which systems of old know a file whose name is not one of theirs, where no other has it.
fn short_form(long: &OsStr) -> Option<OsString> {
    let long = long.to_str()?;
    let (base, end) = long.rsplit_once('.').unwrap_or((long, ""));
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "!#$%&'()-@^_`{}~".contains(c);
    if base.len() <= 8 && end.len() <= 3 && base.chars().chain(end.chars()).all(is_plain) {
        return None;
    }
    let part = |text: &str, count: usize| -> String {
        let kept = text.chars().filter(|c| !" .".contains(*c));
        let kept = kept.map(|c| if is_plain(c) { c.to_ascii_uppercase() } else { '_' });
        kept.take(count).collect()
    };
    let dot = if end.is_empty() { "" } else { "." };
    Some(format!("{}~1{dot}{}", part(base, 6), part(end, 3)).into())
}

impl Chain {
    fn crash(&mut self, fate: &mut dyn Fate) {
        let held = self.now.len();
        let dirty = self.dirty();
        let kept: Vec<usize> = dirty
            .iter()
            .map(|_| match fate.reaches() {
                true if fate.tears() => SECTOR / 2,
                true => SECTOR,
                false => 0,
            })
            .collect();
        if self.linked != held {
            if fate.reaches() {
                self.linked = held;
            } else if self.linked.abs_diff(held) > 1 && fate.tears() {
                self.linked = usize::midpoint(self.linked, held);
            }
        }
        self.freed_durably |= self.freed && fate.reaches();
        self.freed = self.freed_durably;
        // What lies behind the end that the kernel saw is as it was on the card.
        let behind: Vec<Sector> = (held..self.linked).map(|at| self.on_card(at)).collect();
        for (at, kept) in dirty.into_iter().zip(kept).filter(|(_, kept)| *kept < SECTOR) {
            let before = self.on_card(at);
            Arc::make_mut(&mut self.now)[at][kept..].copy_from_slice(&before[kept..]);
        }
        if self.linked != held {
            let now = Arc::make_mut(&mut self.now);
            now.extend(behind);
            now.truncate(self.linked);
        }
        self.sync();
    }
}
