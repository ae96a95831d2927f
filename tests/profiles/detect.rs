//! Which device it is: the rules of every profile on fixture trees, with what other firmwares left on the card.

use retrosync::{facts, profile};

use crate::card::{Card, profiles};

/// Each card and machine with its marks, and the leftovers of others that must not mislead.
#[test]
fn which_device_it_is() {
    let onion = ".tmp_update/onionVersion/version.txt";
    let minui = ".system/my282/paks/MinUI.pak/launch.sh";
    for (what, marks, expected) in [
        ("an empty card", &[][..], None),
        ("Onion", &[onion], Some("onion")),
        ("Onion with a stale spruce", &[onion, "spruce/spruce"], Some("onion")),
        ("MinUI", &[minui], Some("minui")),
        ("MinUI over an old Onion", &[minui, onion], Some("minui")),
        ("NextUI is not MinUI", &[minui, ".system/tg5040/bin/nextui.elf"], Some("nextui")),
        ("muOS", &["MUOS/save/file/.keep"], Some("muos")),
        ("muOS with leftovers", &["MUOS/log/x", onion, minui], Some("muos")),
        ("Batocera", &["system/batocera.conf", "roms/gb/x.gb", "saves/gb/x.srm"], Some("batocera")),
        ("Knulli", &["system/knulli.conf"], Some("knulli")),
        ("RetroArch on a PC", &[".config/retroarch/retroarch.cfg"], Some("linux-retroarch")),
    ] {
        let card = Card::new();
        marks.iter().for_each(|mark| {
            card.file(mark);
        });
        let profiles = profiles();
        let facts = facts::gather_card(card.path(), &profiles);
        assert_eq!(profile::detect(&facts, &profiles).map(|(p, _)| p.name.as_str()), expected, "{what}");
    }
}

#[test]
fn which_machine_it_is() {
    let onion = "/mnt/SDCARD/.tmp_update/onionVersion/version.txt";
    let minui = "/mnt/SDCARD/.system/tg5040/paks/MinUI.pak/launch.sh";
    for (what, marks, os_release, expected) in [
        ("nothing known", &[][..], "", None),
        ("Onion", &[onion], "", Some("onion")),
        (
            "MinUI on its second place",
            &["/mnt/sdcard/.system/rg35xxplus/paks/MinUI.pak/x"],
            "",
            Some("minui"),
        ),
        (
            "muOS with an Onion card",
            &["/opt/muos/x", "/mnt/sdcard/.tmp_update/onionVersion/version.txt"],
            "",
            Some("muos"),
        ),
        ("muOS' folder alone is no muOS", &["/mnt/SDCARD/MUOS/save/x"], "", None),
        ("Knulli by its file", &["/usr/share/knulli/knulli.version"], "", Some("knulli")),
        ("Knulli by os-release", &[], "NAME=\"x\"\nOS_NAME=\"knulli\"\n", Some("knulli")),
        ("Batocera", &["/usr/share/batocera/batocera.version"], "OS_NAME=batocera\n", Some("batocera")),
        ("MinUI and Onion on one card", &[onion, minui], "", Some("minui")),
    ] {
        let machine = Card::new();
        machine.text("/etc/os-release", os_release);
        marks.iter().for_each(|mark| {
            machine.file(mark);
        });
        // The home folder of whoever runs this test is below the prefix too, and not there.
        let profiles = profiles();
        let facts = facts::gather(machine.path(), &profiles);
        assert_eq!(profile::detect(&facts, &profiles).map(|(p, _)| p.name.as_str()), expected, "{what}");
    }
}
