//! PURE. How a pairing code looks in a terminal: big letters, the address, and a QR code for a phone.
//!
//! Only spaces and block characters, so that it also reads on a serial console without colours.

use qrcodegen::{QrCode, QrCodeEcc};

/// Five rows of a letter, each row's bits from the left in 5 columns, packed as one base-32 digit (`0`-`9`, `a`-`v`).
fn rows(letter: char) -> [u8; 5] {
    let packed: &[u8; 5] = match letter {
        'A' => b"ehvhh",
        'B' => b"uhuhu",
        'C' => b"fgggf",
        'D' => b"uhhhu",
        'E' => b"vgugv",
        'F' => b"vgugg",
        'G' => b"fgjhf",
        'H' => b"hhvhh",
        'J' => b"722ie",
        'K' => b"hioih",
        'L' => b"ggggv",
        'M' => b"hrllh",
        'N' => b"hpljh",
        'P' => b"uhugg",
        'Q' => b"ehlid",
        'R' => b"uhuih",
        'S' => b"fge1u",
        'T' => b"v4444",
        'U' => b"hhhhe",
        'V' => b"hhha4",
        'W' => b"hllra",
        'X' => b"ha4ah",
        'Y' => b"ha444",
        'Z' => b"v248v",
        '2' => b"u1egv",
        '3' => b"u1e1u",
        '4' => b"iiv22",
        '5' => b"vgu1u",
        '6' => b"eguhe",
        '7' => b"v1248",
        '8' => b"ehehe",
        '9' => b"ehf1e",
        _ => b"00e00",
    };
    packed.map(|digit| if digit.is_ascii_digit() { digit - b'0' } else { digit - b'a' + 10 })
}

/// The code in letters of five by five blocks.
pub(super) fn big(code: &str) -> String {
    let mut text = String::new();
    for row in 0..5 {
        text.push_str("  ");
        for letter in code.chars() {
            for column in (0..5).rev() {
                text.push_str(if rows(letter)[row] >> column & 1 == 1 { "█" } else { " " });
            }
            text.push_str("  ");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

/// A QR code of `text`, two modules a character, dark on light whatever the terminal's colours; `None` if it is too long.
pub(super) fn qr(text: &str) -> Option<String> {
    let code = QrCode::encode_text(text, QrCodeEcc::Low).ok()?;
    let (border, size) = (2, code.size());
    let light = |x: i32, y: i32| !code.get_module(x, y);
    let mut out = String::new();
    let mut y = -border;
    while y < size + border {
        out.push_str("  ");
        for x in -border..size + border {
            out.push_str(match (light(x, y), light(x, y + 1) && y + 1 < size + border) {
                (true, true) => "█",
                (true, false) => "▀",
                (false, true) => "▄",
                (false, false) => " ",
            });
        }
        out.push('\n');
        y += 2;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_code_is_readable_from_the_couch() {
        assert_eq!(
            big("TL-7"),
            "  █████  █             █████\n    █    █                 █\n    █    █       ███      █\n    █    █               █\n    █    █████          █\n"
        );
    }

    #[test]
    fn every_letter_of_the_alphabet_differs() {
        let letters = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789-";
        for one in letters.chars() {
            for other in letters.chars().filter(|other| *other != one) {
                assert_ne!(rows(one), rows(other), "{one} {other}");
            }
        }
    }

    #[test]
    fn the_qr_code_is_framed_in_light_and_square() {
        let picture = qr("http://nas:8377/pair?code=WXRT-4KQM").unwrap();
        let widths: Vec<usize> = picture.lines().map(|line| line.chars().count() - 2).collect();
        assert!(widths.windows(2).all(|pair| pair[0] == pair[1]), "{widths:?}");
        assert_eq!(widths[0].div_ceil(2), widths.len());
        assert!(picture.lines().next().unwrap().trim().chars().all(|c| c == '█'));
    }
}
