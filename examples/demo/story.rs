//! The steps: pair, play back and forth, play offline, meet a conflict, choose, and bring an older version back.

use crate::support::card::Firmware;
use crate::support::device::Device;
use crate::support::emulator::Emulator;
use crate::support::program::Running;
use crate::support::server::{PASSWORD, Server, USER};
use crate::support::wait_for;
use crate::teller::Teller;

const GAME: &str = "Counter (World)";

/// As a card is set up, but for one thing: normally a save that was just played is left alone for a minute, in
/// case the game is started again at once; the demo plays on as soon as the save is there.
const SETTINGS: &str = "fresh_save_s = 0\n";

/// How long any step may take, in seconds.
const PATIENCE_S: u64 = 90;

/// Two handhelds and the server between them.
pub(crate) struct Story {
    server: Server,
    emulator: Emulator,
    miyoo: Player,
    anbernic: Player,
    _scratch: tempfile::TempDir,
}

struct Player {
    name: &'static str,
    device: Device,
    daemon: Option<Running>,
}

impl Player {
    fn new(firmware: Firmware) -> Self {
        let name = firmware.device();
        Self {
            name,
            device: Device::with(firmware, GAME, &format!("name = \"{name}\"\n{SETTINGS}")),
            daemon: None,
        }
    }

    fn pair(&self, server: &Server) -> String {
        let mut pairing = self.device.start_pairing(&server.url());
        let code = pairing.code();
        server.approve(&code);
        pairing.end();
        assert_eq!(pairing.exit(), 0, "the {} is not paired", self.name);
        code
    }

    /// Waits until the save on this card has seen so many launches; fails at once if it went past them.
    fn has(&self, launches: u32) {
        wait_for(
            &format!("launch {launches} is on the {}'s card; log:\n{}", self.name, self.device.log()),
            PATIENCE_S,
            || (self.device.card.launches() == launches).then_some(()),
        );
    }

    /// Waits until the save arrived and the daemon has noted it. A game that starts before that might have loaded
    /// the old bytes, for all that the daemon can know, and what it saves would rightly become a question.
    fn is_given(&self, launches: u32) {
        self.has(launches);
        wait_for("the daemon has noted it", PATIENCE_S, || {
            (self.device.run(&["status"]).code == 0).then_some(())
        });
    }

    fn says(&self, words: &[&str], codes: &[i32]) -> String {
        let ended = self.device.run(words);
        assert!(codes.contains(&ended.code), "retrosync {} on the {}: {ended:?}", words.join(" "), self.name);
        ended.out
    }
}

impl Story {
    /// The stage: a server with one user, two cards, and somebody to play.
    pub(crate) fn begin(teller: &mut Teller) -> Self {
        teller.chapter("The stage");
        let server = teller.step("The server starts with an empty folder, and makes its user", Server::start);
        let miyoo = Player::new(Firmware::Onion);
        let anbernic = Player::new(Firmware::Muos);
        let cards =
            format!("Two cards are laid out: a {} with Onion, an {} with muOS", miyoo.name, anbernic.name);
        teller.step(&cards, || ());
        for player in [&miyoo, &anbernic] {
            teller.show(&format!(
                "{}: its save will be {}",
                player.name,
                player.device.card.save().display()
            ));
        }
        let scratch = tempfile::tempdir().unwrap();
        let emulator = Emulator::find(scratch.path());
        teller.show(&emulator.describe());
        teller.show(&format!("dashboard: {}/ (user {USER}, password {PASSWORD})", server.url()));
        Self { server, emulator, miyoo, anbernic, _scratch: scratch }
    }

    /// All chapters, in order.
    pub(crate) fn tell(mut self, teller: &mut Teller) -> Self {
        self.pair(teller);
        self.back_and_forth(teller);
        self.apart(teller);
        self.choose(teller);
        self.undo(teller);
        self
    }

    fn pair(&mut self, teller: &mut Teller) {
        teller.chapter("Pairing");
        for player in [&mut self.miyoo, &mut self.anbernic] {
            let name = player.name;
            let code = teller
                .step(&format!("The {name} shows a code, you approve it"), || player.pair(&self.server));
            teller.show(&format!("the code was {code}"));
            player.daemon =
                Some(teller.step(&format!("The daemon runs on the {name}"), || player.device.daemon()));
        }
    }

    fn back_and_forth(&mut self, teller: &mut Teller) {
        teller.chapter("The same game, now here, now there");
        for launch in 1..=6 {
            let (here, there) = self.turns(launch);
            teller.step(&format!("You play on the {}: the game counts launch {launch}", here.name), || {
                self.emulator.play(&here.device.card).unwrap();
                here.has(launch);
            });
            teller
                .step(&format!("The save is on the {}'s card, where its firmware looks", there.name), || {
                    there.is_given(launch)
                });
        }
    }

    fn turns(&self, launch: u32) -> (&Player, &Player) {
        if launch % 2 == 1 { (&self.miyoo, &self.anbernic) } else { (&self.anbernic, &self.miyoo) }
    }

    /// Both are played without a network: 7 launches here, 8 there.
    fn apart(&mut self, teller: &mut Teller) {
        teller.chapter("Both are played on the train, without a network");
        teller.step("The network is gone (the server is killed)", || self.server.kill());
        teller.step("You play once on the Miyoo and twice on the Anbernic", || {
            self.emulator.play(&self.miyoo.device.card).unwrap();
            self.emulator.play(&self.anbernic.device.card).unwrap();
            self.emulator.play(&self.anbernic.device.card).unwrap();
            self.miyoo.has(7);
            self.anbernic.has(8);
        });
        teller.step("The network is back", || self.server.up());
        let asked = teller.step(
            "Both versions reach the server; both handhelds know that you have to choose",
            || {
                wait_for("both handhelds ask", PATIENCE_S, || {
                    [&self.miyoo, &self.anbernic]
                        .iter()
                        .all(|player| player.device.run(&["status"]).code == 3)
                        .then_some(())
                });
                self.miyoo.says(&["resolve", GAME], &[3])
            },
        );
        teller.show(&asked);
        teller.step("Nothing was overwritten: each handheld still has its own", || {
            assert_eq!((self.miyoo.device.card.launches(), self.anbernic.device.card.launches()), (7, 8));
        });
    }

    fn choose(&mut self, teller: &mut Teller) {
        teller.chapter("You choose");
        let chosen = teller.step("On the Miyoo you take the Anbernic's version", || {
            self.miyoo.says(&["resolve", GAME, "other"], &[0])
        });
        teller.show(&chosen);
        teller.step("It is on both cards, and nobody asks any more", || {
            self.miyoo.is_given(8);
            self.anbernic.is_given(8);
        });
    }

    fn undo(&mut self, teller: &mut Teller) {
        teller.chapter("You think better of it");
        let history = teller
            .step("The history has every version, and what this card itself put aside", || {
                self.miyoo.says(&["history", GAME], &[0])
            });
        teller.show(&history);
        teller.step("The version that you had not chosen is brought back on the Miyoo", || {
            let newest = history.split_whitespace().find(|word| word.starts_with("attic:"));
            let newest = newest.unwrap_or_else(|| panic!("nothing in the attic:\n{history}"));
            self.miyoo.says(&["restore", GAME, newest], &[0, 3]);
            self.miyoo.has(7);
        });
        teller.step("The Anbernic follows", || self.anbernic.is_given(7));
        teller.step("And the game goes on counting: launch 8, on the Anbernic", || {
            self.emulator.play(&self.anbernic.device.card).unwrap();
            self.anbernic.has(8);
        });
        teller.step("The save is on the Miyoo's card", || self.miyoo.is_given(8));
    }

    /// Leaves server and handhelds running until Ctrl-C.
    pub(crate) fn leave_open(&self) -> ! {
        println!("\nThe dashboard stays open at {}/ (user {USER}, password {PASSWORD}).", self.server.url());
        println!("The cards are {}", self.miyoo.device.card.root.display());
        println!("          and {}", self.anbernic.device.card.root.display());
        println!("Change a save there and watch it arrive here. Ctrl-C ends it all.");
        loop {
            std::thread::park();
        }
    }
}
