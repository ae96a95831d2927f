//! The configuration as a commented TOML file that can be read back. Pure; shows no secret.

use std::fmt::Write as _;

use super::table::{Key, Source};
use super::values::{HIDDEN, quoted};
use super::{Config, ConfigError};

const HEAD: &str = "\
# The configuration of retrosync-server: `retrosync-server serve --config FILE`.
#
# Each key may also be an environment variable, which wins over this file, and `--set KEY=VALUE` on the command line, which
# wins over both. A secret is best kept in a file of its own: `KEY_file = \"/run/secrets/…\"`, or the variable with `_FILE`.
";

impl Config {
    /// A fresh file: every key with its default, as a comment.
    pub fn fresh() -> String {
        Config::default().written(true)
    }

    /// Every key with its value.
    pub fn effective(&self) -> String {
        self.written(false)
    }

    fn written(&self, fresh: bool) -> String {
        let mut text = HEAD.to_owned();
        let mut section = None;
        for key in Config::KEYS {
            let (within, name) = key.place();
            if within != section {
                section = within;
                let _ = write!(text, "\n[{}]\n", within.unwrap_or_default());
            }
            text.push('\n');
            for line in key.about {
                let _ = writeln!(text, "#{line}");
            }
            let _ = writeln!(text, "# {}: {}", key.variable(), self.note(key, fresh));
            text.push_str(&self.line(key, name, fresh));
        }
        text
    }

    /// What is beside the variable's name: the default, or who overruled it.
    fn note(&self, key: &Key, fresh: bool) -> String {
        let default =
            (key.toml)(&Config::default()).map_or("not set".into(), |value| format!("default {value}"));
        match self.source(key) {
            _ if fresh => default,
            Source::Default => default,
            Source::File => format!("{default}; set by the file"),
            Source::Environment => format!("{default}; set by the environment"),
            Source::Flag => format!("{default}; set by the command line"),
        }
    }

    fn line(&self, key: &Key, name: &str, fresh: bool) -> String {
        let mark = if fresh { "# " } else { "" };
        match ((key.toml)(self), self.secret_file(key)) {
            (Some(value), _) => format!("{mark}{name} = {value}\n"),
            (None, Some(path)) => format!("{name}_file = {}\n", quoted(&path.to_string_lossy())),
            // As a comment: whoever reads the file back still has the secret from where it came.
            (None, None) if (key.is_set)(self) => format!("# {name} = \"{HIDDEN}\"\n"),
            (None, None) => format!("# {name} = \"\"\n"),
        }
    }
}

impl Config {
    /// For a part that needs a key that is not set.
    pub fn lacks(name: &str, because: &str) -> ConfigError {
        let variable = Key::of(name).map(Key::variable).unwrap_or_default();
        ConfigError::new(format!("`{name}` is not set, and {because}"))
            .help(format!("set it in the file of `--config`, or as `{variable}`"))
    }
}
