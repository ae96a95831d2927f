//! PURE. The tables of systems and cores (`protocol/systems.toml`, `protocol/cores.toml`), as `build.rs` compacted and
//! checked them.

use std::sync::OnceLock;

use retrosync_protocol::Kind;

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
    /// Where its own files lie below the save folder; empty: in it.
    pub(crate) subfolder: &'static str,
    files: Vec<FileRule>,
}

/// One of a core's files.
#[derive(Debug)]
pub(crate) struct FileRule {
    pub(crate) extension: &'static str,
    save: &'static str,
    pub(crate) keyed: bool,
    systems: Vec<&'static str>,
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

static PLAIN: FileRule = FileRule { extension: "srm", save: "", keyed: false, systems: Vec::new() };

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
    let (name, folders, systems, subfolder) = (next(), list(next()), list(next()), next());
    let files = cells
        .map(|cell| {
            let mut words = cell.split(':');
            let mut next = || words.next().unwrap_or_default();
            FileRule { extension: next(), save: next(), keyed: next() == "1", systems: list(next()) }
        })
        .collect();
    Core { name, folders, systems, subfolder, files }
}

fn list(cell: &'static str) -> Vec<&'static str> {
    cell.split('|').filter(|word| !word.is_empty()).collect()
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

    /// The core that keeps its own files in a folder of that name.
    pub(crate) fn core_of_subfolder(&self, folder: &str) -> Option<&Core> {
        let mut cores = self.cores.iter().filter(|core| !core.subfolder.is_empty());
        cores.find(|core| core.subfolder.eq_ignore_ascii_case(folder))
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

    /// What may follow a game's name in what it writes.
    pub(crate) fn extensions(&self) -> impl Iterator<Item = &'static str> {
        let plain = self.files.is_empty().then_some(PLAIN.extension);
        plain.into_iter().chain(self.files.iter().map(|rule| rule.extension))
    }

    /// The files that it writes for a system, the battery save first.
    pub(crate) fn files<'a>(&'a self, system: &'a str) -> impl Iterator<Item = &'a FileRule> {
        let plain = self.files.is_empty().then_some(&PLAIN);
        let own = self.files.iter().filter(move |f| f.systems.is_empty() || f.systems.contains(&system));
        plain.into_iter().chain(own).filter(|_| self.runs(system))
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
