//! Which device it is: the rules of every profile on fixture trees, with what other firmwares left on the card.

use std::path::Path;

use retrosync::facts;
use retrosync::profile::{self, Profile};

use crate::card::{Card, profiles};

/// A machine as its firmware leaves it: profile, what is there (`path=text` for a file with that text), os-release, and
/// where its card is.
const MACHINES: [(&str, &[&str], &str, &str); 32] = [
    ("muos", &["/opt/muos/config/system/version", "/mnt/mmc/MUOS/save/x"], "ID=muos", "/mnt/mmc"),
    ("muos", &["/opt/muos/config/version.txt", "/mnt/sdcard/MUOS/save/x"], "", "/mnt/sdcard"),
    ("knulli", &["/usr/share/knulli/knulli.version", "/userdata/system/knulli.conf"], "", "/userdata"),
    (
        "knulli",
        &["/usr/share/batocera/batocera.version", "/usr/bin/knulli-version", "/userdata/system/x"],
        "",
        "/userdata",
    ),
    ("knulli", &["/usr/share/batocera/batocera.version", "/userdata/x"], "OS_NAME=\"knulli\"", "/userdata"),
    ("batocera", &["/usr/share/batocera/batocera.version", "/userdata/system/x"], "", "/userdata"),
    ("batocera", &["/usr/bin/batocera-version", "/userdata/system/x"], "NAME=Buildroot", "/userdata"),
    ("rocknix", &["/storage/roms/gb/x.gb"], "NAME=\"ROCKNIX\"\nOS_NAME=\"ROCKNIX\"", "/storage/roms"),
    (
        "amberelec",
        &["/storage/roms/gb/x.gb", "/storage/.config/device"],
        "NAME=\"AmberELEC\"",
        "/storage/roms",
    ),
    ("lakka", &["/storage/roms/x", "/storage/savefiles/x"], "NAME=\"Lakka\"\nID=lakka", "/storage"),
    ("arkos", &["/home/ark/x", "/opt/system/x", "/roms/gb/x", PLYMOUTH], "ID=ubuntu", "/roms"),
    ("arkos", &["/home/ark/x", "/opt/system/x", "/roms/gb/x", DARKOS], "ID=debian", "/roms"),
    ("arkos", &["/home/ark/x", "/opt/system/x", "/roms/x", "/roms2/x", PLYMOUTH], "", "/roms"),
    (
        "arkos",
        &[
            "/home/ark/x",
            "/opt/system/x",
            "/roms/x",
            "/roms2/x",
            PLYMOUTH,
            "/etc/fstab=/dev/sda1 /roms2 exfat\n",
        ],
        "",
        "/roms2",
    ),
    (
        "nextui",
        &["/usr/trimui/bin/runtrimui.sh", "/mnt/SDCARD/.system/tg5040/bin/nextui.elf"],
        "",
        "/mnt/SDCARD",
    ),
    (
        "nextui",
        &[
            "/mnt/SDCARD/.system/tg5050/paks/MinUI.pak/nextui.elf",
            "/mnt/SDCARD/.system/tg5050/paks/MinUI.pak/x",
        ],
        "",
        "/mnt/SDCARD",
    ),
    (
        "onion",
        &["/customer/app/MainUI", "/mnt/SDCARD/.tmp_update/onionVersion/version.txt"],
        "",
        "/mnt/SDCARD",
    ),
    ("allium", &["/customer/app/MainUI", "/mnt/SDCARD/.allium/version.txt"], "", "/mnt/SDCARD"),
    (
        "koriki",
        &["/customer/app/MainUI", "/mnt/SDCARD/Koriki/x", "/mnt/SDCARD/.simplemenu/x"],
        "",
        "/mnt/SDCARD",
    ),
    ("spruce", &["/usr/miyoo/x", "/mnt/SDCARD/spruce/spruce"], "", "/mnt/SDCARD"),
    ("spruce", &["/usr/miyoo/x", "/mnt/sdcard/spruce/spruce"], "", "/mnt/sdcard"),
    ("spruce", &["/customer/app/MainUI", "/mnt/SDCARD/sprig/x"], "", "/mnt/SDCARD"),
    (
        "crossmix",
        &["/usr/trimui/bin/runtrimui.sh", "/mnt/SDCARD/System/etc/crossmix.json"],
        "",
        "/mnt/SDCARD",
    ),
    ("trimui-stock", &["/usr/trimui/bin/runtrimui.sh", "/mnt/SDCARD/Roms/x"], "", "/mnt/SDCARD"),
    (
        "miyoo-flip-stock",
        &["/usr/miyoo/version", "/mnt/SDCARD/x", "/proc/cpuinfo=CPU part\t: 0xd05\n"],
        "",
        "/mnt/SDCARD",
    ),
    (
        "miyoo-a30-stock",
        &["/usr/miyoo/x", "/mnt/SDCARD/x", "/proc/cpuinfo=Hardware\t: sun8iw15\n"],
        "",
        "/mnt/SDCARD",
    ),
    ("miyoo-mini-stock", &["/customer/app/MainUI", "/mnt/SDCARD/Roms/x"], "", "/mnt/SDCARD"),
    ("garlicos", &["/mnt/mmc/CFW/skin/x", "/mnt/SDCARD/Roms/x"], "", "/mnt/SDCARD"),
    ("anbernic-stock", &["/mnt/vendor/bin/dmenu.bin", "/mnt/mmc/Roms/x"], "ID=ubuntu", "/mnt/mmc"),
    (
        "retropie",
        &["/opt/retropie/configs/all/x", "/home/pi/RetroPie/roms/x"],
        "ID=raspbian",
        "/home/pi/RetroPie",
    ),
    (
        "emudeck",
        &["/run/media/deck/card/Emulation/saves/retroarch/saves/x"],
        "ID=steamos",
        "/run/media/deck/card/Emulation",
    ),
    (
        "emudeck",
        &["/run/media/mmcblk0p1/Emulation/saves/retroarch/x"],
        "ID=steamos",
        "/run/media/mmcblk0p1/Emulation",
    ),
];
const PLYMOUTH: &str = "/usr/share/plymouth/themes/text.plymouth=title=ArkOS 2.0 (01012024)\n";
const DARKOS: &str = "/usr/share/plymouth/themes/text.plymouth=title=dArkOS (01012025)\n";

/// What the firmwares leave on a card that was theirs, in the order in which they are tried.
const LEFTOVERS: [(&str, &str); 8] = [
    ("nextui", ".system/tg5040/bin/nextui.elf"),
    ("minui", ".system/my282/paks/MinUI.pak/x"),
    ("onion", ".tmp_update/onionVersion/version.txt"),
    ("allium", ".allium/version.txt"),
    ("koriki", "Koriki/x"),
    ("koriki", ".simplemenu/x"),
    ("spruce", "spruce/spruce"),
    ("crossmix", "System/etc/crossmix.json"),
];

fn machine(files: &[&str], os_release: &str) -> Card {
    let machine = Card::new();
    machine.text("/etc/os-release", os_release);
    for file in files {
        let (path, text) = file.split_once('=').unwrap_or((file, ""));
        machine.text(path, text);
    }
    machine
}

/// The profile of a machine, found without a word from anybody.
fn found<'a>(machine: &Path, profiles: &'a [Profile]) -> Option<&'a str> {
    let facts = facts::gather(machine, profiles);
    profile::detect(&facts, profiles).map(|(profile, _)| profile.name.as_str())
}

#[test]
fn every_machine_is_known_by_itself_and_its_card_is_found() {
    let profiles = profiles();
    for (expected, files, os_release, card) in MACHINES {
        let machine = machine(files, os_release);
        assert_eq!(found(machine.path(), &profiles), Some(expected), "{files:?}");
        let profile = profiles.iter().find(|profile| profile.name == expected).unwrap();
        let site = facts::locate(profile, machine.path(), None).unwrap();
        assert_eq!(site.roots.first(), Some(&machine.path().join(&card[1..])), "{files:?}");
    }
}

/// A card that came from another firmware still has that one's folders. Whoever is tried later leaves them without effect.
#[test]
fn what_other_firmwares_left_on_the_card_does_not_mislead() {
    let profiles = profiles();
    let order = |name: &str| profiles.iter().position(|profile| profile.name == name).unwrap();
    let mut tried = 0;
    for (expected, files, os_release, card) in MACHINES {
        let later = LEFTOVERS.iter().filter(|(name, _)| order(name) > order(expected));
        let left: Vec<String> = later.map(|(_, mark)| format!("{card}/{mark}")).collect();
        let mut all = files.to_vec();
        all.extend(left.iter().map(String::as_str));
        let machine = machine(&all, os_release);
        assert_eq!(found(machine.path(), &profiles), Some(expected), "{all:?}");
        tried += left.len();
    }
    assert!(tried > 100, "only {tried} leftovers were tried");
}

/// One MinUI, many handhelds; on each the card is somewhere else.
#[test]
fn minui_is_known_on_all_its_platforms() {
    let profiles = profiles();
    let minui = profiles.iter().find(|profile| profile.name == "minui").unwrap();
    for (platform, card) in [
        ("miyoomini", "/mnt/SDCARD"),
        ("trimuismart", "/mnt/SDCARD"),
        ("my282", "/mnt/SDCARD"),
        ("my355", "/mnt/SDCARD"),
        ("tg5040", "/mnt/SDCARD"),
        ("zero28", "/mnt/SDCARD"),
        ("rg35xx", "/mnt/sdcard"),
        ("rg35xxplus", "/mnt/sdcard"),
        ("rgb30", "/storage/roms"),
        ("m17", "/sdcard"),
        ("gkdpixel", "/media/roms"),
        ("magicmini", "/storage/TF2"),
    ] {
        // The stock firmware below it, and other cards' places that are there and empty.
        let mark = format!("{card}/.system/{platform}/paks/MinUI.pak/launch.sh");
        let stock =
            ["/usr/trimui/bin/runtrimui.sh", "/usr/miyoo/x", "/mnt/vendor/bin/dmenu.bin", "/mnt/SDCARD/x"];
        let mut files = vec![mark.as_str()];
        files.extend(stock);
        let machine = machine(&files, "");
        assert_eq!(found(machine.path(), &profiles), Some("minui"), "{platform}");
        let site = facts::locate(minui, machine.path(), None).unwrap();
        assert_eq!(site.roots, [machine.path().join(&card[1..])], "{platform}");
    }
}

#[test]
fn what_is_no_firmware_of_ours_is_none() {
    let profiles = profiles();
    for (files, os_release) in [
        (&[][..], ""),
        (&["/mnt/SDCARD/MUOS/save/x"], ""),
        (&["/home/ark/x", "/opt/system/x"], ""),
        (&["/usr/miyoo/x", "/proc/cpuinfo=CPU part\t: 0xd03\n"], ""),
        (&["/opt/muos.old/x", "/mnt/SDCARD/Koriki/x"], "NAME=Lakka2"),
        (&["/opt/retropie/x"], "ID=debian"),
    ] {
        assert_eq!(found(machine(files, os_release).path(), &profiles), None, "{files:?}");
    }
}

/// With `--root` only what is on the card can be asked.
#[test]
fn which_card_it_is() {
    let onion = ".tmp_update/onionVersion/version.txt";
    let minui = ".system/my282/paks/MinUI.pak/launch.sh";
    let profiles = profiles();
    for (what, marks, expected) in [
        ("an empty card", &[][..], None),
        ("Onion", &[onion], Some("onion")),
        ("Onion with a stale spruce", &[onion, "spruce/spruce"], Some("onion")),
        ("MinUI", &[minui], Some("minui")),
        ("MinUI over an old Onion", &[minui, onion], Some("minui")),
        ("NextUI", &[minui, ".system/tg5040/bin/nextui.elf"], Some("nextui")),
        ("muOS", &["MUOS/save/file/.keep"], Some("muos")),
        ("muOS with leftovers", &["MUOS/log/x", onion, minui], Some("muos")),
        ("Batocera", &["system/batocera.conf", "roms/gb/x.gb", "saves/gb/x.srm"], Some("batocera")),
        ("Knulli", &["system/knulli.conf"], Some("knulli")),
        ("Allium over an old spruce", &[".allium/version.txt", "spruce/spruce"], Some("allium")),
        ("Koriki", &["Koriki/version.txt", ".simplemenu/x"], Some("koriki")),
        ("spruce", &["spruce/spruce", "App/x"], Some("spruce")),
        ("CrossMix", &["System/etc/crossmix.json"], Some("crossmix")),
        ("Anbernic's own", &["saves_RA/Roms/GB/x.srm", "Roms/GB/x.gb"], Some("anbernic-stock")),
        ("GarlicOS", &["CFW/retroarch/.retroarch/retroarch.cfg"], Some("garlicos")),
        ("EmuDeck", &["saves/retroarch/saves/x.srm", "roms/gb/x.gb"], Some("emudeck")),
        ("RetroArch on a PC", &[".config/retroarch/retroarch.cfg"], Some("linux-retroarch")),
        (
            "RetroArch as a flatpak",
            &[".var/app/org.libretro.RetroArch/config/retroarch/x"],
            Some("linux-retroarch"),
        ),
        ("RetroArch as a snap", &["snap/retroarch/current/.config/retroarch/x"], Some("linux-retroarch")),
    ] {
        let card = Card::new();
        marks.iter().for_each(|mark| {
            card.file(mark);
        });
        let facts = facts::gather_card(card.path(), &profiles);
        assert_eq!(profile::detect(&facts, &profiles).map(|(p, _)| p.name.as_str()), expected, "{what}");
    }
}

/// What lies in the home folder, and what only the environment tells.
#[test]
fn a_pc_is_known_by_its_home_folder() {
    let profiles = profiles();
    let home = std::env::var("HOME").unwrap_or_else(|_| "/root".into());
    for (expected, marks) in [
        ("retrodeck", &[".var/app/net.retrodeck.retrodeck/x", "retrodeck/saves/x"][..]),
        ("emudeck", &[".var/app/org.libretro.RetroArch/x", "Emulation/roms/x"]),
        ("emudeck", &["Emulation/saves/retroarch/x", ".config/retroarch/x"]),
        ("linux-retroarch", &[".config/retroarch/retroarch.cfg"]),
        ("linux-retroarch", &[".var/app/org.libretro.RetroArch/config/retroarch/x"]),
        ("linux-retroarch", &["snap/retroarch/current/.config/retroarch/x"]),
        ("linux-retroarch", &[".config/retroarch/x", "retrodeck/x"]),
    ] {
        let marks: Vec<String> = marks.iter().map(|mark| format!("{home}/{mark}")).collect();
        let marks: Vec<&str> = marks.iter().map(String::as_str).collect();
        assert_eq!(found(machine(&marks, "").path(), &profiles), Some(expected), "{marks:?}");
    }
}

#[test]
fn a_desktop_that_keeps_configurations_elsewhere_is_known_too() {
    let found = ["$XDG_CONFIG_HOME/retroarch".to_owned()].into();
    let (profiles, facts) = (profiles(), facts::Facts { found, ..facts::Facts::default() });
    assert_eq!(profile::detect(&facts, &profiles).map(|(p, _)| p.name.as_str()), Some("linux-retroarch"));
}

/// A profile that is added must come with the tree that proves it: of each rule that a machine is asked, one holds in a test above.
#[test]
fn no_rule_is_without_a_tree_that_proves_it() {
    let profiles = profiles();
    let proved: Vec<String> = MACHINES
        .iter()
        .filter_map(|(_, files, os_release, _)| {
            let machine = machine(files, os_release);
            let facts = facts::gather(machine.path(), &profiles);
            profile::detect(&facts, &profiles).map(|(profile, why)| format!("{} {why}", profile.name))
        })
        .collect();
    // By a home folder, by the environment, and MinUI on its platforms: proved by tests of their own.
    let own = ["retrodeck", "emudeck", "linux-retroarch", "minui"];
    for profile in profiles.iter().filter(|profile| !own.contains(&&*profile.name)) {
        let asked = profile.detect.iter().filter(|rule| !rule.only_with_root && rule.environment.is_empty());
        for rule in asked {
            let mark = rule.all.first().map(|mark| mark.replace("{card}", ""));
            let mark = mark.or(rule.os_release.values().next().cloned()).unwrap();
            let is_it = |why: &&String| why.starts_with(&format!("{} ", profile.name)) && why.contains(&mark);
            assert!(
                proved.iter().any(|why| is_it(&why)),
                "{}: no tree proves the rule of `{mark}`",
                profile.name
            );
        }
    }
}

#[test]
fn nextui_is_known_by_what_it_tells_its_programs() {
    let profiles = profiles();
    let machine = machine(&["/mnt/SDCARD/.system/tg5040/paks/MinUI.pak/x"], "");
    let mut facts = facts::gather(machine.path(), &profiles);
    facts.environment.clear();
    assert_eq!(profile::detect(&facts, &profiles).map(|(p, _)| p.name.as_str()), Some("minui"));
    facts.environment.insert("IS_NEXT".into(), "yes".into());
    let (nextui, why) = profile::detect(&facts, &profiles).unwrap();
    assert_eq!(nextui.name, "nextui");
    assert!(why.contains("`IS_NEXT` is `yes`"), "{why}");
}
