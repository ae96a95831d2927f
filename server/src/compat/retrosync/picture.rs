//! PURE. The picture of a dashboard's code that the first generation's page shows: a QR code as a PNG within a `data:` address.

use qrcodegen::{QrCode, QrCodeEcc};

use super::base64;

/// Pixels of a module, and modules of white around all.
const SCALE: usize = 4;
const QUIET: usize = 4;

/// `data:image/png;base64,…` of this text; `None`: it is too long for a QR code.
pub(super) fn address(text: &str) -> Option<String> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    Some(format!("data:image/png;base64,{}", base64::encode(&png(&code))))
}

/// Grey of eight bits, as every reader knows it.
fn png(code: &QrCode) -> Vec<u8> {
    let side = (usize::try_from(code.size()).unwrap_or_default() + 2 * QUIET) * SCALE;
    let place = |pixel: usize| i32::try_from(pixel / SCALE).unwrap_or_default() - QUIET as i32;
    let mut rows = Vec::with_capacity((side + 1) * side);
    for y in 0..side {
        // The row as it is, without a filter.
        rows.push(0);
        rows.extend((0..side).map(|x| if code.get_module(place(x), place(y)) { 0 } else { 255 }));
    }
    let side = u32::try_from(side).unwrap_or_default().to_be_bytes();
    let mut head = [side, side].concat();
    head.extend([8, 0, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut file, b"IHDR", &head);
    chunk(&mut file, b"IDAT", &miniz_oxide::deflate::compress_to_vec_zlib(&rows, 6));
    chunk(&mut file, b"IEND", &[]);
    file
}

fn chunk(file: &mut Vec<u8>, name: &[u8; 4], bytes: &[u8]) {
    file.extend(u32::try_from(bytes.len()).unwrap_or_default().to_be_bytes());
    let begins = file.len();
    file.extend(name);
    file.extend(bytes);
    let sum = sum(&file[begins..]);
    file.extend(sum.to_be_bytes());
}

/// CRC-32 as PNG has it.
fn sum(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 };
        }
    }
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_the_one_that_png_readers_expect() {
        assert_eq!(sum(b"IEND"), 0xAE42_6082);
    }
}
