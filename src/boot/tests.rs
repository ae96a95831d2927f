//! Tests of boot.rs: real files, and a shell that is asked.
#![allow(clippy::unwrap_used)]
use super::*;

#[test]
fn another_s_lines_in_a_shared_script_are_as_they_were() {
    let rows: [(&str, &[u8], &[u8]); 8] = [
        (
            "an interpreter's line first",
            b"#!/bin/sh\nother &\nexit 0\n",
            b"#!/bin/sh\nours # added by RetroSync\nother &\nexit 0\n",
        ),
        ("no line end at the end", b"#!/bin/sh\nother", b"#!/bin/sh\nours # added by RetroSync\nother"),
        ("without an interpreter's line", b"other\n", b"ours # added by RetroSync\nother\n"),
        ("empty", b"", b"ours # added by RetroSync\n"),
        (
            "Windows line ends",
            b"#!/bin/sh\r\nother\r\n",
            b"#!/bin/sh\r\nours # added by RetroSync\nother\r\n",
        ),
        (
            "a comment in GBK",
            b"#!/bin/sh\n# \xb2\xe2\xca\xd4\n",
            b"#!/bin/sh\nours # added by RetroSync\n# \xb2\xe2\xca\xd4\n",
        ),
        (
            "another's that ends in our name",
            b"x # retrosync\n# by RetroSync\n",
            b"ours # added by RetroSync\nx # retrosync\n# by RetroSync\n",
        ),
        (
            "one that speaks of us",
            b"# retrosync is here\n",
            b"ours # added by RetroSync\n# retrosync is here\n",
        ),
    ];
    for (row, before, after) in rows {
        assert_eq!(with_line(before, "ours"), after, "{row}");
        assert_eq!(with_line(after, "ours"), after, "{row}: again");
        assert_eq!(with_line(&with_line(before, "of an older version"), "ours"), after, "{row}: updated");
        assert_eq!(without_lines(after), before, "{row}: removed");
    }
}

#[test]
fn a_script_behind_a_link_stays_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let (link, target) = (dir.path().join("auto.sh"), dir.path().join("theirs.sh"));
    fs::write(&target, "other\n").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    write(&link, b"ours\n").unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&target).unwrap(), "ours\n");
}

#[test]
fn what_was_switched_on_and_off_again_left_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let (app, card) = (dir.path().join("app"), dir.path().join("card"));
    fs::create_dir_all(card.join("startup")).unwrap();
    fs::create_dir_all(&app).unwrap();
    fs::write(card.join("auto.sh"), "#!/bin/sh\nother\n").unwrap();
    fs::write(app.join("boot.sh"), "exec {app}/retrosync start\n").unwrap();
    let hooks = format!(
        "[[hook]]\nfile = \"{card}/startup/own.sh\"\nfrom = \"{{app}}/boot.sh\"\n\
         [[hook]]\nfile = \"{card}/auto.sh\"\nline = \"{{app}}/boot.sh\"\n\
         [[hook]]\nfile = \"{card}/new/deep/auto.sh\"\nline = \"{{app}}/boot.sh\"\nfirst = \"#!/bin/sh\"\n\
         [[hook]]\nwhen = \"{card}/absent\"\nfile = \"{card}/absent/x\"\nline = \"x\"\n\
         [[hook]]\non = \"echo on >> {card}/said\"\noff = \"rm {card}/said\"\n",
        card = card.display()
    );
    fs::write(app.join("hooks.toml"), hooks).unwrap();
    let boot = Boot::of(&app).unwrap();
    assert_eq!(boot.state(), State::New);
    boot.on().unwrap();
    boot.on().unwrap();
    assert_eq!(boot.state(), State::On);
    let line = format!("{}/boot.sh # added by RetroSync", app.display());
    let read = |name: &str| fs::read_to_string(card.join(name)).unwrap();
    assert_eq!(read("startup/own.sh"), format!("exec {}/retrosync start\n", app.display()));
    assert_eq!(read("auto.sh"), format!("#!/bin/sh\n{line}\nother\n"));
    assert_eq!(read("new/deep/auto.sh"), format!("#!/bin/sh\n{line}\n"));
    assert_eq!(read("said"), "on\n", "once");

    fs::write(card.join("auto.sh"), "#!/bin/sh\nother\n").unwrap();
    assert_eq!(boot.state(), State::Gone, "the firmware was updated");
    boot.on().unwrap();
    assert_eq!(boot.state(), State::On);

    boot.off().unwrap();
    assert_eq!((boot.state(), read("auto.sh")), (State::Off, "#!/bin/sh\nother\n".into()));
    let left: Vec<_> = fs::read_dir(&card).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(fs::read_dir(card.join("startup")).unwrap().next().is_none());
}

/// An app with these hooks (`CARD` is the card's folder), and its card.
fn app(hooks: &str) -> (tempfile::TempDir, Boot) {
    let dir = tempfile::tempdir().unwrap();
    let (app, card) = (dir.path().join("app"), dir.path().join("card"));
    fs::create_dir_all(&app).unwrap();
    fs::create_dir_all(&card).unwrap();
    fs::write(app.join("hooks.toml"), hooks.replace("CARD", &card.display().to_string())).unwrap();
    let boot = Boot::of(&app).unwrap();
    (dir, boot)
}

#[test]
fn a_line_whose_firmware_has_changed_its_kind_goes_too() {
    let (dir, boot) = app("[[hook]]\nunless = \"CARD/new\"\nfile = \"CARD/auto.sh\"\nline = \"x\"\n\
         [[hook]]\nwhen = \"CARD/new\"\nfile = \"CARD/new/x.sh\"\nline = \"x\"\n");
    let auto = dir.path().join("card/auto.sh");
    fs::write(&auto, "other\n").unwrap();
    boot.on().unwrap();
    assert_ne!(fs::read_to_string(&auto).unwrap(), "other\n");
    fs::create_dir(dir.path().join("card/new")).unwrap();
    assert_eq!(boot.state(), State::Gone);
    boot.on().unwrap();
    assert_eq!((boot.state(), fs::read_to_string(&auto).unwrap()), (State::On, "other\n".into()));
    fs::remove_dir_all(dir.path().join("card/new")).unwrap();
    boot.on().unwrap();
    fs::create_dir(dir.path().join("card/new")).unwrap();
    boot.off().unwrap();
    assert_eq!(fs::read_to_string(&auto).unwrap(), "other\n", "switched off while it is of the other kind");
}

#[test]
fn what_the_firmware_forgot_of_a_service_is_switched_on_again_and_not_twice() {
    let (dir, boot) =
        app("[[hook]]\non = \"echo >>CARD/on\"\nis = \"[ -e CARD/on ]\"\noff = \"rm CARD/on\"\n\
         [[hook]]\nneeds = \"false\"\nfile = \"CARD/x\"\nline = \"x\"\n");
    boot.on().unwrap();
    assert_eq!(boot.state(), State::On);
    fs::remove_file(dir.path().join("card/on")).unwrap();
    assert_eq!(boot.state(), State::Gone);
    boot.on().unwrap();
    boot.on().unwrap();
    assert_eq!((boot.state(), fs::read(dir.path().join("card/on")).unwrap()), (State::On, b"\n".to_vec()));
    assert!(!dir.path().join("card/x").exists(), "not of its kind");
}

#[test]
fn what_was_made_before_a_failure_or_a_cut_is_known_and_goes() {
    let (dir, boot) = app("[[hook]]\nfile = \"CARD/a/b/x.sh\"\nline = \"x\"\n\
         [[hook]]\nfile = \"CARD/no/x.sh\"\nline = \"x\"\n");
    fs::write(dir.path().join("card/no"), "a file").unwrap();
    boot.on().unwrap_err();
    assert!(dir.path().join("card/a/b/x.sh").exists());
    fs::remove_file(dir.path().join("card/no")).unwrap();
    boot.off().unwrap();
    assert!(!dir.path().join("card/a").exists(), "it knew what it had made");
}

#[test]
fn a_script_that_a_cut_left_empty_is_what_it_was() {
    let (dir, boot) = app("[[hook]]\nfile = \"CARD/auto.sh\"\nline = \"x\"\n");
    let (auto, kept) = (dir.path().join("card/auto.sh"), dir.path().join("app/hooks.kept"));
    for (row, left, mended) in
        [("empty", Some(""), "other\n"), ("gone", None, "other\n"), ("whole", Some("new\n"), "new\n")]
    {
        fs::write(&kept, format!("{}\nother\n", auto.display())).unwrap();
        match left {
            Some(text) => fs::write(&auto, text).unwrap(),
            None => fs::remove_file(&auto).unwrap(),
        }
        boot.on().unwrap();
        assert_eq!(fs::read_to_string(&auto).unwrap(), format!("x {TAG}\n{mended}"), "{row}");
        assert!(!kept.exists(), "{row}");
        boot.off().unwrap();
        assert_eq!(fs::read_to_string(&auto).unwrap(), mended, "{row}: off");
    }
}

/// On FAT a new name may be there and lead to nothing. An empty file said that a person had switched the hooks off.
#[test]
fn a_cut_in_the_first_launch_does_not_keep_it_from_starting_with_the_device_for_ever() {
    let (dir, boot) = app("[[hook]]\nfile = \"CARD/x.sh\"\nline = \"x\"\n");
    fs::write(dir.path().join("app/hooks.made"), "").unwrap();
    assert_eq!(boot.state(), State::New);
    boot.off().unwrap();
    assert_eq!(boot.state(), State::Off, "a person did");
}
