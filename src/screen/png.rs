//! PURE. A picture as a PNG file with a palette.

use super::canvas::Colour;

/// The file's bytes. `cells` are places in `palette`, row by row.
pub fn encode(width: u32, height: u32, palette: &[Colour], cells: &[u8]) -> Vec<u8> {
    let mut rows = Vec::with_capacity(cells.len() + height as usize);
    for row in cells.chunks(width.max(1) as usize) {
        // Each row as it is: what follows finds its likeness to the row above.
        rows.push(0);
        rows.extend(row);
    }
    let mut head = Vec::new();
    head.extend(width.to_be_bytes());
    head.extend(height.to_be_bytes());
    // Eight bits, a palette, deflate, no other filters, not interlaced.
    head.extend([8, 3, 0, 0, 0]);
    let colours: Vec<u8> =
        palette.iter().take(256).flat_map(|colour| colour.to_be_bytes()[1..].to_vec()).collect();
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut file, b"IHDR", &head);
    chunk(&mut file, b"PLTE", &colours);
    chunk(&mut file, b"IDAT", &miniz_oxide::deflate::compress_to_vec_zlib(&rows, 9));
    chunk(&mut file, b"IEND", &[]);
    file
}

fn chunk(file: &mut Vec<u8>, name: &[u8; 4], bytes: &[u8]) {
    file.extend((bytes.len() as u32).to_be_bytes());
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
