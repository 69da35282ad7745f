//! What stands between tokens: white space and comments.

/// White space to the server. The vertical tab is so since version 16 and an error before, so nothing is lost by it.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | b'\x0c')
}

fn is_newline(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// Where the next token begins.
pub(super) fn skip(sql: &[u8], mut at: usize) -> usize {
    loop {
        match (sql.get(at), sql.get(at + 1)) {
            (Some(&byte), _) if is_space(byte) => at += 1,
            (Some(b'-'), Some(b'-')) => at = line_end(sql, at),
            (Some(b'/'), Some(b'*')) => at = comment_end(sql, at),
            _ => return at,
        }
    }
}

/// Where a string goes on whose quote was just closed before `at`: behind the next quote, if nothing but white space
/// and line comments, with a line break among them, lies between.
pub(super) fn continuation(sql: &[u8], mut at: usize) -> Option<usize> {
    let mut breaks = false;
    loop {
        match (sql.get(at), sql.get(at + 1)) {
            (Some(&byte), _) if is_space(byte) => {
                breaks |= is_newline(byte);
                at += 1;
            }
            (Some(b'-'), Some(b'-')) => at = line_end(sql, at),
            (Some(b'\''), _) if breaks => return Some(at + 1),
            _ => return None,
        }
    }
}

/// A line comment ends before a line feed or a carriage return.
fn line_end(sql: &[u8], at: usize) -> usize {
    let rest = sql.get(at..).unwrap_or_default();
    at + rest.iter().position(|&byte| is_newline(byte)).unwrap_or(rest.len())
}

/// Block comments nest.
fn comment_end(sql: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    loop {
        match (sql.get(at), sql.get(at + 1)) {
            (Some(b'/'), Some(b'*')) => {
                depth += 1;
                at += 2;
            }
            (Some(b'*'), Some(b'/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            (Some(_), _) => at += 1,
            (None, _) => return at,
        }
    }
}
