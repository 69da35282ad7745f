//! A line of the screen: pieces of text, each with a tone. Which tone has which colour is a matter of the terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How a piece is meant. What matters is in its words too, so that nothing is missing without colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::top) enum Tone {
    Plain,
    /// Of less weight.
    Dim,
    Strong,
    Good,
    Warn,
    Bad,
    /// The head of a list, and the keys.
    Head,
    /// The row under the cursor.
    Chosen,
}

/// Pieces beside each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::top) struct Line(pub(in crate::top) Vec<(String, Tone)>);

impl Line {
    pub(in crate::top) fn of(text: impl Into<String>, tone: Tone) -> Self {
        Line(vec![(text.into(), tone)])
    }

    pub(in crate::top) fn and(mut self, text: impl Into<String>, tone: Tone) -> Self {
        self.0.push((text.into(), tone));
        self
    }

    /// As text alone.
    pub(in crate::top) fn text(&self) -> String {
        let text: String = self.0.iter().map(|(text, _)| text.as_str()).collect();
        text.trim_end().to_owned()
    }
}

/// The text on one line: without what could move a terminal's cursor, and with one space between words.
pub(in crate::top) fn clean(text: &str) -> String {
    crate::sessions::printable(text, usize::MAX)
}

/// The text in exactly so many columns: cut, which `..` shows, or filled up. The wide characters of East Asia take two columns.
pub(in crate::top) fn fit(text: &str, columns: usize) -> String {
    let mut text = crate::show::without_control(text);
    if text.width() > columns {
        let mark = if columns >= 4 { ".." } else { "" };
        let room = columns - mark.len();
        let mut used = 0;
        let kept = text.chars().take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= room
        });
        text = kept.chain(mark.chars()).collect();
    }
    let missing = columns.saturating_sub(text.width());
    text.extend(std::iter::repeat_n(' ', missing));
    text
}

/// The text on lines of at most so many columns, and at most so many of them; broken between words where that can be.
pub(in crate::top) fn wrap(text: &str, columns: usize, most: usize) -> Vec<String> {
    let columns = columns.max(8);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in clean(text).split(' ') {
        let mut word = word;
        if !line.is_empty() && line.width() + 1 + word.width() > columns {
            lines.push(std::mem::take(&mut line));
        }
        while word.width() > columns {
            let cut = cut_at(word, columns);
            let (head, rest) = word.split_at(cut);
            lines.push(head.to_owned());
            word = rest;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            *last = fit(&format!("{last} {}", ".".repeat(columns)), columns);
        }
    }
    lines
}

/// The place of the first character that does not fit any more.
fn cut_at(word: &str, columns: usize) -> usize {
    let mut used = 0;
    for (at, c) in word.char_indices() {
        used += c.width().unwrap_or(0);
        if used > columns && at > 0 {
            return at;
        }
    }
    word.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_is_cut_where_it_does_not_fit() {
        assert_eq!(fit("SELECT 1", 6), "SELE..");
        assert_eq!(fit(&clean("a\n\tb\u{1b}[2J"), 8), "a b?[2J ");
        assert_eq!(fit("  a\u{1b}[2J", 9), "  a?[2J  ");
        assert_eq!(fit("\u{65e5}\u{672c}\u{8a9e}", 5), "\u{65e5}.. ");
        assert_eq!(fit("abc", 0), "");
        assert_eq!(wrap("one two three", 8, 9), ["one two", "three"]);
        assert_eq!(wrap("abcdefghijkl", 8, 9), ["abcdefgh", "ijkl"]);
        assert_eq!(wrap("one two three four", 8, 1), ["one tw.."]);
    }

    proptest! {
        #[test]
        fn a_text_takes_the_columns_that_it_may(text in any::<String>(), columns in 0usize..40) {
            prop_assert_eq!(fit(&text, columns).width(), columns);
            for line in wrap(&text, columns, 5) {
                prop_assert!(line.width() <= columns.max(8), "{:?}", line);
            }
        }
    }
}
