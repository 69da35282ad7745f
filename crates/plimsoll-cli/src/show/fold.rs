//! Sentences and statements in lines that fit a terminal of 80 columns.

use super::wrap::{WIDTH, in_lines};

/// A sentence on as many lines as it takes, each with this indent but the first, which begins where it is put.
pub(crate) fn folded(text: &str, begins: usize, indent: usize) -> String {
    fold(text.split_whitespace().map(str::to_owned), begins, indent)
}

/// The same for a statement: it is not divided inside quotes, so that it can be copied from the screen.
pub(crate) fn folded_sql(sql: &str, begins: usize, indent: usize) -> String {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for letter in sql.chars() {
        match (letter, quote) {
            (' ' | '\n', None) => words.push(std::mem::take(&mut word)),
            (letter, open) => {
                word.push(letter);
                quote = match open {
                    None if letter == '"' || letter == '\'' => Some(letter),
                    Some(open) if open == letter => None,
                    open => open,
                };
            }
        }
    }
    words.push(word);
    fold(words.into_iter().filter(|word| !word.is_empty()), begins, indent)
}

fn fold(words: impl Iterator<Item = String>, begins: usize, indent: usize) -> String {
    in_lines(words.map(|word| without_control(&word)), WIDTH, begins, indent)
}

/// Without anything that could move a terminal's cursor: names come from the database.
pub(crate) fn without_control(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_before_the_screen_does_and_quotes_stay_whole() {
        let text = "word ".repeat(40);
        for line in folded(&text, 10, 4).lines().skip(1) {
            assert!(line.chars().count() <= WIDTH && line.starts_with("    word"), "{line:?}");
        }
        let name = "\"a name with many spaces that is longer than what is left\"";
        let sql = format!(
            "SELECT count(*) FROM {name} WHERE at = '2026-11-30 10:00:00+00' AND name = 'it''s mine'"
        );
        let folded = folded_sql(&sql, 4, 6);
        assert!(folded.contains(name) && folded.contains("'2026-11-30 10:00:00+00'"), "{folded}");
        assert_eq!(folded.replace("\n     ", ""), sql);
        assert_eq!(super::folded("a\u{1b}[31mb", 0, 0), "a?[31mb");
    }
}
