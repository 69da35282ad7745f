//! The two kinds of PgBouncer that there are for tests.

use std::fmt;

/// Since this one prepared statements work in transaction mode.
const TRACKS_NAMES: (u32, u32) = (1, 21);

/// The two kinds of PgBouncer, by what becomes of prepared statements in transaction mode, each named after the version
/// that stands for it in tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PgBouncerVersion {
    /// One before 1.21: it knows nothing of prepared statements, and passes their names on to whichever server
    /// connection is next.
    V1_18,
    /// One since 1.21: it keeps the statements that a client prepares by protocol, gives them names of its own on the
    /// server, and prepares them anew where the next server connection does not have them.
    V1_24,
}

impl PgBouncerVersion {
    /// Of what the program says of itself: `PgBouncer 1.18.0` and what follows.
    pub(crate) fn said(text: &str) -> Option<Self> {
        let mut numbers = text.strip_prefix("PgBouncer ")?.split(['.', '\n']);
        let version = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
        Some(if version < TRACKS_NAMES { Self::V1_18 } else { Self::V1_24 })
    }

    /// Of a version alone, such as `1.24`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::said(&format!("PgBouncer {name}"))
    }
}

impl fmt::Display for PgBouncerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_18 => "1.18",
            Self::V1_24 => "1.24",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::PgBouncerVersion::{self, V1_18, V1_24};

    #[test]
    fn a_version_is_of_the_kind_before_or_since_names_were_tracked() {
        let cases = [
            ("1.9.0", V1_18),
            ("1.18.0", V1_18),
            ("1.20", V1_18),
            ("1.21.0", V1_24),
            ("1.24.1", V1_24),
            ("2.0", V1_24),
        ];
        for (text, kind) in cases {
            assert_eq!(
                PgBouncerVersion::said(&format!("PgBouncer {text}\nlibevent 2")),
                Some(kind),
                "{text}"
            );
            assert_eq!(PgBouncerVersion::named(text), Some(kind), "{text}");
        }
        assert_eq!(PgBouncerVersion::named("new"), None);
    }
}
