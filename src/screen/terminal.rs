//! A terminal: lines out, only those that changed; keys in, as a person on a keyboard means them.
//!
//! Raw mode and the second page of the terminal are taken in `take` and given back in `leave`, which may be called
//! twice. Knows no page.

use std::io::Write;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::view::Button;

/// The second page, no cursor.
const TAKE: &str = "\x1b[?1049h\x1b[?25l\x1b[2J";
const LEAVE: &str = "\x1b[0m\x1b[?25h\x1b[?1049l";

/// Standard input and output as a terminal.
pub struct Terminal {
    before: libc::termios,
    shown: Vec<String>,
    size: (u32, u32),
}

/// Is that descriptor a terminal?
pub fn is_terminal(descriptor: i32) -> bool {
    // SAFETY: a plain number.
    unsafe { libc::isatty(descriptor) == 1 }
}

/// How a terminal reads what is typed; `None` if it is none.
pub fn mode(descriptor: i32) -> Option<libc::termios> {
    // SAFETY: all zeros is a value of plain numbers, and it lives until the call returns.
    unsafe {
        let mut mode: libc::termios = std::mem::zeroed();
        (libc::tcgetattr(descriptor, &raw mut mode) == 0).then_some(mode)
    }
}

/// Sets how a terminal reads what is typed; what was typed before is forgotten.
pub fn set_mode(descriptor: i32, mode: &libc::termios) {
    // SAFETY: `mode` lives until the call returns.
    unsafe { libc::tcsetattr(descriptor, libc::TCSAFLUSH, mode) };
}

/// The same without echo, lines and signals.
pub fn raw(mode: &libc::termios) -> libc::termios {
    let mut raw = *mode;
    raw.c_iflag &= !(libc::ICRNL | libc::INLCR | libc::IXON);
    raw.c_lflag &= !(libc::ECHO | libc::ICANON | libc::ISIG | libc::IEXTEN);
    raw.c_cc[libc::VMIN] = 0;
    raw.c_cc[libc::VTIME] = 0;
    raw
}

impl Terminal {
    /// Takes the terminal; `None` if there is none on both standard input and output.
    pub fn take() -> Option<Terminal> {
        let before = mode(0).filter(|_| is_terminal(1))?;
        set_mode(0, &raw(&before));
        write(TAKE);
        Some(Terminal { before, shown: Vec::new(), size: (0, 0) })
    }

    /// Columns and rows, as they are now.
    pub fn size(&self) -> (u32, u32) {
        // SAFETY: all zeros is a value of plain numbers, and it lives until the call returns.
        let size = unsafe {
            let mut size: libc::winsize = std::mem::zeroed();
            libc::ioctl(1, libc::TIOCGWINSZ, &raw mut size);
            size
        };
        // A serial console does not know.
        if size.ws_col == 0 || size.ws_row == 0 {
            return (80, 24);
        }
        (size.ws_col.into(), size.ws_row.into())
    }

    /// Shows these lines; writes those that differ from what is shown.
    pub fn show(&mut self, size: (u32, u32), lines: Vec<String>) {
        let mut out = String::new();
        if self.size != size {
            out.push_str("\x1b[2J");
            self.shown.clear();
            self.size = size;
        }
        for (row, line) in lines.iter().enumerate() {
            if self.shown.get(row) != Some(line) {
                out.push_str(&format!("\x1b[{};1H\x1b[0m\x1b[2K{line}", row + 1));
            }
        }
        if !out.is_empty() {
            write(&out);
        }
        self.shown = lines;
    }

    /// Gives the terminal back as it was.
    pub fn leave(&self) {
        write(LEAVE);
        set_mode(0, &self.before);
    }
}

fn write(text: &str) {
    let mut out = std::io::stdout().lock();
    // A terminal that was closed is noticed by its input.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Reads what is there; `None` when nobody will type any more.
pub fn read(input: BorrowedFd<'_>) -> Option<Vec<u8>> {
    let mut bytes = [0u8; 256];
    // SAFETY: the buffer is that long and lives until the call returns.
    let length = unsafe { libc::read(input.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len()) };
    // Nothing, though something was announced: it was closed.
    usize::try_from(length).ok().filter(|length| *length > 0).map(|length| bytes[..length].to_vec())
}

/// What was typed and is not a whole key yet: what one key sends may come in two parts, over ssh above all.
#[derive(Debug, Default)]
pub struct Typed(Vec<u8>);

impl Typed {
    /// The buttons of what came now. `types`: letters are meant as letters.
    pub fn take(&mut self, bytes: &[u8], types: bool) -> Vec<Button> {
        self.0.extend(bytes);
        let rest = self.0.split_off(self.0.len() - unfinished(&self.0));
        buttons(&std::mem::replace(&mut self.0, rest), types)
    }

    /// Is there half a key? Then [`Typed::end`] is due after [`Typed::WAIT_MS`] without another byte.
    pub fn is_open(&self) -> bool {
        !self.0.is_empty()
    }

    /// How long the rest of a key may be on its way.
    pub const WAIT_MS: u64 = 60;

    /// No more comes: an escape alone is the key.
    pub fn end(&mut self) -> Vec<Button> {
        buttons(&std::mem::take(&mut self.0), false)
    }
}

/// How many bytes at the end may be the beginning of a key.
fn unfinished(typed: &[u8]) -> usize {
    let open = |from: &usize| match &typed[*from..] {
        [0x1b] | [0x1b, b'[' | b'O'] => true,
        [0x1b, b'[', b'[', rest @ ..] => rest.is_empty(),
        [0x1b, b'[', rest @ ..] => rest.iter().all(|byte| !(0x40..=0x7e).contains(byte)),
        [first, rest @ ..] if *first >= 0xC0 => rest.len() < first.leading_ones() as usize - 1,
        _ => false,
    };
    // No key is longer than this.
    let from = (typed.len().saturating_sub(16)..typed.len()).find(open);
    from.map_or(0, |from| typed.len() - from)
}

/// What was typed, as buttons. `types`: letters are meant as letters.
pub fn buttons(mut typed: &[u8], types: bool) -> Vec<Button> {
    const KEYS: &[(&str, Button)] = &[
        ("\x1b[A", Button::Up),
        ("\x1bOA", Button::Up),
        ("\x1b[B", Button::Down),
        ("\x1bOB", Button::Down),
        ("\x1b[C", Button::Right),
        ("\x1bOC", Button::Right),
        ("\x1b[D", Button::Left),
        ("\x1bOD", Button::Left),
        ("\x1b[5~", Button::PageUp),
        ("\x1b[6~", Button::PageDown),
        ("\x1bOP", Button::Extra),
        ("\x1b[11~", Button::Extra),
        ("\x1b[[A", Button::Extra),
        ("\x1bOQ", Button::Other),
        ("\x1b[12~", Button::Other),
        ("\x1b[[B", Button::Other),
        ("\x1b[21~", Button::Menu),
        ("\t", Button::Menu),
        ("\r", Button::Accept),
        ("\n", Button::Accept),
    ];
    const LETTERS: &[(char, Button)] = &[
        (' ', Button::Accept),
        ('x', Button::Extra),
        ('y', Button::Other),
        ('m', Button::Menu),
        ('l', Button::PageUp),
        ('r', Button::PageDown),
        ('q', Button::Back),
    ];
    let mut buttons = Vec::new();
    while let Some(first) = typed.first() {
        if let Some((key, button)) = KEYS.iter().find(|(key, _)| typed.starts_with(key.as_bytes())) {
            typed = &typed[key.len()..];
            // What was typed is done with Enter; the keys on the screen are not needed.
            buttons.push(if types && *button == Button::Accept { Button::Menu } else { *button });
            continue;
        }
        let length = match first {
            // Another key's sequence means nothing to us; an escape alone does.
            0x1b if matches!(typed.get(1), Some(b'[' | b'O')) => {
                3 + typed.iter().skip(2).take_while(|byte| !(0x40..=0x7e).contains(*byte)).count()
            }
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xFF => 4,
            _ => 1,
        };
        let (one, rest) = typed.split_at(length.min(typed.len()));
        typed = rest;
        match one {
            [0x1b | 3 | 4] => buttons.push(Button::Back),
            [8 | 0x7f] => buttons.push(if types { Button::Erase } else { Button::Back }),
            _ => {
                let letter = std::str::from_utf8(one).ok().and_then(|text| text.chars().next());
                let letter = letter.filter(|letter| !letter.is_control());
                match letter {
                    Some(letter) if types => buttons.push(Button::Letter(letter)),
                    Some(letter) => {
                        let meant = LETTERS.iter().find(|(known, _)| *known == letter.to_ascii_lowercase());
                        buttons.extend(meant.map(|(_, button)| *button));
                    }
                    None => {}
                }
            }
        }
    }
    buttons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_mean_what_a_person_on_a_keyboard_means() {
        use Button::*;
        let rows: [(&str, bool, &[Button], &str); 8] = [
            ("\x1b[A\x1b[B\r", false, &[Up, Down, Accept], "arrows and Enter"),
            ("\x1b", false, &[Back], "Escape alone"),
            ("\x1b[1;5A", false, &[], "a sequence that means nothing"),
            ("x\x7fq", false, &[Extra, Back, Back], "letters as buttons"),
            (
                "nas:é\x7f\r",
                true,
                &[Letter('n'), Letter('a'), Letter('s'), Letter(':'), Letter('é'), Erase, Menu],
                "typing",
            ),
            ("\x03", true, &[Back], "Ctrl-C leaves"),
            ("\x1b[", false, &[], "a torn sequence"),
            ("\u{7f}\0\u{1}", false, &[Back], "control letters"),
        ];
        for (typed, types, wanted, what) in rows {
            assert_eq!(buttons(typed.as_bytes(), types), wanted, "{what}");
        }
        assert_eq!(buttons(&[0xFF, 0xC3], true), [], "no letters at all");
    }

    #[test]
    fn a_key_that_comes_in_two_parts_is_the_key_and_an_escape_alone_is_back() {
        let all = "\x1b[A\x1bOB\x1b[5~é\x1b[1;5Ax\x1b[[B\r";
        let whole = buttons(all.as_bytes(), false);
        for at in 0..=all.len() {
            let mut typed = Typed::default();
            let mut came = typed.take(&all.as_bytes()[..at], false);
            came.extend(typed.take(&all.as_bytes()[at..], false));
            assert_eq!((came, typed.is_open()), (whole.clone(), false), "cut after {at} bytes");
        }
        let mut typed = Typed::default();
        assert_eq!((typed.take(b"\x1b", false), typed.is_open()), (vec![], true));
        assert_eq!((typed.end(), typed.is_open()), (vec![Button::Back], false));
        assert_eq!(typed.take(b"\x1b\x1b[A", false), [Button::Back, Button::Up]);
    }
}
