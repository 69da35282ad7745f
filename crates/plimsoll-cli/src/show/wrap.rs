//! Text in lines of a width.
//!
//! A line is broken at blanks only. A word that is longer than the line stays whole: it is a name or a piece of SQL, which has to be
//! copied in one piece.

use unicode_width::UnicodeWidthStr;

/// What every terminal has.
pub(crate) const WIDTH: usize = 80;

/// The text in lines of at most this width, each but the first behind this many blanks. The first has so many columns taken
/// already.
pub(crate) fn wrapped(text: &str, width: usize, taken: usize, indent: usize) -> String {
    in_lines(text.split_whitespace(), width, taken, indent)
}

/// The same of these words.
pub(super) fn in_lines(
    words: impl Iterator<Item: AsRef<str>>,
    width: usize,
    taken: usize,
    indent: usize,
) -> String {
    let mut lines = String::new();
    let mut column = taken;
    let mut is_first = true;
    for word in words {
        let word = word.as_ref();
        let wide = word.width();
        if !is_first && column + 1 + wide > width {
            lines.push('\n');
            lines.push_str(&" ".repeat(indent));
            column = indent;
        } else if !is_first {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += wide;
        is_first = false;
    }
    lines
}

/// The text with blanks behind it up to this width.
pub(crate) fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_blanks_within_the_width() {
        assert_eq!(wrapped("one two three", 9, 2, 2), "one two\n  three");
        assert_eq!(wrapped("one  two", 80, 0, 0), "one two");
        assert_eq!(wrapped("a_very_long_name b", 6, 0, 1), "a_very_long_name\n b");
        assert_eq!(wrapped("", 6, 0, 1), "");
        assert_eq!(wrapped("ééé é", 5, 0, 0), "ééé é", "columns and not bytes");
        assert_eq!(padded("é", 3), "é  ");
    }
}
