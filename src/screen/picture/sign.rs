//! PURE. Small signs and round corners, drawn with soft edges: each pixel asks sixteen points whether they are inside.

use crate::screen::font::{DARKEST, Letter};

/// A shape in a square; places are from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// A full circle.
    Disc,
    /// A circle's line.
    Ring,
    /// All is well.
    Check,
    /// It does not work.
    Cross,
    /// Look at it.
    Bang,
    /// There is more: a corner that points to the right.
    More,
    /// A triangle that points up, to the right, down, to the left.
    Point(u8),
    /// A clock's hands.
    Hands,
}

impl Sign {
    fn covers(self, x: f32, y: f32) -> bool {
        let far = |x0: f32, y0: f32| ((x - x0) * (x - x0) + (y - y0) * (y - y0)).sqrt();
        let near = |from: (f32, f32), to: (f32, f32), wide: f32| distance((x, y), from, to) < wide;
        match self {
            Sign::Disc => far(0.5, 0.5) < 0.5,
            Sign::Ring => (0.38..0.5).contains(&far(0.5, 0.5)),
            Sign::Check => near((0.28, 0.53), (0.44, 0.68), 0.065) || near((0.44, 0.68), (0.73, 0.35), 0.065),
            Sign::Cross => near((0.34, 0.34), (0.66, 0.66), 0.065) || near((0.34, 0.66), (0.66, 0.34), 0.065),
            Sign::Bang => near((0.5, 0.26), (0.5, 0.54), 0.07) || far(0.5, 0.73) < 0.085,
            Sign::More => near((0.4, 0.25), (0.64, 0.5), 0.06) || near((0.64, 0.5), (0.4, 0.75), 0.06),
            Sign::Point(turns) => {
                let (x, y) = match turns {
                    0 => (x, y),
                    1 => (y, 1.0 - x),
                    2 => (x, 1.0 - y),
                    _ => (y, x),
                };
                y < 0.72 && (x - 0.5).abs() < (y - 0.26) * 0.62
            }
            Sign::Hands => near((0.5, 0.5), (0.5, 0.22), 0.05) || near((0.5, 0.5), (0.68, 0.6), 0.05),
        }
    }
}

/// How far a point is from a line between two points.
fn distance((x, y): (f32, f32), (x0, y0): (f32, f32), (x1, y1): (f32, f32)) -> f32 {
    let (dx, dy) = (x1 - x0, y1 - y0);
    let along = (((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
    let (near_x, near_y) = (x0 + along * dx - x, y0 + along * dy - y);
    (near_x * near_x + near_y * near_y).sqrt()
}

/// A sign as large as this, to be put down as a letter is.
pub(super) fn sign(sign: Sign, size_px: u32) -> Letter {
    sampled(size_px, |x, y| sign.covers(x, y))
}

/// One corner of a full circle, as large as its radius: upper left, upper right, lower left, lower right.
pub(super) fn corner(number: u32, radius_px: u32) -> Letter {
    sampled(radius_px, |x, y| {
        let x = if number.is_multiple_of(2) { 1.0 - x } else { x };
        let y = if number < 2 { 1.0 - y } else { y };
        x * x + y * y < 1.0
    })
}

fn sampled(size_px: u32, covers: impl Fn(f32, f32) -> bool) -> Letter {
    let mut dark = Vec::with_capacity((size_px * size_px) as usize);
    let unit = 1.0 / (size_px as f32 * 4.0);
    for y in 0..size_px {
        for x in 0..size_px {
            let points = (0..16u32).filter(|point| {
                let at = |pixel: u32, part: u32| ((pixel * 4 + part) as f32 + 0.5) * unit;
                covers(at(x, point % 4), at(y, point / 4))
            });
            dark.push((points.count() * DARKEST as usize).div_ceil(16) as u8);
        }
    }
    Letter { advance_px: size_px, left_px: 0, top_px: 0, width_px: size_px, dark }
}
