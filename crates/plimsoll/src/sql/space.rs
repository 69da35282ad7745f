//! White space and comments between tokens.

/// Whether the server takes a byte for white space. The vertical tab is white space since version 16; before, it is an
/// error, so it may be included.
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

/// Where a string continues whose quote was closed just before `at`: after the next quote, if only white space and line
/// comments, with at least one line break, are between the two.
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
