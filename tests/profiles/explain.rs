//! `retrosync doctor --explain`, as people read it: the real program over a card.

use std::process::Command;

use crate::card::Card;

/// What the program says of a path on a card, and its exit code.
fn explained(card: &Card, path: &str) -> (String, i32) {
    let ended = Command::new(env!("CARGO_BIN_EXE_retrosync"))
        .args(["doctor", "--root"])
        .arg(card.path())
        .arg("--explain")
        .arg(card.path().join(path))
        .env_clear()
        .output()
        .unwrap();
    let said = String::from_utf8(ended.stdout).unwrap();
    (said.replace(&card.path().display().to_string(), "CARD"), ended.status.code().unwrap())
}

#[test]
fn each_step_from_path_to_save_is_told() {
    let card = Card::new();
    card.file(".tmp_update/onionVersion/version.txt").file("Roms/GB/Tetris.gb");
    let saves = "Saves/CurrentProfile/saves";
    let device = "  device           OnionOS (Miyoo Mini, Mini Plus, Mini Flip) (`onion`): its marks were found: \
                  `CARD/.tmp_update/onionVersion/version.txt`\n  rule             `Saves/CurrentProfile/saves` holds battery \
                  saves, sorted by core\n";
    let (said, code) = explained(&card, &format!("{saves}/Gambatte/Tetris.srm"));
    let begins = format!(
        "`{saves}/Gambatte/Tetris.srm` of root 0 is the save `gb/sram/Tetris`\n{device}  save             system `gb`, sram; \
         its bytes load in any core\n  here             a new version of it would be put at `{saves}/Gambatte/Tetris.srm`\n"
    );
    assert!(said.starts_with(&begins) && code == 0, "{said}");
    for line in [
        "  minui            `Saves/GB/Tetris.gb.sav`\n",
        "  muos             `MUOS/save/file/Gambatte/Tetris.srm`\n",
        "  rocknix          `gb/Tetris.srm`\n",
    ] {
        assert!(said.contains(line), "{line} is not in {said}");
    }
    for (path, first, last, expected) in [
        (
            format!("{saves}/Nobody/x.dat"),
            "is the save `onion/file.saves/Nobody/x.dat`",
            "kept by its path, among cards of `onion` only, since no core is known whose save folder is `Nobody`",
            0,
        ),
        (format!("{saves}/currentTime.txt"), "is no save: this firmware's own file", "", 0),
        (
            format!("{saves}/Gambatte/Gone.srm"),
            "may be a save, but is not synced: no game called `Gone` is here that tells its system",
            "",
            3,
        ),
        (
            "App/x.txt".into(),
            "may be a save, but is not synced: it is outside of the save folders",
            "no save folder",
            3,
        ),
    ] {
        let (said, code) = explained(&card, &path);
        assert!(said.starts_with(&format!("`{path}` of root 0 {first}\n")), "{said}");
        assert!(said.contains(last), "{said}");
        assert_eq!(code, expected, "{said}");
    }
}
