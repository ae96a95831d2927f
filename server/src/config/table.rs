//! The machinery of the table: a row becomes a field of [`Config`] and an entry of its `KEYS`. Pure.

use toml::de::DeValue;

use super::Config;

/// A value as it was given, not yet read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Raw<'a> {
    /// From the environment, the command line or the file of a secret.
    Text(&'a str),
    /// From the configuration file.
    Toml(&'a DeValue<'a>),
}

/// Where a value came from; the later one wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody said anything.
    Default,
    /// The configuration file.
    File,
    /// An environment variable.
    Environment,
    /// The command line.
    Flag,
}

/// One key: how people name it, and how its field is read and written.
pub struct Key {
    /// Its name in the file: `s3.bucket`.
    pub name: &'static str,
    /// What it is, its unit and its form: lines for people.
    pub about: &'static [&'static str],
    /// Is it shown to nobody?
    pub secret: bool,
    /// What it accepts, in words: `a text`.
    pub wanted: &'static str,
    /// Reads a value into its field.
    pub(super) set: fn(&mut Config, Raw<'_>) -> Result<(), String>,
    /// Its field as TOML; `None`: not set, or a secret.
    pub(super) toml: fn(&Config) -> Option<String>,
    /// Is its field set at all?
    pub(super) is_set: fn(&Config) -> bool,
}

impl Key {
    /// Its environment variable.
    pub fn variable(&self) -> String {
        format!("RETROSYNC_{}", self.name.to_ascii_uppercase().replace('.', "_"))
    }

    /// The section of the file it is in, and its name there.
    pub fn place(&self) -> (Option<&'static str>, &'static str) {
        self.name.split_once('.').map_or((None, self.name), |(section, name)| (Some(section), name))
    }

    /// The key of this name.
    pub fn of(name: &str) -> Option<&'static Key> {
        Config::KEYS.iter().find(|key| key.name == name)
    }
}

/// The rows of the table: `"name" field: Type = default;`, each with its comment.
macro_rules! keys {
    ($($(#[doc = $about:literal])+ $name:literal $field:ident: $type:ty = $default:expr;)+) => {
        /// What the server was told: every key of the table with its value.
        #[derive(Clone, Debug)]
        pub struct Config {
            $($(#[doc = $about])+ pub $field: $type,)+
            /// What else is to be known: where each value came from.
            pub(in crate::config) given: load::Origins,
        }

        impl Config {
            /// All keys, in the order in which people read them.
            pub const KEYS: &'static [Key] = &[$(Key {
                name: $name,
                about: &[$($about),+],
                secret: <$type as values::Setting>::SECRET,
                wanted: <$type as values::Setting>::WANTED,
                set: |config, raw| {
                    config.$field = <$type as values::Setting>::read(raw)?;
                    Ok(())
                },
                toml: |config| values::Setting::toml(&config.$field),
                is_set: |config| values::Setting::is_set(&config.$field),
            }),+];
        }

        impl Default for Config {
            fn default() -> Config {
                Config { $($field: $default,)+ given: load::Origins::default() }
            }
        }
    };
}
pub(super) use keys;
