//! SQL, read as the server reads it: its tokens, where a statement ends, what it leaves in the session, and whether it
//! ends a transaction.
//!
//! One lexer serves all of that; it follows the server's own (`scan.l`). There is no parser: what a statement does is
//! concluded from few words, and where they do not suffice, the conclusion is the cautious one.
//!
//! | file | answers |
//! |---|---|
//! | `lexer` | what are the tokens? |
//! | `space` | what is white space or a comment between them? |
//! | `literal` | what is the value of a string constant or a quoted name? |
//! | `statements` | where does a statement end? |
//! | `nature` | what does a statement do to transactions? |
//! | `operation` | which command is it, for certain? |
//! | `copying` | where do the rows of a COPY come from, or go to? |
//! | `listens` | does a text begin to listen to a channel? |
//! | `fingerprint` | which texts differ only in their constants, and what is left without these? |
//! | `explain` | may it be put behind EXPLAIN? |
//! | `residue`, `functions` | what does a statement, or a function that it calls, leave in the session? |

pub(crate) mod copying;
pub(crate) mod explain;
pub(crate) mod fingerprint;
mod functions;
pub(crate) mod lexer;
pub(crate) mod listens;
pub(crate) mod literal;
pub(crate) mod nature;
pub(crate) mod operation;
pub(crate) mod residue;
mod space;
pub(crate) mod statements;

/// How the server reads a backslash in a plain `'..'`: its setting `standard_conforming_strings`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Strings {
    /// On, the default: a backslash is an ordinary character.
    Standard,
    /// Off: a backslash escapes the next character, as in `E'..'`.
    Escaped,
}

impl Strings {
    /// The ways in which the server may read a text: one if the setting is known or makes no difference, else both.
    pub(crate) fn readings(sql: &[u8], known: Option<Strings>) -> &'static [Strings] {
        match known {
            Some(Strings::Standard) => &[Strings::Standard],
            Some(Strings::Escaped) => &[Strings::Escaped],
            None if sql.contains(&b'\\') => &[Strings::Standard, Strings::Escaped],
            None => &[Strings::Standard],
        }
    }
}
