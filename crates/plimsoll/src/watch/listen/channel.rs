//! Names of channels: what may be one, and how it is written in SQL.
//!
//! A channel is an identifier. Unquoted, the server folds it to lower case; longer than 63 bytes, the server cuts it off
//! and only warns, so that two long names become one channel. Here a name is always quoted, and so means exactly what it
//! says, as in `pg_notify`; and one that would be cut off is refused.

use crate::error::{Error, Outcome, Phase, Result};
use crate::fault::Fault;
use std::collections::BTreeSet;
use std::fmt::Write;

/// What PostgreSQL keeps of an identifier, in bytes.
const LONGEST: usize = 63;

/// The name, if it can be that of a channel.
///
/// # Errors
/// [`Fault::Usage`] for a name that is empty, too long or contains a zero byte.
pub(super) fn checked(name: &str) -> Result<String> {
    let why = match name.len() {
        0 => "the name of a channel is empty".to_owned(),
        length if length > LONGEST => format!(
            "the name of a channel has {length} bytes, and PostgreSQL keeps {LONGEST} of an identifier and cuts off the \
             rest; use a shorter name: it begins with {:?}",
            name.chars().take(20).collect::<String>()
        ),
        _ if name.contains('\0') => {
            "the name of a channel contains a zero byte, which no identifier can".to_owned()
        }
        _ => return Ok(name.to_owned()),
    };
    Err(Error::new(Fault::Usage, Phase::Connect, Outcome::NotStarted, why))
}

/// The names, each once.
///
/// # Errors
/// As [`checked`], for the first that cannot be one.
pub(super) fn all_checked(names: impl IntoIterator<Item = impl AsRef<str>>) -> Result<BTreeSet<String>> {
    names.into_iter().map(|name| checked(name.as_ref())).collect()
}

/// Statements that begin and end listening, for the simple protocol: one transaction.
pub(super) fn sql(listen: &[String], unlisten: &[String]) -> String {
    let verbs = listen.iter().map(|name| ("LISTEN", name));
    verbs.chain(unlisten.iter().map(|name| ("UNLISTEN", name))).fold(
        String::new(),
        |mut sql, (verb, name)| {
            let _ = write!(sql, "{verb} \"{}\";", name.replace('"', "\"\""));
            sql
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_quoted_and_means_what_it_says() {
        let names = ["Orders".to_owned(), "a\"; DROP TABLE t; --".to_owned()];
        assert_eq!(sql(&names, &[]), "LISTEN \"Orders\";LISTEN \"a\"\"; DROP TABLE t; --\";");
        assert_eq!(sql(&[], &names[..1]), "UNLISTEN \"Orders\";");
        assert_eq!(sql(&[], &[]), "");
    }

    #[test]
    fn a_name_that_the_server_would_change_is_refused() {
        assert!(checked(&"x".repeat(63)).is_ok());
        assert!(checked("Aufträge; 'x'").is_ok());
        for (name, why) in [
            ("", "is empty"),
            ("x\0y", "zero byte"),
            (&"x".repeat(64), "64 bytes"),
            (&"ü".repeat(32), "64 bytes"),
        ] {
            let error = checked(name).unwrap_err();
            assert_eq!(error.fault(), Fault::Usage);
            assert!(error.sentence().contains(why), "{error}");
        }
        assert_eq!(all_checked(["b", "a", "b"]).unwrap().len(), 2);
        assert!(all_checked(["a", ""]).is_err());
    }
}
