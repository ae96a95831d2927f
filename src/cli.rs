//! Arguments to a command, and the one list of commands.
//!
//! Global flags may stand anywhere. Decides nothing about saves: each command is one file below `cli/`.
//! To add a command: one file, one line in [`COMMANDS`], one text in `cli/lessons/`.

pub mod boot;
pub mod devices;
pub mod doctor;
pub mod help;
pub mod history;
pub mod hook;
pub mod pair;
mod questions;
pub mod recover;
pub mod resolve;
pub mod restore;
pub mod run;
pub mod saves;
pub mod screen;
pub mod start;
pub mod status;
pub mod unpair;

use std::ffi::OsString;
use std::path::PathBuf;

use crate::config::{self, Config};
use crate::error::{Error, Kind, Result};
use crate::logging;
use crate::nearest::nearest;
use crate::report::{Exit, Output};

/// A flag of one command.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// Its name without the dashes.
    pub name: &'static str,
    /// Does a value follow?
    pub takes_value: bool,
}

/// A command.
pub struct Command {
    /// What is typed.
    pub name: &'static str,
    /// One line for the list.
    pub summary: &'static str,
    /// At least and at most this many words.
    pub words: (usize, usize),
    /// Its own flags.
    pub flags: &'static [Flag],
    /// Does it.
    pub run: fn(&Call) -> Result<Exit>,
}

/// Every command, in the order of the list.
pub const COMMANDS: &[Command] = &[
    pair::COMMAND,
    run::RUN,
    run::ONCE,
    status::COMMAND,
    history::COMMAND,
    restore::COMMAND,
    resolve::COMMAND,
    devices::COMMAND,
    unpair::COMMAND,
    screen::COMMAND,
    doctor::COMMAND,
    start::START,
    start::STOP,
    boot::COMMAND,
    hook::COMMAND,
    recover::COMMAND,
];

/// The arguments, parsed.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// Where results go.
    pub output: Output,
    /// The command's name.
    pub command: &'static str,
    /// The words after the command.
    pub words: Vec<String>,
    flags: Vec<(&'static str, String)>,
    settings: Vec<(&'static str, String)>,
    config: Option<PathBuf>,
}

impl Call {
    /// Was this flag given?
    pub fn has(&self, flag: &str) -> bool {
        self.value(flag).is_some()
    }

    /// The value of a flag, if given.
    pub fn value(&self, flag: &str) -> Option<&str> {
        self.flags.iter().rev().find(|(name, _)| *name == flag).map(|(_, value)| value.as_str())
    }

    /// Sets a configuration value as if it had been given as a flag.
    pub fn set(&mut self, key: &'static str, value: String) {
        self.settings.push((key, value));
    }

    /// Flags, environment and file; also begins logging at the level they ask for.
    ///
    /// # Errors
    /// `Misused`.
    pub fn config(&self) -> Result<Config> {
        let environment = |name: &str| std::env::var(name).ok();
        let file = self.config.clone().or_else(|| environment("RETROSYNC_CONFIG").map(PathBuf::from));
        let file = file.or_else(config::file::usual);
        let config = Config::load(&self.settings, &environment, file.as_deref())?;
        // The daemon's log is all that it says; a command says itself what it did.
        let runs = [run::RUN.name, start::START.name].contains(&self.command);
        let usual = if runs { log::LevelFilter::Info } else { log::LevelFilter::Warn };
        logging::start(config.log.unwrap_or(usual));
        Ok(config)
    }

    /// The arguments of another command with these global flags, which answers in JSON.
    pub(crate) fn with(&self, words: &[&str]) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = words.iter().map(OsString::from).collect();
        arguments.push("--json".into());
        if let Some(file) = &self.config {
            arguments.extend(["--config".into(), file.into()]);
        }
        for (key, text) in &self.settings {
            arguments.extend([format!("--{}", key.replace('_', "-")).into(), text.into()]);
        }
        arguments
    }
}

/// Runs the program: says what is wrong in three lines, answers the exit code.
pub fn main(arguments: impl Iterator<Item = OsString>) -> Exit {
    let arguments: Vec<OsString> = arguments.collect();
    let output = Output { json: arguments.iter().any(|word| word == "--json") };
    parse(arguments).and_then(Parsed::run).unwrap_or_else(|error| {
        output.error(&error);
        Exit::of(&error)
    })
}

enum Parsed {
    Help(Option<&'static Command>),
    Version,
    Call(&'static Command, Call),
}

impl Parsed {
    fn run(self) -> Result<Exit> {
        match self {
            Parsed::Help(command) => help::print(command),
            Parsed::Version => crate::report::print(concat!("retrosync ", env!("CARGO_PKG_VERSION"))),
            Parsed::Call(command, call) => return (command.run)(&call),
        }
        Ok(Exit::Well)
    }
}

fn parse(arguments: Vec<OsString>) -> Result<Parsed> {
    use lexopt::Arg;
    let mut parser = lexopt::Parser::from_args(arguments);
    let (mut command, mut call) = (None::<&'static Command>, Call::default());
    while let Some(argument) = parser.next().map_err(|error| odd(&error, command))? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Parsed::Help(command)),
            Arg::Short('V') | Arg::Long("version") => return Ok(Parsed::Version),
            Arg::Long("json") => call.output.json = true,
            Arg::Short('v') | Arg::Long("verbose") => call.set("log", "debug".into()),
            Arg::Short('q') | Arg::Long("quiet") => call.set("log", "error".into()),
            Arg::Long("config") => call.config = Some(value(&mut parser, command)?.into()),
            Arg::Long(name) => {
                let own = command.and_then(|command| command.flags.iter().find(|flag| flag.name == name));
                if let Some(flag) = own {
                    let text = if flag.takes_value { text(&mut parser, command)? } else { String::new() };
                    call.flags.push((flag.name, text));
                } else if let Some(key) = config::KEYS.iter().find(|key| key.name.replace('_', "-") == name) {
                    call.settings.push((key.name, text(&mut parser, command)?));
                } else {
                    return Err(unknown_flag(name, command));
                }
            }
            Arg::Short(letter) => return Err(misused(format!("unknown option `-{letter}`"), command)),
            Arg::Value(word) => {
                let word = utf8(word, command)?;
                match command {
                    None if word == "help" => command = None,
                    None => command = Some(find(&word)?),
                    Some(_) => call.words.push(word),
                }
            }
        }
    }
    let Some(command) = command else { return Ok(Parsed::Help(None)) };
    call.command = command.name;
    let (least, most) = command.words;
    if call.words.len() < least {
        return Err(misused(format!("`{}` wants {}", command.name, usage(command)), Some(command)));
    }
    if let Some(extra) = call.words.get(most) {
        return Err(misused(format!("`{extra}` is one word too many"), Some(command)));
    }
    Ok(Parsed::Call(command, call))
}

/// The first line of a command's help without `retrosync`.
fn usage(command: &Command) -> String {
    format!(
        "`{}`",
        help::lesson(command.name).lines().next().unwrap_or_default().trim_start_matches("Usage: ")
    )
}

fn find(word: &str) -> Result<&'static Command> {
    COMMANDS.iter().find(|command| command.name == word).ok_or_else(|| {
        let error =
            Error::new(Kind::Misused, "cannot read the arguments", format!("unknown command `{word}`"));
        match nearest(word, COMMANDS.iter().map(|command| command.name)) {
            Some(near) => error.help(format!("did you mean `{near}`? `retrosync --help` lists them all")),
            None => error.help("`retrosync --help` lists them all"),
        }
    })
}

fn unknown_flag(name: &str, command: Option<&Command>) -> Error {
    let keys: Vec<String> = config::KEYS.iter().map(|key| key.name.replace('_', "-")).collect();
    let own = command.map_or(&[][..], |command| command.flags).iter().map(|flag| flag.name);
    let usual = ["help", "version", "json", "verbose", "quiet", "config"];
    let error = misused(format!("unknown option `--{name}`"), command);
    match nearest(name, own.chain(usual).chain(keys.iter().map(String::as_str))) {
        Some(near) => error.help(format!("did you mean `--{near}`?")),
        None => error,
    }
}

/// An error of the arguments that points at the command's help.
pub(crate) fn misused(cause: impl Into<String>, command: Option<&Command>) -> Error {
    let name = command.map_or(String::new(), |command| format!(" {}", command.name));
    Error::new(Kind::Misused, "cannot read the arguments", cause.into())
        .help(format!("`retrosync{name} --help` explains, with examples"))
}

/// What the reader of arguments refuses.
fn odd(error: &lexopt::Error, command: Option<&Command>) -> Error {
    match error {
        lexopt::Error::UnexpectedValue { option, value } => {
            misused(format!("`{option}` takes no value, and was given `{}`", value.display()), command)
        }
        lexopt::Error::MissingValue { option: Some(option) } => {
            misused(format!("`{option}` wants a value"), command)
        }
        other => misused(other.to_string(), command),
    }
}

fn value(parser: &mut lexopt::Parser, command: Option<&Command>) -> Result<OsString> {
    parser.value().map_err(|error| odd(&error, command))
}

fn text(parser: &mut lexopt::Parser, command: Option<&Command>) -> Result<String> {
    utf8(value(parser, command)?, command)
}

fn utf8(word: OsString, command: Option<&Command>) -> Result<String> {
    word.into_string()
        .map_err(|word| misused(format!("`{}` is not valid UTF-8", word.to_string_lossy()), command))
}
