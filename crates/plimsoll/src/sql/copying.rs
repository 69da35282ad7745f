//! Where the rows of a `COPY` come from, or go to.

use super::Strings;
use super::lexer::{Lexer, Token};

/// The other end of a `COPY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CopyEnd {
    /// The client gives the rows: `COPY .. FROM STDIN`.
    FromClient,
    /// The client takes the rows: `COPY .. TO STDOUT`.
    ToClient,
    /// A file or a program of the server.
    OfServer,
}

/// The other end of the `COPY` that this text is; `None` if it is none, or ends before it says so.
pub(crate) fn copy_end(sql: &[u8]) -> Option<CopyEnd> {
    let mut depth = 0_usize;
    // A backslash can only matter inside the parentheses of a query, where the two ways of reading it seldom differ in
    // where they end; the server has the last word.
    let mut tokens =
        Lexer::new(sql, Strings::Standard).skip_while(|token| *token == Token::Semicolon).filter(|token| {
            match token {
                Token::Open => depth += 1,
                Token::Close => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0
        });
    if !tokens.next()?.is("copy") {
        return None;
    }
    // FROM and TO are reserved words, so neither can be the name of the table.
    let goes_out = tokens.find(|token| token.is("from") || token.is("to"))?.is("to");
    let end = tokens.next()?;
    // The server takes either of the two words for either direction (`copy_file_name` in its grammar).
    Some(match (end.is("stdin") || end.is("stdout"), goes_out) {
        (true, true) => CopyEnd::ToClient,
        (true, false) => CopyEnd::FromClient,
        (false, _) => CopyEnd::OfServer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_a_copy_is_read() {
        for sql in [
            "COPY t FROM STDIN",
            "copy s.t (a, b) from stdin with (format csv, header)",
            "/* x */ ; COPY BINARY t FROM STDIN",
            "-- to stdout\nCOPY \"to\" FROM STDIN",
            "COPY t FROM STDOUT",
            "COPY t FROM STDIN WHERE a = 'to'",
        ] {
            assert_eq!(copy_end(sql.as_bytes()), Some(CopyEnd::FromClient), "{sql}");
        }
        for sql in [
            "COPY t TO STDOUT",
            "COPY (SELECT 'x' FROM t WHERE s = ')' ) TO STDOUT",
            "COPY (SELECT (SELECT 1 FROM stdin) FROM t) TO STDOUT (FORMAT binary)",
            "COPY t(a) TO STDIN",
            "COPY (DELETE FROM t RETURNING *) TO STDOUT;",
        ] {
            assert_eq!(copy_end(sql.as_bytes()), Some(CopyEnd::ToClient), "{sql}");
        }
        for sql in ["COPY t TO '/tmp/x'", "COPY t FROM PROGRAM 'true'", "COPY t FROM '/tmp/stdin'"] {
            assert_eq!(copy_end(sql.as_bytes()), Some(CopyEnd::OfServer), "{sql}");
        }
        for sql in ["SELECT 1", "", ";", "COPY", "COPY t", "COPY t FROM", "\"copy\" t FROM STDIN", "((("] {
            assert_eq!(copy_end(sql.as_bytes()), None, "{sql}");
        }
    }
}
