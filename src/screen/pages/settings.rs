//! PURE. The settings: each says what it does; what is chosen is written to the file and told to the daemon.

use super::ask::Ask;
use super::note::Note;
use super::select::{Select, What};
use super::{Act, Deed, PLAYING, Page, Seen, quiet, row};
use crate::boot;
use crate::plan::ConflictPolicy;
use crate::screen::errands::THEN;
use crate::screen::known::Card;
use crate::screen::model::{News, Order};
use crate::screen::pages::pair::Pair;
use crate::screen::view::{Block, Button, Mark, Row, View};
use crate::screen::words::{self, text};

/// The list of settings.
#[derive(Default)]
pub(super) struct Settings {
    focus: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Setting {
    Boot,
    Playing,
    What,
    Conflict,
    Language,
    Profile,
    Log,
    ShowLog,
    Pair,
    Unpair,
    Buttons,
    About,
}

impl Setting {
    /// Its name in the file.
    fn key(self) -> &'static str {
        match self {
            Setting::Playing => PLAYING,
            Setting::What => "leave_out",
            Setting::Conflict => "conflict",
            Setting::Language => "language",
            Setting::Profile => "profile",
            Setting::Log => "log",
            _ => "",
        }
    }
}

const LEVELS: [(&str, usize); 4] = [
    ("error", text::LOG_ERROR),
    ("warn", text::LOG_WARN),
    ("info", text::LOG_INFO),
    ("debug", text::LOG_DEBUG),
];

/// Each setting that there is here, with its line and what it does.
fn all(card: &Card, seen: &Seen<'_>) -> Vec<(Setting, Row, String)> {
    let say = |which| seen.say(which);
    let switch = |on: bool| if on { Mark::On } else { Mark::Off };
    let config = &card.config;
    let mut all = Vec::new();
    let mut add = |setting: Setting, label: usize, detail: String, mark: Mark, help: Option<usize>| {
        let fixed = !setting.key().is_empty() && config.is_given(setting.key());
        let detail = if fixed { say(text::FIXED) } else { detail };
        let help = if fixed { Some(text::FIXED_HELP) } else { help };
        let help = help.map(|which| seen.say(which)).unwrap_or_default();
        all.push((setting, Row { mark, ..row(say(label), detail) }, help));
    };
    let none = String::new;
    if let Some(state) = card.boot {
        let on = switch(matches!(state, boot::State::On | boot::State::Gone));
        add(Setting::Boot, text::SET_BOOT, none(), on, Some(text::SET_BOOT_HELP));
    }
    let plays = switch(!config.rests_while_playing);
    add(Setting::Playing, text::SET_PLAYING, none(), plays, Some(text::SET_PLAYING_HELP));
    add(Setting::What, text::SET_WHAT, none(), Mark::More, Some(text::SET_WHAT_HELP));
    let conflict = if config.conflict == ConflictPolicy::Ask { text::ASK_ME } else { text::NEWEST };
    add(Setting::Conflict, text::SET_CONFLICT, say(conflict), Mark::More, Some(text::SET_CONFLICT_HELP));
    add(Setting::Language, text::SET_LANGUAGE, say(text::LANGUAGE_NAME), Mark::More, None);
    add(Setting::Profile, text::SET_PROFILE, card.profile.clone(), Mark::More, Some(text::SET_PROFILE_HELP));
    let level = level(card);
    let named = LEVELS.iter().find(|(word, _)| *word == level).map_or(text::LOG_INFO, |(_, which)| *which);
    add(Setting::Log, text::SET_LOG, say(named), Mark::More, Some(text::SET_LOG_HELP));
    add(Setting::ShowLog, text::SHOW_LOG, none(), Mark::More, None);
    if seen.known.has_pad {
        add(Setting::Buttons, text::KEYS_TITLE, none(), Mark::None, Some(text::KEYS_AGAIN));
    }
    if card.paired {
        add(Setting::Unpair, text::UNPAIR, card.user.clone(), Mark::More, None);
    } else {
        add(Setting::Pair, text::PAIR, none(), Mark::More, None);
    }
    add(Setting::About, text::ABOUT, none(), Mark::More, None);
    all
}

fn level(card: &Card) -> String {
    card.config.log.map_or_else(|| "info".into(), |level| level.as_str().to_ascii_lowercase())
}

fn select(setting: Setting, card: &Card, seen: &Seen<'_>, title: String, help: String) -> Act {
    let named = |values: &[(&str, usize)]| -> Vec<(String, String)> {
        values.iter().map(|(value, which)| ((*value).to_owned(), seen.say(*which))).collect()
    };
    let (values, now) = match setting {
        Setting::Conflict => {
            let now = if card.config.conflict == ConflictPolicy::Ask { "ask" } else { "newest" };
            (named(&[("ask", text::ASK_ME), ("newest", text::NEWEST)]), now.to_owned())
        }
        Setting::Language => {
            let all = words::languages();
            let own = seen.say(text::LANGUAGE_NAME);
            let now = all.iter().find(|(_, name)| *name == own).map(|(code, _)| code.clone());
            (all, now.unwrap_or_default())
        }
        Setting::Log => (named(&LEVELS), level(card)),
        // They are brought when the page is open.
        _ => (Vec::new(), card.config.profile.clone().unwrap_or_default()),
    };
    let anew = (setting == Setting::Profile).then_some(text::ASK_PROFILE);
    Act::Open(Box::new(Select { key: setting.key(), title, help, values, now, focus: 0, anew }))
}

impl Page for Settings {
    fn view(&self, seen: &Seen<'_>) -> View {
        let mut view = View { title: seen.say(text::SETTINGS), hints: seen.hint_back(), ..View::default() };
        let Some(card) = &seen.known.card else { return view };
        let mut all = all(card, seen);
        let focus = self.focus.min(all.len().saturating_sub(1));
        let help = all.get_mut(focus).map(|(_, _, help)| std::mem::take(help)).unwrap_or_default();
        let rows: Vec<Row> = all.into_iter().map(|(_, row, _)| row).collect();
        view.blocks.push(Block::List { rows, focus });
        view.blocks.extend((!help.is_empty()).then(|| quiet(help)));
        view.hints = seen.hints(text::B_CHANGE);
        view
    }

    fn press(&mut self, button: Button, seen: &Seen<'_>) -> Act {
        let Some(card) = &seen.known.card else { return Act::Back };
        let mut all = all(card, seen);
        self.focus = self.focus.min(all.len().saturating_sub(1));
        if super::moves(&mut self.focus, button, all.len()) {
            return Act::Draw;
        }
        if button != Button::Accept {
            return if button == Button::Back { Act::Back } else { Act::Same };
        }
        let (setting, row, help) = all.swap_remove(self.focus);
        if !setting.key().is_empty() && card.config.is_given(setting.key()) {
            return Act::Same;
        }
        let errand =
            |words: &[&str]| Deed::Errand(seen.number, words.iter().map(|word| (*word).to_owned()).collect());
        match setting {
            Setting::Boot => Act::Do(errand(&["boot", if row.mark == Mark::On { "off" } else { "on" }])),
            Setting::Playing => {
                let on = row.mark != Mark::On;
                Act::Do(Deed::Order(Order::Set(setting.key(), on.to_string())))
            }
            Setting::What => Act::Open(Box::new(What::default())),
            Setting::ShowLog => Act::Open(Box::new(Log { title: row.label, lines: Vec::new(), focus: 0 })),
            Setting::Buttons => Act::Do(Deed::Learn),
            Setting::Pair => Act::Open(Box::new(Pair::default())),
            Setting::Unpair => {
                Ask::deed(row.label, seen.say(text::ASK_UNPAIR), errand(&["stop", THEN, "unpair"]))
            }
            Setting::About => {
                let program = seen.fill(text::ABOUT_TEXT, &[env!("CARGO_PKG_VERSION")]);
                let own = [&card.device, &card.firmware, &card.user, &card.server].map(String::as_str);
                Act::Open(Note::text(row.label, format!("{program}\n{}", own.join("\n"))))
            }
            _ => select(setting, card, seen, row.label, help),
        }
    }
}

/// The end of the log.
struct Log {
    title: String,
    lines: Vec<String>,
    focus: usize,
}

impl Page for Log {
    fn begins(&mut self) -> Option<Deed> {
        Some(Deed::Order(Order::Log))
    }

    fn hear(&mut self, news: &News, _seen: &Seen<'_>) -> Act {
        if let News::Log(lines) = news {
            self.lines.clone_from(lines);
        }
        Act::Draw
    }

    fn view(&self, seen: &Seen<'_>) -> View {
        let mut view = View { title: self.title.clone(), hints: seen.hint_back(), ..View::default() };
        if let Some(line) = self.lines.get(self.focus) {
            let rows: Vec<Row> = self.lines.iter().map(|line| row(line.clone(), String::new())).collect();
            view.blocks = vec![Block::List { rows, focus: self.focus }, quiet(line.clone())];
        }
        view
    }

    fn press(&mut self, button: Button, _seen: &Seen<'_>) -> Act {
        match button {
            Button::Back => Act::Back,
            _ if super::moves(&mut self.focus, button, self.lines.len()) => Act::Draw,
            _ => Act::Same,
        }
    }
}
