//! The same picture on panels of both depths, mounted in all four ways, one and two pages: by the real program.

use retrosync::screen::panel::Geometry;
use retrosync::screen::picture::{self, Names};

use super::device::{Device, memory_png};
use super::golden::{compare, font};
use super::views;

#[test]
fn every_mounting_and_depth_shows_what_was_looked_at() {
    let font = font();
    for depth in [16, 32] {
        for rotation in [0, 90, 180, 270] {
            let (width, height) = if rotation % 180 == 0 { (320, 240) } else { (240, 320) };
            let text = format!("{width}x{height}x{depth}@{rotation}+32");
            let geometry = Geometry::parse(&text).unwrap();
            let canvas = picture::draw(&views::home(), &font, geometry.panel.upright(), Names::default());
            let mut memory = vec![0; geometry.panel.page_bytes()];
            geometry.panel.paint(&canvas, None, &mut memory);
            compare(&format!("memory-{text}.png"), &memory_png(&geometry, &memory));
        }
    }
}

#[test]
fn a_picture_that_changes_in_places_is_the_picture_that_is_drawn_anew() {
    let font = font();
    let geometry = Geometry::parse("640x480x16@180").unwrap();
    let mut memory = vec![0; geometry.panel.page_bytes()];
    let mut shown = None;
    for (name, view) in views::all() {
        let canvas = picture::draw(&view, &font, geometry.panel.upright(), Names::default());
        geometry.panel.paint(&canvas, shown.as_ref(), &mut memory);
        let mut anew = vec![0; memory.len()];
        geometry.panel.paint(&canvas, None, &mut anew);
        assert!(memory == anew, "{name}");
        shown = Some(canvas);
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
