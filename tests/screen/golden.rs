//! Pictures and texts against those in `golden/`, which somebody looked at. `RETROSYNC_WRITE_GOLDEN=1` writes them anew: look
//! at each before it is committed.

use std::path::{Path, PathBuf};

use retrosync::screen::font::Font;
use retrosync::screen::glyphs::Glyphs;
use retrosync::screen::picture::{self, Names};
use retrosync::screen::png;

use super::views;

/// The firmwares' resolutions, the smallest and the largest, and one that nobody has.
const SIZES: &[(u32, u32)] =
    &[(320, 240), (640, 480), (720, 480), (720, 720), (750, 560), (1280, 720), (1920, 1152), (410, 502)];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn font() -> Font {
    Font::new(Box::new(Glyphs::open(&root().join("assets/fonts/cjk.font")).unwrap()))
}

/// Fails where these bytes are not the ones that were looked at; leaves what came instead in `target/`.
pub fn compare(name: &str, bytes: &[u8]) {
    let path: PathBuf = root().join("tests/screen/golden").join(name);
    if std::env::var_os("RETROSYNC_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, bytes).unwrap();
    }
    if std::fs::read(&path).unwrap_or_default() != bytes {
        let other = root().join("target").join(name);
        std::fs::write(&other, bytes).unwrap();
        panic!("{} is not what was looked at: compare it with {}", path.display(), other.display());
    }
}

#[test]
fn every_page_looks_as_it_was_looked_at_on_every_screen() {
    let font = font();
    for (name, view) in views::all() {
        for (width, height) in SIZES {
            // All pages on the usual screen and on the smallest; of the others those that are hardest to lay out.
            let is_usual = [(320, 240), (640, 480)].contains(&(*width, *height));
            if !is_usual && !["home", "pair", "conflict"].contains(&name) {
                continue;
            }
            let canvas = picture::draw(&view, &font, (*width, *height), Names::default());
            let bytes = png::encode(canvas.width, canvas.height, &canvas.palette(), &canvas.cells);
            compare(&format!("{name}-{width}x{height}.png"), &bytes);
        }
    }
}
