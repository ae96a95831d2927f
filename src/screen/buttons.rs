//! PURE. Which key of which device means what, how long one is held, and how unknown ones are learned.
//!
//! Three sources, the best first: what was learned on this device, the profile's `[[screen]]`, and what most handhelds and
//! keyboards have. Time is an argument, in milliseconds.

use super::view::{Block, Button, Tone, View};

/// A key by its number in evdev; a direction of an axis has a number of its own, see [`axis`].
pub type Key = u16;

/// The number of an axis's end: below or above its middle.
pub fn axis(axis: u16, is_above: bool) -> Key {
    0x8000 | axis << 1 | u16::from(is_above)
}

/// What profiles and the learned file call buttons, in the order in which they are learned.
const NAMES: [(&str, Button); 11] = [
    ("a", Button::Accept),
    ("b", Button::Back),
    ("up", Button::Up),
    ("down", Button::Down),
    ("left", Button::Left),
    ("right", Button::Right),
    ("x", Button::Extra),
    ("y", Button::Other),
    ("start", Button::Menu),
    ("l", Button::PageUp),
    ("r", Button::PageDown),
];
/// So many of them must be learned; the others can be done without.
const LEARNED: usize = 6;

/// What every device has: arrow keys, Enter and Escape of a keyboard, and pads as Linux numbers them (Documentation/input/
/// gamepad.rst), with the right one of the four as A.
const USUAL: &str = "a 28 305, b 1 14 304, x 59 307, y 60 308, start 68 315, l 104 310, r 109 311, up 103 544, down 108 545, \
    left 105 546, right 106 547";
/// Pads that number theirs in a row: Anbernic's of the H700 family (MinUI, workspace/rg35xxplus/platform/platform.h).
const ROW: &str = "a 304, b 305, y 306, x 307, l 308, r 309, start 311";
/// Axes of a cross (16, 17) and of the left stick (0, 1) are the same everywhere.
const AXES: [(u16, [Button; 2]); 4] = [
    (16, [Button::Left, Button::Right]),
    (17, [Button::Up, Button::Down]),
    (0, [Button::Left, Button::Right]),
    (1, [Button::Up, Button::Down]),
];

/// Which key means what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    keys: Vec<(Key, Button)>,
    /// B confirms and A goes back.
    is_swapped: bool,
}

impl Mapping {
    /// Of what was learned, what the profile says and what is usual, for a pad that counts in a row or one that does not;
    /// `b_confirms` is the firmware's habit.
    pub fn new(learned: &str, profile: &str, in_a_row: bool, b_confirms: bool) -> Mapping {
        let mut keys = Vec::new();
        // What a profile names is not also something else: its Enter may be Start.
        for text in [learned, profile, if in_a_row { ROW } else { "" }, USUAL] {
            for (key, button) in read(text) {
                if !keys.iter().any(|(known, _)| *known == key) {
                    keys.push((key, button));
                }
            }
        }
        Mapping { keys, is_swapped: b_confirms }
    }

    /// What this key means.
    pub fn button(&self, key: Key) -> Option<Button> {
        let of_axis = AXES
            .iter()
            .find_map(|(number, ends)| (key | 1 == axis(*number, true)).then(|| ends[usize::from(key & 1)]));
        let button =
            self.keys.iter().find(|(known, _)| *known == key).map(|(_, button)| *button).or(of_axis)?;
        Some(match (button, self.is_swapped) {
            (Button::Accept, true) => Button::Back,
            (Button::Back, true) => Button::Accept,
            (button, _) => button,
        })
    }
}

/// The pairs of `a 57, b 29, start 28 315`; what is none is left out.
fn read(text: &str) -> Vec<(Key, Button)> {
    let mut keys = Vec::new();
    for part in text.split([',', '\n']) {
        let mut words = part.split_whitespace();
        let Some((_, button)) = words.next().and_then(|word| NAMES.iter().find(|(name, _)| *name == word))
        else {
            continue;
        };
        keys.extend(words.filter_map(|word| word.parse().ok()).map(|key| (key, *button)));
    }
    keys
}

/// How long until a held button repeats, and then how often.
const FIRST_MS: u64 = 380;
const NEXT_MS: u64 = 90;
/// After so many times it goes faster.
const FAST_AFTER: u32 = 12;
const FAST_MS: u64 = 35;

/// A button that is held.
#[derive(Debug, Default)]
pub struct Held {
    key: Key,
    button: Option<Button>,
    due_ms: u64,
    times: u32,
}

impl Held {
    /// A key went down. Directions and pages repeat; whatever else was held does not any more.
    pub fn down(&mut self, key: Key, button: Button, now_ms: u64) {
        let repeats = matches!(
            button,
            Button::Up | Button::Down | Button::Left | Button::Right | Button::PageUp | Button::PageDown
        );
        *self = Held { key, button: repeats.then_some(button), due_ms: now_ms + FIRST_MS, times: 0 };
    }

    /// A key came up.
    pub fn up(&mut self, key: Key) {
        if self.key == key {
            self.button = None;
        }
    }

    /// Everything is let go, as when a device vanishes.
    pub fn let_go(&mut self) {
        self.button = None;
    }

    /// How long until it is due; `None`: nothing is held, and nothing has to be waited for.
    pub fn wait_ms(&self, now_ms: u64) -> Option<u64> {
        self.button.map(|_| self.due_ms.saturating_sub(now_ms))
    }

    /// The button, if it is due.
    pub fn due(&mut self, now_ms: u64) -> Option<Button> {
        let button = self.button.filter(|_| now_ms >= self.due_ms)?;
        self.times += 1;
        // Not from when it was due: a slow picture must not make a flood of presses.
        self.due_ms = now_ms + if self.times > FAST_AFTER { FAST_MS } else { NEXT_MS };
        Some(button)
    }
}

/// Keys that every firmware keeps for itself: volume, power, sleep, menu, brightness; and Select, which means nothing here.
/// (Sound, Home and Menu: 102, 113 to 116, 139, 142, 143, 172, 224, 225, 353, 356; Select and Mode of a pad: 314, 316.)
const FIRMWARES: [Key; 15] = [102, 113, 114, 115, 116, 139, 142, 143, 172, 224, 225, 314, 316, 353, 356];
/// So long nothing is pressed: whoever learns has no such button, or did not mean to.
const LEAVE_MS: u64 = 10_000;

/// Learning the keys of a device that nobody described.
#[derive(Debug, Default)]
pub struct Learning {
    strange: u32,
    taken: Vec<Key>,
    /// Until when it goes on.
    until_ms: Option<u64>,
    /// The buttons are described, or the one that confirms was pressed.
    is_known: bool,
}

impl Learning {
    /// `is_known`: somebody has described the buttons of this device. Then it begins only when a person wants it.
    pub fn new(is_known: bool) -> Learning {
        Learning { is_known, ..Learning::default() }
    }

    /// Is it going on?
    pub fn is_on(&self) -> bool {
        self.until_ms.is_some()
    }

    /// A key that means nothing was pressed; the second one begins it.
    pub fn strange(&mut self, key: Key, now_ms: u64) {
        self.strange += u32::from(!FIRMWARES.contains(&key));
        if self.strange >= 2 && !self.is_known {
            self.begin(now_ms);
        }
    }

    /// A key with this meaning was pressed. Only who can confirm has all that it takes; a cross alone often works by itself.
    pub fn known(&mut self, button: Button) {
        self.is_known |= button == Button::Accept;
    }

    /// Asks for the first one.
    pub fn begin(&mut self, now_ms: u64) {
        *self = Learning { until_ms: Some(now_ms + LEAVE_MS), ..Learning::new(self.is_known) };
    }

    /// How long until it ends by itself.
    pub fn wait_ms(&self, now_ms: u64) -> Option<u64> {
        self.until_ms.map(|until_ms| until_ms.saturating_sub(now_ms))
    }

    /// Ends it if nothing was pressed for so long.
    pub fn look(&mut self, now_ms: u64) {
        if self.wait_ms(now_ms) == Some(0) {
            *self = Learning::new(self.is_known);
        }
    }

    /// The key that was asked for; at last what was learned, as [`Mapping::new`] reads it.
    pub fn take(&mut self, key: Key, now_ms: u64) -> Option<String> {
        if self.taken.contains(&key) || FIRMWARES.contains(&key) {
            return None;
        }
        self.taken.push(key);
        self.until_ms = Some(now_ms + LEAVE_MS);
        if self.taken.len() < LEARNED {
            return None;
        }
        let lines = NAMES.iter().zip(&self.taken).map(|((name, _), key)| format!("{name} {key}\n"));
        let learned = lines.collect();
        *self = Learning::new(true);
        Some(learned)
    }

    /// What to press next.
    pub fn view(&self, words: &LearningWords) -> View {
        let name = NAMES.get(self.taken.len()).map_or("", |(name, _)| name).to_uppercase();
        let quiet = |text: &String| Block::Text { tone: Tone::Quiet, text: text.clone() };
        View {
            title: words.title.clone(),
            badge: format!("{}/{LEARNED}", self.taken.len() + 1),
            blocks: vec![
                Block::Heading { tone: Tone::Plain, text: words.press.replacen("{0}", &name, 1) },
                quiet(if self.is_known { &words.again } else { &words.why }),
                quiet(&words.leave),
            ],
            hints: Vec::new(),
        }
    }
}

/// The texts of [`Learning`].
#[derive(Clone, Debug, Default)]
pub struct LearningWords {
    /// `Buttons`
    pub title: String,
    /// `Press {0}`
    pub press: String,
    /// Why that is asked.
    pub why: String,
    /// The same where a person wanted it.
    pub again: String,
    /// How to leave it.
    pub leave: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_profile_wins_over_the_usual_one() {
        let miyoo = Mapping::new("", "a 57, b 29, start 28", false, false);
        let rows = [
            (57, Some(Button::Accept), "A of the profile"),
            (28, Some(Button::Menu), "Enter is Start there"),
            (103, Some(Button::Up), "what the profile does not name is as usual"),
            (axis(17, false), Some(Button::Up), "a cross that is an axis"),
            (axis(0, true), Some(Button::Right), "the stick"),
            (axis(5, true), None, "a trigger's axis"),
            (600, None, "a key of no meaning"),
        ];
        for (key, button, what) in rows {
            assert_eq!(miyoo.button(key), button, "{what}");
        }
        let anbernic = Mapping::new("", "", true, false);
        assert_eq!(
            (anbernic.button(304), anbernic.button(309)),
            (Some(Button::Accept), Some(Button::PageDown))
        );
        let swapped = Mapping::new("", "", false, true);
        assert_eq!((swapped.button(304), swapped.button(305)), (Some(Button::Accept), Some(Button::Back)));
        assert_eq!(
            Mapping::new("a 9", "b 9", false, false).button(9),
            Some(Button::Accept),
            "what was learned wins"
        );
    }

    #[test]
    fn texts_that_name_no_button_are_left_out() {
        assert_eq!(read("a, b x, nonsense 5, l 99999, , up 3"), [(3, Button::Up)]);
    }

    #[test]
    fn a_held_direction_repeats_and_then_faster_and_a_held_a_does_not() {
        let mut held = Held::default();
        held.down(103, Button::Up, 1000);
        assert_eq!((held.wait_ms(1000), held.due(1379), held.due(1380)), (Some(380), None, Some(Button::Up)));
        assert_eq!(held.wait_ms(1380), Some(NEXT_MS));
        for time in 2..30u64 {
            assert_eq!(held.due(1380 + time * 100), Some(Button::Up));
        }
        assert_eq!(held.wait_ms(1380 + 2900), Some(FAST_MS));
        held.up(108);
        assert!(held.wait_ms(5000).is_some(), "another key came up");
        held.up(103);
        assert_eq!(held.wait_ms(5000), None);
        held.down(57, Button::Accept, 0);
        assert_eq!((held.wait_ms(0), held.due(9999)), (None, None));
    }

    #[test]
    fn a_device_that_nobody_described_is_learned_key_by_key() {
        let mut learning = Learning::new(false);
        learning.strange(700, 0);
        assert!(!learning.is_on(), "one key without a meaning is no strange device");
        learning.strange(700, 0);
        assert!(learning.is_on());
        let keys = [700, 701, 701, 702, 115, 703, 704, 705];
        let learned: Vec<Option<String>> = keys.iter().map(|key| learning.take(*key, 1)).collect();
        let text = learned.last().cloned().flatten().unwrap_or_default();
        assert_eq!(text, "a 700\nb 701\nup 702\ndown 703\nleft 704\nright 705\n", "twice, and the volume");
        assert_eq!(Mapping::new(&text, "", false, false).button(703), Some(Button::Down));
        assert!(!learning.is_on());
    }

    #[test]
    fn nobody_is_asked_to_learn_who_presses_the_volume_or_has_buttons_that_work() {
        // What it is; described; pressed before; then pressed; is it asked.
        type Row = (&'static str, bool, Option<Button>, [Key; 4], bool);
        let rows: [Row; 6] = [
            ("nobody knows these", false, None, [700, 701, 702, 703], true),
            ("volume, power and menu are the firmware's", false, None, [114, 115, 116, 139], false),
            ("the profile names the buttons", true, None, [700, 701, 702, 703], false),
            (
                "the one that confirms was pressed before",
                false,
                Some(Button::Accept),
                [700, 701, 702, 703],
                false,
            ),
            ("the cross works, and nothing confirms", false, Some(Button::Down), [700, 700, 701, 702], true),
            ("one strange key and the volume", false, None, [115, 700, 115, 114], false),
        ];
        for (what, is_known, pressed, keys, is_on) in rows {
            let mut learning = Learning::new(is_known);
            pressed.into_iter().for_each(|button| learning.known(button));
            keys.into_iter().for_each(|key| learning.strange(key, 0));
            assert_eq!(learning.is_on(), is_on, "{what}");
            learning.begin(0);
            assert!(learning.is_on(), "{what}: who wants it can");
        }
    }

    #[test]
    fn who_has_no_such_button_is_let_out_of_learning_after_ten_seconds() {
        let mut learning = Learning::new(false);
        learning.begin(1_000);
        learning.take(700, 9_000);
        learning.look(18_999);
        assert_eq!((learning.is_on(), learning.wait_ms(18_999)), (true, Some(1)));
        learning.look(19_000);
        assert_eq!((learning.is_on(), learning.wait_ms(19_000)), (false, None));
        learning.begin(20_000);
        let asked = learning.view(&LearningWords::default()).badge;
        assert_eq!(asked, "1/6", "from the first one again");
    }
}
