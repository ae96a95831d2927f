//! What `deploy/` and docs/HOSTING.md promise, held by what can run without Docker or a cluster: the program in an empty root,
//! every setting against the program's own table, YAML against the published schemas, the unit by systemd's own judgement.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod empty_root;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_retrosync-server");

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(file: &str) -> String {
    std::fs::read_to_string(project().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Says that something is not shown, for want of that; a failure where all was installed that is wanted.
fn not_tried(what: &str, want: &str) {
    println!("{what}: not tried, for want of {want}");
    assert!(std::env::var_os("RETROSYNC_NO_SKIPS").is_none(), "{what}: not tried, for want of {want}");
}

/// A tool of `scripts/setup deploy`.
fn tool(name: &str) -> Option<PathBuf> {
    Some(project().join(".tools/deploy/bin").join(name)).filter(|path| path.exists())
}

/// Every variable that the program knows, as it prints them itself.
fn known_variables() -> BTreeSet<String> {
    let output = Command::new(PROGRAM).args(["config", "--default"]).env_clear().output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let named = text.lines().filter_map(|line| line.strip_prefix("# RETROSYNC_")?.split_once(':'));
    // The file of them all is no key in itself.
    named.map(|(name, _)| format!("RETROSYNC_{name}")).chain(["RETROSYNC_CONFIG".to_owned()]).collect()
}

/// Every variable that a text names.
fn variables_in(text: &str) -> BTreeSet<String> {
    let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let names = text.match_indices("RETROSYNC_").map(|(at, _)| {
        let rest = &text[at..];
        &rest[..rest.find(|c| !fits(c)).unwrap_or(rest.len())]
    });
    names.map(str::to_owned).collect()
}

#[test]
fn every_setting_in_the_examples_is_one_that_the_program_knows() {
    let mut known = known_variables();
    // What a firmware without our program sets for its script.
    known.extend(variables_in(&read("docs/save.sh")));
    assert!(known.contains("RETROSYNC_LISTEN") && known.contains("RETROSYNC_TLS_SELF_SIGNED"), "{known:?}");
    let files = [
        ("deploy/Dockerfile", 1),
        ("deploy/compose.yaml", 1),
        ("deploy/compose.cluster.yaml", 8),
        ("deploy/kubernetes.yaml", 8),
        ("deploy/retrosync-server.service", 0),
        ("docs/HOSTING.md", 1),
    ];
    for (file, at_least) in files {
        let named = variables_in(&read(file));
        assert!(named.len() >= at_least, "{file}: {named:?}");
        for name in named {
            let key = name.strip_suffix("_FILE").filter(|_| !known.contains(&name)).unwrap_or(&name);
            assert!(known.contains(key), "{file} names `{name}`");
        }
    }
}

#[test]
fn the_page_about_hosting_names_files_and_keys_that_are_there() {
    let page = read("docs/HOSTING.md");
    for link in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(project().join("docs").join(link).exists(), "{link}");
    }
    let known = known_variables();
    let spoken = page.split('`').skip(1).step_by(2).filter_map(|text| text.split(' ').next());
    let keys = spoken.filter(|word| {
        ["tls.", "s3.", "log.", "limits.", "metrics."].iter().any(|part| word.starts_with(part))
    });
    let mut count = 0;
    for key in keys {
        let variable = format!("RETROSYNC_{}", key.replace('.', "_").to_uppercase());
        assert!(known.contains(&variable), "{key}");
        count += 1;
    }
    assert!(count > 5, "{count}");
}

/// The documents of YAML files, judged.
fn documents(files: &[&str]) -> Option<Vec<Value>> {
    let Some(python) = tool("python") else {
        not_tried("YAML", "scripts/setup deploy");
        return None;
    };
    let output = Command::new(python)
        .arg(project().join("server/tests/deploy/judge.py"))
        .args(files.iter().map(|file| project().join(file)))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// The program takes these settings.
fn accepts(what: &str, environment: &Value, folder: &Path) {
    let mut command = Command::new(PROGRAM);
    command.args(["config"]).env_clear();
    for (name, value) in environment.as_object().unwrap() {
        let mut value = value.as_str().unwrap_or_else(|| panic!("{what}: `{name}` is no text")).to_owned();
        // What the owner must say.
        if value.starts_with("${RETROSYNC_PUBLIC_URL:?") {
            value = "https://saves.example.org".to_owned();
        }
        if let Some(secret) = value.strip_prefix("/run/secrets/") {
            let file = folder.join(secret);
            std::fs::write(&file, "a secret\n").unwrap();
            value = file.to_string_lossy().into_owned();
        }
        command.env(name, value);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(!shown.contains("a secret"), "{what}: {shown}");
}

#[test]
fn the_compose_files_and_what_they_tell_the_program_are_as_both_want_them() {
    let Some(documents) = documents(&["deploy/compose.yaml", "deploy/compose.cluster.yaml"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut servers = 0;
    for document in &documents {
        for (name, service) in document["services"].as_object().unwrap() {
            if service["image"] == "retrosync-server" {
                accepts(name, &service["environment"], folder.path());
                assert_eq!(service["read_only"], true, "{name}");
                assert_eq!(service["cap_drop"][0], "ALL", "{name}");
                servers += 1;
            }
        }
    }
    assert_eq!(servers, 3);
}

#[test]
fn kubernetes_knows_every_word_of_the_example() {
    let Some(validate) = tool("kubernetes-validate") else {
        return not_tried("Kubernetes", "scripts/setup deploy");
    };
    let file = project().join("deploy/kubernetes.yaml");
    let output = Command::new(validate).arg("--strict").arg(&file).output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches(" passed for resource ").count(), 6, "{said}");

    let documents = documents(&["deploy/kubernetes.yaml"]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    accepts("the ConfigMap", &documents[0]["data"], folder.path());
    let text = documents[1].to_string();
    for claim in [
        r#""runAsNonRoot":true"#,
        r#""readOnlyRootFilesystem":true"#,
        r#""drop":["ALL"]"#,
        r#""secretKeyRef""#,
    ] {
        assert!(text.contains(claim), "{claim}");
    }
}

#[test]
fn systemd_reads_the_unit_and_calls_it_safe() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return not_tried("the unit", "systemd-analyze");
    }
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("retrosync-server.service");
    // This machine's program, and a user that this machine has.
    let text = read("deploy/retrosync-server.service");
    let text =
        text.replace("/usr/local/bin/retrosync-server", PROGRAM).replace("User=retrosync\n", "User=daemon\n");
    assert!(text.contains(PROGRAM) && text.contains("User=daemon"));
    std::fs::write(&unit, text).unwrap();
    for words in [&["verify"][..], &["security", "--offline=true", "--threshold=20"]] {
        let output = Command::new("systemd-analyze").args(words).arg(&unit).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success() && said.is_empty(),
            "{words:?}: {said}{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}
