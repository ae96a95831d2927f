//! Puts the data into the binary, deflated: `protocol/systems.toml` and `protocol/cores.toml` as compact tables, each
//! `device-profiles/*.toml` without its comments, its examples and what only the packages read, Mozilla's roots, the
//! lessons of `--help`, what each setting is, and the screen's texts and letters. A new device, system, core or language needs no Rust.
//!
//! Refuses what would make two systems of one folder or one core of two; `naming/tables.rs` reads the tables.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use toml::{Table, Value};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo:rerun-if-changed=build.rs");
    // No certificate is judged at an earlier time than this program is of (remote/trust.rs).
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    if let Ok(built) = env::var("SOURCE_DATE_EPOCH") {
        println!("cargo:rustc-env=RETROSYNC_BUILD_UNIX_S={built}");
    }
    let systems = read(Path::new("protocol/systems.toml"))?;
    let cores = read(Path::new("protocol/cores.toml"))?;
    let tables = [system_lines(&systems, &cores)?, core_lines(&cores, &systems)?];
    fs::write(out.join("tables.z"), packed(tables.join("\0").as_bytes())?)?;
    let profiles = profile_texts(Path::new("device-profiles"))?;
    fs::write(out.join("profiles.z"), packed(profiles.join("\0").as_bytes())?)?;
    fs::write(out.join("roots.z"), packed(&root_parts()?)?)?;
    let (names, texts) = texts(Path::new("src/screen/texts"))?;
    fs::write(out.join("texts.rs"), names)?;
    fs::write(out.join("texts.z"), packed(texts.as_bytes())?)?;
    fs::write(out.join("lessons.z"), packed(lessons(Path::new("src/cli/lessons"))?.as_bytes())?)?;
    fs::write(out.join("keys.z"), packed(keys(Path::new("src/config/keys.toml"))?.as_bytes())?)?;
    println!("cargo:rerun-if-changed=assets/fonts");
    fs::write(out.join("latin.z"), packed(&fs::read("assets/fonts/latin.font")?)?)?;
    Ok(())
}

/// As `src/packed.rs` unpacks it.
fn packed(bytes: &[u8]) -> Outcome<Vec<u8>> {
    // What goes on a card is packed as small as it gets, which takes its time.
    if env::var("OPT_LEVEL").is_ok_and(|level| level == "z") {
        let mut out = Vec::new();
        zopfli::compress(zopfli::Options::default(), zopfli::Format::Deflate, bytes, &mut out)?;
        return Ok(out);
    }
    Ok(miniz_oxide::deflate::compress_to_vec(bytes, 10))
}

/// Of each root its subject, its key and its constraints (empty if none), each after its length in two bytes.
fn root_parts() -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    for root in webpki_roots::TLS_SERVER_ROOTS {
        let constraints = root.name_constraints.as_deref().unwrap_or_default();
        for part in [&root.subject[..], &root.subject_public_key_info[..], constraints] {
            bytes.extend(u16::try_from(part.len())?.to_be_bytes());
            bytes.extend(part);
        }
    }
    Ok(bytes)
}

fn read(path: &Path) -> Outcome<Table> {
    println!("cargo:rerun-if-changed={}", path.display());
    Ok(fs::read_to_string(path)?.parse::<Table>().map_err(|e| format!("{}: {e}", path.display()))?)
}

/// `name TAB core TAB save TAB keyed (TAB column=folder|folder …)*`
fn system_lines(systems: &Table, cores: &Table) -> Outcome<String> {
    let mut text = String::new();
    let mut owners = BTreeMap::new();
    for (name, system) in systems {
        let system = table(name, system)?;
        system.get("title").and_then(Value::as_str).ok_or(format!("[{name}] has no title"))?;
        let core = system.get("core").and_then(Value::as_str).unwrap_or_default();
        let runs = cores.get(core).and_then(|core| core.get("systems")).and_then(Value::as_array);
        if !core.is_empty() && !runs.is_some_and(|runs| runs.iter().any(|one| one.as_str() == Some(name))) {
            return Err(format!("[{name}]: no core `{core}` runs it in cores.toml").into());
        }
        let save = system.get("save").and_then(Value::as_str).unwrap_or("sram");
        let keyed = system.get("keyed").and_then(Value::as_bool).unwrap_or(false);
        write!(text, "{name}\t{core}\t{save}\t{}", u8::from(keyed))?;
        for (column, folders) in
            system.iter().filter(|(key, _)| !["title", "core", "save", "keyed"].contains(&&***key))
        {
            let folders = words(name, folders)?;
            for folder in &folders {
                if let Some(other) = owners.insert((column.clone(), folder.to_lowercase()), name) {
                    return Err(format!("`{folder}` of {column} is both [{other}] and [{name}]").into());
                }
            }
            write!(text, "\t{column}={}", folders.join("|"))?;
        }
        text.push('\n');
    }
    Ok(text)
}

/// `name TAB folder|folder TAB system|system TAB clock (TAB extension:save:keyed:system|system:folder:title)*`; a lone `-` where a
/// core keeps no save
fn core_lines(cores: &Table, systems: &Table) -> Outcome<String> {
    let mut text = String::new();
    let mut owners = BTreeMap::new();
    for (name, core) in cores {
        let core = table(name, core)?;
        only(name, core, &["folders", "systems", "clock", "files"])?;
        let folders = words(name, core.get("folders").ok_or(format!("[{name}] has no folders"))?)?;
        for folder in &folders {
            if let Some(other) = owners.insert(folder.to_lowercase(), name) {
                return Err(format!("folder `{folder}` is both [{other}] and [{name}]").into());
            }
        }
        let runs = words(name, core.get("systems").ok_or(format!("[{name}] has no systems"))?)?;
        if let Some(unknown) = runs.iter().find(|system| !systems.contains_key(**system)) {
            return Err(format!("[{name}] runs `{unknown}`, which systems.toml does not have").into());
        }
        let clock = core.get("clock").and_then(Value::as_str).unwrap_or_default();
        write!(text, "{name}\t{}\t{}\t{clock}", folders.join("|"), runs.join("|"))?;
        let files = core.get("files").and_then(Value::as_array);
        if files.is_some_and(Vec::is_empty) {
            text.push_str("\t-");
        }
        for file in files.map_or(&[][..], Vec::as_slice) {
            let file = table(name, file)?;
            only(name, file, &["extension", "save", "keyed", "systems", "folder", "title"])?;
            let word = |key| file.get(key).and_then(Value::as_str).unwrap_or_default();
            let extension =
                file.get("extension").and_then(Value::as_str).ok_or(format!("[{name}]: no extension"))?;
            let save = word("save");
            let keyed = file.get("keyed").and_then(Value::as_bool).unwrap_or(false);
            let systems =
                file.get("systems").map(|systems| words(name, systems)).transpose()?.unwrap_or_default();
            let (folder, title) = (word("folder"), word("title"));
            if !title.is_empty() && systems.is_empty() {
                return Err(format!("[{name}]: `{title}` is of no system").into());
            }
            write!(text, "\t{extension}:{save}:{}:{}", u8::from(keyed), systems.join("|"))?;
            write!(text, ":{folder}:{title}")?;
        }
        text.push('\n');
    }
    Ok(text)
}

/// Each profile's text, without what the program does not read.
fn profile_texts(folder: &Path) -> Outcome<Vec<String>> {
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let text = |path: &PathBuf| {
        println!("cargo:rerun-if-changed={}", path.display());
        let text = fs::read_to_string(path)?;
        let (rules, examples) = text.split_once("\n[[example]]").unwrap_or((&text, ""));
        if let Some(late) = examples.lines().find(|l| l.starts_with('[') && l.trim() != "[[example]]") {
            return Err(format!("{}: `{late}` stands after the examples", path.display()).into());
        }
        let mut for_packages = false;
        let mut bare: Vec<&str> = Vec::new();
        for line in rules.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            // A list over several lines may begin a line with a bracket, but not with a name after it.
            if line.starts_with('[') && line.ends_with(']') && !line.contains(['"', ',']) {
                let name = line.trim_matches(['[', ']']).split('.').next().unwrap_or_default();
                for_packages = ["app", "boot", "hooks"].contains(&name);
            }
            bare.extend((!for_packages).then_some(line));
        }
        Ok(bare.join("\n"))
    };
    paths.iter().map(text).collect()
}

/// The languages of the screen, in the order in which they are listed.
const LANGUAGES: &[&str] = &["en", "es", "de", "fr", "pt", "ja", "zh"];

/// The names of the screen's texts as constants; and each language's code and texts in the order of the names, with a zero
/// between. Refuses a language that lacks a text, has one more, or fills in other places.
fn texts(folder: &Path) -> Outcome<(String, String)> {
    let (mut names, mut all) = (String::new(), Vec::new());
    let english = read(&folder.join("en.toml"))?;
    for (number, name) in english.keys().enumerate() {
        writeln!(names, "pub const {}: usize = {number};", name.to_uppercase())?;
    }
    for code in LANGUAGES {
        let path = folder.join(format!("{code}.toml"));
        let language = read(&path)?;
        only(code, &language, &english.keys().map(String::as_str).collect::<Vec<_>>())?;
        let mut words = vec![*code];
        for (name, english) in &english {
            let text = language.get(name).and_then(Value::as_str);
            let text = text.ok_or_else(|| format!("{}: no text `{name}`", path.display()))?;
            let places = |text: &str| ["{0}", "{1}"].map(|place| text.matches(place).count());
            if places(text) != places(english.as_str().unwrap_or_default()) {
                return Err(
                    format!("{}: `{name}` fills in other places than the English", path.display()).into()
                );
            }
            words.push(text);
        }
        all.push(words.join("\0"));
    }
    Ok((names, all.join("\u{1}")))
}

/// Each `NAME.txt` as `name NUL text`, with `\u{1}` between them.
fn lessons(folder: &Path) -> Outcome<String> {
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut lessons = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        lessons.push(format!("{name}\0{}", fs::read_to_string(&path)?));
    }
    lessons.sort();
    Ok(lessons.join("\u{1}"))
}

/// Each setting as `name NUL default NUL meaning`, with `\u{1}` between them.
fn keys(path: &Path) -> Outcome<String> {
    let mut keys = Vec::new();
    for (name, told) in &read(path)? {
        let told = table(name, told)?;
        only(name, told, &["default", "meaning"])?;
        let text = |of: &str| told.get(of).and_then(Value::as_str).ok_or(format!("[{name}]: no `{of}`"));
        keys.push(format!("{name}\0{}\0{}", text("default")?, text("meaning")?));
    }
    Ok(keys.join("\u{1}"))
}

fn table<'a>(name: &str, value: &'a Value) -> Outcome<&'a Table> {
    Ok(value.as_table().ok_or(format!("[{name}]: not a table"))?)
}

fn only(name: &str, table: &Table, keys: &[&str]) -> Outcome<()> {
    match table.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => Err(format!("[{name}]: unknown key `{key}`").into()),
        None => Ok(()),
    }
}

fn words<'a>(name: &str, value: &'a Value) -> Outcome<Vec<&'a str>> {
    let words = value.as_array().ok_or(format!("[{name}]: not a list"))?;
    let words: Option<Vec<&str>> = words.iter().map(Value::as_str).collect();
    let words = words.ok_or(format!("[{name}]: not a list of texts"))?;
    match words.iter().find(|word| word.contains(['\t', '|', '\n', '=', ':'])) {
        Some(word) => Err(format!("[{name}]: `{word}` has a character that the tables use").into()),
        None => Ok(words),
    }
}
