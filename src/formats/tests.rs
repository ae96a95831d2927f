//! What goes into a form comes out of it: every family, every form, random bytes; every truncation; hostile bytes.

#![allow(clippy::unwrap_used)]

use super::*;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, most: usize) -> usize {
        self.next() as usize % most
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| (self.next() >> 32) as u8).collect()
    }
}

fn save(text: &str) -> SaveId {
    text.parse().unwrap()
}

fn payload_of(id: &SaveId, file: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    payload(id, file).read_to_end(&mut bytes).unwrap();
    bytes
}

fn written(form: &Form, payload: &[u8]) -> io::Result<Vec<u8>> {
    let mut file = Vec::new();
    form.write(&mut &payload[..], payload.len() as u64, &mut file).map(|()| file)
}

/// The clock that mGBA and VBA-M append, of a plausible time; `long` with 8 bytes of Unix time.
fn clock(long: bool) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        [59u32, 59, 23, 255, 0x41, 1, 2, 3, 4, 0].iter().flat_map(|w| w.to_le_bytes()).collect();
    bytes.extend(&1_767_225_600u64.to_le_bytes()[..if long { 8 } else { 4 }]);
    bytes
}

/// As DeSmuME 0.9.11 writes it for 512 KiB.
fn desmume_footer(size: u32, chip: u32) -> Vec<u8> {
    let mut bytes =
        b"|<--Snip above here to create a raw sav by excluding this DeSmuME savedata footer:".to_vec();
    for field in [size, size, chip, 3, size, 0] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend(b"|-DESMUME SAVE-|");
    bytes
}

fn noise(count: usize) -> Vec<u8> {
    let mut bytes = Random(count as u64 + 1).bytes(count);
    // No payload ends in what looks like padding.
    *bytes.last_mut().unwrap() = 7;
    bytes
}

fn padded(mut bytes: Vec<u8>, to: usize) -> Vec<u8> {
    bytes.resize(to, 0xff);
    bytes
}

/// A time of Gambatte's.
const T: [u8; 8] = [0x30, 0x44, 0x55, 0x69, 0, 0, 0, 0];

/// A block that shows these days, hours, minutes and seconds, and was latched at those, at this Unix time.
fn block(shown: [u32; 5], latched: [u32; 5], unix: u64) -> Vec<u8> {
    let mut bytes: Vec<u8> = shown.iter().chain(&latched).flat_map(|cell| cell.to_le_bytes()).collect();
    bytes.extend(unix.to_le_bytes());
    bytes
}

/// A file of each form: what it is, whose, the file, its payload, and whether a new payload keeps the form.
type Row = (&'static str, SaveId, Vec<u8>, Vec<u8>, bool);

fn files() -> Vec<Row> {
    let gb = || save("gb/sram/Game");
    let gba = || save("gba/sram/Game");
    let mut rows = vec![
        ("any save", save("nes/sram/Game"), noise(8192), noise(8192), false),
        ("Game Boy, raw", gb(), noise(0x8000), noise(0x8000), false),
        ("a clock of 48 bytes", gb(), [noise(0x8000), clock(true)].concat(), noise(0x8000), true),
        (
            "a clock of 44 bytes",
            save("gbc/sram/Game"),
            [noise(0x2000), clock(false)].concat(),
            noise(0x2000),
            true,
        ),
        ("GBA, raw", gba(), noise(0x10000), noise(0x10000), false),
        ("GBA, padded", gba(), padded(noise(0x8000), 0x20000), noise(0x8000), true),
        ("GBA with mGBA's clock", gba(), [noise(0x20000), vec![9; 16]].concat(), noise(0x20000), true),
        ("VBA's block, flash", gba(), padded(noise(0x10000), 0x22000), noise(0x10000), true),
        (
            "VBA's block, EEPROM",
            gba(),
            [vec![0xff; 0x20000], padded(noise(0x200), 0x2000)].concat(),
            noise(0x200),
            true,
        ),
        ("DS, raw", save("nds/sram/Game"), noise(0x80000), noise(0x80000), false),
        (
            "DS with DeSmuME's footer",
            save("nds/sram/Game"),
            [noise(0x80000), desmume_footer(0x80000, 6)].concat(),
            noise(0x80000),
            true,
        ),
        ("N64, libretro's block", save("n64/sram/Game"), noise(0x48800), noise(0x48800), false),
        (
            "N64 with a blank disk",
            save("n64/sram/Game"),
            [noise(0x48800), vec![0; 0x1000]].concat(),
            noise(0x48800),
            true,
        ),
        (
            "Gambatte's clock of 8 bytes",
            save("gb/rtc/Game"),
            vec![1, 2, 3, 4, 0, 0, 0, 0],
            vec![1, 2, 3, 4, 0, 0, 0, 0],
            true,
        ),
        (
            "Gambatte's clock of 4 bytes",
            save("gb/rtc/Game"),
            vec![1, 2, 3, 4],
            vec![1, 2, 3, 4, 0, 0, 0, 0],
            true,
        ),
        (
            "a block that stood at zero then",
            save("gbc/rtc/Game"),
            [vec![0; 40], T.to_vec()].concat(),
            T.to_vec(),
            true,
        ),
        (
            "the same of a 32-bit program",
            save("gb/rtc/Game"),
            [vec![0; 40], T[..4].to_vec()].concat(),
            T.to_vec(),
            true,
        ),
        ("a Saturn's memory, Beetle's", save("saturn/sram/Game"), noise(0x8000), noise(0x8000), false),
        (
            "a Saturn's memory, Yabause's",
            save("saturn/sram/Game"),
            noise(0x8000).into_iter().flat_map(|byte| [0xff, byte]).collect(),
            noise(0x8000),
            true,
        ),
        ("PlayStation, raw", save("psx/card.0/Game"), noise(0x20000), noise(0x20000), false),
    ];
    for (what, header) in
        [("a DexDrive's header", (&b"123-456-STD"[..], 3904)), ("a PSP's header", (&b"\0PMV"[..], 128))]
    {
        let file = [&padded(header.0.to_vec(), header.1)[..], &noise(0x20000)].concat();
        rows.push((what, save("psx/card.1/Game"), file, noise(0x20000), false));
    }
    rows
}

#[test]
fn the_payload_of_each_form_row_by_row() {
    for (what, id, file, wanted, _) in files() {
        assert!(payload_of(&id, &file) == wanted, "{what}");
        let packed =
            written(&Form { rzip_chunk_bytes: Some(1000), shape: shape::Shape::Plain }, &file).unwrap();
        assert!(payload_of(&id, &packed) == wanted, "{what}, in a container");
    }
}

#[test]
fn a_save_that_is_replaced_keeps_the_form_of_its_file_and_only_its_payload_changes() {
    for (what, id, file, old, keeps) in files() {
        for packed in [false, true] {
            let file = if packed {
                written(&Form { rzip_chunk_bytes: Some(4096), ..Form::default() }, &file).unwrap()
            } else {
                file.clone()
            };
            let form = Form::of(&id, &file[..]).unwrap();
            assert_eq!(form.is_plain(), !keeps && !packed, "{what}");
            assert_eq!(form.rzip_chunk_bytes, packed.then_some(4096), "{what}");
            let mut new = old.clone();
            new[3] ^= 0xff;
            let replaced = written(&form, &new).unwrap();
            assert!(payload_of(&id, &replaced) == new, "{what}, packed: {packed}");
            assert_eq!(Form::of(&id, &replaced[..]).unwrap(), form, "{what}, packed: {packed}");
            if keeps {
                // What went back in is the very file, all that was not payload included.
                assert!(
                    payload_of(&save("nes/sram/x"), &written(&form, &old).unwrap())
                        == payload_of(&save("nes/sram/x"), &file),
                    "{what}"
                );
            }
        }
    }
}

#[test]
fn twenty_hands_and_never_another_digest() {
    let mut random = Random(5);
    for (what, id, file, old, _) in files() {
        // Clocks are of one size each.
        if id.as_str().contains("rtc") {
            continue;
        }
        let mut payload = old;
        let mut others = vec![
            Form::of(&id, &file[..]).unwrap(),
            Form::default(),
            Form::of_new(&id, "Game.dsv", AsNew { packed: true, ..AsNew::default() }),
        ];
        for hand in 0..20 {
            let at = random.below(payload.len() - 1);
            payload[at] = random.next() as u8;
            let form = others.remove(0);
            let placed = written(&form, &payload).unwrap_or_else(|error| unreachable!("{what}: {error}"));
            assert!(payload_of(&id, &placed) == payload, "{what}, hand {hand}");
            others.push(Form::of(&id, &placed[..]).unwrap());
        }
    }
}

#[test]
fn whatever_the_bytes_what_was_proved_once_stays_proved() {
    let mut random = Random(77);
    let ids: Vec<SaveId> = [
        "gb/sram/a",
        "gba/sram/a",
        "nds/sram/a",
        "n64/sram/a",
        "psx/card.0/a",
        "nes/sram/a",
        "gbc/rtc/a",
        "saturn/sram/a",
    ]
    .map(save)
    .into();
    let sizes = [
        0, 1, 4, 8, 44, 48, 122, 0x200, 0x22c, 0x2000, 0x8000, 0x8030, 0x10000, 0x20010, 0x22000, 0x48800,
        0x48801, 134_976,
    ];
    for _ in 0..400 {
        let id = &ids[random.below(ids.len())];
        let size = sizes[random.below(sizes.len())];
        let fill = [0x00, 0xff, random.next() as u8][random.below(3)];
        let mut file = vec![fill; size];
        for _ in 0..random.below(6) {
            if size > 0 {
                let at = random.below(size);
                file[at] = random.next() as u8;
            }
        }
        let payload = payload_of(id, &file);
        assert!(payload_of(id, &payload) == payload, "{id} of {size}: the payload is in its own form");
        let form = Form::of(id, &file[..]).unwrap();
        match written(&form, &payload) {
            Ok(again) => assert!(payload_of(id, &again) == payload, "{id} of {size}"),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{id} of {size}"),
        }
    }
}

#[test]
fn a_file_cut_anywhere_is_no_other_save_and_no_panic() {
    for (what, id, file, payload, _) in files() {
        let steps = (file.len() / 40).max(1);
        let ends = 0..170.min(file.len());
        let cuts = (0..file.len()).step_by(steps).chain(ends.map(|from_end| file.len() - 1 - from_end));
        for cut in cuts {
            let cut_payload = payload_of(&id, &file[..cut]);
            assert!(cut_payload.len() <= cut.max(8), "{what} cut at {cut}");
            assert!(
                payload.starts_with(&cut_payload)
                    || cut_payload[..] == file[..cut]
                    || what.contains("EEPROM")
                    || id.as_str().contains("rtc"),
                "{what} cut at {cut}"
            );
            Form::of(&id, &file[..cut]).unwrap();
        }
    }
}

#[test]
fn what_only_looks_like_a_form_is_its_own_payload() {
    let far = {
        let mut clock = clock(true);
        clock[0] = 64;
        clock
    };
    let odd = desmume_footer(0x40000, 5);
    let both = [noise(0x20000), padded(noise(0x200), 0x2000)].concat();
    for (what, id, file) in [
        ("a clock that shows 64 seconds", save("gb/sram/a"), [noise(0x8000), far].concat()),
        ("48 bytes behind no size of SRAM", save("gb/sram/a"), [noise(0x7000), clock(true)].concat()),
        ("only a clock", save("gb/sram/a"), clock(true)),
        ("a footer that speaks of another size", save("nds/sram/a"), [noise(0x80000), odd].concat()),
        ("a block with bytes in both halves", save("gba/sram/a"), both),
        ("a disk that was written to", save("n64/sram/a"), [noise(0x48800), noise(4096)].concat()),
        (
            "a card with a header of a wrong length",
            save("psx/card.0/a"),
            [b"123-456-STD".to_vec(), noise(0x20000)].concat(),
        ),
        ("a clock behind another system's save", save("nes/sram/a"), [noise(0x8000), clock(true)].concat()),
        ("a core's own", save("gba/sram@vba_next/a"), padded(noise(0x8000), 0x20000)),
        ("longer than any with a shape", save("nds/sram/a"), vec![3; SHAPED_MOST_BYTES + 10]),
    ] {
        assert!(payload_of(&id, &file) == file, "{what}");
        assert!(Form::of(&id, &file[..]).unwrap().is_plain(), "{what}");
    }
}

#[test]
fn what_a_form_cannot_hold_is_refused_with_its_reason() {
    let gba = save("gba/sram/a");
    let neither = Form::of(&gba, &vec![0xff; 0x22000][..]).unwrap();
    let eeprom = Form::of(&gba, &[vec![0xff; 0x20000], padded(noise(0x200), 0x2000)].concat()[..]).unwrap();
    let dsv = Form::of_new(&save("nds/sram/a"), "a.dsv", AsNew::default());
    let yabause = Form::of_new(&save("saturn/sram/a"), "a.srm", AsNew::default());
    let gambatte = Form::of_new(&save("gbc/rtc/a"), "a.rtc", AsNew::default());
    let mgba = Form::of_new(&save("gbc/rtc/a"), "a.rtc", AsNew { block_clock: true, ..AsNew::default() });
    for (what, form, payload, why) in [
        ("an unused block", neither, noise(0x2000), "does not tell where this game keeps"),
        ("mGBA's clock", Form::of(&save("gb/rtc/a"), &[0; 8][..]).unwrap(), clock(true), "is not converted"),
        ("flash into EEPROM", eeprom, noise(0x8000), "do not fit"),
        ("mGBA's clock where Gambatte plays and none is yet", gambatte, clock(true), "is not converted"),
        ("a third core's clock where mGBA plays", mgba, noise(32), "is not converted"),
        ("what is no Saturn's memory", yabause, noise(0x10000), "no memory of a Saturn"),
        ("a size that no cartridge has", dsv, noise(1000), "no Nintendo DS cartridge has this size"),
    ] {
        let error = written(&form, &payload).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{what}");
        assert!(error.to_string().contains(why), "{what}: {error}");
    }
}

#[test]
fn a_new_file_gets_the_footer_that_desmume_itself_writes() {
    let id = save("nds/sram/Game");
    let form = Form::of_new(&id, "Game.DSV", AsNew::default());
    assert!(
        written(&form, &noise(0x80000)).unwrap() == [noise(0x80000), desmume_footer(0x80000, 6)].concat()
    );
    assert!(Form::of_new(&id, "Game.sav", AsNew::default()).is_plain());
    assert!(Form::of_new(&save("nes/sram/Game"), "Game.dsv", AsNew::default()).is_plain());
}

#[test]
fn a_clock_goes_from_gambatte_to_mgba_and_back_and_tells_the_same_time() {
    let id = save("gbc/rtc/Game");
    let mgba = AsNew { block_clock: true, ..AsNew::default() };
    let placed = written(&Form::of_new(&id, "Game.rtc", mgba), &T).unwrap();
    assert!(placed == block([0; 5], [0; 5], u64::from_le_bytes(T)), "all programs read zero at that time");
    assert!(payload_of(&id, &placed) == T);
    // mGBA has played on for 400 days, 4 hours, 5 minutes and 6 seconds, and wrote what it showed then.
    let (shown, seconds) = ([6, 5, 4, 400 - 256, 1], ((400 * 24 + 4) * 60 + 5) * 60 + 6);
    let played = block(shown, shown, u64::from_le_bytes(T) + seconds);
    assert!(payload_of(&id, &played) == T, "it is the same clock: no version that nobody set");
    let there = Form::of(&id, &[0; 8][..]).unwrap();
    assert!(written(&there, &payload_of(&id, &played)).unwrap() == T, "and Gambatte gets it back");
    assert!(written(&Form::of_new(&id, "Game.rtc", AsNew::default()), &T).unwrap() == T);
}

#[test]
fn a_clock_that_gambatte_cannot_tell_exactly_is_not_converted() {
    let id = save("gbc/rtc/Game");
    let plain = [6, 5, 4, 3, 0];
    for (what, file) in [
        ("it stands still", block([6, 5, 4, 3, 0x40], [6, 5, 4, 3, 0x40], 1_767_225_600)),
        ("its days have run over", block([6, 5, 4, 3, 0x80], [6, 5, 4, 3, 0x80], 1_767_225_600)),
        ("VBA-M and mGBA read it differently", block(plain, [5, 5, 4, 3, 0], 1_767_225_600)),
        ("a game has set 61 seconds", block([61, 5, 4, 3, 0], [61, 5, 4, 3, 0], 1_767_225_600)),
        ("it shows more than has gone by since 1970", block(plain, plain, 60)),
        ("it is no block", block([64; 5], [64; 5], 1_767_225_600)),
    ] {
        assert!(payload_of(&id, &file) == file, "{what}");
        let there = Form::of(&id, &[0; 8][..]).unwrap();
        assert_eq!(written(&there, &file).unwrap_err().kind(), io::ErrorKind::Unsupported, "{what}");
        // Where such a clock is, it goes as it is.
        assert!(written(&Form::of(&id, &file[..]).unwrap(), &file).unwrap() == file, "{what}");
    }
}
