//! Defaults, file, environment, command line: the later wins. Reads the configuration file and the files of secrets.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::file::{entries, unknown};
use super::table::{Key, Raw, Source};
use super::{Config, Database};

/// Names of variables from before there was a table.
const OLDER_VARIABLES: &[(&str, &str)] = &[("RETROSYNC_LOG", "log.level")];
/// The file, for who cannot give arguments.
const FILE_VARIABLE: &str = "RETROSYNC_CONFIG";
/// A file of a secret holds a line.
const SECRET_BYTES: u64 = 64 << 10;

/// Where each value came from, and what is odd about it all.
#[derive(Clone, Debug, Default)]
pub(super) struct Origins {
    of: BTreeMap<&'static str, Source>,
    secret_files: BTreeMap<&'static str, PathBuf>,
    warnings: Vec<String>,
}

/// What the outside gives beside the defaults.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// `--config`
    pub file: Option<PathBuf>,
    /// Environment variables; only ours are looked at.
    pub environment: Vec<(OsString, OsString)>,
    /// Keys and texts from the command line, in their order.
    pub flags: Vec<(String, String)>,
}

impl Config {
    /// Puts together what was given.
    ///
    /// # Errors
    /// When a key is unknown, a value is not of its type, or a file cannot be read.
    pub fn load(given: &Given) -> Result<Config, ConfigError> {
        let mut config = Config::default();
        let named = given.environment.iter().find(|(name, _)| name == FILE_VARIABLE);
        let named = named.map(|(_, value)| PathBuf::from(value)).filter(|path| !path.as_os_str().is_empty());
        if let Some(path) = given.file.as_ref().or(named.as_ref()) {
            config.read_file(path)?;
        }
        config.read_environment(&given.environment)?;
        for (name, text) in &given.flags {
            let place = format!("`--set {name}=…`");
            if Key::of(name).is_some_and(|key| key.secret) {
                return Err(ConfigError::new(format!("{place}: everybody on this machine sees arguments"))
                    .help(format!("put the secret into a file: `--set {name}_file=PATH`")));
            }
            if let Ok(Database::Postgres { password: Some(_), .. }) = text.parse()
                && name == "database"
            {
                return Err(Config::password_in("--set database"));
            }
            config.take(Source::Flag, &place, name, Raw::Text(text))?;
        }
        Ok(config)
    }

    /// The refusal of a database's address with a password in it, given as an argument.
    pub fn password_in(argument: &str) -> ConfigError {
        ConfigError::new(format!("`{argument}`: everybody on this machine sees arguments, and a password is in this one"))
            .help("leave it out there, and put it into a file: `--set database_password_file=PATH`, or RETROSYNC_DATABASE_PASSWORD_FILE")
    }

    /// The refusal of an argument, which is not repeated: it may hold a password.
    pub fn unfit_argument(argument: &str, why: &str) -> ConfigError {
        ConfigError::new(format!("`{argument}`: {why}"))
    }

    /// Where a key's value came from.
    pub fn source(&self, key: &Key) -> Source {
        self.given.of.get(key.name).cloned().unwrap_or(Source::Default)
    }

    /// The file that a secret was read from.
    pub(super) fn secret_file(&self, key: &Key) -> Option<&Path> {
        self.given.secret_files.get(key.name).map(PathBuf::as_path)
    }

    /// What is odd and yet no reason to refuse: lines for the log.
    pub fn warnings(&self) -> &[String] {
        &self.given.warnings
    }

    fn read_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConfigError::new(format!("cannot read the configuration `{}`: {error}", path.display()))
                .help("`retrosync-server config --default` prints a fresh one")
        })?;
        for entry in entries(path, &text)? {
            let place = format!("`{}`: line {}", path.display(), entry.line);
            self.take(Source::File, &place, &entry.name, Raw::Toml(&entry.value))?;
        }
        Ok(())
    }

    fn read_environment(&mut self, environment: &[(OsString, OsString)]) -> Result<(), ConfigError> {
        // An empty variable is one that was not given: that is how compose files pass on what is not set.
        let value = |name: &str| {
            environment
                .iter()
                .find(|(known, value)| known == name && !value.is_empty())
                .map(|(_, value)| value)
        };
        let mut known: Vec<(String, String)> =
            OLDER_VARIABLES.iter().map(|(variable, name)| ((*variable).into(), (*name).into())).collect();
        for key in Config::KEYS {
            if key.secret {
                known.push((format!("{}_FILE", key.variable()), format!("{}_file", key.name)));
            }
            known.push((key.variable(), key.name.into()));
        }
        for (variable, name) in &known {
            let Some(value) = value(variable) else { continue };
            let place = format!("environment variable `{variable}`");
            let text = value.to_str().ok_or_else(|| ConfigError::new(format!("{place}: it is not UTF-8")))?;
            self.take(Source::Environment, &place, name, Raw::Text(text))?;
        }
        self.warn_of_strangers(environment, &known);
        Ok(())
    }

    /// A variable that looks like one of ours and is none. Only a warning: Kubernetes sets some of that look for each service.
    fn warn_of_strangers(&mut self, environment: &[(OsString, OsString)], known: &[(String, String)]) {
        let sections: Vec<String> = Config::KEYS
            .iter()
            .filter_map(|key| key.place().0)
            .map(|section| format!("RETROSYNC_{}_", section.to_ascii_uppercase()))
            .collect();
        for name in environment.iter().filter_map(|(name, _)| name.to_str()) {
            let ours = sections.iter().any(|section| name.starts_with(section));
            if ours && !known.iter().any(|(variable, _)| variable == name) {
                self.given
                    .warnings
                    .push(format!("environment variable `{name}` is not a key and does nothing"));
            }
        }
    }

    /// Sets one key, or the file of a secret.
    fn take(&mut self, source: Source, place: &str, name: &str, raw: Raw<'_>) -> Result<(), ConfigError> {
        if let Some(key) = Key::of(name) {
            return self.set(source, place, key, raw);
        }
        let key = name.strip_suffix("_file").and_then(Key::of).filter(|key| key.secret);
        let key = key.ok_or_else(|| unknown(place, name))?;
        let path = match raw {
            Raw::Text(text) => text,
            Raw::Toml(value) => value
                .as_str()
                .ok_or_else(|| ConfigError::new(format!("{place}: `{name}`: expected a path")))?,
        };
        let secret = secret_in(Path::new(path))
            .map_err(|why| ConfigError::new(format!("{place}: `{name}`: cannot read `{path}`: {why}")))?;
        self.set(source, place, key, Raw::Text(&secret))?;
        self.given.secret_files.insert(key.name, path.into());
        Ok(())
    }

    fn set(&mut self, source: Source, place: &str, key: &Key, raw: Raw<'_>) -> Result<(), ConfigError> {
        if key.secret && self.given.of.get(key.name) == Some(&source) {
            return Err(ConfigError::new(format!("{place}: `{}` is given twice", key.name))
                .help(format!("give `{0}` or `{0}_file`", key.name)));
        }
        (key.set)(self, raw).map_err(|why| ConfigError::new(format!("{place}: `{}`: {why}", key.name)))?;
        self.given.of.insert(key.name, source.clone());
        self.given.secret_files.remove(key.name);
        // A password within the URL is a secret like one beside it.
        if let Database::Postgres { password, .. } = &mut self.database
            && let Some(password) = password.take()
            && let Some(key) = Key::of("database_password")
        {
            return self.set(source, place, key, Raw::Text(password.reveal()));
        }
        Ok(())
    }
}

/// The one line of a secret's file.
fn secret_in(path: &Path) -> Result<String, String> {
    use std::io::Read as _;
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(SECRET_BYTES).read_to_string(&mut text).map_err(|error| error.to_string())?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err("it is empty".into()),
        line if line.contains('\n') => Err("it has more than one line".into()),
        line => Ok(line.to_owned()),
    }
}
