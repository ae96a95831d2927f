//! PURE. The texts in every language, as `build.rs` packed them from `texts/*.toml`: all languages have all texts.
//!
//! `texts/en.toml` is the one to translate. `{0}` and `{1}` stand for what is filled in.

use crate::packed;

/// The numbers of the texts, by their names in `texts/en.toml`.
#[allow(missing_docs)]
pub mod text {
    include!(concat!(env!("OUT_DIR"), "/texts.rs"));
}

static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/texts.z"));

/// The texts of one language.
pub struct Words {
    texts: Vec<String>,
}

/// Each language's code and its own name.
pub fn languages() -> Vec<(String, String)> {
    let all = packed::unpack(PACKED);
    let named = all.split('\u{1}').filter_map(|language| {
        let mut texts = language.split('\0');
        let code = texts.next()?.to_owned();
        Some((code, texts.nth(text::LANGUAGE_NAME)?.to_owned()))
    });
    named.collect()
}

impl Words {
    /// The texts of that language (`de`, `de_DE.UTF-8`); English if it is none of ours.
    pub fn of(language: &str) -> Words {
        let all = packed::unpack(PACKED);
        let wanted = language.get(..2).unwrap_or_default().to_ascii_lowercase();
        let of = |code: &str| all.split('\u{1}').find(|texts| texts.split('\0').next() == Some(code));
        let texts = of(&wanted).or_else(|| of("en")).unwrap_or_default();
        Words { texts: texts.split('\0').skip(1).map(str::to_owned).collect() }
    }

    /// A text.
    pub fn say(&self, text: usize) -> String {
        #[cfg(test)]
        SAID.with_borrow_mut(|said| said.push(text));
        self.texts.get(text).cloned().unwrap_or_default()
    }

    /// A text with these in the places of `{0}`, `{1}`.
    pub fn fill(&self, text: usize, with: &[&str]) -> String {
        let mut said = self.say(text);
        for (place, with) in ["{0}", "{1}"].iter().zip(with) {
            said = said.replacen(place, with, 1);
        }
        said
    }

    /// The text of one, or that of several with their number.
    pub fn count(&self, one: usize, several: usize, number: usize) -> String {
        if number == 1 { self.say(one) } else { self.fill(several, &[&number.to_string()]) }
    }
}

#[cfg(test)]
thread_local! {
    static SAID: std::cell::RefCell<Vec<usize>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// The numbers of the texts that were shown in this thread since this was asked last.
#[cfg(test)]
pub(crate) fn said() -> Vec<usize> {
    SAID.take()
}
