//! On Batocera and Knulli nothing in a state's path tells its core: the player's settings do. A state is that core's, and comes
//! only where that core would load it.

use retrosync::naming::Identified;

use crate::card::{Card, at, profile, save};

#[test]
fn a_state_is_of_the_core_that_the_player_chose() {
    for (settings, core) in [
        ("", Some("mgba")),
        ("gba.core=auto\n", Some("mgba")),
        ("gba.core=gpsp\n", Some("gpsp")),
        ("gba.core=vba-m\n", Some("vbam")),
        ("gba.core=gpsp\ngba[\"Metroid.zip\"].core=mgba\n", Some("mgba")),
        ("gba[\"Other.zip\"].core=gpsp\n", Some("mgba")),
        ("gba.core=never_heard_of\n", None),
        ("gba.core=gambatte\n", None),
    ] {
        let card = Card::new();
        card.file("roms/gba/Metroid.zip").text("system/knulli.conf", settings);
        let (naming, _) = card.naming(&profile("knulli"));
        let place = at("saves/gba/Metroid.state.auto");
        let found = naming.identify(&place);
        match core {
            Some(core) => {
                let state = save(&format!("gba/state.auto@{core}/Metroid"));
                assert_eq!(found, Identified::Save(state.clone()), "{settings:?}");
                assert_eq!(naming.home(&state), Some(place), "{settings:?}");
            }
            None => assert!(matches!(found, Identified::Unknown(_)), "{settings:?}: {found:?}"),
        }
        let other = if core == Some("gpsp") { "mgba" } else { "gpsp" };
        assert_eq!(naming.home(&save(&format!("gba/state.auto@{other}/Metroid"))), None, "{settings:?}");
    }
}
