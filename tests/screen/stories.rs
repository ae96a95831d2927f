//! What a person does with the screen, on the real program with a real server: each step compared with a picture that
//! somebody looked at, and the card and the server with what the step promised.

use super::device;
use super::person::Key::{A, B, Down, Right, Start, Up, X};
use super::person::{Mask, Screen, Wire};
use super::support::card::Firmware;
use super::support::device::{Device, bytes};
use super::support::server::Server;
use super::support::wait_for;
use retrosync::screen::view::{Block, Button, Tone, View};
use retrosync::screen::words::{Words, text};

/// The server's port at the top, and when it was last spoken to.
pub const HOME: &[Mask] = &[(108, 4, 96, 30), (110, 92, 320, 32)];
/// The port of an address in a list's first line.
const FIRST: &[Mask] = &[(190, 118, 110, 46)];
/// Hours in both columns.
const SIDES: &[Mask] = &[(130, 206, 181, 28), (435, 206, 182, 28)];

/// Two handhelds of one person, the first with a screen.
pub struct Home {
    pub server: Server,
    pub wire: Wire,
    pub first: Device,
    pub second: Device,
}

impl Home {
    pub fn new() -> Home {
        let server = Server::start();
        let wire = Wire::to(server.port());
        let [first, second] = ["Miyoo", "Anbernic"].map(|name| {
            let lines = format!("name = \"{name}\"\nsettle_ms = 200\nfresh_save_s = 0\n");
            Device::with(Firmware::Onion, "Tetris", &lines)
        });
        first.plays(&bytes("of the first"));
        Home { server, wire, first, second }
    }

    pub fn paired() -> Home {
        let home = Home::new();
        let mut pairing = home.first.start_pairing(&home.wire.url());
        home.server.approve(&pairing.code());
        pairing.end();
        home.second.pair(&home.server);
        home.first.once();
        home.second.once();
        home
    }

    /// Both play, and neither knows of the other.
    pub fn part(&self) {
        self.second.plays(&bytes("of the second"));
        self.second.once();
        self.first.plays(&bytes("played on"));
        self.first.once_asks();
    }

    pub fn screen(&self) -> Screen<'_> {
        Screen::open(&self.first, self.wire.ask())
    }

    /// The page with the code that the server gave, and with no other.
    fn code_page(&self) -> View {
        let words = Words::of("en");
        let told = |name: &str| self.wire.told(name);
        let scan = words.fill(text::SCAN, &[&told("verification_url")]);
        View {
            title: words.say(text::PAIR),
            blocks: vec![
                Block::Code(told("user_code")),
                Block::Qr(told("verification_url_complete")),
                Block::Text { tone: Tone::Plain, text: scan },
                Block::Text { tone: Tone::Quiet, text: words.say(text::WAITING) },
            ],
            hints: vec![(Button::Back, words.say(text::B_BACK))],
            ..View::default()
        }
    }

    /// The page of one whose card was pulled.
    fn pulled_page(&self) -> View {
        let words = Words::of("en");
        let card = self.first.card.root.display();
        let why = format!(
            "cannot find the card `{card}`: there is no such folder. is it in its slot and mounted? `root` names it"
        );
        View {
            title: self.wire.url().replace("http://", ""),
            badge: words.say(text::BADGE_STOPPED),
            blocks: vec![
                Block::Heading { tone: Tone::Bad, text: words.say(text::HALT_OFFLINE) },
                Block::Text { tone: Tone::Plain, text: words.say(text::HALT_OFFLINE_HELP) },
                Block::Text { tone: Tone::Quiet, text: why },
            ],
            hints: vec![(Button::Back, words.say(text::B_CLOSE))],
        }
    }

    #[track_caller]
    pub fn has(&self, what: &str) {
        wait_for(what, 60, || (self.first.save() == Some(bytes(what))).then_some(()));
    }
}

#[test]
fn a_person_pairs_and_sees_the_saves_safe() {
    let home = Home::new();
    let mut screen = home.screen();
    screen.shows("story-1-which-server", FIRST);
    screen.press(&[Down, A]);
    screen.shows("story-1-type", &[]);
    screen.press(&[B, Up, A]);
    screen.shows_page("story-1-code", &home.code_page());
    home.server.approve(&home.wire.code());
    screen.shows("story-1-safe", HOME);

    home.second.pair(&home.server);
    home.second.once();
    assert_eq!(home.second.save(), Some(bytes("of the first")), "the sync was not only shown");

    // The daemon is killed while the screen is open, and started again from it.
    home.first.kill_daemon();
    screen.shows("story-1-stopped", HOME);
    screen.press(&[Down, A]);
    screen.shows("story-1-problems", &[]);
    screen.press(&[A]);
    screen.shows("story-1-problem", &[]);
    screen.press(&[A]);
    screen.shows("story-1-runs-again", HOME);

    // Unpaired, and nothing of it touches a save.
    screen.press(&[Start, Up, Up, A]);
    screen.shows("story-1-unpair", &[]);
    screen.press(&[A]);
    screen.shows("story-1-unpaired", &[]);
    assert_eq!(home.first.save(), Some(bytes("of the first")));

    // The card is pulled.
    std::fs::rename(home.first.folder().join("card"), home.first.folder().join("pulled")).unwrap();
    screen.press(&[A]);
    screen.shows_page("story-1-pulled", &home.pulled_page());
    screen.press(&[B]);
    assert_eq!(screen.ended(), 0);
    assert!(screen.is_black(), "a picture is left behind");
    std::fs::rename(home.first.folder().join("pulled"), home.first.folder().join("card")).unwrap();
}

#[test]
fn a_person_answers_a_question_and_takes_the_answer_back() {
    let home = Home::paired();
    home.part();
    let mut screen = home.screen();
    screen.shows("story-2-asked", HOME);
    screen.press(&[A]);
    screen.shows("story-2-versions", SIDES);
    screen.press(&[Right, A]);
    screen.shows("story-2-what-it-does", &[]);
    screen.press(&[A]);
    screen.shows("story-2-done", &[]);
    home.has("of the second");
    screen.press(&[X]);
    screen.shows("story-2-undo", &[]);
    screen.press(&[A]);
    screen.shows("story-2-undone", &[]);
    home.has("played on");
    screen.press(&[B, B]);
    screen.shows("story-2-settled", HOME);
    home.second.once();
    assert_eq!(home.second.save(), Some(bytes("played on")), "the other handheld follows");
}

#[test]
fn a_person_goes_back_to_yesterday_with_and_without_a_network() {
    /// Hours at the left, and in the line below.
    const HISTORY: &[Mask] = &[(40, 44, 240, 100)];
    const RESTORED: &[Mask] = &[(40, 44, 240, 148)];
    const OFFLINE: &[Mask] = &[(16, 88, 264, 46)];
    const HOUR: &[Mask] = &[(158, 146, 232, 32)];
    let Home { mut server, wire, first, .. } = Home::paired();
    let has = |what: &str| wait_for(what, 60, || (first.save() == Some(bytes(what))).then_some(()));
    first.plays(&bytes("today"));
    first.once();
    // A restore from the server fills the attic.
    let mut screen = Screen::open(&first, wire.ask());
    screen.shows("story-3-home", HOME);
    screen.press(&[A]);
    screen.shows("story-3-systems", &[]);
    screen.press(&[A]);
    screen.shows("story-3-saves", &[]);
    screen.press(&[A]);
    screen.shows("story-3-history", HISTORY);
    screen.press(&[Down, A]);
    screen.shows("story-3-what-it-does", HOUR);
    screen.press(&[A]);
    screen.shows("story-3-done", &[]);
    has("of the first");
    screen.press(&[B]);
    screen.shows("story-3-restored", RESTORED);
    server.kill();
    screen.press(&[B, A]);
    screen.shows("story-3-offline", OFFLINE);
    screen.press(&[A]);
    screen.shows("story-3-offline-what-it-does", HOUR);
    screen.press(&[A]);
    screen.shows("story-3-offline-done", &[]);
    has("today");
}

#[test]
fn what_a_person_sets_takes_effect_at_once() {
    let home = Home::paired();
    let file = home.first.folder().join("retrosync.toml");
    let said = |line: &str| {
        wait_for(line, 60, || std::fs::read_to_string(&file).unwrap().contains(line).then_some(()))
    };
    let mut screen = home.screen();
    screen.shows("story-4-home", HOME);
    screen.press(&[Start]);
    screen.shows("story-4-settings", &[]);
    screen.press(&[A]);
    said("sync_while_playing = \"false\"");
    screen.shows("story-4-rests", &[]);
    screen.press(&[Down, A, Down, Down, A, Down, A]);
    said("leave_out = \"gb/Tetris\"");
    screen.shows("story-4-left-out", &[]);

    // The daemon was told: what is played now stays here, and the screen says so.
    home.first.plays(&bytes("not for others"));
    screen.press(&[B, B, B, A, A]);
    screen.shows("story-4-not-synced", &[]);
    screen.press(&[B, B, Start, Down, A, Down, Down, A, Down, A]);
    wait_for("it is taken in again", 60, || {
        (!std::fs::read_to_string(&file).unwrap().contains("leave_out")).then_some(())
    });
    wait_for("it is sent again", 60, || {
        home.second.once();
        (home.second.save() == Some(bytes("not for others"))).then_some(())
    });

    screen.press(&[B, B, Down, Down, A]);
    screen.shows("story-4-languages", &[]);
    screen.press(&[Down, Down, A]);
    said("language = \"de\"");
    screen.shows("story-4-german", &[]);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("settle_ms = 200"), "the person's own lines stay: {text}");
}

/// A daemon watches the card beside it, and the server is there.
#[test]
fn a_screen_that_nobody_touches_costs_no_processor() {
    let home = Home::paired();
    let screen = home.screen();
    screen.shows("story-4-home", HOME);
    let processes = screen.processes();
    assert!(processes.len() >= 3, "{processes:?}");
    device::rests(&processes);
}

/// The port at the top, and when the server was last spoken to.
const SMALL_HOME: &[Mask] = &[(70, 2, 62, 22), (86, 60, 200, 22)];
const SMALL_FIRST: &[Mask] = &[(133, 104, 48, 24)];
const SMALL_SIDES: &[Mask] = &[(70, 97, 130, 19), (70, 149, 130, 19)];
const SMALL_HISTORY: &[Mask] = &[(34, 30, 130, 128), (12, 66, 152, 26), (12, 130, 152, 26)];
const SMALL_HOUR: &[Mask] = &[(116, 70, 142, 22)];

/// As on a Miyoo Mini: a small panel of 16 bits a pixel that is mounted upside down.
#[test]
fn a_person_goes_the_whole_way_on_a_small_panel_upside_down() {
    const PANEL: &str = "320x240x16@180";
    let home = Home::new();
    let mut screen = Screen::open_on(PANEL, &home.first, home.wire.ask());
    screen.shows("small-which-server", SMALL_FIRST);
    screen.press(&[A]);
    screen.shows_page("small-code", &home.code_page());
    home.server.approve(&home.wire.code());
    screen.shows("small-safe", SMALL_HOME);
    home.second.pair(&home.server);
    home.second.once();
    assert_eq!(home.second.save(), Some(bytes("of the first")), "the sync was not only shown");
    screen.press(&[B]);
    assert_eq!(screen.ended(), 0);
    assert!(screen.is_black(), "a picture is left behind");
    // Its daemon is ended with it, as by a battery that is pulled.
    drop(screen);

    home.part();
    let mut screen = Screen::open_on(PANEL, &home.first, home.wire.ask());
    screen.shows("small-asked", SMALL_HOME);
    screen.press(&[A]);
    screen.shows("small-versions", SMALL_SIDES);
    screen.press(&[Down, A]);
    screen.shows("small-what-it-does", &[]);
    screen.press(&[A]);
    screen.shows("small-done", &[]);
    home.has("of the second");

    screen.press(&[B, B, A, A, A]);
    screen.shows("small-history", SMALL_HISTORY);
    screen.press(&[Down, A]);
    screen.shows("small-restore", SMALL_HOUR);
    screen.press(&[A]);
    screen.shows("small-restored", &[]);
    home.has("played on");
    home.second.once();
    assert_eq!(home.second.save(), Some(bytes("played on")), "the other handheld follows");
}
