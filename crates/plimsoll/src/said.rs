//! What the server and the driver said, fit for a log: without the values that they quote.
//!
//! The driver's own error prints the server's message with its detail, which quotes rows (`Key (email)=(..) already
//! exists`), and loggers print an error with all its causes. So what is kept as a cause is a [`DriverError`], whose text
//! tells no value. The values are for the code that needs them: `Error::as_db_error`.

use std::error::Error as StdError;
use std::fmt;
use tokio_postgres::error::DbError;

/// Everything that the server puts around what it quotes, in the languages that it speaks.
const QUOTES: &[char] = &[
    '"', '\u{ab}', '\u{bb}', '\u{2018}', '\u{2019}', '\u{201a}', '\u{201c}', '\u{201d}', '\u{201e}',
    '\u{300c}', '\u{300d}',
];

/// The driver's error as the cause of one of ours.
pub(crate) struct DriverError(pub(crate) tokio_postgres::Error);

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_db_error() {
            Some(db) => f.write_str(&said(db)),
            None => self.0.fmt(f),
        }
    }
}

impl fmt::Debug for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_db_error() {
            Some(db) => write!(f, "DbError({})", db.code().code()),
            None => self.0.fmt(f),
        }
    }
}

impl StdError for DriverError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self.0.as_db_error() {
            Some(_) => None,
            None => self.0.source(),
        }
    }
}

/// The server's message and code, in words.
pub(crate) fn said(db: &DbError) -> String {
    format!("the server said \"{}\" ({})", message(db), db.code().code())
}

/// The server's message, without the values that it quotes.
///
/// The messages of class 22 quote the value that was refused (`invalid input syntax for type integer: "4711x"`), which
/// may be a parameter, and those of a syntax error the place in the text, which may be a constant. In other classes the
/// quoted text is the name of an object.
pub(crate) fn message(db: &DbError) -> String {
    without_values(db.code().code(), db.message())
}

fn without_values(code: &str, message: &str) -> String {
    let may_be_value = code.starts_with("22") || code == "42601";
    let Some((before, quoted, after)) = quoted(message).filter(|_| may_be_value) else {
        return message.to_owned();
    };
    match code == "42601" && is_syntax(quoted) {
        true => message.to_owned(),
        false => format!("{before}...{after}"),
    }
}

/// What stands between the first quotation mark and the last, and what before and behind the two. If there is one mark
/// alone, it has no end.
fn quoted(message: &str) -> Option<(&str, &str, &str)> {
    let first = message.find(QUOTES)?;
    let last = message.rfind(QUOTES).filter(|last| *last > first).unwrap_or(message.len());
    let (before, from_first) = message.split_at_checked(first)?;
    let (quoted, from_last) = from_first.split_at_checked(last - first)?;
    Some((before, quoted.trim_start_matches(QUOTES), from_last.trim_start_matches(QUOTES)))
}

/// Whether this is a keyword, a name without quotes, or a sign, and no constant or comment.
fn is_syntax(token: &str) -> bool {
    let is_word = token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && token.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_sign = (1..=3).contains(&token.len()) && token.chars().all(|c| "(),;:.=<>+-*/[]".contains(c));
    is_word || is_sign
}

/// The text of a driver's error: the server's words as `from_server` gives them, else the cause. The driver's own text
/// says only which part failed, and stands where there is no cause.
pub(crate) fn text_of(error: &tokio_postgres::Error, from_server: impl FnOnce(&DbError) -> String) -> String {
    match (error.as_db_error(), StdError::source(error)) {
        (Some(db), _) => from_server(db),
        (None, Some(cause)) => cause.to_string(),
        (None, None) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_value_is_in_a_message_in_any_language() {
        for (code, message, wanted) in [
            (
                "22P02",
                "invalid input syntax for type integer: \"s\"",
                "invalid input syntax for type integer: ...",
            ),
            (
                "22P02",
                "ungültige Eingabesyntax für Typ integer: »s«",
                "ungültige Eingabesyntax für Typ integer: ...",
            ),
            ("22P02", "syntaxe invalide : « s »", "syntaxe invalide : ..."),
            ("22P02", "型integerの入力構文が不正です: \"s\"", "型integerの入力構文が不正です: ..."),
            ("22023", "invalid value for parameter \"a\": \"s\"", "invalid value for parameter ..."),
            ("22012", "division by zero", "division by zero"),
            ("22P02", "a mark alone: \"s", "a mark alone: ..."),
            ("42601", "syntax error at or near \"FORM\"", "syntax error at or near \"FORM\""),
            ("42601", "syntax error at or near \")\"", "syntax error at or near \")\""),
            ("42601", "syntax error at or near \"'s'\"", "syntax error at or near ..."),
            (
                "42601",
                "unterminated quoted string at or near \"'s, 1\"",
                "unterminated quoted string at or near ...",
            ),
            ("42601", "syntax error at or near \"4711\"", "syntax error at or near ..."),
            (
                "42601",
                "unterminated /* comment at or near \"/* s\"",
                "unterminated /* comment at or near ...",
            ),
            ("42P01", "relation \"nowhere\" does not exist", "relation \"nowhere\" does not exist"),
        ] {
            assert_eq!(without_values(code, message), wanted);
        }
    }

    proptest! {
        #[test]
        fn no_message_panics_and_no_value_is_left(before in ".{0,20}", quotes in 0..QUOTES.len(), value in "[a-z]{1,9}") {
            let quote = QUOTES[quotes];
            let message = format!("{before}{quote}<{value}>{quote}");
            for code in ["22P02", "42601"] {
                let told = without_values(code, &message);
                let marked = format!("<{}>", value);
                prop_assert!(!told.contains(&marked), "{told}");
            }
            let _ = without_values("22P02", &before);
        }
    }
}
