//! Saves that are several files on one device and one file, or other files, on the next: both have all of it, and an older one
//! comes back as a whole.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use retrosync::durable::seal;
use retrosync::formats::n64::{BLOCK_BYTES, Memory};
use retrosync_protocol::Digest;
use serde_json::json;
use support::card::Firmware;
use support::counter_rom;
use support::device::Device;
use support::program::Running;
use support::server::Server;
use support::wait_for;

const GAME: &str = "Wave Race (World)";
const SAVE: &str = "n64/sram/Wave Race (World)";
/// What mupen64plus calls it.
const NAME: &str = "Wave Race 64 (U) [!]";

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A game whose header has these sums, as a copier wrote it: in the machine's order, or with bytes or words swapped.
fn game(sums: [u32; 2], group: usize) -> Vec<u8> {
    let mut rom = vec![0; 0x1000];
    rom[..4].copy_from_slice(&[0x80, 0x37, 0x12, 0x40]);
    rom[0x10..0x14].copy_from_slice(&sums[0].to_be_bytes());
    rom[0x14..0x18].copy_from_slice(&sums[1].to_be_bytes());
    rom[0x20..0x34].copy_from_slice(b"WAVE RACE 64        ");
    rom.chunks_exact_mut(group).for_each(<[u8]>::reverse);
    rom
}

/// muOS with the libretro core.
fn libretro(server: &Server) -> (Device, PathBuf) {
    let device = Device::new(Firmware::Muos, "Other");
    let root = &device.card.root;
    write(&root.join(format!("ROMS/n64/{GAME}.z64")), &game([0x492F_4B61, 0x04E5_146A], 1));
    let save = root.join(format!("MUOS/save/file/Mupen64Plus-Next/{GAME}.srm"));
    fs::create_dir_all(save.parent().unwrap()).unwrap();
    device.pair(server);
    (device, save)
}

/// RetroPie with mupen64plus, whose catalogue and settings lie in a folder of the test.
fn standalone(server: &Server, settings: &str) -> (Device, PathBuf) {
    let catalogue = "; Mupen64Plus Rom Catalog\n\n\
        [2048A640C12D1CF2052BA1629937D2FF]\nGoodName=Wave Race 64 (U) [!]\nCRC=492F4B61 04E5146A\nSaveType=Eeprom 4KB\n\n\
        [FFFFA640C12D1CF2052BA1629937D2FF]\nGoodName=Wave Race 64 (U) [b1]\nCRC=492F4B61 04E5146A\n";
    let rom = game([0x492F_4B61, 0x04E5_146A], 2);
    standalone_with(server, settings, catalogue, &format!("{GAME}.v64"), &rom)
}

/// The same with this catalogue and this game.
fn standalone_with(
    server: &Server,
    settings: &str,
    catalogue: &str,
    name: &str,
    rom: &[u8],
) -> (Device, PathBuf) {
    let device = Device::new(Firmware::Retropie, "Other");
    let (profiles, configs) = (device.folder().join("profiles"), device.folder().join("n64"));
    let profile = Path::new(env!("CARGO_MANIFEST_DIR")).join("device-profiles/retropie.toml");
    let profile = fs::read_to_string(profile).unwrap();
    let profile = profile.replace("/opt/retropie/configs/n64", configs.to_str().unwrap());
    write(&profiles.join("retropie.toml"), profile.as_bytes());
    write(&configs.join("mupen64plus.ini"), catalogue.as_bytes());
    write(&configs.join("mupen64plus.cfg"), settings.as_bytes());
    write(&configs.join("emulators.cfg"), b"mupen64plus-auto = \"x\"\ndefault = \"mupen64plus-auto\"\n");
    device.set(&format!("profiles = \"{}\"\n", profiles.display()));
    let folder = device.card.root.join("roms/n64");
    write(&folder.join(name), rom);
    device.pair(server);
    (device, folder)
}

fn block(eeprom: &[u8], flash: u8) -> Vec<u8> {
    let mut block = Memory::ALL.map(Memory::blank).concat();
    block[..eeprom.len()].copy_from_slice(eeprom);
    block[BLOCK_BYTES - 100..].fill(flash);
    block
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with("64"))
        .collect();
    names.sort();
    names
}

/// A launch of the counting game by mupen64plus itself, without a screen; it writes the SRAM at once.
fn play_n64(device: &Device, folder: &Path, rom: &str, sra: &Path, counts_to: u32) {
    let scratch = device.folder().join("n64");
    let child = Command::new(MUPEN64PLUS)
        .args(["--nosaveoptions", "--noosd", "--emumode", "0"])
        .args(["--gfx", "dummy", "--audio", "dummy", "--input", "dummy", "--rsp", "dummy"])
        .arg("--configdir")
        .arg(&scratch)
        .arg("--datadir")
        .arg(&scratch)
        .args(["--set", &format!("Core[SaveSRAMPath]={}/", folder.display())])
        .arg(folder.join(rom))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _playing = Running::of(child);
    // Words lie in the file as in this computer's memory.
    wait_for("mupen64plus has counted", 60, || {
        let is = fs::read(sra).ok()?;
        (is.len() == 0x8000 && is.starts_with(&counts_to.to_ne_bytes())).then_some(())
    });
}

const MUPEN64PLUS: &str = "/usr/games/mupen64plus";

#[test]
fn mupen64plus_itself_loads_what_came_from_another_device_by_way_of_a_core_s_block() {
    if !Path::new(MUPEN64PLUS).exists() {
        return support::not_tried("a Nintendo 64 game", "mupen64plus");
    }
    let server = Server::start();
    let [first, second] = counter_rom::N64_SUMS;
    let catalogue = format!(
        "; Mupen64Plus Rom Catalog\n\n[{}]\nGoodName=Counter (W)\nCRC={first:08X} {second:08X}\nSaveType=SRAM\n",
        counter_rom::N64_MD5
    );
    let (rom, settings) = ("Counter (World).z64", "[Core]\nSaveFilenameFormat = 1\n");
    let one = || standalone_with(&server, settings, &catalogue, rom, &counter_rom::n64());
    let ((a, here), (b, there)) = (one(), one());
    let (core, _) = libretro(&server);
    write(&core.card.root.join("ROMS/n64").join(rom), &counter_rom::n64());
    let name = format!("Counter (W)-{}.sra", &counter_rom::N64_MD5[..8]);
    play_n64(&a, &here, rom, &here.join(&name), 1);
    a.once();
    core.once();
    let block = fs::read(core.card.root.join("MUOS/save/file/Mupen64Plus-Next/Counter (World).srm")).unwrap();
    assert_eq!(block.len(), BLOCK_BYTES);
    assert_eq!(block[Memory::Sram.range()], fs::read(here.join(&name)).unwrap());
    b.once();
    assert_eq!(files(&there), [name.as_str()]);
    play_n64(&b, &there, rom, &there.join(&name), 2);
    b.once();
    a.once();
    play_n64(&a, &here, rom, &here.join(&name), 3);
}

fn versions(device: &Device, save: &str) -> usize {
    device.json(&["history", save])["versions"].as_array().map_or(0, Vec::len)
}

#[test]
fn a_nintendo_64_save_goes_from_a_core_to_the_emulator_itself_and_back_while_both_daemons_run() {
    let server = Server::start();
    let (core, srm) = libretro(&server);
    let (own, folder) = standalone(&server, "[Core]\nSaveFilenameFormat = 1\n");
    let eep = folder.join("Wave Race 64 (U) [!]-2048A640.eep");
    let _daemons = [core.daemon(), own.daemon()];

    fs::write(&srm, block(b"first", 0xff)).unwrap();
    let read = |path: &Path, wanted: &[u8]| fs::read(path).is_ok_and(|is| is == wanted).then_some(());
    wait_for("the emulator's file", 60, || read(&eep, &block(b"first", 0xff)[..0x800]));
    assert_eq!(files(&folder), [eep.file_name().unwrap().to_str().unwrap()], "no file for what is blank");
    // The file is there before the set is looked at and recorded: who writes into that moment is asked.
    let agreed = || (own.json(&["status"])["safe"] == json!(1)).then_some(());
    wait_for("it is recorded", 60, agreed);

    // The emulator writes one file, then another that was not there.
    fs::write(&eep, &block(b"second", 0xff)[..0x800]).unwrap();
    fs::write(eep.with_extension("fla"), &block(b"", 0x11)[0x28800..]).unwrap();
    wait_for("the core's block", 60, || read(&srm, &block(b"second", 0x11)));
    wait_for("it is recorded", 60, || (core.json(&["status"])["safe"] == json!(1)).then_some(()));
    fs::write(&srm, block(b"third", 0x22)).unwrap();
    wait_for("one file", 60, || read(&eep, &block(b"third", 0xff)[..0x800]));
    wait_for("and the other", 60, || read(&eep.with_extension("fla"), &block(b"", 0x22)[0x28800..]));
    wait_for("all is quiet", 60, || {
        let quiet = |device: &Device| device.json(&["status"])["queued"] == json!(0);
        (quiet(&core) && quiet(&own)).then_some(())
    });
    assert_eq!(own.json(&["status"])["left_out"], json!([]));
}

#[test]
fn a_small_eeprom_and_a_memory_that_is_blank_again_are_the_same_save_on_both_sides() {
    let server = Server::start();
    let (core, srm) = libretro(&server);
    let (own, folder) = standalone(&server, "");
    let eep = folder.join(format!("{NAME}.eep"));
    fs::write(&eep, &block(b"small", 0xff)[..0x200]).unwrap();
    own.once();
    core.once();
    assert!(fs::read(&srm).unwrap() == block(b"small", 0xff));
    fs::write(&srm, block(b"larger", 0x33)).unwrap();
    core.once();
    own.once();
    assert_eq!(fs::read(&eep).unwrap(), &block(b"larger", 0x33)[..0x200], "the file keeps its length");
    fs::write(&srm, block(b"blank", 0xff)).unwrap();
    core.once();
    own.once();
    assert_eq!(files(&folder), [format!("{NAME}.eep"), format!("{NAME}.fla")]);
    for device in [&core, &own] {
        assert_eq!(device.json(&["once", "--full"])["uploaded"], json!([]), "nothing that nobody played");
    }
    assert_eq!(versions(&own, SAVE), 3);
    // What the card kept is all of it.
    own.run(&["restore", SAVE, "attic:1"]).ends(0);
    assert_eq!(fs::read(&eep).unwrap(), &block(b"small", 0xff)[..0x200]);
    core.once();
    assert!(fs::read(&srm).unwrap() == block(b"small", 0xff));
}

#[test]
fn a_file_that_is_no_memory_of_a_known_game_is_told_and_left_alone() {
    let server = Server::start();
    let (own, folder) = standalone(&server, "");
    fs::write(folder.join("Somebody Else (U).eep"), [1; 0x800]).unwrap();
    fs::write(folder.join(format!("{NAME}.sra")), [1; 77]).unwrap();
    own.once();
    let told = own.json(&["status"])["left_out"].to_string();
    assert!(told.contains("not the size of such a memory"), "{told}");
    let path = folder.join(format!("{NAME}.sra"));
    let explained = own.json(&["doctor", "--explain", path.to_str().unwrap()]);
    assert_eq!(explained["save"], json!(SAVE), "{explained}");
}

#[test]
fn what_is_converted_for_no_other_core_and_what_stays_on_this_device_is_told() {
    let server = Server::start();
    let (device, _) = libretro(&server);
    let root = &device.card.root;
    write(&root.join("ROMS/ngp/Sonic.ngc"), b"a game");
    write(&root.join("MUOS/save/file/RACE/Sonic.ngf"), b"flash");
    device.once();
    let status = device.json(&["status"]);
    assert_eq!(status["of_one_core"], json!(["neo-geo-pocket/sram@race/Sonic"]));
    let text = device.run(&["status"]).out;
    assert!(text.contains("1 save not converted: `retrosync doctor` says which and why\n"), "{text}");
    let told = "`neo-geo-pocket/sram@race/Sonic`: its bytes load in race only, and go where that is";
    let text = device.run(&["doctor"]).out;
    assert!(text.contains(told), "{text}");

    let clock: Vec<u8> = [1u32, 2, 3, 4, 0, 1, 2, 3, 4, 0, 0x6955_b900, 0].map(u32::to_le_bytes).concat();
    device.plays(&[vec![7; 0x2000], clock].concat());
    let path = device.card.save();
    let explained = device.json(&["doctor", "--explain", path.to_str().unwrap()]);
    assert!(explained["stays_here"].to_string().contains("a clock"), "{explained}");
}

const FOLDER: &str = "psp/tree/UCES00995DATA00";

/// A PSP game on a card, and where its emulator keeps a folder for each save.
fn psp(server: &Server, firmware: Firmware, game: &str, saves: &str) -> (Device, PathBuf) {
    let device = Device::new(firmware, "Other");
    write(&device.card.root.join(game), b"an image");
    device.pair(server);
    let folder = device.card.root.join(saves).join("UCES00995DATA00");
    (device, folder)
}

fn tree(folder: &Path) -> Vec<(String, Vec<u8>)> {
    files(folder).into_iter().map(|name| (name.clone(), fs::read(folder.join(&name)).unwrap())).collect()
}

#[test]
fn a_psp_folder_is_one_save_and_comes_back_as_one() {
    let server = Server::start();
    let (a, here) = psp(&server, Firmware::Muos, "ROMS/psp/Patapon.iso", "MUOS/save/file/PPSSPP-Ext");
    let (b, there) = psp(&server, Firmware::Knulli, "roms/psp/Other.iso", "saves/psp/PSP/SAVEDATA");
    write(&here.join("DATA.BIN"), b"first");
    write(&here.join("PARAM.SFO"), b"\0PSF");
    write(&here.join("ICON0.PNG"), b"picture");
    assert_eq!(a.once()["uploaded"].as_array().map(Vec::len), Some(1), "one save, not three files");
    b.once();
    let first = tree(&there);
    assert_eq!(first, tree(&here));
    assert_eq!(first.len(), 3);

    // The game writes one file anew, drops one and makes one.
    fs::write(there.join("DATA.BIN"), b"second, longer").unwrap();
    fs::remove_file(there.join("ICON0.PNG")).unwrap();
    write(&there.join("SECURE.BIN"), b"new");
    b.once();
    a.once();
    assert_eq!(tree(&here), tree(&there));
    assert_eq!(files(&here), ["DATA.BIN", "PARAM.SFO", "SECURE.BIN"]);
    assert_eq!(versions(&a, FOLDER), 2);

    a.run(&["restore", FOLDER, "attic:1"]).ends(0);
    assert_eq!(tree(&here), first, "all three files are back");
    b.once();
    assert_eq!(tree(&there), first);
    for device in [&a, &b] {
        let said = device.json(&["once", "--full"]);
        assert_eq!((&said["uploaded"], &said["downloaded"]), (&json!([]), &json!([])));
    }
    let explained = a.json(&["doctor", "--explain", here.join("DATA.BIN").to_str().unwrap()]);
    assert_eq!(explained["save"], json!(FOLDER), "{explained}");
}

#[test]
fn a_folder_that_two_devices_changed_is_a_question_and_neither_is_mixed() {
    let server = Server::start();
    let (a, here) = psp(&server, Firmware::Muos, "ROMS/psp/Patapon.iso", "MUOS/save/file/PPSSPP-Ext");
    let (b, there) = psp(&server, Firmware::Knulli, "roms/psp/Patapon.iso", "saves/psp/PSP/SAVEDATA");
    write(&here.join("DATA.BIN"), b"both");
    write(&here.join("PARAM.SFO"), b"\0PSF");
    a.once();
    b.once();
    fs::write(here.join("DATA.BIN"), b"played on a").unwrap();
    fs::write(there.join("PARAM.SFO"), b"played on b").unwrap();
    a.once();
    b.once_asks();
    assert_eq!(fs::read(there.join("DATA.BIN")).unwrap(), b"both", "b plays on with its own");
    b.run(&["resolve", FOLDER, "other"]).ends(0);
    assert_eq!(tree(&there), tree(&here));
    assert_eq!(fs::read(there.join("DATA.BIN")).unwrap(), b"played on a");
}

/// The payload of a folder's files, which are sorted.
fn payload(files: &[(&str, &[u8])]) -> Vec<u8> {
    let file = |(name, bytes): &(&str, &[u8])| {
        [format!("{}:{name},{}:", name.len(), bytes.len()).as_bytes(), bytes, b","].concat()
    };
    [b"16:retrosync.tree.1,".to_vec(), files.iter().flat_map(file).collect()].concat()
}

#[test]
fn a_folder_of_two_versions_that_cannot_be_finished_yet_is_not_sent_as_a_version() {
    let server = Server::start();
    let (a, here) = psp(&server, Firmware::Muos, "ROMS/psp/Patapon.iso", "MUOS/save/file/PPSSPP-Ext");
    let (b, there) = psp(&server, Firmware::Knulli, "roms/psp/Patapon.iso", "saves/psp/PSP/SAVEDATA");
    let old: [(&str, &[u8]); 2] = [("DATA.BIN", b"first"), ("OLD", b"old")];
    old.iter().for_each(|(name, bytes)| write(&here.join(name), bytes));
    a.once();
    b.once();
    write(&here.join("DATA.BIN"), b"second");
    fs::remove_file(here.join("OLD")).unwrap();
    a.once();
    b.once();
    // As a cut leaves it, on a card that then takes no file `NEW`.
    let new = payload(&[("DATA.BIN", b"third"), ("NEW", b"new")]);
    write(&there.join("DATA.BIN"), b"third");
    write(&there.join("OLD"), b"old");
    fs::create_dir(there.join("NEW")).unwrap();
    let content = |bytes: &[u8]| json!({"digest": Digest::of(bytes), "size_bytes": bytes.len()});
    let old = json!({"file": content(&payload(&old)), "payload": content(&payload(&old))});
    let set = json!({"way": "set", "save": FOLDER, "path": "saves/psp/PSP/SAVEDATA/UCES00995DATA00/*", "old": old,
        "new": {"name": "00000099", "content": content(&new)}, "number": 1, "away": ""});
    let state = b.card.root.join(".retrosync");
    fs::write(state.join("incoming/00000099"), &new).unwrap();
    let record = json!({"open": null, "set": set, "spares": [], "strays": []});
    fs::write(state.join("slot.0"), seal(0, &json!({"generation": 1000, "record": record})).unwrap().0)
        .unwrap();

    for _ in 0..2 {
        let said = b.once_asks();
        assert!(said["problems"].to_string().contains("NEW"), "{said}");
        assert_eq!(said["uploaded"], json!([]), "half of each was sent");
    }
    assert_eq!(versions(&a, FOLDER), 2);
    fs::remove_dir(there.join("NEW")).unwrap();
    b.once();
    assert_eq!(fs::read(there.join("NEW")).unwrap(), b"new", "as soon as the card takes it, it is finished");
    assert!(!there.join("OLD").exists());
}

#[test]
fn what_is_no_folder_of_a_save_is_told_and_stays() {
    let server = Server::start();
    let (a, here) = psp(&server, Firmware::Muos, "ROMS/psp/Patapon.iso", "MUOS/save/file/PPSSPP-Ext");
    let saves = here.parent().unwrap();
    write(&saves.join("stray.bin"), b"stray");
    write(&saves.join("LINKED/a"), b"a");
    std::os::unix::fs::symlink("/etc/passwd", saves.join("LINKED/b")).unwrap();
    let large = fs::File::create(saves.join("a")).unwrap();
    drop(large);
    write(&saves.join("LARGE/installed.bin"), b"");
    fs::File::options()
        .write(true)
        .open(saves.join("LARGE/installed.bin"))
        .unwrap()
        .set_len(40 << 20)
        .unwrap();
    fs::create_dir(saves.join("EMPTY")).unwrap();
    assert_eq!(a.once()["uploaded"], json!([]));
    let status = a.json(&["status"]);
    let told = status["left_out"].to_string();
    for why in ["in none of them", "a link in it", "more than 32 MiB"] {
        assert!(told.contains(why), "{why}: {told}");
    }
    assert_eq!(status["safe_to_switch_off"], true, "what is no save is not waited for: {status}");
}
