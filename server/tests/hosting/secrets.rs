//! A secret is in no output of any command, in no log, page or message, however it was given and whatever goes wrong.

use std::path::Path;
use std::process::Command;

use crate::support::Server;
use crate::{program, said};

/// A word that nothing else says.
const SECRET: &str = "Zq7xSecretWord";

/// Runs it, and looks for the secret in all that it says.
#[track_caller]
fn is_silent(what: &str, command: &mut Command) -> String {
    let output = command.output().unwrap();
    let told = said(&output);
    assert!(!told.contains(SECRET), "{what}: {told}");
    told
}

/// A folder with a configuration file.
fn folder_with(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("f.toml"), text).unwrap();
    std::fs::write(folder.path().join("secret"), format!("{SECRET}\n")).unwrap();
    folder
}

/// One that only reads the configuration, and one that opens what it names.
fn commands(folder: &Path) -> Vec<Command> {
    // All that open the parts do it in one place: one of them speaks for them.
    let rows: [&[&str]; 2] = [&["config"], &["check"]];
    let with = |arguments: &&[&str]| {
        let mut command = program(folder);
        command.args(*arguments).args(["--config", "f.toml"]).env("RETROSYNC_LOG", "trace");
        command
    };
    rows.iter().map(with).collect()
}

#[test]
fn no_command_shows_a_secret_however_it_was_given() {
    // Nobody listens there: whoever tries to connect fails, and says so.
    let url = format!("postgres://ada:{SECRET}@127.0.0.1:9/saves");
    let rows = [
        ("a URL of the file", format!("database = \"{url}\"\n"), None),
        ("a URL of the environment", String::new(), Some(("RETROSYNC_DATABASE", url.clone()))),
        (
            "a key",
            format!("database = \"postgres://ada@127.0.0.1:9/x\"\ndatabase_password = \"{SECRET}\"\n"),
            None,
        ),
        (
            "a key of the environment",
            "database = \"postgres://ada@127.0.0.1:9/x\"\n".into(),
            Some(("RETROSYNC_DATABASE_PASSWORD", SECRET.into())),
        ),
        (
            "a file of its own",
            "database = \"postgres://ada@127.0.0.1:9/x\"\n".into(),
            Some(("RETROSYNC_DATABASE_PASSWORD_FILE", "secret".into())),
        ),
        (
            "the bucket's keys",
            format!(
                "s3.bucket = \"b\"\ns3.endpoint = \"http://127.0.0.1:9\"\ns3.plain_http = true\n\
                     s3.access_key = \"{SECRET}1\"\ns3.secret_key = \"{SECRET}2\"\n"
            ),
            None,
        ),
    ];
    for (what, text, variable) in rows {
        let folder = folder_with(&text);
        for mut command in commands(folder.path()) {
            variable.as_ref().map(|(name, value)| command.env(name, value));
            is_silent(what, &mut command);
        }
        let mut command = program(folder.path());
        command.args(["config", "--config", "f.toml"]);
        variable.as_ref().map(|(name, value)| command.env(name, value));
        let told = is_silent(what, &mut command);
        let marked = told.contains("= \"…\"") || told.contains("database_password_file = \"secret\"");
        assert!(marked, "{what}: it does not say that there is a secret: {told}");
    }
}

#[test]
fn no_message_repeats_a_secret_that_stands_in_the_wrong_place() {
    let rows = [
        ("an open quote", format!("s3.secret_key = \"{SECRET}\n")),
        ("no quotes", format!("s3.secret_key = {SECRET}\n")),
        ("a list", format!("s3.secret_key = [\"{SECRET}\"]\n")),
        ("twice", format!("s3.secret_key = \"{SECRET}\"\ns3.secret_key = \"{SECRET}\"\n")),
        ("another key", format!("listen = \"{SECRET}\"\n")),
        ("another scheme", format!("database = \"mysql://ada:{SECRET}@db/x\"\n")),
        ("a password with a slash", format!("database = \"postgres://ada:a/{SECRET}@db/x\"\n")),
        ("a parameter", format!("database = \"postgres://ada@db/x?password={SECRET}\"\n")),
        ("an endpoint", format!("s3.endpoint = \"https://key:{SECRET}@host\"\n")),
    ];
    for (what, text) in rows {
        let folder = folder_with(&text);
        let told = is_silent(what, program(folder.path()).args(["serve", "--config", "f.toml"]));
        assert!(told.starts_with("error: ") && told.contains("line "), "{what}: {told}");
    }
    let folder = folder_with("");
    let url = format!("postgres://a:{SECRET}@127.0.0.1:9/x");
    for argument in
        [format!("s3.secret_key={SECRET}"), format!("database={url}?password=y"), format!("database={url}")]
    {
        let told = is_silent(&argument, program(folder.path()).args(["serve", "--set", &argument]));
        assert!(told.starts_with("error: "), "{told}");
    }
}

#[test]
fn a_password_that_everybody_on_the_machine_sees_is_not_taken() {
    let folder = folder_with("");
    let url = format!("postgres://a:{SECRET}@127.0.0.1:9/x");
    let set = format!("database={url}");
    let rows: [(&str, &[&str]); 3] = [
        ("--set database", &["check", "--set", &set]),
        ("--from", &["migrate", "--from", &url, "--to", "sqlite:x"]),
        ("--to", &["migrate", "--from", "sqlite:x", "--to", &url]),
    ];
    for (argument, words) in rows {
        let mut command = program(folder.path());
        let told = is_silent(argument, command.args(words));
        let begin = format!("error: `{argument}`: everybody on this machine sees arguments");
        assert!(told.starts_with(&begin) && told.contains("database_password_file"), "{told}");
        assert_eq!(command.output().unwrap().status.code(), Some(2));
    }
}

#[test]
fn a_running_server_shows_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.toml");
    std::fs::write(&file, format!("[metrics]\ntoken = \"{SECRET}\"\nlisten = \"127.0.0.1:0\"\n")).unwrap();
    let server = Server::start_with(&["--config", file.to_str().unwrap(), "--set", "log.level=trace"]);
    for path in ["/", "/health/ready", "/api/v1/health", "/admin"] {
        let authorization = format!("Bearer {SECRET}");
        let reply =
            server.bare("GET", path, &[("authorization", &authorization), ("x-api-key", SECRET)], None);
        assert!(!reply.text().contains(SECRET), "{path}");
    }
    let log = std::fs::read_to_string(server.log()).unwrap();
    assert!(log.contains("route=/health/ready") && !log.contains(SECRET), "{log}");
}
