//! The time limits in the options of a connection: `options` of a connection string, or `PGOPTIONS`.
//!
//! They are the strongest level: what a session is opened with comes before what is set for its role and its database. The text is
//! split as the server splits it: blanks part the options, a backslash takes the next character as it is, an option is `-c name=value`,
//! `-cname=value` or `--name=value`, `-` in a name is `_`, and the last one of a name counts. Source: PostgreSQL's documentation,
//! "Command Line Connection String Options" and `pg_split_opts` in its source.

use super::limit::{At, Keeper, Limit};
use super::server::{READ, millis};
use std::time::Duration;

/// The settings in such a text, in their order, with their names in lower case.
#[must_use]
pub fn settings(options: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut words = words(options).into_iter();
    while let Some(word) = words.next() {
        let assignment = match (word.strip_prefix("--"), word.strip_prefix("-c")) {
            (Some(long), _) => Some(long.to_owned()),
            (None, Some("")) => words.next(),
            (None, Some(short)) => Some(short.to_owned()),
            (None, None) => None,
        };
        let Some((name, value)) = assignment.as_deref().and_then(|text| text.split_once('=')) else {
            continue;
        };
        all.push((name.replace('-', "_").to_ascii_lowercase(), value.to_owned()));
    }
    all
}

fn words(options: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = options.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => word.get_or_insert_default().extend(characters.next()),
            // As C's isspace() has it.
            ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

/// The time limits among them; `place` says where they stand. What is no time is left to the server, which refuses it.
#[must_use]
pub fn limits(options: &str, place: &str) -> Vec<Limit> {
    let said = settings(options);
    let limits = READ.into_iter().filter_map(|(name, layer)| {
        let (_, value) = said.iter().rev().find(|(known, _)| known == name)?;
        let millis = millis(value)?;
        let after = (millis > 0).then(|| Duration::from_millis(millis));
        Some(Limit {
            layer,
            name,
            keeper: Keeper::PostgreSQL,
            after,
            place: place.to_owned(),
            at: At::Connection,
        })
    });
    limits.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_is_read_and_the_last_counts() {
        let text = concat!(
            r"-c statement_timeout=5s -clock_timeout=1s --idle-in-transaction-session-timeout=30s -e ",
            r"-c Statement_Timeout=7\ s -c application_name=a\\b\ c -c",
        );
        let all = settings(text);
        let of =
            |name: &str| all.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!(of("statement_timeout"), Some("7 s"));
        assert_eq!(of("lock_timeout"), Some("1s"));
        assert_eq!(of("idle_in_transaction_session_timeout"), Some("30s"));
        assert_eq!(of("application_name"), Some(r"a\b c"));
        let found: Vec<_> =
            limits(text, "here").iter().map(|it| (it.name, it.after.unwrap().as_millis())).collect();
        assert_eq!(
            found,
            [
                ("idle_in_transaction_session_timeout", 30_000),
                ("statement_timeout", 7_000),
                ("lock_timeout", 1_000)
            ]
        );
        assert_eq!(limits("-c statement_timeout=0", "here")[0].after, None);
        assert_eq!(limits("-c statement_timeout=soon statement_timeout=5s", "here"), []);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[-c=_a \\\\\\PC]{0,60}") {
            let _ = limits(&text, "any");
        }

        #[test]
        fn what_was_escaped_is_read_as_it_was(value in "\\PC{0,20}") {
            let escaped: String = value
                .chars()
                .flat_map(|c| (c == '\\' || c.is_ascii_whitespace()).then_some('\\').into_iter().chain([c]))
                .collect();
            let read = settings(&format!("-c a.b={escaped} -c x=1"));
            prop_assert_eq!(read, [("a.b".to_owned(), value), ("x".to_owned(), "1".to_owned())]);
        }
    }
}
