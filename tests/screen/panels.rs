//! The same picture on panels of both depths, mounted in all four ways, one and two pages: by the real program.

use std::path::Path;

use retrosync::screen::panel::Geometry;

use super::device::{Device, card, png, program, shown, upright};
use super::support::wait_for;

/// What a card without a server shows where nobody answers; the library's tests draw it from the page itself.
const NOBODY: &[u8] = include_bytes!("golden/nobody-320x240.png");

#[test]
fn every_mounting_and_depth_shows_the_same_picture() {
    let geometry = |depth: u32, rotation: u32| {
        let (width, height) = if rotation == 0 || rotation == 180 { (320, 240) } else { (240, 320) };
        format!("{width}x{height}x{depth}@{rotation}+32")
    };
    let all: Vec<String> = [16, 32]
        .iter()
        .flat_map(|depth| [0, 90, 180, 270].map(|rotation| geometry(*depth, rotation)))
        .collect();
    // All at once: each first waits for a server that does not answer.
    let devices: Vec<Device> = all.iter().map(|text| Device::open(text)).collect();
    for (text, device) in all.iter().zip(&devices) {
        let geometry = Geometry::parse(text).unwrap();
        let wanted = |memory: &[u8]| png(320, 240, &upright(&geometry, memory)) == NOBODY;
        if geometry.panel.pixel_bytes == 4 {
            wait_for(text, 120, || wanted(&device.memory()).then_some(()));
            continue;
        }
        // Of eight bits a colour the panel has five or six.
        let fine = devices.last().unwrap();
        let fine_geometry = Geometry::parse(all.last().unwrap()).unwrap();
        wait_for(text, 120, || {
            let coarse = upright(&geometry, &device.memory());
            let fine = upright(&fine_geometry, &fine.memory());
            let cut: Vec<u8> = fine
                .chunks(4)
                .flat_map(|pixel| [pixel[0] & !7, pixel[1] & !3, pixel[2] & !7, pixel[3]])
                .collect();
            (coarse == cut && !coarse.is_empty()).then_some(())
        });
    }
}

#[test]
fn one_picture_of_every_size_is_the_page_as_it_was_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let card = card(folder.path());
    let sizes = ["320x240", "640x480", "720x480", "720x720", "750x560", "1280x720", "1920x1152"];
    let shot = |size: &str| folder.path().join(format!("{size}.png"));
    let depth = |size: &str| if size == "750x560" { 16 } else { 32 };
    let children = sizes.map(|size| {
        let mut command = program();
        // Its socket cannot ask there: nobody answers, at once.
        command.arg("screen").arg("--root").arg(&card).args(["--language", "en", "--find", "[::1]:9"]);
        command.args(["--geometry", &format!("{size}x{}", depth(size))]).arg("--shot").arg(shot(size));
        command.spawn().unwrap()
    });
    for (size, mut child) in sizes.into_iter().zip(children) {
        assert!(child.wait().unwrap().success(), "{size}");
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screen/golden");
        let looked_at = std::fs::read(golden.join(format!("nobody-{size}.png"))).unwrap();
        let (width, height, mut pixels) = shown(&looked_at);
        if depth(size) == 16 {
            // As a panel lights them: five or six bits, the highest once more below them.
            let lit = |part: u8, bits: u32| part >> (8 - bits) << (8 - bits) | part >> bits;
            pixels.iter_mut().for_each(|[r, g, b]| (*r, *g, *b) = (lit(*r, 5), lit(*g, 6), lit(*b, 5)));
        }
        assert!(shown(&std::fs::read(shot(size)).unwrap()) == (width, height, pixels), "{size}");
    }
}

#[test]
fn the_app_draws_opens_pages_and_leaves_nothing_behind_on_every_kind_of_panel() {
    for geometry in ["640x480x16@180", "480x640x32@270+64", "1280x720x32*2", "320x240x16+4*2"] {
        let mut device = Device::open(geometry);
        let first = device.wait_for_picture();
        // Escape leaves the page for pairing, which a new card opens with; then the app.
        device.press(1);
        device.wait_for_other(&first);
        device.press(1);
        let (code, said, memory) = device.ended();
        assert_eq!((code, said.as_str()), (0, ""), "{geometry}");
        assert!(memory.iter().all(|byte| *byte == 0), "{geometry}: a picture was left behind");
    }
}
