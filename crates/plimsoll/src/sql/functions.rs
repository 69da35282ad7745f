//! Functions that leave something in the session, recognised by their names wherever they occur in a statement.

use super::lexer::{Lexer, Token};
use super::residue::Residue;

/// How many tokens are read for the arguments of a call; these functions have fewer.
const ARGUMENTS: usize = 64;

/// What a call of the function of this name leaves in the session; its arguments are read from the lexer.
pub(super) fn of<'a>(token: &Token<'a>, behind: &Lexer<'a>) -> Residue {
    let name: &[u8] = match token {
        Token::Word(name) => name,
        Token::Quoted(name) => name,
        _ => return Residue::NONE,
    };
    // This is called for every word of every statement, so most words must be dismissed quickly.
    match name {
        [b'p' | b'P' | b's' | b'S' | b'd' | b'D' | b'q' | b'Q', ..] if name.len() > 6 => {}
        _ if name.len() >= 13 => {}
        _ => return Residue::NONE,
    }
    let Some(name) = token.name() else { return Residue::NONE };
    match &*name {
        b"set_config" => of_set_config(arguments(behind)),
        // Of pg_trgm: it changes a setting.
        b"set_limit" => Residue::SETTING,
        // No reset undoes the seed of random(), closes the connections of dblink, or ends a backup.
        b"setseed" | b"dblink_connect" | b"dblink_connect_u" => Residue::BEYOND_RESET,
        b"pg_backup_start" | b"pg_start_backup" => Residue::BEYOND_RESET,
        b"pg_replication_origin_session_setup" => Residue::BEYOND_RESET,
        // The third argument creates a slot that lives as long as the session.
        b"pg_create_physical_replication_slot"
        | b"pg_create_logical_replication_slot"
        | b"pg_copy_physical_replication_slot"
        | b"pg_copy_logical_replication_slot" => match arguments(behind) {
            Some(arguments) if arguments.len() < 3 => Residue::NONE,
            _ => Residue::BEYOND_RESET,
        },
        // They execute a text that is an argument.
        b"query_to_xml" | b"query_to_xmlschema" | b"query_to_xml_and_xmlschema" => Residue::ANYTHING,
        // pg_advisory_lock, pg_try_advisory_lock, .._shared, and functions with similar names; those that lock until
        // the end of the transaction are named .._xact_lock.
        name if name.windows(13).any(|part| part == b"advisory_lock") => Residue::LOCK,
        _ => Residue::NONE,
    }
}

/// `set_config(.., .., true)` acts like SET LOCAL; with any other argument it may act like SET.
fn of_set_config(arguments: Option<Vec<Vec<Token<'_>>>>) -> Residue {
    let Some(arguments) = arguments else { return Residue::SETTING };
    let says = |argument: &Vec<Token<'_>>, test: fn(&[u8]) -> bool| match argument.as_slice() {
        [Token::Text(text)] => test(&text.value()),
        _ => false,
    };
    if arguments.first().is_some_and(|name| says(name, |name| name.eq_ignore_ascii_case(b"seed"))) {
        return Residue::BEYOND_RESET;
    }
    if !arguments.last().is_some_and(|last| matches!(last.as_slice(), [token] if token.is("true"))) {
        return Residue::SETTING;
    }
    // With this search path, new objects are temporary ones.
    let makes_temporary = |path: &[u8]| {
        let first = path.trim_ascii_start();
        let first = first.strip_prefix(b"\"").unwrap_or(first);
        first.get(..7).is_some_and(|name| name.eq_ignore_ascii_case(b"pg_temp"))
    };
    if arguments.get(1).is_some_and(|value| says(value, makes_temporary)) {
        return Residue::TEMPORARY;
    }
    Residue::NONE
}

/// The arguments of a call whose name was just read, if they are few and contain no parentheses.
fn arguments<'a>(behind: &Lexer<'a>) -> Option<Vec<Vec<Token<'a>>>> {
    let mut ahead = behind.clone();
    if ahead.next() != Some(Token::Open) {
        return None;
    }
    let mut found = vec![Vec::new()];
    for token in ahead.take(ARGUMENTS) {
        match token {
            Token::Comma => found.push(Vec::new()),
            Token::Close => return Some(found),
            Token::Open | Token::Semicolon => return None,
            other => found.last_mut()?.push(other),
        }
    }
    None
}
