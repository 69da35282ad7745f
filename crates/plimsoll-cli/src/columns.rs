//! Rows under each other, within the width of a terminal, and the numbers in them as people write them.

use crate::sessions::printable;
use crate::show::folded;
#[cfg(test)]
use crate::show::wrap::WIDTH;
use std::fmt::Write;

/// A line of heads and one for each row. Columns stand to the right, the last one to the left. It is for names, which stay whole: a name
/// that is cut cannot be copied.
pub(crate) fn columns<const N: usize>(heads: [&str; N], rows: &[[String; N]]) -> String {
    let heads = heads.map(str::to_owned);
    let all = || std::iter::once(&heads).chain(rows);
    let mut widths = [0; N];
    for row in all() {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in all() {
        let mut line = String::new();
        for (number, (cell, width)) in row.iter().zip(widths).enumerate() {
            let is_last = number + 1 == N;
            if is_last {
                line.push_str(&printable(cell, usize::MAX));
            } else {
                let _ = write!(line, "{cell:>width$}  ");
            }
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// Text in lines of the terminal's width, each after the first behind this many blanks. Words stay whole.
pub(crate) fn lines(text: &str, indent: usize) -> String {
    lines_from(0, text, indent)
}

/// The same, with blanks before the first line too.
pub(crate) fn lines_from(first: usize, text: &str, indent: usize) -> String {
    format!("{}{}\n", " ".repeat(first), folded(text, first, indent))
}

/// `12,345`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `12,345`, and from a million on `1.23 M`: at most seven characters.
#[expect(clippy::cast_precision_loss, reason = "three digits of it")]
pub(crate) fn short(number: u64) -> String {
    const UNITS: [(&str, f64); 4] = [("E", 1e18), ("T", 1e12), ("G", 1e9), ("M", 1e6)];
    let float = number as f64;
    match UNITS.into_iter().find(|(_, factor)| float >= *factor) {
        None => count(number),
        Some((unit, factor)) if float / factor < 10.0 => format!("{:.2} {unit}", float / factor),
        Some((unit, factor)) => format!("{:.0} {unit}", float / factor),
    }
}

/// `2 tables`, `1 table`.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A text that a test holds against the file `tests/screens/NAME`, and each of whose lines fits a terminal.
#[cfg(test)]
pub(crate) fn is_the_screen(name: &str, text: &str) {
    is_kept(name, text);
    for line in text.lines() {
        assert!(line.chars().count() <= WIDTH, "{line:?} fits a terminal");
    }
}

/// The same of any width. `PLIMSOLL_BLESS=1` writes the file anew.
#[cfg(test)]
pub(crate) fn is_kept(name: &str, text: &str) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens").join(name);
    if std::env::var_os("PLIMSOLL_BLESS").is_some() {
        std::fs::write(&file, text).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(text == kept, "{} is out of date (PLIMSOLL_BLESS=1):\n{text}", file.display());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_write_them() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([7, 999_999, 1_234_567, 812_345_678_901].map(short), ["7", "999,999", "1.23 M", "812 G"]);
    }

    #[test]
    fn columns_stand_under_each_other_and_lines_end_in_time() {
        let rows = [["1", "a\u{1b}[2J"], ["123456789", "b"]].map(|row| row.map(str::to_owned));
        let text = columns(["number", "name"], &rows);
        assert_eq!(text, "   number  name\n        1  a?[2J\n123456789  b\n");
        let text = lines(&"word ".repeat(40), 2);
        assert!(
            text.lines().all(|line| line.len() <= WIDTH)
                && text.lines().nth(1).unwrap().starts_with("  word")
        );
    }
}
