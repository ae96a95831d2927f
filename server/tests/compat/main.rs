//! RetroSync's own clients against the real server: what they are answered, to the letter, and what their players would have
//! lost. Each hazard that is known of the original server is a test here.
//!
//! | what the original server lost | test |
//! |---|---|
//! | a failed store was a success | `losses::a_full_disk_is_told_…`, `a_version_whose_bytes_are_gone_…` |
//! | equal bytes made two games one | `losses::a_fresh_game_…`, `a_blank_save_…` |
//! | equal names made two games one | `losses::tetris_of_two_consoles_…` |
//! | `.sav` and `.srm` were the same bytes | `losses::a_sav_of_another_size_…`, `a_save_of_another_emulators_size_…` |
//! | a restore was ignored | `losses::an_older_save_that_the_player_put_back_…` |
//! | a clock that went back, was never set, or was of this second | `losses::progress_of_a_handheld_…`, `a_clock_that_was_never_set_…`, `a_save_that_was_sent_within_seconds_…` |
//! | a removed device took its versions along | `losses::a_handheld_that_is_removed_…` |
//! | two who played apart | `losses::two_handhelds_that_both_played_…`, `two_uploads_at_once_…` |
//! | no history | `losses::a_deleted_save_can_be_brought_back_…`, `of_a_deleted_save_any_version_…` |
//! | hashes and sizes were believed | `losses::a_wrong_hash_is_refused_…` |
//! | empty files, two dots in a name, netplay's copies, Windows' paths | `kept::an_empty_file_…`, `a_game_with_two_dots_…`, `a_copy_for_netplay_…`, `a_path_of_windows_…` |
//! | limits of a plan; a mode that was stored only | `kept::the_tenth_save_…`, `what_a_player_switched_off_…` |
//! | tables that no empty database took | `limits::a_server_of_ones_own_starts_from_nothing_…` |
//! | lists that ended at a thousand | `limits::a_library_of_more_than_a_thousand_games_…`, `kept::a_library_of_years_…` |
//!
//! | how its doors stood open | test |
//! |---|---|
//! | six digits were answered with a key for ever; codes told whose they were | `pairing::six_digits_of_a_device_…`, `a_key_is_told_for_two_minutes_…` |
//! | limits by a header that anybody writes | `pairing::a_guesser_of_codes_…` |
//! | every device had the store's root keys | `bucket::a_devices_keys_open_its_own_users_saves_…`, `a_removed_devices_keys_…` |
//! | keys and passwords in the clear | `pairing::a_key_is_told_for_two_minutes_and_is_nowhere_in_the_clear_…`, `../security.rs` |
//! | built-in secrets, tokens whose kind was not looked at | `pairing::nobody_comes_in_with_a_forged_login_…`, `../bad_input/forged.rs` |
//! | another's saves; endpoints to look around with | `pairing::another_users_saves_are_as_good_as_none` |
//! | paths that the server dictated, ways out in names | `kept::a_path_is_told_to_nobody_but_…`, `bucket::keys_that_lead_out_…`, `odd::…` |
//! | pages of other sites | `pairing::another_sites_page_…` |
//! | no bound on what is sent and kept, nor on how long that takes | `limits::…`, `pairing::who_has_no_key_sends_no_large_body`, `slow::…` |
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod bucket;
mod client;
mod golden;
mod golden_ways_in;
mod kept;
mod limits;
mod losses;
mod odd;
mod pairing;
mod slow;
