//! PURE. From a table to the structures that the rest of the program knows: each key is asked for by its name and kind.
//!
//! Whoever asks gets an empty value where one does not fit, and goes on; in the end there is no structure but the first
//! refusal, by line. A key that nobody asked for is one too. (Derived readers are 13 KB more on a card.)

use std::fmt;

use litemap::LiteMap;

use super::{Node, Origin, Refusal, Table, Value};

/// What a table that is missing is read as.
static NOTHING: Table = Table { entries: Vec::new(), origin: Origin::Implied };
/// Comes after each that has a line.
const LAST: usize = usize::MAX;

/// The keys of a table, while a structure is read from them.
pub struct Keys<'a> {
    table: &'a Table,
    asked: Vec<&'static str>,
    refusal: Option<Refusal>,
}

/// The words that a key may have, and what they mean.
pub type Words<T> = &'static [(&'static str, T)];

impl Table {
    /// Reads a structure out of this table.
    ///
    /// # Errors
    /// The first key or value that does not fit, with its line.
    pub fn read<'a, T>(&'a self, read: fn(&mut Keys<'a>) -> T) -> Result<T, Refusal> {
        let mut keys = Keys::of(self);
        let value = read(&mut keys);
        keys.end(1).map_or(Ok(value), Err)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.cause)
    }
}

impl std::error::Error for Refusal {}

impl<'a> Keys<'a> {
    fn of(table: &'a Table) -> Keys<'a> {
        Keys { table, asked: Vec::new(), refusal: None }
    }

    /// What was wrong with a table that begins in that line.
    fn end(mut self, line: usize) -> Option<Refusal> {
        let asked = std::mem::take(&mut self.asked);
        let mut keys = self.table.entries.iter();
        if let Some(entry) = keys.find(|entry| !asked.contains(&&*entry.key)) {
            self.unknown(entry.line, "field", &entry.key, &asked);
        }
        if let Some(refusal) = self.refusal.as_mut().filter(|refusal| refusal.line == LAST) {
            refusal.line = line;
        }
        self.refusal
    }

    fn refuse(&mut self, line: usize, cause: String) {
        if self.refusal.as_ref().is_none_or(|known| line < known.line) {
            self.refusal = Some(Refusal { line, cause });
        }
    }

    /// `profile.rs` finds the nearest among the names in this text.
    fn unknown(&mut self, line: usize, what: &str, word: &str, known: &[&str]) {
        self.refuse(line, format!("unknown {what} `{word}`, expected one of `{}`", known.join("`, `")));
    }

    fn wrong(&mut self, node: &Node, expected: &str) {
        let found = match &node.value {
            Value::Text(text) => format!("string \"{text}\""),
            Value::Number(number) => format!("integer `{number}`"),
            Value::Truth(truth) => format!("boolean `{truth}`"),
            Value::List(_) | Value::Tables(_) => "list".to_owned(),
            Value::Table(_) => "table".to_owned(),
        };
        self.refuse(node.line, format!("invalid type: {found}, expected {expected}"));
    }

    fn find(&mut self, key: &'static str) -> Option<&'a Node> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.table.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// Refuses a table without this key, which is asked for elsewhere.
    pub fn must(&mut self, key: &'static str) {
        self.needed(key);
    }

    fn needed(&mut self, key: &'static str) -> Option<&'a Node> {
        let found = self.find(key);
        if found.is_none() {
            self.refuse(LAST, format!("missing field `{key}`"));
        }
        found
    }

    fn text_of(&mut self, node: &Node) -> String {
        if let Value::Text(text) = &node.value {
            return text.clone();
        }
        self.wrong(node, "a string");
        String::new()
    }

    fn items(&mut self, node: Option<&'a Node>) -> &'a [Node] {
        match node.map(|node| (node, &node.value)) {
            None => &[],
            Some((_, Value::List(nodes) | Value::Tables(nodes))) => nodes,
            Some((node, _)) => {
                self.wrong(node, "a list");
                &[]
            }
        }
    }

    fn table_of<T>(&mut self, node: &'a Node, read: fn(&mut Keys<'a>) -> T) -> T {
        let Value::Table(table) = &node.value else {
            self.wrong(node, "a table");
            return read(&mut Keys::of(&NOTHING));
        };
        let mut keys = Keys::of(table);
        let value = read(&mut keys);
        if let Some(refusal) = keys.end(node.line) {
            self.refuse(refusal.line, refusal.cause);
        }
        value
    }

    fn word_of<T: Copy>(&mut self, node: &Node, words: Words<T>) -> Option<T> {
        let Value::Text(text) = &node.value else {
            self.wrong(node, "a string");
            return None;
        };
        let found = words.iter().find(|(word, _)| word == text).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.unknown(node.line, "variant", text, &known);
        }
        found
    }

    /// A text, which must be there.
    pub fn text(&mut self, key: &'static str) -> String {
        self.needed(key).map_or_else(String::new, |node| self.text_of(node))
    }

    /// A text, if it is there.
    pub fn maybe_text(&mut self, key: &'static str) -> Option<String> {
        self.find(key).map(|node| self.text_of(node))
    }

    /// A list of texts, which must be there.
    pub fn texts(&mut self, key: &'static str) -> Vec<String> {
        let node = self.needed(key);
        self.items(node).iter().map(|node| self.text_of(node)).collect()
    }

    /// A list of texts, empty if it is not there.
    pub fn maybe_texts(&mut self, key: &'static str) -> Vec<String> {
        let node = self.find(key);
        self.items(node).iter().map(|node| self.text_of(node)).collect()
    }

    /// Texts by name, none if the table is not there.
    pub fn pairs(&mut self, key: &'static str) -> LiteMap<String, String> {
        let Some(node) = self.find(key) else { return LiteMap::new() };
        let Value::Table(table) = &node.value else {
            self.wrong(node, "a table");
            return LiteMap::new();
        };
        table.entries.iter().map(|entry| (entry.key.clone(), self.text_of(&entry.node))).collect()
    }

    /// A number, if it is there.
    pub fn maybe_number(&mut self, key: &'static str) -> Option<u32> {
        let node = self.find(key)?;
        let Value::Number(number) = node.value else {
            self.wrong(node, "a number");
            return None;
        };
        let fits = u32::try_from(number).ok();
        if fits.is_none() {
            self.refuse(node.line, format!("invalid value: integer `{number}`, expected a number from 0 on"));
        }
        fits
    }

    /// A number, which must be there.
    pub fn number(&mut self, key: &'static str) -> u32 {
        self.needed(key);
        self.maybe_number(key).unwrap_or_default()
    }

    /// A truth; `usual` if it is not there.
    pub fn truth(&mut self, key: &'static str, usual: bool) -> bool {
        let Some(node) = self.find(key) else { return usual };
        let Value::Truth(truth) = node.value else {
            self.wrong(node, "a boolean");
            return usual;
        };
        truth
    }

    /// What a word means; the usual if it is not there.
    pub fn word<T: Copy + Default>(&mut self, key: &'static str, words: Words<T>) -> T {
        self.find(key).and_then(|node| self.word_of(node, words)).unwrap_or_default()
    }

    /// What the words of a list mean, none if it is not there.
    pub fn words<T: Copy>(&mut self, key: &'static str, words: Words<T>) -> Vec<T> {
        let node = self.find(key);
        self.items(node).iter().filter_map(|node| self.word_of(node, words)).collect()
    }

    /// A structure, which must be there.
    pub fn one<T>(&mut self, key: &'static str, read: fn(&mut Keys<'a>) -> T) -> T {
        match self.needed(key) {
            Some(node) => self.table_of(node, read),
            None => read(&mut Keys::of(&NOTHING)),
        }
    }

    /// A structure, if it is there.
    pub fn maybe_one<T>(&mut self, key: &'static str, read: fn(&mut Keys<'a>) -> T) -> Option<T> {
        self.find(key).map(|node| self.table_of(node, read))
    }

    /// A list of structures, empty if it is not there.
    pub fn many<T>(&mut self, key: &'static str, read: fn(&mut Keys<'a>) -> T) -> Vec<T> {
        let node = self.find(key);
        self.items(node).iter().map(|node| self.table_of(node, read)).collect()
    }

    /// What others read.
    pub fn skip(&mut self, keys: &[&'static str]) {
        self.asked.extend(keys);
    }
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Card {
        name: String,
        order: u32,
        is_posix: bool,
        parts: Vec<String>,
    }

    fn card(keys: &mut Keys<'_>) -> Card {
        Card {
            name: keys.text("name"),
            order: keys.number("order"),
            is_posix: keys.word("kind", &[("fat", false), ("posix", true)]),
            parts: keys.many("part", |keys| keys.text("at")),
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_by_its_line_and_the_first_of_it() {
        let rows = [
            ("name = \"x\"\norder = 1\nkind = \"posix\"\n[[part]]\nat = \"y\"\n", Ok(vec!["y".to_owned()])),
            ("name = \"x\"\norder = 1\n", Ok(vec![])),
            ("order = 1\n", Err("line 1: missing field `name`")),
            ("name = 3\n", Err("line 1: invalid type: integer `3`, expected a string")),
            ("name = \"x\"\norder = \"y\"\n", Err("line 2: invalid type: string \"y\", expected a number")),
            (
                "name = \"x\"\norder = -1\n",
                Err("line 2: invalid value: integer `-1`, expected a number from 0 on"),
            ),
            (
                "name = \"x\"\norder = 1\nkind = \"fta\"\n",
                Err("line 3: unknown variant `fta`, expected one of `fat`, `posix`"),
            ),
            (
                "name = true\nordr = 1\norder = 1\n",
                Err("line 1: invalid type: boolean `true`, expected a string"),
            ),
            (
                "ordr = 1\nname = \"x\"\n",
                Err("line 1: unknown field `ordr`, expected one of `name`, `order`, `kind`, `part`"),
            ),
            (
                "name = \"x\"\norder = 1\npart = 1\n",
                Err("line 3: invalid type: integer `1`, expected a list"),
            ),
            (
                "name = \"x\"\norder = 1\npart = [1]\n",
                Err("line 3: invalid type: integer `1`, expected a table"),
            ),
            ("name = \"x\"\norder = 1\n[[part]]\n[[part]]\nat = \"y\"\n", Err("line 3: missing field `at`")),
            (
                "name = \"x\"\norder = 1\n[[part]]\nat = \"y\"\nto = 1\n",
                Err("line 5: unknown field `to`, expected one of `at`"),
            ),
        ];
        for (text, expected) in rows {
            let read = Table::parse(text).and_then(|table| table.read(card));
            match (read, expected) {
                (Ok(card), Ok(parts)) => assert_eq!(
                    (&*card.name, card.order, card.is_posix, card.parts),
                    ("x", 1, text.contains("posix"), parts)
                ),
                (Err(refusal), Err(cause)) => assert_eq!(refusal.to_string(), cause, "{text}"),
                (read, expected) => panic!("{text}: {read:?}, not {expected:?}"),
            }
        }
    }
}
