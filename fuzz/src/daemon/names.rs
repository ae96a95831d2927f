//! Which file is which save, from names that games, cards and servers choose; and where a player's `retroarch.cfg` puts them.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use retrosync::boot::gamelist;
use retrosync::naming::{Games, Identified, Naming, game_folder, roots_outside};
use retrosync::profile::{ChosenCores, FileNames, Live, MinuiSettings, Profile, Site, built_in};
use retrosync::retroarch_cfg::RetroarchCfg;
use retrosync::snapshot::{Place, RelativePath};
use retrosync_protocol::SaveId;

use super::memory::CARD;

static PROFILES: LazyLock<Vec<Profile>> = LazyLock::new(built_in);

fn site(retroarch: Option<RetroarchCfg>) -> Site {
    Site {
        roots: vec![PathBuf::from(CARD)],
        games: vec![Path::new(CARD).join("Roms")],
        mounts: vec![
            (CARD.into(), PathBuf::from(CARD)),
            ("~".into(), PathBuf::from(CARD)),
            (String::new(), "/".into()),
        ],
        retroarch: retroarch
            .map(|cfg| Live { dir: Path::new(CARD).join("RetroArch"), cfg, word: None })
            .into_iter()
            .collect(),
        ..Site::default()
    }
}

/// A card takes this name, and it is one name.
fn legal(names: FileNames, name: &str) -> bool {
    let on_fat = || {
        !name.ends_with(['.', ' ']) && !name.contains(|c: char| c.is_control() || "\"*:<>?\\|".contains(c))
    };
    !matches!(name, "" | "." | "..") && !name.contains('/') && (names != FileNames::Fat || on_fat())
}

/// Lines: the first chooses a profile; then `g FOLDER/FILE` a game, `f PATH` a folder of saves, `p PATH` a file that was found
/// here, `s ID` a save that a server speaks of.
pub fn naming(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut lines = text.lines();
    let which = lines.next().and_then(|line| line.bytes().next()).unwrap_or_default();
    let profile = &PROFILES[usize::from(which) % PROFILES.len()];
    let (mut games, mut asked) = (Games::default(), Vec::new());
    for line in lines.take(40) {
        match line.split_once(' ') {
            Some(("g", game)) => {
                let (folder, file) = game.split_once('/').unwrap_or(("GB", game));
                if let (Some(folder), false) = (game_folder(profile, folder), file.contains('/')) {
                    games.add(&folder, file);
                }
            }
            Some(("f", folder)) => {
                if let Some(path) = RelativePath::new(folder) {
                    games.add_save_folder(Place { root: 0, path });
                }
            }
            Some(question @ ("p" | "s", _)) => asked.push(question),
            _ => {}
        }
    }
    let naming = Naming::new(profile, &site(None), games);
    for (what, text) in asked {
        let save: SaveId = match (what, RelativePath::new(text), text.parse()) {
            ("p", Some(path), _) => match naming.identify(&Place { root: 0, path }) {
                Identified::Save(save) => save,
                _ => continue,
            },
            ("s", _, Ok(save)) => save,
            _ => continue,
        };
        let Some(home) = naming.home(&save) else { continue };
        assert_eq!(naming.identify(&home), Identified::Save(save.clone()), "{save} has no way back");
        let folders = naming.folders();
        let above =
            |folder: &str| home.path.as_str().strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        assert!(
            folders.iter().any(|folder| above(folder.place.path.as_str())),
            "`{}` is in no save folder",
            home.path
        );
        assert!(legal(profile.file_names, home.path.name()), "no card takes `{}`", home.path);
    }
}

/// A live `retroarch.cfg`: no word of it leads out of the roots unseen.
pub fn retroarch_cfg(input: &[u8]) {
    let cfg = RetroarchCfg::parse(&String::from_utf8_lossy(input));
    for path in [&cfg.savefile_directory, &cfg.savestate_directory].into_iter().flatten() {
        assert!(!path.contains(['"', '\0', '\n']), "{path:?}");
    }
    for profile in PROFILES.iter().filter(|profile| profile.retroarch.is_some()) {
        let site = site(Some(cfg.clone()));
        for folder in Naming::new(profile, &site, Games::default()).folders() {
            assert!(folder.place.root == 0 && RelativePath::new(folder.place.path.as_str()).is_some());
        }
        for (outside, _) in roots_outside(profile, &site) {
            assert!(outside.is_absolute(), "`{}` is relative", outside.display());
        }
    }
}

/// What a firmware's own files on the card say of names, cores and apps. The last of them we write too: nothing of another's is
/// lost there, and a list that was torn does not grow with every start.
pub fn texts_of_the_card(input: &[u8]) {
    const PATH: &str = "./RetroSync.sh";
    const TAGS: &str = "<name>RetroSync</name><image>./images/RetroSync.png</image>";
    let Ok(text) = std::str::from_utf8(input) else { return };
    let _ = MinuiSettings::parse(text);
    let cores = ChosenCores::parse(text);
    for line in text.lines().take(8) {
        if let Some(core) = cores.of("gba", line).or_else(|| cores.of(line, "Game.zip")) {
            assert!(!core.is_empty() && text.contains(core), "{core}");
        }
    }
    let bare = |text: &str| text.split_whitespace().collect::<String>();
    let before = gamelist::without(text, PATH);
    assert_eq!(gamelist::without(&before, PATH), before, "taken out once");
    let after = gamelist::with(text, PATH, TAGS);
    assert_eq!(gamelist::with(&after, PATH, TAGS), after, "it grows");
    if after != text && !before.trim().is_empty() {
        assert_eq!(bare(&gamelist::without(&after, PATH)), bare(&before), "another's entry was touched");
    }
    let _ = gamelist::is_empty(text);
}
