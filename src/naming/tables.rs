//! PURE. The tables of systems and cores (`protocol/systems.toml`, `protocol/cores.toml`), as `build.rs` compacted and
//! checked them.

use std::sync::OnceLock;

use retrosync_protocol::Kind;

use crate::nearest::nearest;
use crate::packed;

/// One system.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct System {
    pub(crate) name: &'static str,
    /// What the battery save is: `sram`, or `card` with a slot.
    save: &'static str,
    /// The bytes load in one core only.
    pub(crate) keyed: bool,
    /// The core that most firmwares run it with; may be empty.
    pub(crate) core: &'static str,
    columns: Vec<(&'static str, Vec<&'static str>)>,
}

/// One core.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) name: &'static str,
    pub(crate) folders: Vec<&'static str>,
    pub(crate) systems: Vec<&'static str>,
    /// Its `Game.rtc` is VBA's block.
    pub(crate) has_block_clock: bool,
    pub(crate) files: Vec<FileRule>,
}

/// One of a core's files.
#[derive(Debug)]
pub(crate) struct FileRule {
    pub(crate) extension: &'static str,
    save: &'static str,
    pub(crate) keyed: bool,
    pub(crate) systems: Vec<&'static str>,
    /// Where it lies below the save folder; empty: in it.
    pub(crate) folder: &'static str,
    /// It is one file of this name for all games of a system; empty: named after its game.
    pub(crate) title: &'static str,
}

/// What a file is, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    pub(crate) kind: Kind,
    pub(crate) slot: Option<&'static str>,
    /// The core, where the bytes are its alone.
    pub(crate) core: Option<&'static str>,
}

/// Both tables.
pub(crate) struct Tables {
    pub(crate) systems: Vec<System>,
    pub(crate) cores: Vec<Core>,
}

static TABLES_PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tables.z"));

/// The tables that are compiled in.
pub(crate) fn tables() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(|| {
        // Read once and kept: the names in it are used as long as the program runs.
        let text: &'static str = packed::unpack(TABLES_PACKED).leak();
        let (systems, cores) = text.split_once('\0').unwrap_or_default();
        Tables { systems: systems.lines().map(system).collect(), cores: cores.lines().map(core).collect() }
    })
}

fn system(line: &'static str) -> System {
    let mut cells = line.split('\t');
    let mut next = || cells.next().unwrap_or_default();
    let (name, core, save, keyed) = (next(), next(), next(), next() == "1");
    let columns =
        cells.filter_map(|cell| cell.split_once('=')).map(|(name, words)| (name, list(words))).collect();
    System { name, save, keyed, core, columns }
}

fn core(line: &'static str) -> Core {
    let mut cells = line.split('\t');
    let mut next = || cells.next().unwrap_or_default();
    let (name, folders, systems, has_block_clock) = (next(), list(next()), list(next()), next() == "block");
    let rule = |cell: &'static str| {
        let mut words = cell.split(':');
        let mut next = || words.next().unwrap_or_default();
        FileRule {
            extension: next(),
            save: next(),
            keyed: next() == "1",
            systems: list(next()),
            folder: next(),
            title: next(),
        }
    };
    let mut files: Vec<FileRule> = cells.map(rule).collect();
    match &files[..] {
        [] => files.push(rule("srm")),
        [none] if none.extension == "-" => files.clear(),
        _ => {}
    }
    Core { name, folders, systems, has_block_clock, files }
}

fn list(cell: &'static str) -> Vec<&'static str> {
    cell.split('|').filter(|word| !word.is_empty()).collect()
}

/// Is there a system of this name?
pub(crate) fn is_system(name: &str) -> bool {
    tables().system(name).is_some()
}

/// The system that was probably meant.
pub(crate) fn nearest_system(meant: &str) -> Option<String> {
    nearest(meant, tables().systems.iter().map(|system| system.name)).map(str::to_owned)
}

impl Tables {
    /// The system of this name.
    pub(crate) fn system(&self, name: &str) -> Option<&System> {
        self.systems.iter().find(|system| system.name == name)
    }

    /// The system whose folder is called `word` in the first of `columns` that has one.
    pub(crate) fn system_of_folder(&self, columns: &[String], word: &str) -> Option<&System> {
        columns.iter().find_map(|column| self.systems.iter().find(|system| system.has_folder(column, word)))
    }

    /// Is there any folder name in this column?
    pub(crate) fn has_column(&self, column: &str) -> bool {
        self.systems.iter().any(|system| system.columns.iter().any(|(name, _)| *name == column))
    }

    /// The core of this name.
    pub(crate) fn core(&self, name: &str) -> Option<&Core> {
        self.cores.iter().find(|core| core.name == name)
    }

    /// The core that keeps files of its own in such a folder below where saves lie, and that folder's name in the table: the
    /// innermost of these, one or two levels deep.
    pub(crate) fn core_of_subfolder(&self, folders: &[&str]) -> Option<(&Core, &'static str)> {
        if folders.is_empty() {
            return None;
        }
        let ends = |own: &str| {
            let own: Vec<&str> = own.split('/').collect();
            let last = folders.len().checked_sub(own.len()).and_then(|at| folders.get(at..));
            let mut pairs = last.unwrap_or_default().iter().zip(&own);
            last.is_some() && pairs.all(|(here, own)| here.eq_ignore_ascii_case(own))
        };
        let rules = self.cores.iter().flat_map(|core| core.files.iter().map(move |rule| (core, rule.folder)));
        rules.filter(|(_, own)| !own.is_empty()).find(|(_, own)| ends(own))
    }

    /// The one file of its name that a core keeps for all games: whose it is, and its rule. `core`, `system`: where known.
    pub(crate) fn shared(
        &self,
        core: Option<&Core>,
        system: Option<&System>,
        fits: impl Fn(&FileRule) -> bool,
    ) -> Option<(&Core, &FileRule)> {
        let cores = self.cores.iter().filter(|one| core.is_none_or(|core| core.name == one.name));
        let mut rules = cores.flat_map(|core| core.files.iter().map(move |rule| (core, rule)));
        rules.find(|(_, rule)| {
            let its = system.is_none_or(|system| rule.systems.contains(&system.name));
            !rule.title.is_empty() && its && fits(rule)
        })
    }

    /// The core that a firmware spells in its own way: `genesisplusgx`, `vba-m`, `pce_fast`.
    pub(crate) fn core_spelled(&self, word: &str) -> Option<&Core> {
        let bare = |name: &str| name.replace(['_', '-'], "").to_ascii_lowercase();
        let word = bare(word);
        let is = |core: &&Core| {
            let name = bare(core.name);
            name == word || name.strip_prefix("mednafen") == Some(&word)
        };
        self.cores.iter().find(is)
    }

    /// The core whose RetroArch folder is called `folder`.
    pub(crate) fn core_of_folder(&self, folder: &str) -> Option<&Core> {
        let bare = folder.strip_suffix("-32").or_else(|| folder.strip_suffix("-64")).unwrap_or(folder);
        let is = |word: &str| word.eq_ignore_ascii_case(folder) || word.eq_ignore_ascii_case(bare);
        self.cores.iter().find(|core| core.folders.iter().any(|word| is(word)))
    }
}

impl System {
    /// What its folder is usually called where these columns count.
    pub(crate) fn usual_folder(&self, columns: &[String]) -> Option<&'static str> {
        let of = |column: &String| self.columns.iter().find(|(name, _)| name == column)?.1.first().copied();
        columns.iter().find_map(of)
    }

    fn has_folder(&self, column: &str, word: &str) -> bool {
        let mut columns = self.columns.iter().filter(|(name, _)| *name == column);
        columns.any(|(_, words)| words.iter().any(|one| one.eq_ignore_ascii_case(word)))
    }
}

impl Core {
    /// Does it run this system?
    pub(crate) fn runs(&self, system: &str) -> bool {
        self.systems.contains(&system)
    }

    /// The files that it writes for a system, the battery save first.
    pub(crate) fn files<'a>(&'a self, system: &'a str) -> impl Iterator<Item = &'a FileRule> {
        let own = self.files.iter().filter(move |f| f.systems.is_empty() || f.systems.contains(&system));
        own.filter(|_| self.runs(system))
    }

    /// What one of its files is.
    pub(crate) fn meaning(&self, rule: &FileRule, system: &System) -> Meaning {
        let keyed = rule.keyed || system.keyed;
        meaning(if rule.save.is_empty() { system.save } else { rule.save }, keyed.then_some(self.name))
    }
}

/// What a system's battery save is where no core has a say.
pub(crate) fn plain_meaning(system: &System) -> Option<Meaning> {
    (!system.keyed).then(|| meaning(system.save, None))
}

fn meaning(save: &'static str, core: Option<&'static str>) -> Meaning {
    let (kind, slot) = save.split_once('.').map_or((save, None), |(kind, slot)| (kind, Some(slot)));
    let kind = match kind {
        "card" => Kind::Card,
        "rtc" => Kind::Rtc,
        _ => Kind::Sram,
    };
    Meaning { kind, slot, core }
}
