//! SQL, read as the server reads it: what its words are, where a statement ends, what it leaves in the session and
//! whether it ends a transaction.
//!
//! There is one lexer for all of that, and it follows the server's own (`scan.l`). Nothing here is a parser: what a
//! statement means is told from few words, and whoever asks takes the careful answer when they do not settle it.

mod functions;
pub(crate) mod lexer;
pub(crate) mod literal;
pub(crate) mod nature;
pub(crate) mod residue;
mod space;
pub(crate) mod statements;

/// How the server reads a backslash in a plain `'..'`: its setting `standard_conforming_strings`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strings {
    /// On, as it comes: a backslash is a character like any other.
    Standard,
    /// Off: it escapes the next one, as in `E'..'`.
    Escaped,
}

impl Strings {
    /// The ways in which a text may be read: one if the setting is known or makes no difference, else both.
    pub(crate) fn readings(sql: &[u8], known: Option<Strings>) -> &'static [Strings] {
        match known {
            Some(Strings::Standard) => &[Strings::Standard],
            Some(Strings::Escaped) => &[Strings::Escaped],
            None if sql.contains(&b'\\') => &[Strings::Standard, Strings::Escaped],
            None => &[Strings::Standard],
        }
    }
}
