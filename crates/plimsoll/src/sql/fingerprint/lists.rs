//! Lists of constants, of which the first member says all: after `IN`, in `ARRAY[..]`, and rows after `VALUES`.
//!
//! A list is looked at ahead of the reading, up to its end or to the first thing in it that is no constant; where that
//! is, the next look-ahead can only begin behind it. So each byte is read at most twice.

use crate::sql::lexer::{Lexer, Token};
use std::hash::{DefaultHasher, Hasher};

/// A list of two or more members that are alike.
pub(super) struct Repeated<'a> {
    /// Where its first member ends.
    pub(super) first_ends_at: usize,
    /// Reads on behind its last member.
    pub(super) rest: Lexer<'a>,
}

/// The list of constants that begins behind this token, which was just read.
pub(super) fn begins<'a>(token: &Token<'_>, lexer: &Lexer<'a>, is_in_array: bool) -> Option<Repeated<'a>> {
    let mut ahead = lexer.clone();
    if token.is("values") {
        return repeated(ahead, row);
    }
    let opens = match token {
        Token::Operator(b"[") if is_in_array => true,
        token if token.is("in") => ahead.next() == Some(Token::Open),
        _ => false,
    };
    opens.then(|| repeated(ahead, constant)).flatten()
}

/// Reads members that are parted by commas. A text that was cut off ends its list.
fn repeated<'a>(
    mut lexer: Lexer<'a>,
    member: impl Fn(&mut Lexer<'a>) -> Option<u64>,
) -> Option<Repeated<'a>> {
    let first = member(&mut lexer)?;
    let first_ends_at = lexer.end();
    let mut rest = lexer.clone();
    let mut count = 1;
    while lexer.next() == Some(Token::Comma) {
        match member(&mut lexer) {
            Some(shape) if shape == first => {}
            None if lexer.at() == lexer.end() => {
                // Cut off in the midst of this member.
                count += 1;
                rest = lexer;
                break;
            }
            _ => return None,
        }
        count += 1;
        rest = lexer.clone();
    }
    (count > 1).then_some(Repeated { first_ends_at, rest })
}

/// Reads `(constant, ..)`, and gives its shape.
fn row(lexer: &mut Lexer<'_>) -> Option<u64> {
    let mut shape = DefaultHasher::new();
    if lexer.next()? != Token::Open {
        return None;
    }
    loop {
        shape.write_u64(constant(lexer)?);
        match lexer.next()? {
            Token::Comma => {}
            Token::Close => return Some(shape.finish()),
            _ => return None,
        }
    }
}

/// Reads a constant with its sign, a type before it (`date '..'`) and casts behind it, and gives the shape of all that.
fn constant(lexer: &mut Lexer<'_>) -> Option<u64> {
    let mut shape = DefaultHasher::new();
    let mut minuses = 0_usize;
    let mut token = lexer.next()?;
    while token == Token::Operator(b"-") {
        minuses += 1;
        token = lexer.next()?;
    }
    match token {
        Token::Number(_) => {}
        // Only a number takes a sign in.
        _ if minuses > 0 => return None,
        Token::Text(_) | Token::Parameter(_) => {}
        Token::Word(word) if super::is_value(word) => {}
        Token::Word(word) => {
            shape.write(&word.to_ascii_lowercase());
            if !matches!(lexer.next()?, Token::Text(_)) {
                return None;
            }
        }
        _ => return None,
    }
    if is_bound_tighter(lexer) {
        shape.write_usize(minuses);
        casts(lexer, &mut shape);
    }
    Some(shape.finish())
}

/// Whether what follows binds tighter than a sign: `-1::int` is the sign of a cast.
pub(super) fn is_bound_tighter(lexer: &Lexer<'_>) -> bool {
    matches!(lexer.clone().next(), Some(Token::Operator(b":" | b"[")))
}

/// Reads `::type`, as often as it comes; a type is of words, names and `[]`.
fn casts(lexer: &mut Lexer<'_>, shape: &mut DefaultHasher) {
    loop {
        let mut ahead = lexer.clone();
        match ahead.next() {
            Some(Token::Word(word)) => shape.write(&word.to_ascii_lowercase()),
            Some(Token::Quoted(name)) => shape.write(&name),
            Some(Token::Operator(sign @ (b":" | b"[" | b"]"))) => shape.write(sign),
            Some(Token::Dot) => shape.write(b"."),
            _ => return,
        }
        shape.write_u8(0);
        *lexer = ahead;
    }
}

/// How long the first operator of a run is, as the server splits it: a plus or minus at the end is a sign, unless there
/// is a character in the operator that none of standard SQL has.
pub(super) fn operator_length(run: &[u8]) -> usize {
    let is_own = run.iter().any(|byte| b"~!@#^&|`?%".contains(byte));
    if is_own {
        return run.len();
    }
    let signs = run.iter().rev().take_while(|byte| matches!(byte, b'+' | b'-')).count();
    (run.len() - signs).max(1)
}
