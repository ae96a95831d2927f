//! PURE. Which device is this: the profiles' rules, held against what the machine says.

use litemap::LiteMap;

use super::{Profile, Rule};

/// What the machine says, as far as the profiles asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The patterns of profiles (with `{card}` filled in) that something fits.
    pub found: Vec<String>,
    /// `/etc/os-release`.
    pub os_release: LiteMap<String, String>,
    /// The files and words of [`Rule::contains`] that go together.
    pub contained: Vec<(String, String)>,
    /// Of the environment, what the profiles ask for.
    pub environment: LiteMap<String, String>,
    /// A folder that plays the card (`--root`): then nothing of the machine itself is asked.
    pub played_card: Option<String>,
}

impl Profile {
    /// Every pattern that this profile asks the machine for, where its card may be at any of `cards`.
    pub fn patterns(&self, cards: &[String], with_root: bool) -> Vec<String> {
        let asked = self.detect.iter().filter(|rule| rule.counts(with_root));
        let patterns = asked.flat_map(|rule| rule.all.iter().chain(&rule.none));
        let mut patterns: Vec<String> =
            patterns.flat_map(|pattern| cards.iter().map(|card| pattern.replace("{card}", card))).collect();
        patterns.sort_unstable();
        patterns.dedup();
        patterns
    }
}

impl Rule {
    /// Can this rule be asked? With `--root` only what is on the card can.
    fn counts(&self, with_root: bool) -> bool {
        let on_card = |pattern: &String| pattern.starts_with("{card}/");
        if with_root {
            let asks_machine =
                [&self.os_release, &self.contains, &self.environment].map(|asked| !asked.is_empty());
            !asks_machine.contains(&true) && self.all.iter().chain(&self.none).all(on_card)
        } else {
            !self.only_with_root
        }
    }

    fn holds(&self, card: &str, facts: &Facts) -> bool {
        let found = |pattern: &String| facts.found.contains(&pattern.replace("{card}", card));
        let says = |(key, value): (&String, &String)| facts.os_release.get(key) == Some(value);
        let has = |(key, value): (&String, &String)| facts.environment.get(key) == Some(value);
        let contains =
            |(path, word): (&String, &String)| facts.contained.contains(&(path.clone(), word.clone()));
        self.all.iter().all(found)
            && !self.none.iter().any(found)
            && self.os_release.iter().all(says)
            && self.contains.iter().all(contains)
            && self.environment.iter().all(has)
    }

    /// What was found, for people.
    fn told(&self, card: &str) -> String {
        let found = self.all.iter().map(|pattern| format!("`{}`", pattern.replace("{card}", card)));
        let says = self.os_release.iter().map(|(key, value)| format!("`{key}` of os-release is `{value}`"));
        let has = self.environment.iter().map(|(key, value)| format!("`{key}` is `{value}`"));
        let contains = self.contains.iter().map(|(path, word)| format!("`{path}` has `{word}`"));
        found.chain(says).chain(contains).chain(has).collect::<Vec<_>>().join(", ")
    }
}

/// Which device is this: the first profile, in their order, one of whose rules holds; and what that rule found.
pub fn detect<'a>(facts: &Facts, profiles: &'a [Profile]) -> Option<(&'a Profile, String)> {
    let mut in_order: Vec<&Profile> = profiles.iter().collect();
    in_order.sort_by(|a, b| (a.order, &a.name).cmp(&(b.order, &b.name)));
    in_order.into_iter().find_map(|profile| {
        let played = facts.played_card.as_ref();
        let cards = played.map_or(&profile.card[..], std::slice::from_ref);
        let rules = profile.detect.iter().filter(|rule| rule.counts(played.is_some()));
        let mut tried = rules.flat_map(|rule| cards.iter().map(move |card| (rule, card)));
        tried.find(|(rule, card)| rule.holds(card, facts)).map(|(rule, card)| (profile, rule.told(card)))
    })
}
