//! Our app in an EmulationStation's `gamelist.xml`: its name and picture, in an entry like any game's.
//!
//! PURE. EmulationStation writes this file too, in a form of its own and without comments, so the entry is known by its path
//! alone. A text that is no list of games is left as it is.

const END: &str = "</gameList>";
const ENTRY_END: &str = "</game>";
/// What a list of games begins with, where there is none yet.
const FIRST: &str = "<?xml version=\"1.0\"?>\n<gameList>\n";

/// The text with an entry of that path and these further tags; an entry that has a picture is somebody's, and stays.
pub fn with(text: &str, path: &str, tags: &str) -> String {
    if entries(text, path).any(|(start, end)| text[start..end].contains("<image>")) {
        return text.to_owned();
    }
    let rest = without(text, path);
    let rest = if rest.trim().is_empty() { format!("{FIRST}{END}\n") } else { rest };
    let Some(at) = rest.rfind(END) else { return text.to_owned() };
    let (head, tail) = rest.split_at(at);
    let between = if head.ends_with('\n') { "" } else { "\n" };
    format!("{head}{between}\t<game><path>{path}</path>{tags}{ENTRY_END}\n{tail}")
}

/// The text without the entries of that path.
pub fn without(text: &str, path: &str) -> String {
    let (mut rest, mut from) = (String::with_capacity(text.len()), 0);
    for (start, end) in entries(text, path) {
        // A path that stands twice in one entry.
        if start < from {
            continue;
        }
        rest.push_str(text[from..start].trim_end_matches([' ', '\t']));
        let tail = &text[end..];
        from = text.len() - tail.strip_prefix("\r\n").or(tail.strip_prefix('\n')).unwrap_or(tail).len();
    }
    rest.push_str(&text[from..]);
    rest
}

/// Is there nothing in it?
pub fn is_empty(text: &str) -> bool {
    !text.contains("<game>") && !text.contains("<game ") && !text.contains("<folder")
}

/// Where the entries of that path begin and end. In a torn list the path can stand in none.
fn entries(text: &str, path: &str) -> impl Iterator<Item = (usize, usize)> {
    let path = format!("<path>{path}</path>");
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = from + text[from..].find(&path)?;
        from = at + path.len();
        Some(at)
    })
    .filter_map(move |at| {
        let start = text[..at].rfind("<game>").max(text[..at].rfind("<game "))?;
        let end = at + text[at..].find(ENTRY_END)? + ENTRY_END.len();
        // Another's that ended before it is not its, nor is the end of one that began after it.
        let is_whole = !text[start..at].contains(ENTRY_END) && is_empty(&text[at..end]);
        is_whole.then_some((start, end))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "./RetroSync.sh";
    const TAGS: &str = "<name>RetroSync</name><image>./images/RetroSync.png</image>";
    const OURS: &str = "\t<game><path>./RetroSync.sh</path><name>RetroSync</name><image>./images/RetroSync.png</image></game>\n";

    #[test]
    fn others_entries_are_as_they_were_with_ours_and_without() {
        let other =
            "\t<game id=\"1\">\n\t\t<path>./Other.sh</path>\n\t\t<name>Größe &amp; x</name>\n\t</game>\n";
        let list = |inner: &str| format!("<?xml version=\"1.0\"?>\n<gameList>\n{inner}</gameList>\n");
        let rows = [
            ("none yet", String::new(), list(OURS), list("")),
            ("an empty one", list(""), list(OURS), list("")),
            ("another's", list(other), list(&format!("{other}{OURS}")), list(other)),
            (
                "all in one line",
                "<gameList><game><path>./Other.sh</path></game></gameList>".into(),
                format!("<gameList><game><path>./Other.sh</path></game>\n{OURS}</gameList>"),
                "<gameList><game><path>./Other.sh</path></game>\n</gameList>".into(),
            ),
            (
                "ours as EmulationStation writes it after it was played, without a picture",
                list(&format!(
                    "\t<game>\n\t\t<path>{PATH}</path>\n\t\t<playcount>1</playcount>\n\t</game>\n{other}"
                )),
                list(&format!("{other}{OURS}")),
                list(other),
            ),
        ];
        for (row, before, after, removed) in rows {
            assert_eq!(with(&before, PATH, TAGS), after, "{row}");
            assert_eq!(with(&after, PATH, TAGS), after, "{row}: again");
            assert_eq!(without(&after, PATH), removed, "{row}: removed");
        }
        assert!(is_empty(&list("")) && !is_empty(&list(other)) && !is_empty(&list("<folder/>")));
    }

    #[test]
    fn what_is_no_list_of_games_or_has_our_picture_already_is_left_alone() {
        let scraped =
            format!("<gameList><game>\n<path>{PATH}</path><image>./media/x.png</image>\n</game></gameList>");
        for text in ["not xml", "<gameList><game><path>./Other.sh</path></game>", &scraped] {
            assert_eq!(with(text, PATH, TAGS), text);
        }
        let torn =
            format!("<gameList><game><path>./Other.sh</path></game><path>{PATH}</path></game></gameList>");
        assert_eq!(without(&torn, PATH), torn, "an entry that began nowhere");
    }

    #[test]
    fn a_torn_list_does_not_grow_with_every_start() {
        let other = "<game><path>./Other.sh</path></game>";
        let ours = format!("<game><path>{PATH}</path></game>");
        for text in [
            format!("<gameList>{other}<path>{PATH}</path></game></gameList>"),
            format!("<gameList>{ours}{other}{ours}</gameList>"),
        ] {
            let after = with(&text, PATH, TAGS);
            assert_ne!(after, text);
            assert_eq!(with(&after, PATH, TAGS), after, "{text}");
            assert_eq!(after.matches(other).count(), 1, "{after}");
        }
    }
}
