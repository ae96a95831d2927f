//! PURE. The headers of a zip archive whose entries are stored as they are (APPNOTE 6.3.9), written as they come.
//!
//! May assume that of each entry as many bytes are counted as were announced. An entry's checksum follows its bytes, in a
//! descriptor; every entry has ZIP64 sizes, so that one of 4 GiB needs no other form.

use bytes::Bytes;

const LOCAL: u32 = 0x0403_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;
const END: u32 = 0x0605_4b50;
/// The version that knows ZIP64.
const NEEDS: u16 = 45;
/// Bit 3: a descriptor follows; bit 11: names are UTF-8.
const FLAGS: u16 = 1 << 3 | 1 << 11;
/// 1 January 1980, the first day that the format knows: an archive of the same saves has the same bytes.
const DATE: u16 = 1 << 5 | 1;
const IN_64: u32 = u32::MAX;

/// An archive on its way out.
#[derive(Default)]
pub(super) struct Archive {
    written_bytes: u64,
    entries: Vec<Entry>,
    sum: Sum,
}

struct Entry {
    name: String,
    size_bytes: u64,
    offset_bytes: u64,
    sum: u32,
}

impl Archive {
    /// The header of the next entry.
    pub(super) fn begin(&mut self, name: &str, size_bytes: u64) -> Bytes {
        self.entries.push(Entry {
            name: name.to_owned(),
            size_bytes,
            offset_bytes: self.written_bytes,
            sum: 0,
        });
        self.sum = Sum::default();
        let mut out = Vec::new();
        put4(&mut out, LOCAL);
        for value in [NEEDS, FLAGS, 0, 0, DATE] {
            put2(&mut out, value);
        }
        // Checksum and sizes follow.
        for value in [0, IN_64, IN_64] {
            put4(&mut out, value);
        }
        put2(&mut out, length(name));
        put2(&mut out, 20);
        out.extend_from_slice(name.as_bytes());
        put2(&mut out, 1);
        put2(&mut out, 16);
        put8(&mut out, 0);
        put8(&mut out, 0);
        self.written(out)
    }

    /// Counts bytes of the entry.
    pub(super) fn count(&mut self, bytes: &[u8]) {
        self.sum.add(bytes);
        self.written_bytes += bytes.len() as u64;
    }

    /// What follows an entry's bytes.
    pub(super) fn end_entry(&mut self) -> Bytes {
        let sum = self.sum.value();
        let mut out = Vec::new();
        if let Some(entry) = self.entries.last_mut() {
            entry.sum = sum;
            put4(&mut out, DESCRIPTOR);
            put4(&mut out, sum);
            put8(&mut out, entry.size_bytes);
            put8(&mut out, entry.size_bytes);
        }
        self.written(out)
    }

    /// The directory, and the end.
    pub(super) fn end(&mut self) -> Bytes {
        let start = self.written_bytes;
        let mut out = Vec::new();
        for entry in &self.entries {
            put4(&mut out, CENTRAL);
            for value in [NEEDS, NEEDS, FLAGS, 0, 0, DATE] {
                put2(&mut out, value);
            }
            for value in [entry.sum, IN_64, IN_64] {
                put4(&mut out, value);
            }
            for value in [length(&entry.name), 28, 0, 0, 0] {
                put2(&mut out, value);
            }
            put4(&mut out, 0);
            put4(&mut out, IN_64);
            out.extend_from_slice(entry.name.as_bytes());
            put2(&mut out, 1);
            put2(&mut out, 24);
            for value in [entry.size_bytes, entry.size_bytes, entry.offset_bytes] {
                put8(&mut out, value);
            }
        }
        let (size, count) = (out.len() as u64, self.entries.len() as u64);
        put4(&mut out, END_64);
        put8(&mut out, 44);
        put2(&mut out, NEEDS);
        put2(&mut out, NEEDS);
        put4(&mut out, 0);
        put4(&mut out, 0);
        for value in [count, count, size, start] {
            put8(&mut out, value);
        }
        put4(&mut out, LOCATOR_64);
        put4(&mut out, 0);
        put8(&mut out, start + size);
        put4(&mut out, 1);
        put4(&mut out, END);
        for value in [0, 0, u16::MAX, u16::MAX] {
            put2(&mut out, value);
        }
        put4(&mut out, IN_64);
        put4(&mut out, IN_64);
        put2(&mut out, 0);
        self.written(out)
    }

    fn written(&mut self, out: Vec<u8>) -> Bytes {
        self.written_bytes += out.len() as u64;
        out.into()
    }
}

fn length(name: &str) -> u16 {
    u16::try_from(name.len()).unwrap_or(u16::MAX)
}

fn put2(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put4(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put8(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// CRC-32 as zip has it (ISO 3309), a byte at a time.
struct Sum(u32);

impl Default for Sum {
    fn default() -> Sum {
        Sum(u32::MAX)
    }
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let place = (self.0 ^ u32::from(*byte)) & 0xff;
            self.0 = TABLE[place as usize] ^ (self.0 >> 8);
        }
    }

    fn value(&self) -> u32 {
        !self.0
    }
}

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut all = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
            bit += 1;
        }
        all[byte] = value;
        byte += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_every_zip_program() {
        let mut sum = Sum::default();
        sum.add(b"1234");
        sum.add(b"56789");
        assert_eq!(sum.value(), 0xcbf4_3926, "the check value of CRC-32/ISO-HDLC");
    }
}
