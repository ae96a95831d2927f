//! The firmwares' side of the stories: their files, their tools, their boot scripts, their menus, as their sources have
//! them. A tool that shows a text writes it to a file.

mod rows;

pub(crate) use rows::FIRMWARES;

/// The game on every card.
pub(crate) const TITLE: &str = "Tetris (World)";

/// One firmware on one device. A text that ends in `/` is a folder.
pub(crate) struct Firmware {
    /// The package.
    pub(crate) name: &'static str,
    /// Its device profile, where that is not called as the package is.
    pub(crate) profile: Option<&'static str>,
    /// Is the package a tarball, which a person installs by its script?
    pub(crate) is_tar: bool,
    /// What `uname -m` says.
    pub(crate) machine: &'static str,
    /// Where the card is.
    pub(crate) card: &'static str,
    /// Where a person unzips the package to, if not to the card's top.
    pub(crate) unzipped_to: Option<&'static str>,
    /// The app's folder.
    pub(crate) app: &'static str,
    /// What is there without us.
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// Of these, what an update of the firmware writes anew.
    pub(crate) updated: &'static [&'static str],
    /// Of what the update took away, what the next boot puts back by itself.
    pub(crate) mended_at_boot: Option<&'static str>,
    /// The game and its save.
    pub(crate) game_file: &'static str,
    pub(crate) save: &'static str,
    /// What the firmware runs at boot, in this order and waiting for each.
    pub(crate) boot: &'static str,
    /// Does it know a hook at boot?
    pub(crate) starts_at_boot: bool,
    /// How its menu opens the app.
    pub(crate) open: &'static str,
    /// Where a shown text ends up.
    pub(crate) shown: &'static str,
    /// Is there while a game runs, where hooks do not tell.
    pub(crate) flag: Option<&'static str>,
    /// What it does before it opens our app and after it, where it does the same for a game.
    pub(crate) opens: Option<(&'static str, &'static str)>,
    /// What it runs when a game starts and when it ends.
    pub(crate) game: Option<(&'static str, &'static str)>,
    /// What it runs before sleep or power-off, and then after sleep.
    pub(crate) sleep: Option<&'static str>,
    /// What is there instead while Wi-Fi is off.
    pub(crate) without_wifi: &'static [(&'static str, &'static str)],
}

impl Firmware {
    /// The name of its device profile.
    pub(crate) fn profile(&self) -> &'static str {
        self.profile.unwrap_or(self.name)
    }
}

/// What most firmwares have in common: a card with `App` in the manner of Miyoo, on a 64-bit processor.
pub(crate) const CARD: Firmware = Firmware {
    name: "",
    profile: None,
    is_tar: false,
    machine: "aarch64",
    card: "/mnt/SDCARD",
    unzipped_to: None,
    app: "/mnt/SDCARD/App/RetroSync",
    files: &[],
    updated: &[],
    mended_at_boot: None,
    game_file: "/mnt/SDCARD/Roms/GB/Tetris (World).gb",
    save: "/mnt/SDCARD/RetroArch/.retroarch/saves/Gambatte/Tetris (World).srm",
    boot: "true\n",
    starts_at_boot: true,
    open: "cd /mnt/SDCARD/App/RetroSync && ./launch.sh",
    shown: "/tmp/shown",
    flag: None,
    opens: None,
    game: None,
    sleep: None,
    without_wifi: NO_INTERFACE,
};

/// MinUI and what grew out of it: apps in `Tools`, saves by tag. `/tmp/next` is the line that the loop runs.
const MINUI: Firmware = Firmware {
    flag: Some("/tmp/next"),
    app: "/mnt/SDCARD/Tools/RetroSync",
    game_file: "/mnt/SDCARD/Roms/Game Boy (GB)/Tetris (World).gb",
    save: "/mnt/SDCARD/Saves/GB/Tetris (World).gb.sav",
    ..CARD
};

/// Those with EmulationStation on `/storage`. They do not wait for event scripts; here each is waited for, so that what
/// it told has been told.
const STORAGE: Firmware = Firmware {
    card: "/storage/roms",
    app: "/storage/roms/RetroSync",
    game_file: "/storage/roms/gb/Tetris (World).gb",
    save: "/storage/roms/gb/Tetris (World).srm",
    open: "cd / && sh /storage/roms/ports/RetroSync.sh",
    shown: "/dev/tty1",
    opens: Some((
        "for f in /storage/.config/emulationstation/scripts/game-start/*; do $f /storage/roms/ports/RetroSync.sh RetroSync RetroSync; done",
        "for f in /storage/.config/emulationstation/scripts/game-end/*; do $f; done",
    )),
    game: Some((
        "for f in /storage/.config/emulationstation/scripts/game-start/*; do $f '/storage/roms/gb/Tetris\\ (World).gb' 'Tetris (World)' Tetris; done",
        "for f in /storage/.config/emulationstation/scripts/game-end/*; do $f; done",
    )),
    ..CARD
};

/// Batocera and Knulli: services are run by `bash` whatever their first line says; the launcher calls every file below
/// `scripts` and waits.
const USERDATA: Firmware = Firmware {
    card: "/userdata",
    app: "/userdata/system/retrosync",
    game_file: "/userdata/roms/gb/Tetris (World).gb",
    save: "/userdata/saves/gb/Tetris (World).srm",
    boot: "/usr/bin/batocera-services start\n",
    shown: "/dev/tty1",
    game: Some((
        "for f in $(find /userdata/system/scripts -type f); do $f gameStart gb libretro gambatte '/userdata/roms/gb/Tetris (World).gb'; done",
        "for f in $(find /userdata/system/scripts -type f); do $f gameStop gb libretro gambatte '/userdata/roms/gb/Tetris (World).gb'; done",
    )),
    sleep: Some("/usr/bin/batocera-services stop"),
    ..CARD
};

/// TrimUI's own system and CrossMix: runtrimui.sh runs `System/starts/*.sh` before the menu.
const TRIMUI: Firmware = Firmware {
    app: "/mnt/SDCARD/Apps/RetroSync",
    boot: "for file in /mnt/SDCARD/System/starts/*.sh; do [ -f \"$file\" ] && $file; done\n",
    flag: Some("/tmp/cmd_to_run.sh"),
    opens: Some((
        "echo 'cd /mnt/SDCARD/Apps/RetroSync; chmod a+x ./launch.sh; ./launch.sh' >/tmp/cmd_to_run.sh",
        "rm /tmp/cmd_to_run.sh",
    )),
    open: "cd /mnt/SDCARD/Apps/RetroSync && ./launch.sh",
    without_wifi: &[SYSTEMVAL_OFF],
    ..CARD
};

/// What the kernel says of a device that is not connected, where the firmware itself has no word for it.
pub(crate) const NO_INTERFACE: &[(&str, &str)] =
    &[("/sys/class/net/lo/operstate", "unknown\n"), ("/sys/class/net/wlan0/operstate", "down\n")];

const SERVICES: (&str, &str) = (
    "/usr/bin/batocera-services",
    "#!/bin/sh\nconf=/userdata/system/enabled\ncase $1 in\n    enable) echo \"$2\" >>$conf ;;\n    disable) grep -vx \"$2\" $conf >$conf.new; mv $conf.new $conf; [ -s $conf ] || rm $conf ;;\n    start | stop) for name in $(cat $conf 2>/dev/null); do bash /userdata/system/services/$name $1; done ;;\nesac\n",
);
const SETTINGS_GET: (&str, &str) = (
    "/usr/bin/batocera-settings-get",
    "#!/bin/sh\n[ \"$1\" = system.services ] && cat /userdata/system/enabled 2>/dev/null\n",
);
/// EmulationStation's list of the apps in one menu, with another's entry.
const GAMELIST: &str = "<?xml version=\"1.0\"?>\n<gameList>\n\t<game id=\"7\">\n\t\t<path>./Other.sh</path>\n\t\t<name>\u{d6}ther</name>\n\t</game>\n</gameList>\n";
const SYSTEMVAL_ON: (&str, &str) = ("/usr/trimui/bin/systemval", "#!/bin/sh\necho 1\n");
const SYSTEMVAL_OFF: (&str, &str) = ("/usr/trimui/bin/systemval", "#!/bin/sh\necho 0\n");
const JSONVAL_ON: (&str, &str) = ("/customer/app/jsonval", "#!/bin/sh\necho 1\n");
const JSONVAL_OFF: (&str, &str) = ("/customer/app/jsonval", "#!/bin/sh\necho 0\n");
