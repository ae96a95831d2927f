//! Every package on a card of its firmware: unzipped, opened from the menu, paired, booted, played on, updated, removed.
//!
//! The card, the firmware's own tools and its boot script are fixtures, written after the layouts that its sources
//! document; the shell is busybox, the program in the package is the one for that processor (under qemu where this
//! machine is another), the server is the real one. Each device is a process namespace with its own root folder: what
//! is killed with it dies as in a power cut. Needs root, Debian's busybox-static and `scripts/package`; says so and
//! passes where one is missing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod device;
mod firmwares;
mod texts;

use std::time::{Duration, Instant};

use device::Device;
use firmwares::{FIRMWARES, Firmware};
use support::card;
use support::device::{Device as Other, bytes};
use support::server::Server;

/// The most that a boot script may keep its firmware waiting, under qemu on a machine that does much else.
const BOOT_MOST: Duration = Duration::from_secs(60);

/// All that a person does with a package, in order.
fn story(firmware: &'static Firmware) {
    let Some(device) = Device::new(firmware) else { return };
    let server = Server::start();
    let before = device.files();
    let other = Other::new(card::Firmware::Minui, firmwares::TITLE);
    other.pair(&server);

    // Unzipped on the card; the address is the only thing that a person writes.
    device.unzip();
    let settings =
        format!("server = \"{}\"\nplain_http = true\nsettle_ms = 200\nfresh_save_s = 0\n", server.url());
    device.write_settings(&settings);
    let mut on = device.power_on();
    assert!(!on.is_running(), "nothing starts before a person has opened the app");

    // Opened from the menu: the code is shown, approved elsewhere, and from then on it is synced.
    let app = on.open_app();
    server.approve(&on.wait_for_code());
    on.wait_for_end(app);
    on.wait_until_running();
    device.play(&bytes("played here"));
    on.wait_until("what was played here is on the other device", || {
        other.once();
        other.save() == Some(bytes("played here"))
    });

    // Reboot: the firmware's hook starts it, and the firmware does not wait for it.
    on.power_off();
    let began = Instant::now();
    on = device.power_on();
    assert!(began.elapsed() < BOOT_MOST, "the boot script kept the firmware waiting");
    if firmware.starts_at_boot {
        on.wait_until_running();
        on.is_apart();
        other.plays(&bytes("played elsewhere"));
        other.once();
        on.wait_until("what was played elsewhere is here", || {
            device.save() == Some(bytes("played elsewhere"))
        });
        on.menu_suspends_and_wakes();
        play_with_hooks(&device, &on, &other);
    }

    // An update is copied over the card: the person's settings stay.
    on.power_off();
    device.unzip();
    on = device.power_on();
    if !firmware.starts_at_boot {
        let app = on.open_app();
        on.wait_for_end(app);
    }
    on.wait_until_running();
    assert!(device.settings().contains(&server.url()), "the settings came back");

    // Opened again, it switches nothing twice, and repairs what an update of the firmware removed.
    on.power_off();
    device.update_firmware();
    on = device.power_on();
    let app = on.open_app();
    on.wait_for_end(app);
    on.wait_until_running();
    if firmware.starts_at_boot {
        on.power_off();
        on = device.power_on();
        on.wait_until_running();
    }

    on.uninstall();
    assert!(!on.is_running(), "it ended with its removal");
    on.power_off();
    let mut after = device.files();
    after.remove(&device.save_path());
    let changed = |path: &&std::path::PathBuf| after.get(*path) != before.get(*path);
    let changed: std::collections::BTreeSet<_> = after.keys().chain(before.keys()).filter(changed).collect();
    assert!(changed.is_empty(), "the card is not as it was: {changed:?}");
}

/// A game's start freezes, its end sends and fetches; sleep and power-off send.
fn play_with_hooks(device: &Device, on: &device::On<'_>, other: &Other) {
    let Some((start, stop)) = device.firmware.game else { return };
    on.hook(start);
    other.plays(&bytes("while the game runs"));
    other.once();
    std::thread::sleep(Duration::from_millis(1_500));
    assert_ne!(device.save(), Some(bytes("while the game runs")), "a running game owns its save");
    on.hook(stop);
    on.wait_until("after the game it is here", || device.save() == Some(bytes("while the game runs")));
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
