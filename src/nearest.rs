//! PURE. Which of the known names was probably meant: for the help of a refusal.

/// The name among `names` that was probably meant.
pub fn nearest<'a>(meant: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        // Of two that are equally near, letters that changed places are the likelier slip than letters that are missing.
        .map(|name| (distance(meant, name), name.len().abs_diff(meant.len()), name))
        .filter(|(distance, _, name)| *distance <= 1 + name.len() / 3)
        .min()
        .map(|(.., name)| name)
}

/// How many letters must change to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, wanted) in other.iter().enumerate() {
            let changed = corner + usize::from(letter != *wanted);
            corner = row[j + 1];
            row[j + 1] = changed.min(corner + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_a_stranger_is_not() {
        let names = ["server", "settle_ms", "watch"];
        let rows = [
            ("sevrer", Some("server")),
            ("settle", Some("settle_ms")),
            ("wach", Some("watch")),
            ("xylophone", None),
            ("watcg", Some("watch")),
        ];
        for (meant, name) in rows {
            assert_eq!(nearest(meant, names.into_iter()), name, "{meant}");
        }
    }
}
