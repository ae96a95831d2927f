//! PURE. From characters to keys and values.

use super::{DEEPEST, Node, Origin, Path, Refusal, Table, Value};

type Outcome<T> = Result<T, Refusal>;

/// A place in a text.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Reader<'a> {
        Reader { text: text.strip_prefix('\u{feff}').unwrap_or(text), at: 0, line: 1 }
    }

    /// Goes over blanks, comments and ends of lines to what is next.
    pub(super) fn next_line(&mut self) -> Option<u8> {
        loop {
            self.blanks();
            match self.peek()? {
                b'#' => self.comment(),
                b'\n' => self.step(),
                b'\r' if self.text.as_bytes().get(self.at + 1) == Some(&b'\n') => self.step(),
                other => return Some(other),
            }
        }
    }

    /// Nothing but a comment may follow on this line.
    pub(super) fn end_of_line(&mut self) -> Outcome<()> {
        let line = self.line;
        match self.next_line() {
            Some(_) if self.line == line => Err(self.refuse("more than one value on a line")),
            _ => Ok(()),
        }
    }

    /// `[key]` or `[[key]]` with its line's end; says which.
    pub(super) fn header(&mut self) -> Outcome<(Path, bool)> {
        self.expect(b'[', "`[`")?;
        let is_list = self.accept(b'[');
        let path = self.path()?;
        self.expect(b']', "`]` after a table's name")?;
        if is_list {
            self.expect(b']', "`]]` after a table's name")?;
        }
        self.end_of_line()?;
        Ok((path, is_list))
    }

    /// `key = value`
    pub(super) fn pair(&mut self, depth: usize) -> Outcome<(Path, Node)> {
        let path = self.path()?;
        self.expect(b'=', "`=` after a key")?;
        self.blanks();
        Ok((path, self.value(depth)?))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn step(&mut self) {
        if self.peek() == Some(b'\n') {
            self.line += 1;
        }
        self.at += 1;
    }

    fn accept(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        if is_there {
            self.step();
        }
        is_there
    }

    fn expect(&mut self, byte: u8, what: &str) -> Outcome<()> {
        if self.accept(byte) { Ok(()) } else { Err(self.refuse(&format!("{what} is missing"))) }
    }

    fn refuse(&self, cause: &str) -> Refusal {
        Refusal { line: self.line, cause: cause.into() }
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    fn comment(&mut self) {
        while self.peek().is_some_and(|byte| byte == b'\t' || !byte.is_ascii_control()) {
            self.at += 1;
        }
    }

    /// The longest run of characters that fit.
    fn word(&mut self, fits: fn(u8) -> bool) -> &'a str {
        let from = self.at;
        while self.peek().is_some_and(fits) {
            self.at += 1;
        }
        self.text.get(from..self.at).unwrap_or_default()
    }

    fn path(&mut self) -> Outcome<Path> {
        let line = self.line;
        let mut parts = Vec::new();
        loop {
            self.blanks();
            parts.push(self.key()?);
            self.blanks();
            if parts.len() > DEEPEST {
                return Err(self.refuse("nested too deep"));
            }
            if !self.accept(b'.') {
                return Ok(Path { parts, line });
            }
        }
    }

    fn key(&mut self) -> Outcome<String> {
        match self.peek() {
            Some(quote @ (b'"' | b'\'')) => self.quoted(quote),
            _ => match self.word(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
                "" => Err(self.refuse("a key is missing")),
                word => Ok(word.into()),
            },
        }
    }

    fn value(&mut self, depth: usize) -> Outcome<Node> {
        let line = self.line;
        if depth > DEEPEST {
            return Err(self.refuse("nested too deep"));
        }
        let value = match self.peek() {
            Some(quote @ (b'"' | b'\'')) => Value::Text(self.quoted(quote)?),
            Some(b'[') => Value::List(self.list(depth + 1)?),
            Some(b'{') => Value::Table(self.braces(depth + 1)?),
            _ => self.plain()?,
        };
        Ok(Node { line, value })
    }

    fn plain(&mut self) -> Outcome<Value> {
        match self.word(|byte| byte.is_ascii_alphanumeric() || b"+-._:".contains(&byte)) {
            "true" => Ok(Value::Truth(true)),
            "false" => Ok(Value::Truth(false)),
            "" => Err(self.refuse("a value is missing")),
            word => whole_number(word).map(Value::Number).ok_or_else(|| {
                // What stands there may be a token that lacks its quotes: it is not repeated.
                self.refuse("the value is no whole number, and a text needs quotes")
            }),
        }
    }

    fn list(&mut self, depth: usize) -> Outcome<Vec<Node>> {
        self.step();
        let mut nodes = Vec::new();
        while self.next_line() != Some(b']') {
            nodes.push(self.value(depth)?);
            if self.next_line() != Some(b']') {
                self.expect(b',', "`,` or `]` in a list")?;
            }
        }
        self.step();
        Ok(nodes)
    }

    fn braces(&mut self, depth: usize) -> Outcome<Table> {
        self.step();
        let mut table = Table::default();
        while self.next_line() != Some(b'}') {
            let (path, node) = self.pair(depth)?;
            table.add(path, node)?;
            if self.next_line() != Some(b'}') {
                self.expect(b',', "`,` or `}` in a table")?;
            }
        }
        self.step();
        table.origin = Origin::Braces;
        Ok(table)
    }

    /// A text on one line: `"` with escapes, `'` as it stands.
    fn quoted(&mut self, quote: u8) -> Outcome<String> {
        self.step();
        if self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(&[quote, quote])) {
            return Err(self.refuse("a text over several lines cannot be read: write it on one line"));
        }
        let mut found = String::new();
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let Some(character) =
                rest.chars().next().filter(|c| *c == '\t' || !c.is_control() || *c > '\u{7f}')
            else {
                return Err(self.refuse("a text does not end on its line"));
            };
            self.at += character.len_utf8();
            match character {
                _ if character == char::from(quote) => return Ok(found),
                '\\' if quote == b'"' => found.push(self.escape()?),
                _ => found.push(character),
            }
        }
    }

    fn escape(&mut self) -> Outcome<char> {
        let letter = self.peek();
        let digits = match letter {
            Some(b'x') => 2,
            Some(b'u') => 4,
            Some(b'U') => 8,
            _ => 0,
        };
        let code = self.text.get(self.at + 1..self.at + 1 + digits).unwrap_or_default();
        let character = match letter {
            Some(b'b') => Some('\u{8}'),
            Some(b't') => Some('\t'),
            Some(b'n') => Some('\n'),
            Some(b'f') => Some('\u{c}'),
            Some(b'r') => Some('\r'),
            Some(b'e') => Some('\u{1b}'),
            Some(same @ (b'"' | b'\\')) => Some(char::from(same)),
            _ if digits > 0 && code.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                u32::from_str_radix(code, 16).ok().and_then(char::from_u32)
            }
            _ => None,
        };
        self.at += 1 + digits;
        character.ok_or_else(|| self.refuse("`\\` begins no character that is known; in '…' it is a `\\`"))
    }
}

/// A sign, digits without a zero before them, `_` between digits.
fn whole_number(word: &str) -> Option<i64> {
    let digits = word.strip_prefix(['+', '-']).unwrap_or(word);
    let well_formed =
        digits.split('_').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    if !well_formed || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    word.replace('_', "").parse().ok()
}
