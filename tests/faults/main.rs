//! Every fault that we can place, with the real daemon and the real server, on loopback.
//!
//! After each fault: the fault is taken away, each handheld syncs once more, and then (`world.rs`) every save that was ever
//! played is in the server's history exactly once, the heads are right, both cards hold what a person expects, and nobody is
//! asked anything but what two people really disagree about. Short here; `scripts/faults --long` leaves out no byte, no
//! system call, and kills each side 500 times. What other tests hold already is named and not repeated.
//!
//! | fault | expected | test |
//! |---|---|---|
//! | request or reply cut after k bytes | next sync as if nothing had been | `network::a_request_that_is_cut_…`, `a_reply_that_is_cut_…`; in pieces `remote_hostile` |
//! | the same with saves over 1 MiB, and in TLS | the same; what came through stays | `network::a_large_save_that_is_cut_on_its_way_up_…`, `a_large_save_that_is_cut_on_its_way_down_…`, `a_large_save_arrives_over_…`, `a_sealed_request_…`, `a_sealed_reply_…`; an end without a farewell `remote_tls` |
//! | the reply to a question that waits for news: cut, late, byte by byte, damaged, another's | the news are learnt | `waiting::news_that_came_to_pieces_…` |
//! | request twice, twice at once, late, byte by byte | one version | `network::a_request_that_comes_twice_or_late_…` |
//! | request replayed rounds later | nothing changes | `network::a_request_that_comes_again_an_hour_later_…` |
//! | 500, 503, 429, 507, 409, 412, HTML with 200, before or after the deed | nothing lost or doubled, told | `network::an_answer_that_is_not_the_servers_own_…`; texts `remote_hostile`, hotel `bad_input` |
//! | short and damaged bodies | refused by form or digest; nothing wrong is put in place | `network::a_reply_that_ends_early_…`, `a_request_with_a_damaged_byte_…`, `a_reply_with_a_damaged_byte_…`; contents `remote_hostile` |
//! | slow-loris, both ways | given up in time | `network::a_device_that_hears_nothing_…`; the server's side `server/tests/bad_input` |
//! | a server that says 503 for long | patience, then at once | `network::a_daemon_before_a_broken_server_…`; waits `pace` |
//! | the k-th system call fails | survived and told, or as a power cut | `calls::a_sync_in_which_any_system_call_fails_…`; one file `bad_input` |
//! | what Linux 3.4 lacks | done without | `calls::a_kernel_of_2012_…` |
//! | kill -9 of the daemon, of the server | nothing lost or doubled | `kills::a_handheld_that_is_killed_…`, `a_server_that_is_killed_at_any_time_…`; with long polls `two_devices` |
//! | the server killed between bytes and record | offered again | `kills::a_server_that_is_killed_between_…`; in a bucket and PostgreSQL `server/tests/backends/killed` |
//! | 32 MB for each program | enough | `memory::a_hundred_megabytes_…`; 100 MB alone `bad_input` |
//! | card unmounted | halts | `two_devices::an_unmounted_card_…` |
//! | empty folder over the card, also under a daemon | halts, comes back | `cards::an_empty_folder_…`, `a_card_that_goes_away_…` |
//! | card played in another handheld, and back under a daemon | taken anew, the lock too | `cards::a_card_that_was_in_another_handheld_…` |
//! | cards swapped, another card | each keeps its own | `cards::cards_that_swapped_…`, `another_card_…` |
//! | card cloned, set back from an image | new writer, at most one question | `cards::a_card_that_was_cloned_…`, `a_card_that_was_set_back_…` |
//! | two profiles (guest mode) | the guest's saves are nobody's | `cards::a_guest_…` |
//! | `FSCK*.REC` | named by their bytes | `cards::what_a_file_system_check_…` |
//! | card full, save unreadable, growing, any date | told, the others go on | `bad_input` |
//! | names that FAT does not take, or that are too long | spelled so that it does, or told | `card_safety::a_save_whose_name_fat_does_not_take_…`; rules `naming/escape` |
//! | power cut in any write | old or new | `power_cut`, `scripts/powercut` |
//! | server restored from a backup | refilled | `server::a_server_that_was_restored_…`; rules `cycle` |
//! | server's folder copied back (a snapshot), nobody told it | nothing replaced, all refilled, one question | `set_back::a_save_that_a_copied_back_server_…`, `a_handheld_that_slept_…`, `a_save_that_changed_under_…` |
//! | server's disk full | told, queued, then stored | `server::a_server_whose_disk_is_full_…` |
//! | blob damaged, short, gone | `check` tells, a handheld brings it again | `server::bytes_that_rotted_…` |
//! | one content gone at the server | one save's problem, given again at once | `set_back::one_save_whose_bytes_…`, `a_daemon_gives_…` |
//! | game started before the newer save arrives | two versions, one question; with a hook none | `stale_save::a_game_that_holds_…`, `a_launch_hook_…`, `a_flag_of_the_launcher_…` |
//! | the same, and nobody sees the game | both kept, in the order of their coming; nobody is asked | `stale_save::a_game_that_nobody_sees_…` |
//! | game started before or while several files come that are one save | all of one version, or two versions and one question | `cycle/halves::a_game_that_is_about_to_start_…`, `what_a_game_makes_of_half_a_folder_…` |
//! | 0 bytes, 0x00, 0xFF, shrunk, torn RZIP, blank new card | aside; the played one stays | `suspects::a_save_that_is_probably_damage_…`, `a_blank_save_on_a_new_card_…` |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

mod calls;
mod cards;
mod kills;
mod memory;
mod network;
mod placed;
mod server;
mod set_back;
mod stale_save;
#[path = "../support/mod.rs"]
mod support;
mod suspects;
mod waiting;
mod world;

/// The table above is what people are told: each test that it names is there.
#[test]
fn each_fault_in_the_table_has_its_test() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rows = include_str!("main.rs").lines().filter_map(|line| line.strip_prefix("//! | "));
    let mut named = 0;
    for row in rows.skip(1) {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let mut module = "";
        for word in tests.split('`').skip(1).step_by(2) {
            let start = word.split_once("::").map_or(word, |(of, start)| {
                module = of;
                start
            });
            let files = [format!("tests/faults/{module}.rs"), format!("tests/{module}.rs")];
            match start.strip_suffix('…') {
                Some(start) => {
                    let texts = files.iter().filter_map(|file| std::fs::read_to_string(here.join(file)).ok());
                    let is_there = texts.into_iter().any(|text| text.contains(&format!("\nfn {start}")));
                    assert!(is_there, "`{word}` of the row `{row}` is no test");
                }
                None => {
                    let places = ["", "tests/", "src/"].iter();
                    let mut paths = places.flat_map(|at| ["", ".rs"].map(|end| format!("{at}{word}{end}")));
                    assert!(
                        paths.any(|path| here.join(path).exists()),
                        "`{word}` of the row `{row}` is no file"
                    );
                }
            }
            named += 1;
        }
    }
    assert!(named > 40, "{named}");
}
