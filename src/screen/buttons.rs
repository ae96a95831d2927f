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

/// Learning the keys of a device that nobody described.
#[derive(Debug, Default)]
pub struct Learning {
    strange: u32,
    taken: Vec<Key>,
    is_on: bool,
}

impl Learning {
    /// Is it going on?
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// A key that means nothing was pressed; the second in a row begins it.
    pub fn strange(&mut self) {
        self.strange += 1;
        self.is_on = self.strange >= 2;
    }

    /// A key with a meaning was pressed: this device is known.
    pub fn known(&mut self) {
        self.strange = 0;
    }

    /// The key that was asked for; at last what was learned, as [`Mapping::new`] reads it.
    pub fn take(&mut self, key: Key) -> Option<String> {
        if self.taken.contains(&key) {
            return None;
        }
        self.taken.push(key);
        if self.taken.len() < LEARNED {
            return None;
        }
        let lines = NAMES.iter().zip(&self.taken).map(|((name, _), key)| format!("{name} {key}\n"));
        let learned = lines.collect();
        *self = Learning::default();
        Some(learned)
    }

    /// What to press next.
    pub fn view(&self, words: &LearningWords) -> View {
        let name = NAMES.get(self.taken.len()).map_or("", |(name, _)| name).to_uppercase();
        View {
            title: words.title.clone(),
            badge: format!("{}/{LEARNED}", self.taken.len() + 1),
            blocks: vec![
                Block::Heading { tone: Tone::Plain, text: words.press.replacen("{0}", &name, 1) },
                Block::Text { tone: Tone::Quiet, text: words.why.clone() },
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
        let mut learning = Learning::default();
        learning.strange();
        learning.known();
        learning.strange();
        assert!(!learning.is_on(), "one key without a meaning is no strange device");
        learning.strange();
        assert!(learning.is_on());
        let keys = [700, 701, 701, 702, 703, 704, 705];
        let learned: Vec<Option<String>> = keys.iter().map(|key| learning.take(*key)).collect();
        let text = learned.last().cloned().flatten().unwrap_or_default();
        assert_eq!(text, "a 700\nb 701\nup 702\ndown 703\nleft 704\nright 705\n");
        assert_eq!(Mapping::new(&text, "", false, false).button(703), Some(Button::Down));
        assert!(!learning.is_on());
    }
}
