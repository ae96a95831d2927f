//! Containers as RetroArch writes them, torn ones and hostile ones.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::snapshot::Doubt;
use retrosync_protocol::{Content, Digest};

fn rzip(payload: &[u8], chunk_bytes: u32) -> Vec<u8> {
    let mut file = Vec::new();
    wrap(&mut &payload[..], payload.len() as u64, chunk_bytes, &mut file).unwrap();
    file
}

fn inspect(file: &[u8]) -> io::Result<(Content, Option<Doubt>)> {
    crate::formats::inspect(&"nes/sram/Game".parse().unwrap(), file)
}

fn unwrap(file: &[u8]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    unwrapped(file).read_to_end(&mut bytes).map(|_| bytes)
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

/// Reads one to three bytes at a time: what a slow card does.
struct Dribble<'a>(&'a [u8], usize);

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = self.1 % 3 + 1;
        let count = self.1.min(buffer.len());
        self.0.read(&mut buffer[..count])
    }
}

#[test]
fn a_save_comes_out_as_it_went_in() {
    let mut random = Random(7);
    for size in [1, 2, 511, 8192, 32_768, 131_072, 131_073, 300_000] {
        for (what, bytes) in [("noise", random.bytes(size)), ("blank", vec![0xff; size])] {
            for chunk in [1000, 131_072, 1 << 20] {
                let file = rzip(&bytes, chunk);
                assert!(unwrap(&file).unwrap() == bytes, "{what} of {size} in chunks of {chunk}");
                let mut slowly = Vec::new();
                unwrapped(Dribble(&file, 0)).read_to_end(&mut slowly).unwrap();
                assert!(slowly == bytes, "slowly: {what} of {size} in chunks of {chunk}");
            }
        }
    }
}

/// What RetroArch 1.14.0 wrote with `save_file_compression = "true"` for a game that counts its launches.
const WRITTEN_BY_RETROARCH: &str = "23525a495076012300000200002000000000000023000000789cedc1010d00000803a05bd1fe5d\
    6e0e3760926c0100000000000080cf0ef496dd2a";

#[test]
fn a_container_that_retroarch_wrote() {
    let hex = WRITTEN_BY_RETROARCH.as_bytes().chunks(2);
    let file: Vec<u8> =
        hex.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect();
    let mut save = vec![0xff; 8192];
    save[..5].copy_from_slice(&[1, 0, 0, 0, b'R']);
    assert!(unwrap(&file).unwrap() == save);
    assert_eq!(inspect(&file[..]).unwrap(), inspect(&save[..]).unwrap());
    // The header and the chunk's frame are the same to the byte; zlib's own bytes need not be.
    assert_eq!(rzip(&save, CHUNK_BYTES)[..HEADER_BYTES], file[..HEADER_BYTES]);
}

#[test]
fn what_is_no_container_is_itself() {
    for raw in [&b""[..], b"#", b"#RZIPv1#", b"#RZIPv\x02#abc", b"RASTATE\x01 and more", &[0; 9]] {
        assert_eq!(unwrap(raw).unwrap(), raw);
        assert_eq!(
            inspect(raw).unwrap().0,
            Content { digest: Digest::of(raw), size_bytes: raw.len() as u64 }
        );
    }
}

#[test]
fn a_container_cut_anywhere_is_torn_and_never_a_shorter_save() {
    let file = rzip(&Random(3).bytes(5000), 2048);
    for cut in MAGIC.len()..file.len() {
        assert_eq!(
            unwrap(&file[..cut]).map_err(|e| e.kind()),
            Err(io::ErrorKind::InvalidData),
            "cut at {cut}"
        );
        let (content, doubt) = inspect(&file[..cut]).unwrap();
        assert_eq!((content.digest, doubt), (Digest::of(&file[..cut]), Some(Doubt::Torn)), "cut at {cut}");
    }
}

#[test]
fn a_flipped_bit_is_never_taken_for_the_save() {
    let bytes = Random(5).bytes(3000);
    let file = rzip(&bytes, 1024);
    for at in HEADER_BYTES..file.len() {
        let mut bad = file.clone();
        bad[at] ^= 0x10;
        if let Ok(read) = unwrap(&bad) {
            assert!(read == bytes, "the bit at {at} went unnoticed");
        }
    }
}

#[test]
fn a_hostile_header_costs_no_memory_and_no_panic() {
    let mut random = Random(11);
    for _ in 0..20_000 {
        let mut file = rzip(&random.bytes(300), 100);
        for _ in 0..4 {
            let at = random.next() as usize % file.len();
            file[at] = random.next() as u8;
        }
        let length = random.next() as usize % (file.len() + 1);
        let _ = unwrap(&file[..length]);
        inspect(&file[..length]).unwrap();
    }
    let mut bomb = MAGIC.to_vec();
    bomb.extend(u32::MAX.to_le_bytes());
    bomb.extend(u64::MAX.to_le_bytes());
    assert_eq!(inspect(&bomb[..]).unwrap().1, Some(Doubt::Torn));
}

#[test]
fn doubts_row_by_row() {
    for (what, file, doubt) in [
        ("nothing", vec![], Some(Doubt::Empty)),
        ("all 0x00", vec![0; 8192], Some(Doubt::Blank)),
        ("all 0xff", vec![0xff; 40_000], Some(Doubt::Blank)),
        ("0x00, then 0xff", [vec![0; 8], vec![0xff; 8]].concat(), None),
        ("all 0x20", vec![0x20; 8192], None),
        ("blank but for its end", [vec![0; 40_000], vec![1]].concat(), None),
        ("a container of blanks", rzip(&[0xff; 8192], 1000), Some(Doubt::Blank)),
        ("a container of a save", rzip(b"a save", 1000), None),
    ] {
        assert_eq!(inspect(&file[..]).unwrap().1, doubt, "{what}");
    }
}

#[test]
fn two_containers_of_one_payload_are_one_content() {
    let bytes = Random(9).bytes(9000);
    let one = inspect(&rzip(&bytes, 1000)[..]).unwrap();
    assert_eq!(one, inspect(&rzip(&bytes, 131_072)[..]).unwrap());
    assert_eq!(one, inspect(&bytes[..]).unwrap());
}
