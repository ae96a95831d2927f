//! Every firmware that a package is for, a row each.

use super::{
    CARD, Firmware, GAMELIST, JSONVAL_OFF, JSONVAL_ON, MINUI, SERVICES, SETTINGS_GET, STORAGE, SYSTEMVAL_ON,
    TRIMUI, USERDATA,
};

/// The rows.
pub(crate) const FIRMWARES: &[Firmware] = &[
    // Onion: runtime.sh expands the list of hooks unquoted and runs each with `sh`; those in `checkoff` before power-off.
    Firmware {
        name: "onion",
        machine: "armv7l",
        files: &[
            ("/mnt/SDCARD/.tmp_update/onionVersion/version.txt", "v4.3.1"),
            ("/mnt/SDCARD/.tmp_update/startup", "/"),
            ("/mnt/SDCARD/.tmp_update/checkoff/other.sh", "#!/bin/sh\n"),
            ("/mnt/SDCARD/spruce/spruce", "left over\n"),
            (
                "/mnt/SDCARD/RetroArch/.retroarch/retroarch.cfg",
                "savefile_directory = \"/mnt/SDCARD/Saves/CurrentProfile/saves\"\nsort_savefiles_enable = \"true\"\n",
            ),
            JSONVAL_ON,
            ("/mnt/SDCARD/App/Other/config.json", "{}\n"),
            (
                "/mnt/SDCARD/.tmp_update/bin/infoPanel",
                "#!/bin/sh\necho \"$@\" >>/tmp/shown\ncase $* in *--persistent*) until [ -e /tmp/dismiss_info_panel ]; do sleep 1; done ;; esac\n",
            ),
        ],
        save: "/mnt/SDCARD/Saves/CurrentProfile/saves/Gambatte/Tetris (World).srm",
        boot: "cd /mnt/SDCARD/.tmp_update\nmkdir -p startup\nfor hook in $(find startup -type f -name '*.sh'); do sh $hook; done\n",
        flag: Some("/mnt/SDCARD/.tmp_update/cmd_to_run.sh"),
        opens: Some((
            "echo 'cd /mnt/SDCARD/App/RetroSync; chmod a+x ./launch.sh; ./launch.sh' >/mnt/SDCARD/.tmp_update/cmd_to_run.sh",
            "rm /mnt/SDCARD/.tmp_update/cmd_to_run.sh",
        )),
        sleep: Some(
            "cd /mnt/SDCARD/.tmp_update && for hook in $(find checkoff -type f -name '*.sh'); do sh $hook; done",
        ),
        without_wifi: &[JSONVAL_OFF],
        ..CARD
    },
    // Allium: `updater` starts alliumd; apps are started in their folder.
    Firmware {
        name: "allium",
        machine: "armv7l",
        app: "/mnt/SDCARD/Apps/RetroSync.pak",
        files: &[
            ("/mnt/SDCARD/.allium/version.txt", "0.27.0"),
            ("/mnt/SDCARD/.tmp_update/updater", "#!/bin/sh\ncd /mnt/SDCARD\ntouch /tmp/alliumd\n"),
            ("/mnt/SDCARD/.allium/bin/say", "#!/bin/sh\necho \"$@\" >>/tmp/shown\n"),
            ("/mnt/SDCARD/Apps/Other.pak/config.json", "{}\n"),
        ],
        updated: &["/mnt/SDCARD/.tmp_update/updater"],
        save: "/mnt/SDCARD/Saves/CurrentProfile/saves/Gambatte/Tetris (World).srm",
        boot: "/mnt/SDCARD/.tmp_update/updater\n[ -e /tmp/alliumd ] || exit 1\n",
        open: "cd /mnt/SDCARD/Apps/RetroSync.pak && ./launch.sh",
        without_wifi: &[("/mnt/SDCARD/.allium/state/wifi.json", "{\"wifi\":false,\"ssid\":\"x\"}\n")],
        ..CARD
    },
    // Koriki: `runtime.sh` loops over its menu; apps are scripts.
    Firmware {
        name: "koriki",
        machine: "armv7l",
        files: &[
            ("/mnt/SDCARD/Koriki/version.txt", "1.5\n"),
            ("/mnt/SDCARD/.simplemenu/apps/Other.sh", "#!/bin/sh\n"),
            ("/mnt/SDCARD/.simplemenu/apps/Imgs/Other.png", "x"),
            ("/mnt/SDCARD/App/Other/x", "x"),
            ("/mnt/SDCARD/.tmp_update/runtime.sh", "#!/bin/sh\ncd /mnt/SDCARD\ntouch /tmp/simplemenu\n"),
        ],
        updated: &["/mnt/SDCARD/.tmp_update/runtime.sh"],
        save: "/mnt/SDCARD/Saves/RA_saves/Gambatte/Tetris (World).srm",
        boot: "sh /mnt/SDCARD/.tmp_update/runtime.sh\n[ -e /tmp/simplemenu ] || exit 1\n",
        open: "cd /mnt/SDCARD/.simplemenu/apps && ./RetroSync.sh",
        shown: "/mnt/SDCARD/App/RetroSync/message.txt",
        without_wifi: &[JSONVAL_OFF],
        ..CARD
    },
    // spruce on a Flip: `updater` starts `runtime.sh`; texts by a function of its shell library.
    Firmware {
        name: "spruce",
        files: &[
            ("/mnt/SDCARD/spruce/spruce", "4.0.1\n"),
            ("/mnt/SDCARD/.tmp_update/updater", "#!/bin/sh\ntouch /tmp/runtime\n"),
            ("/mnt/SDCARD/App/Other/config.json", "{}\n"),
            ("/mnt/SDCARD/Saves/flip-system.json", "{\n\t\"wifi\":\t1\n}\n"),
            (
                "/mnt/SDCARD/spruce/scripts/helperFunctions.sh",
                "#!/bin/sh\nexport SYSTEM_JSON=/mnt/SDCARD/Saves/flip-system.json\ndisplay() { echo \"$@\" >>/tmp/shown; }\ndisplay_kill() { :; }\n",
            ),
        ],
        updated: &["/mnt/SDCARD/.tmp_update/updater"],
        save: "/mnt/SDCARD/Saves/saves/Gambatte/Tetris (World).srm",
        boot: "/mnt/SDCARD/.tmp_update/updater\n[ -e /tmp/runtime ] || exit 1\n",
        flag: Some("/tmp/cmd_to_run.sh"),
        opens: Some((
            "echo 'cd /mnt/SDCARD/App/RetroSync; ./launch.sh' >/tmp/cmd_to_run.sh",
            "rm /tmp/cmd_to_run.sh",
        )),
        without_wifi: &[("/mnt/SDCARD/Saves/flip-system.json", "{\n\t\"wifi\":\t0\n}\n")],
        ..CARD
    },
    // MinUI on a Miyoo Mini: `auto.sh` is executed by MinUI.pak/launch.sh; another tool has a line in it.
    Firmware {
        name: "minui",
        machine: "armv7l",
        files: &[
            ("/mnt/SDCARD/.system/miyoomini/paks/MinUI.pak/launch.sh", "#!/bin/sh\n"),
            ("/mnt/SDCARD/.userdata/miyoomini/auto.sh", "#!/bin/sh\ntouch /tmp/other\n"),
            ("/mnt/SDCARD/Tools/miyoomini/Clock.pak/launch.sh", "#!/bin/sh\n"),
            ("/mnt/SDCARD/.system/rg35xxplus/paks/MinUI.pak/launch.sh", "#!/bin/sh\n"),
            ("/bin/say.elf", "#!/bin/sh\necho \"$@\" >>/tmp/shown\nexec tail -f /dev/null\n"),
        ],
        boot: "AUTO_PATH=/mnt/SDCARD/.userdata/miyoomini/auto.sh\nif [ -f \"$AUTO_PATH\" ]; then \"$AUTO_PATH\"; fi\n[ -e /tmp/other ] || exit 1\n",
        opens: Some((
            "echo \"'/mnt/SDCARD/Tools/miyoomini/RetroSync.pak/launch.sh'\" >/tmp/next",
            "rm /tmp/next",
        )),
        open: "cd / && PLATFORM=miyoomini SDCARD_PATH=/mnt/SDCARD /mnt/SDCARD/Tools/miyoomini/RetroSync.pak/launch.sh",
        ..MINUI
    },
    // NextUI on a Brick: run_hooks.sh starts each script in the background and waits for all; `*.sync.sh` one by one.
    Firmware {
        name: "nextui",
        files: &[
            ("/mnt/SDCARD/.system/tg5040/bin/nextui.elf", "x"),
            ("/mnt/SDCARD/.system/tg5040/paks/MinUI.pak/launch.sh", "#!/bin/sh\n"),
            ("/mnt/SDCARD/.userdata/tg5040/.hooks/boot.d/other.sh", "#!/bin/sh\n"),
            ("/mnt/SDCARD/.userdata/shared/minuisettings.txt", "saveFormat=0\n"),
            ("/mnt/SDCARD/Tools/tg5040/Clock.pak/launch.sh", "#!/bin/sh\n"),
            ("/bin/nextval.elf", "#!/bin/sh\necho '{\"wifi\": 1}'\n"),
            ("/bin/show2.elf", "#!/bin/sh\necho \"$@\" >>/tmp/shown\nexec tail -f /dev/null\n"),
            (
                "/firmware/hooks",
                "#!/bin/sh\ncd /mnt/SDCARD/.userdata/tg5040/.hooks/$1 2>/dev/null || exit 0\nfor hook in *.sh; do case $hook in *.sync.sh) ;; *) [ -x \"$hook\" ] && ./\"$hook\" & ;; esac; done\nwait\nfor hook in *.sync.sh; do [ -x \"$hook\" ] && ./\"$hook\"; done\nexit 0\n",
            ),
        ],
        boot: "/firmware/hooks boot.d\n",
        opens: Some((
            "echo \"'/mnt/SDCARD/Tools/tg5040/RetroSync.pak/launch.sh'\" >/tmp/next",
            "rm /tmp/next",
        )),
        open: "cd / && PLATFORM=tg5040 /mnt/SDCARD/Tools/tg5040/RetroSync.pak/launch.sh",
        game: Some((
            "export HOOK_TYPE=rom HOOK_ROM_PATH='/mnt/SDCARD/Roms/Game Boy (GB)/Tetris (World).gb'; /firmware/hooks pre-launch.d",
            "export HOOK_TYPE=rom; /firmware/hooks post-launch.d",
        )),
        sleep: Some("/firmware/hooks pre-sleep.d; /firmware/hooks post-resume.d"),
        without_wifi: &[("/bin/nextval.elf", "#!/bin/sh\necho '{\"wifi\": 0}'\n")],
        ..MINUI
    },
    // muOS: user_init.sh starts `sh FILE &` for each script, if a setting says so. `init` is a bind mount of the card's folder.
    Firmware {
        name: "muos",
        card: "/mnt/mmc",
        app: "/mnt/mmc/MUOS/application/RetroSync",
        files: &[
            ("/opt/muos/config/system/version", "2601\n"),
            ("/opt/muos/config/settings/advanced/user_init", "0"),
            (
                "/opt/muos/frontend/muxmessage",
                "#!/bin/sh\necho \"$@\" >>/tmp/shown\nexec tail -f /dev/null\n",
            ),
            ("/run/muos/storage/init", "/"),
            ("/opt/muos/share/theme/active/glyph/muxapp/other.png", "x"),
            ("/mnt/mmc/MUOS/application/Other/mux_launch.sh", "#!/bin/sh\n"),
            ("/mnt/mmc/MUOS/save/state", "/"),
        ],
        game_file: "/mnt/mmc/ROMS/gb/Tetris (World).gb",
        save: "/mnt/mmc/MUOS/save/file/Gambatte/Tetris (World).srm",
        boot: "[ \"$(cat /opt/muos/config/settings/advanced/user_init)\" = 1 ] || exit 0\nfor file in /run/muos/storage/init/*.sh; do sh \"$file\" & done\nwait\n",
        open: "cd / && /mnt/mmc/MUOS/application/RetroSync/mux_launch.sh",
        ..CARD
    },
    // Knulli: it has Batocera's files too.
    Firmware {
        name: "knulli",
        files: &[
            ("/usr/share/knulli/knulli.version", "scarab\n"),
            ("/usr/share/batocera/batocera.version", "40\n"),
            ("/userdata/system/batocera.conf", "x=1\n"),
            SERVICES,
            SETTINGS_GET,
            ("/userdata/roms/tools/Other.sh", "#!/bin/sh\n"),
            ("/userdata/roms/tools/gamelist.xml", GAMELIST),
            ("/userdata/system/scripts/other.sh", "#!/bin/sh\n"),
        ],
        opens: Some((
            "for f in $(find /userdata/system/scripts -type f); do $f gameStart tools sh sh /userdata/roms/tools/RetroSync.sh; done",
            "for f in $(find /userdata/system/scripts -type f); do $f gameStop tools sh sh /userdata/roms/tools/RetroSync.sh; done",
        )),
        open: "cd / && sh /userdata/roms/tools/RetroSync.sh",
        ..USERDATA
    },
    // Batocera on a PC.
    Firmware {
        name: "batocera",
        machine: "x86_64",
        files: &[
            ("/usr/share/batocera/batocera.version", "41\n"),
            ("/userdata/system/batocera.conf", "x=1\n"),
            SERVICES,
            SETTINGS_GET,
            ("/userdata/roms/ports/Other.sh", "#!/bin/sh\n"),
            ("/userdata/roms/ports/images/other.png", "x"),
            ("/userdata/system/scripts/other.sh", "#!/bin/sh\n"),
        ],
        opens: Some((
            "for f in $(find /userdata/system/scripts -type f); do $f gameStart ports sh sh /userdata/roms/ports/RetroSync.sh; done",
            "for f in $(find /userdata/system/scripts -type f); do $f gameStop ports sh sh /userdata/roms/ports/RetroSync.sh; done",
        )),
        open: "cd / && sh /userdata/roms/ports/RetroSync.sh",
        ..USERDATA
    },
    // ROCKNIX: every file in `autostart` is run in the foreground.
    Firmware {
        name: "rocknix",
        files: &[
            ("/etc/os-release", "NAME=\"ROCKNIX\"\nOS_NAME=\"ROCKNIX\"\n"),
            ("/storage/.config/autostart", "/"),
            ("/storage/.config/emulationstation/scripts", "/"),
            ("/storage/roms/ports/Other.sh", "#!/bin/sh\n"),
            ("/storage/roms/ports/gamelist.xml", GAMELIST),
        ],
        boot: "for file in /storage/.config/autostart/*; do [ -f \"$file\" ] && \"$file\"; done\n",
        sleep: Some(
            "for f in /storage/.config/emulationstation/scripts/sleep/* /storage/.config/emulationstation/scripts/wake/*; do $f; done",
        ),
        ..STORAGE
    },
    // AmberELEC: custom_start.sh is called with `before` and with `after`; an update once emptied the folder of event scripts.
    Firmware {
        name: "amberelec",
        files: &[
            ("/etc/os-release", "NAME=\"AmberELEC\"\n"),
            ("/storage/.config/emulationstation/scripts", "/"),
            ("/storage/roms/ports/Other.sh", "#!/bin/sh\n"),
        ],
        updated: &["/storage/.config/emulationstation/scripts"],
        mended_at_boot: Some("/storage/.config/emulationstation/scripts/game-start/retrosync.sh"),
        boot: "for when in before after; do [ ! -e /storage/.config/custom_start.sh ] || /bin/sh /storage/.config/custom_start.sh $when; done\n",
        ..STORAGE
    },
    // ArkOS: systemd starts the unit (here a loop over what was enabled) and waits for what it runs before sleep;
    // EmulationStation waits for its event scripts.
    Firmware {
        name: "arkos",
        card: "/roms",
        app: "/roms/RetroSync",
        files: &[
            ("/opt/system/Options.sh", "#!/bin/sh\n"),
            (
                "/home/ark/.config/retroarch/retroarch.cfg",
                "savefiles_in_content_dir = \"true\"\nsavestates_in_content_dir = \"true\"\nsort_savefiles_enable = \"false\"\nsort_savestates_enable = \"false\"\n",
            ),
            ("/home/ark/.emulationstation/scripts", "/"),
            ("/etc/systemd/system/other.service", "x\n"),
            ("/usr/lib/systemd/system-sleep/other", "#!/bin/sh\n"),
            ("/etc/fstab", "/dev/mmcblk0p3 /roms exfat defaults 0 0\n"),
            ("/usr/share/plymouth/themes/text.plymouth", "title=ArkOS 2.0 (01012025)\n"),
            ("/roms/ports/Other.sh", "#!/bin/sh\n"),
            (
                "/bin/systemctl",
                "#!/bin/sh\ncase $1 in enable) touch /etc/enabled.$2 ;; disable) rm -f /etc/enabled.$2 ;; is-enabled) [ -e /etc/enabled.$2 ] ;; esac\n",
            ),
        ],
        game_file: "/roms/gb/Tetris (World).gb",
        save: "/roms/gb/Tetris (World).srm",
        boot: "[ ! -e /etc/enabled.retrosync.service ] || sh -c \"$(sed -n s/^ExecStart=//p /etc/systemd/system/retrosync.service)\"\n",
        open: "cd / && sh /roms/ports/RetroSync.sh",
        opens: Some((
            "for f in /home/ark/.emulationstation/scripts/game-start/*; do $f /roms/ports/RetroSync.sh RetroSync; done",
            "for f in /home/ark/.emulationstation/scripts/game-end/*; do $f; done",
        )),
        game: Some((
            "for f in /home/ark/.emulationstation/scripts/game-start/*; do $f '/roms/gb/Tetris (World).gb' 'Tetris (World)'; done",
            "for f in /home/ark/.emulationstation/scripts/game-end/*; do $f; done",
        )),
        sleep: Some(
            "for when in pre post; do for f in /usr/lib/systemd/system-sleep/*; do $f $when suspend; done; done",
        ),
        ..STORAGE
    },
    // TrimUI's own system.
    Firmware {
        name: "trimui",
        profile: Some("trimui-stock"),
        files: &[
            ("/usr/trimui/bin/runtrimui.sh", "#!/bin/sh\n"),
            ("/mnt/SDCARD/Apps/Other/config.json", "{}\n"),
            ("/mnt/SDCARD/RetroArch/.retroarch/states", "/"),
            SYSTEMVAL_ON,
        ],
        shown: "/tmp/trimui_osd/osd_toast_msg",
        ..TRIMUI
    },
    // CrossMix: it has TrimUI's files too, and sorts saves by folder and core.
    Firmware {
        name: "crossmix",
        files: &[
            ("/usr/trimui/bin/runtrimui.sh", "#!/bin/sh\n"),
            ("/mnt/SDCARD/Apps/Other/config.json", "{}\n"),
            ("/mnt/SDCARD/RetroArch/.retroarch/states", "/"),
            SYSTEMVAL_ON,
            ("/mnt/SDCARD/System/etc/crossmix.json", "{}\n"),
            ("/mnt/SDCARD/System/usr/trimui/scripts/infoscreen.sh", "#!/bin/sh\necho \"$@\" >>/tmp/shown\n"),
            (
                "/mnt/SDCARD/RetroArch/retroarch.cfg",
                "savefile_directory = \"/mnt/SDCARD/RetroArch/.retroarch/saves\"\nsort_savefiles_enable = \"true\"\nsort_savefiles_by_content_enable = \"true\"\n",
            ),
            ("/mnt/SDCARD/System/starts/other.sh", "#!/bin/sh\n"),
        ],
        save: "/mnt/SDCARD/RetroArch/.retroarch/saves/GB/Gambatte/Tetris (World).srm",
        ..TRIMUI
    },
    // Anbernic's own system: loadapp.sh runs `autostart`, which has lines of its own and ends with `exit 0`.
    Firmware {
        name: "anbernic",
        profile: Some("anbernic-stock"),
        card: "/mnt/mmc",
        app: "/mnt/mmc/Roms/APPS/RetroSync",
        files: &[
            ("/mnt/vendor/bin/dmenu.bin", "x"),
            ("/mnt/vendor/ctrl/loadapp.sh", "[ -f /mnt/mod/ctrl/autostart ] && /mnt/mod/ctrl/autostart\n"),
            ("/mnt/mod/ctrl/autostart", "#!/bin/sh\ntouch /tmp/other\nexit 0\n"),
            ("/mnt/mmc/Roms/APPS/Other.sh", "#!/bin/sh\n"),
            ("/mnt/mmc/Roms/APPS/Imgs/Other.png", "x"),
        ],
        game_file: "/mnt/mmc/Roms/GB/Tetris (World).gb",
        save: "/mnt/mmc/saves_RA/Roms/GB/Tetris (World).srm",
        boot: "/mnt/mod/ctrl/autostart\n[ -e /tmp/other ] || exit 1\n",
        open: "cd / && /mnt/mmc/Roms/APPS/RetroSync.sh",
        shown: "/mnt/mmc/Roms/APPS/RetroSync/message.txt",
        ..CARD
    },
    // Miyoo's own system on a Mini: no hook.
    Firmware {
        name: "miyoo",
        profile: Some("miyoo-mini-stock"),
        machine: "armv7l",
        files: &[
            ("/customer/app/MainUI", "x"),
            ("/mnt/SDCARD/App/Other/config.json", "{}\n"),
            ("/mnt/SDCARD/RetroArch/.retroarch/states", "/"),
        ],
        starts_at_boot: false,
        opens: Some((
            "echo 'cd /mnt/SDCARD/App/RetroSync; chmod a+x ./launch.sh; ./launch.sh' >/tmp/cmd_to_run.sh",
            "rm /tmp/cmd_to_run.sh",
        )),
        shown: "/mnt/SDCARD/App/RetroSync/message.txt",
        without_wifi: &[("/config/system.json", "{\n\t\"wifi\":\t0\n}\n")],
        ..CARD
    },
    // RetroPie on a PC: autostart.sh ends by becoming EmulationStation; runcommand runs its two scripts by `bash`.
    Firmware {
        name: "retropie",
        machine: "x86_64",
        card: "/home/pi/RetroPie",
        unzipped_to: Some("/home/pi"),
        app: "/home/pi/RetroPie/retrosync",
        files: &[
            ("/opt/retropie/configs/all/autostart.sh", "#!/bin/sh\nexec true #auto\n"),
            ("/opt/retropie/configs/all/runcommand-onend.sh", "#!/bin/sh\n"),
            ("/opt/retropie/configs/all/retroarch.cfg", "x = \"y\"\n"),
            ("/home/pi/RetroPie/roms/ports/Other.sh", "#!/bin/sh\n"),
        ],
        updated: &["/opt/retropie/configs/all/autostart.sh"],
        game_file: "/home/pi/RetroPie/roms/gb/Tetris (World).gb",
        save: "/home/pi/RetroPie/roms/gb/Tetris (World).srm",
        boot: "export HOME=/home/pi\nsh /opt/retropie/configs/all/autostart.sh\n",
        open: "cd /home/pi && HOME=/home/pi sh RetroPie/roms/ports/RetroSync.sh",
        shown: "/dev/tty",
        opens: Some((
            "export HOME=/home/pi; bash /opt/retropie/configs/all/runcommand-onstart.sh ports RetroSync /home/pi/RetroPie/roms/ports/RetroSync.sh bash",
            "export HOME=/home/pi; bash /opt/retropie/configs/all/runcommand-onend.sh ports RetroSync /home/pi/RetroPie/roms/ports/RetroSync.sh bash",
        )),
        game: Some((
            "export HOME=/home/pi; bash /opt/retropie/configs/all/runcommand-onstart.sh gb lr-gambatte '/home/pi/RetroPie/roms/gb/Tetris (World).gb' retroarch",
            "export HOME=/home/pi; bash /opt/retropie/configs/all/runcommand-onend.sh gb lr-gambatte '/home/pi/RetroPie/roms/gb/Tetris (World).gb' retroarch",
        )),
        ..CARD
    },
];
