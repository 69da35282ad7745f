//! Texts of people: names and sentences that are stored and shown as they were written.

/// The text, if it has 1 to `most` characters and none of them is a control character. The database takes no NUL, and a
/// name that moves the cursor is no name.
#[must_use]
pub fn line(text: &str, most: usize) -> Option<String> {
    let length = text.chars().take(most.saturating_add(1)).count();
    let is_one = (1..=most).contains(&length) && !text.chars().any(char::is_control);
    is_one.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_and_none_controls() {
        assert_eq!(line("", 3), None);
        assert_eq!(line("äöü", 3).as_deref(), Some("äöü"));
        assert_eq!(line("abcd", 3), None);
        for bad in ["a\0", "a\n", "\u{7f}"] {
            assert_eq!(line(bad, 9), None, "{bad:?}");
        }
    }
}
