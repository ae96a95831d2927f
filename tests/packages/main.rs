//! Every package on a card of its firmware: unzipped, opened from the menu, paired, booted, played on, updated, removed.
//!
//! The card, the firmware's own tools and its boot script are fixtures, written after the layouts that its sources
//! document; the shell is busybox, the program in the package is the one for that processor (under qemu where this
//! machine is another), the server is the real one. Each device is a process namespace with its own root folder: what
//! is killed with it dies as in a power cut. Needs root, Debian's busybox-static and `scripts/package`; says so where
//! one is missing, and passes unless `RETROSYNC_NO_SKIPS` is set.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod device;
mod firmwares;
mod linux;
mod power;
mod systemd;
mod texts;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use device::Device;
use firmwares::{FIRMWARES, Firmware};
use power::On;
use support::card;
use support::device::{Device as Other, bytes};
use support::server::Server;

/// The most that a boot script may keep its firmware waiting, under qemu on a machine that does much else.
const BOOT_MOST: Duration = Duration::from_secs(60);
/// With this nothing is sent by itself during a story.
const NEVER_BY_ITSELF_MS: u32 = 600_000;

/// All that a person does with a package, in order.
fn story(firmware: &'static Firmware) {
    let Some(device) = Device::new(firmware) else { return };
    let before = device.files();
    let story =
        Story { other: Other::new(card::Firmware::Minui, firmwares::TITLE), server: Server::start(), device };
    story.other.pair(&story.server);
    story.installs_and_pairs();
    if firmware.starts_at_boot {
        story.boots();
    }
    story.updates();
    story.removes();
    let mut after = story.device.files();
    after.retain(|path, _| !story.device.is_left(path));
    let changed: BTreeSet<_> =
        after.keys().chain(before.keys()).filter(|path| after.get(*path) != before.get(*path)).collect();
    assert!(changed.is_empty(), "the card is not as it was: {changed:?}");
}

/// A device of that firmware, another device of the same user, and their server.
struct Story {
    device: Device,
    other: Other,
    server: Server,
}

impl Story {
    fn settings(&self, settle_ms: u32) -> String {
        let url = self.server.url();
        format!(
            "server = \"{url}\"\nplain_http = true\nlog = \"debug\"\nsettle_ms = {settle_ms}\nfresh_save_s = 0\n"
        )
    }

    /// The other device has it.
    fn is_elsewhere(&self, mark: &str) -> bool {
        self.other.once();
        self.other.save() == Some(bytes(mark))
    }

    fn played_elsewhere(&self, mark: &str) {
        self.other.plays(&bytes(mark));
        self.other.once();
    }

    /// Unzipped on the card, opened from the menu: the code is shown, approved elsewhere, and from then on it is synced. The
    /// address is the only thing that a person writes.
    fn installs_and_pairs(&self) {
        self.device.unzip();
        self.device.write_settings(&self.settings(200));
        let on = self.device.power_on();
        assert!(!self.device.is_taken(), "nothing starts before a person has opened the app");
        let app = on.open_app();
        self.server.approve(&on.wait_for_code());
        if self.device.firmware.name == "muos" {
            // Its Task Toolkit ends all that a task has left in its process group.
            on.wait_until_running();
            power::ends_with_its_group(app);
        } else {
            on.wait_for_end(app);
            on.wait_until_running();
        }
        on.is_apart();
        self.device.play(&bytes("played here"));
        on.wait_until("what was played here is on the other device", || self.is_elsewhere("played here"));
        self.comes_while_our_app_is_open(&on);
        on.power_off();
    }

    /// The firmware's hook starts it, and the firmware does not wait for it; nor does it stop with the menu.
    fn boots(&self) {
        self.device.write_settings(&self.settings(NEVER_BY_ITSELF_MS));
        let began = Instant::now();
        let on = self.device.power_on();
        assert!(began.elapsed() < BOOT_MOST, "the boot script kept the firmware waiting");
        on.wait_until_running();
        on.boots_again();
        on.is_apart();
        let menu = on.menu_suspends();
        self.played_elsewhere("played elsewhere");
        self.comes(&on, "played elsewhere");
        menu.wakes();
        self.plays_with_hooks(&on);
        on.power_off();
    }

    /// What was played elsewhere is put in place, and the daemon is done with it: nobody starts a game sooner than that.
    fn comes(&self, on: &On<'_>, mark: &str) {
        on.wait_until(&format!("{mark}: it is here"), || {
            self.device.save() == Some(bytes(mark)) && on.status().contains("\"incoming_saves\":[]")
        });
    }

    /// Some firmwares open an app as they start a game, and some cannot tell one from the other: what a person restores in
    /// our app, or what comes meanwhile, has its place all the same.
    fn comes_while_our_app_is_open(&self, on: &On<'_>) {
        let (before, after) = self.device.firmware.opens.unwrap_or(("true", "true"));
        on.hook(before);
        let app = on.keep_app_open();
        self.played_elsewhere("while the app is open");
        self.comes(on, "while the app is open");
        on.wait_for_end(app.closes());
        on.hook(after);
    }

    /// What is played elsewhere now is heard of, and waits.
    fn is_not_replaced(&self, on: &On<'_>, mark: &str) {
        let loaded = self.device.save();
        self.played_elsewhere(mark);
        on.wait_until("it has heard of it", || !on.status().contains("\"incoming_saves\":[]"));
        assert_eq!(self.device.save(), loaded, "a running game owns its save");
    }

    /// A game's start freezes, its end sends and fetches; sleep and power-off send, whether the save has settled or not.
    fn plays_with_hooks(&self, on: &On<'_>) {
        if let Some(flag) = self.device.firmware.flag {
            self.device.write(flag, "retroarch\n");
            self.is_not_replaced(on, "while the flag is there");
            std::fs::remove_file(self.device.at(flag)).unwrap();
            self.comes(on, "while the flag is there");
        }
        if let Some((start, stop)) = self.device.firmware.game {
            on.hook(start);
            self.is_not_replaced(on, "while the game runs");
            on.hook(stop);
            self.comes(on, "while the game runs");
            on.hook(start);
            self.device.play(&bytes("played to the end"));
            on.hook(stop);
            on.wait_until("its end sends it", || self.is_elsewhere("played to the end"));
        }
        if let Some(sleep) = self.device.firmware.sleep {
            self.device.play(&bytes("played before sleep"));
            on.hook(sleep);
            on.wait_until("sleep sends it", || self.is_elsewhere("played before sleep"));
        }
    }

    /// Updates are copied over the card, ours and the firmware's: the settings stay, and opening the app puts back what the
    /// firmware's update took away.
    fn updates(&self) {
        let firmware = self.device.firmware;
        self.device.unzip();
        self.device.update_firmware();
        let on = self.device.power_on();
        if firmware.starts_at_boot && firmware.updated.is_empty() {
            on.wait_until_running();
        }
        if let Some(path) = firmware.mended_at_boot {
            assert!(self.device.at(path).exists(), "the boot puts back what the update took away");
        }
        on.use_app();
        on.wait_until_running();
        assert!(self.device.settings().contains(&self.server.url()), "the settings came back");
        on.power_off();
        if firmware.starts_at_boot {
            let on = self.device.power_on();
            on.wait_until_running();
            on.power_off();
        }
    }

    /// As its page says: an empty file called `uninstall`, and the app once more. On one of them, by hand and with all.
    fn removes(&self) {
        let on = self.device.power_on();
        if self.device.firmware.starts_at_boot {
            self.device.write(&format!("{}/uninstall", self.device.firmware.app), "");
            on.use_app();
        } else {
            on.removes_everything();
            let kept = self.device.at(self.device.firmware.card).join(".retrosync");
            assert!(!kept.exists(), "the kept copies go too");
        }
        assert!(!self.device.is_taken(), "it ended with its removal");
        on.power_off();
    }
}

/// The program cannot reach the server: what the person is told instead is what the firmware knows of its Wi-Fi.
#[test]
fn a_device_without_wifi_says_where_to_switch_it_on() {
    let fails = "#!/bin/sh\ncase $1 in status) echo '{\"paired\":false}' ;; pair) echo 'error: x' >&2; exit 1 ;; *) exit 2 ;; esac\n";
    for firmware in FIRMWARES {
        let Some(device) = Device::new(firmware) else { return };
        device.unzip();
        device.write_settings("server = \"https://saves.example\"\n");
        device.write(&format!("{}/run.sh", firmware.app), fails);
        let message = || std::fs::read_to_string(device.at(firmware.app).join("message.txt")).unwrap();
        let on = device.power_on();
        let others = on.processes_of_others();
        on.use_app();
        assert_eq!(message(), "Not paired. x\n", "{}: it is connected", firmware.name);
        on.wait_until("what it showed goes with it", || on.processes_of_others() == others);
        firmware.without_wifi.iter().for_each(|(path, text)| device.write(path, text));
        on.use_app();
        let expected = if firmware.without_wifi == firmwares::NO_INTERFACE {
            "Not paired. There is no network: connect in "
        } else {
            "Not paired. Wi-Fi is off: switch it on in "
        };
        assert!(message().starts_with(expected), "{}: {}", firmware.name, message());
        if firmware.name == "trimui" {
            serde_json::from_str::<serde_json::Value>(&on.shown()).expect("its toast is JSON");
        }
    }
}

macro_rules! stories {
    ($($test:ident: $name:literal,)*) => {
        $(#[test]
        fn $test() {
            story(FIRMWARES.iter().find(|firmware| firmware.name == $name).unwrap());
        })*

        #[test]
        fn every_package_has_its_story() {
            let told: std::collections::BTreeSet<&str> = [$($name),*].into();
            assert_eq!(told, texts::packages());
        }
    };
}

stories! {
    onion_pairs_syncs_boots_is_updated_and_leaves: "onion",
    allium_pairs_syncs_boots_is_updated_and_leaves: "allium",
    koriki_pairs_syncs_boots_is_updated_and_leaves: "koriki",
    spruce_pairs_syncs_boots_is_updated_and_leaves: "spruce",
    minui_pairs_syncs_boots_is_updated_and_leaves: "minui",
    nextui_pairs_syncs_boots_is_updated_and_leaves: "nextui",
    muos_pairs_syncs_boots_is_updated_and_leaves: "muos",
    knulli_pairs_syncs_boots_is_updated_and_leaves: "knulli",
    batocera_pairs_syncs_boots_is_updated_and_leaves: "batocera",
    rocknix_pairs_syncs_boots_is_updated_and_leaves: "rocknix",
    amberelec_pairs_syncs_boots_is_updated_and_leaves: "amberelec",
    arkos_pairs_syncs_boots_is_updated_and_leaves: "arkos",
    trimui_pairs_syncs_boots_is_updated_and_leaves: "trimui",
    crossmix_pairs_syncs_boots_is_updated_and_leaves: "crossmix",
    anbernic_pairs_syncs_boots_is_updated_and_leaves: "anbernic",
    miyoo_pairs_syncs_boots_is_updated_and_leaves: "miyoo",
    retropie_pairs_syncs_boots_is_updated_and_leaves: "retropie",
}
