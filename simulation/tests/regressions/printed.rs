//! What a hunt prints is a test as it stands: here is one with every kind of event, compiled and played like the others, and the printer must
//! print just that. Whoever adds an event adds it here.

use crate::*;

/// The test, and another one that holds the printer to its text.
macro_rules! printed {
    (#[test] fn $name:ident() {
        keep_their_promises(
            Theatre::$theatre:ident(), $seed:expr, $devices:expr, $two_cards:expr, &[$($event:expr,)*],
        );
    }) => {
        #[test]
        fn $name() {
            keep_their_promises(Theatre::$theatre(), $seed, $devices, $two_cards, &[$($event,)*]);
        }

        #[test]
        fn what_a_hunt_prints_is_a_test_as_it_stands() {
            let events = vec![$($event,)*];
            let history = History { seed: $seed, devices: $devices, two_cards: $two_cards, events };
            let text = stringify!(
                #[test] fn $name() {
                    keep_their_promises(
                        Theatre::$theatre(), $seed, $devices, $two_cards, &[$($event,)*],
                    );
                }
            );
            let squeezed = |text: &str| text.split_whitespace().collect::<String>();
            let printed = history.as_test(stringify!($theatre) == "over_folder");
            assert_eq!(squeezed(&printed), squeezed(text), "{printed}");
        }
    };
}

printed! {
    #[test]
    fn what_the_player_would_have_lost() {
        keep_their_promises(
            Theatre::over_folder(),
            7,
            3,
            true,
            &[
                Event::SetsClock { device: 0, wall: Some(Wall { boot_unix_s: 946684800, drift: -50 }) },
                Event::SetsClock { device: 1, wall: None },
                Event::Prefers { device: 0, newest: true },
                starts(1, 2),
                starts_unseen(0, 2),
                Event::Saves { device: 1, truncates: true },
                Event::Autosaves { device: 1 },
                exits(1),
                Event::Exits { device: 0, saves: true, truncates: true },
                waits(70),
                syncs(0),
                syncs_all(1),
                syncs_until_power_goes(0, 15),
                Event::Cycle { device: 0, trigger: Changed, fault: Some((2, Fault::Unreachable)), meanwhile: None, mishap: None },
                Event::Cycle { device: 0, trigger: GameEnded, fault: None, meanwhile: Some((1, Act::Plays, 0)), mishap: None },
                Event::Cycle { device: 1, trigger: Full, fault: None, meanwhile: None, mishap: Some(Mishap::Killed(3)) },
                Event::Cycle { device: 1, trigger: Retry, fault: None, meanwhile: None, mishap: Some(Mishap::CallFails(3)) },
                Event::Polls { device: 0 },
                Event::Restarts { device: 0 },
                Event::PowerGoes { device: 0 },
                Event::Deletes { device: 0, save: 2 },
                Event::Retires { save: 2 },
                Event::Restores { save: 2, nth: 0 },
                Event::Brings { save: 2, is_stale: true },
                Event::Resolves { device: 0, save: 1, this: true },
                Event::RestoresKept { device: 0, save: 2, nth: 1 },
                Event::ClonesCard { from: 0, to: 2 },
                Event::KeepsImage { device: 0 },
                Event::PutsImage { device: 0 },
                Event::ForgetsJournal { device: 0 },
                Event::BacksUp,
                Event::RestoresServer,
                Event::SetsServerBack,
                Event::Crashes { device: 0, how: Crash::Half },
                Event::PowerGoesInSave { device: 0, truncates: true },
                Event::CardFills { device: 0, sectors: Some(4) },
                Event::CardFills { device: 0, sectors: None },
                Event::CardOut { device: 0 },
                Event::CardIn { device: 0 },
                Event::SecondOut { device: 0 },
                Event::SecondIn { device: 0 },
                Event::SwapsCards { one: 0, other: 1 },
                Event::PairsAgain { device: 0, cut: Some(14) },
                Event::RestoresHere { device: 0, save: 2, nth: 0 },
                Event::AcceptsMassChange { device: 0 },
                Event::LateArrive,
            ],
        );
    }
}
