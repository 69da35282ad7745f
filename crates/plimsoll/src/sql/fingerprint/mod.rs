//! The fingerprint of a text: the same for all texts that differ only in their constants, comments, spacing and the case
//! of what is not quoted, and the text without any constant, to be shown.
//!
//! Every constant (a string of any form, a number, `$1`, and `TRUE`, `FALSE` and `NULL` where they stand for a value)
//! becomes one placeholder, and so does every value of a setting: in `SET a.b TO hunter2` it is written as a name. As for the query identifier of PostgreSQL 18, a list of two or more constants after `IN` or in
//! `ARRAY[..]` is the same whatever its length, and a minus before a number belongs to the number; beyond it, so are rows
//! of constants after `VALUES`. The server also tells types of constants apart, `$1` from `$2`, and `ORDER BY 1` from
//! `ORDER BY 2`; a fingerprint does not.
//!
//! Of a text, the first [`READ`] bytes are read, each a bounded number of times, and at most [`SHOWN`] bytes are shown.

mod assigned;
mod lists;
mod show;

use super::Strings;
use super::lexer::{Lexer, Token};
use assigned::Assigned;
use lists::Repeated;
use show::{Output, Piece};

/// So many bytes of a text are read.
pub(crate) const READ: usize = 32 * 1024;

/// So many bytes of the text without constants are kept.
pub(crate) const SHOWN: usize = 2_000;

/// What is known of a text without its constants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Normalised {
    /// The same in every process.
    pub(crate) fingerprint: u64,
    /// The text without its constants, for people. It is no SQL.
    pub(crate) text: String,
}

/// Takes the constants out of a text. `strings` is how the server reads a plain `'..'`, if that is known. If it is not,
/// and matters, no more than the first word is shown, since a constant that is misread could be shown.
pub(crate) fn normalise(sql: &str, strings: Option<Strings>) -> Normalised {
    let head = sql.as_bytes().get(..READ).unwrap_or(sql.as_bytes());
    let mut readings = Strings::readings(head, strings).iter().map(|strings| read(head, *strings));
    let first = readings.next().unwrap_or_else(|| read(head, Strings::Standard));
    match readings.next() {
        Some(other) if other != first => {
            let word = first.text.split_whitespace().next().unwrap_or_default();
            let word: String = word.chars().take_while(char::is_ascii_alphabetic).collect();
            Normalised { text: format!("{word} ..."), ..first }
        }
        _ => first,
    }
}

fn read(sql: &[u8], strings: Strings) -> Normalised {
    let mut reader = Reader {
        output: Output::new(),
        before: Before::Nothing,
        minuses: 0,
        semicolons: 0,
        assigned: Assigned::default(),
    };
    let mut lexer = Lexer::new(sql, strings);
    let mut repeated: Option<Repeated<'_>> = None;
    while let Some(token) = lexer.next() {
        let list = lists::begins(&token, &lexer, reader.before == Before::Array);
        reader.take(token, &lexer);
        if list.is_some() {
            repeated = list;
        }
        if let Some(list) = repeated.take_if(|list| list.first_ends_at <= lexer.end()) {
            reader.output.put(Piece::More);
            reader.before = Before::Operand;
            lexer = list.rest;
        }
    }
    reader.flush();
    reader.output.end()
}

/// What stands before a token, as far as it says what the token means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Nothing,
    /// A value or a name: a minus after it subtracts.
    Operand,
    /// A keyword after which a value comes, an opening parenthesis, a comma, or an operator.
    Wanting,
    /// The keyword ARRAY.
    Array,
}

/// Keywords after which a value begins, so that a minus there is a sign. They are written apart from a parenthesis.
const WANTING: &[&str] = &[
    "all",
    "and",
    "any",
    "as",
    "between",
    "by",
    "case",
    "distinct",
    "else",
    "except",
    "exists",
    "from",
    "having",
    "ilike",
    "in",
    "intersect",
    "into",
    "join",
    "like",
    "limit",
    "not",
    "offset",
    "on",
    "or",
    "over",
    "return",
    "returning",
    "select",
    "similar",
    "symmetric",
    "then",
    "to",
    "union",
    "using",
    "values",
    "when",
    "where",
    "with",
];

fn wants(word: &[u8]) -> bool {
    WANTING.iter().any(|keyword| word.eq_ignore_ascii_case(keyword.as_bytes()))
}

/// A value that is a word. After `IS`, `NOT`, `SET` and the like it is a part of the syntax.
fn is_value(word: &[u8]) -> bool {
    ["true", "false", "null"].iter().any(|value| word.eq_ignore_ascii_case(value.as_bytes()))
}

/// Reads token by token.
struct Reader {
    output: Output,
    before: Before,
    /// Signs that were read and may belong to a number.
    minuses: usize,
    /// Semicolons that were read and may be the last.
    semicolons: usize,
    /// Where the values of a setting stand.
    assigned: Assigned,
}

impl Reader {
    fn take(&mut self, token: Token<'_>, lexer: &Lexer<'_>) {
        let is_assigned = self.assigned.is_value(&token);
        if token == Token::Semicolon {
            self.flush();
            self.semicolons += 1;
            self.before = Before::Nothing;
            return;
        }
        if self.semicolons > 0 {
            // Between two statements stands one, however many there were; before the first and after the last none.
            if !self.output.is_empty() {
                self.output.put(Piece::Close(b";"));
            }
            self.semicolons = 0;
        }
        match token {
            Token::Operator(run) => return self.operators(run),
            Token::Number(_) => {
                if lists::is_bound_tighter(lexer) {
                    self.flush();
                }
                // The signs belong to the number.
                self.minuses = 0;
            }
            _ => self.flush(),
        }
        self.before = match token {
            Token::Number(_) | Token::Text(_) | Token::Parameter(_) => {
                self.put(Piece::Constant, Before::Operand)
            }
            Token::Word(_) | Token::Quoted(_) if is_assigned => self.put(Piece::Constant, Before::Operand),
            Token::Word(word)
                if is_value(word)
                    && self.before == Before::Wanting
                    && !self.output.follows(&["from", "not", "on"]) =>
            {
                self.put(Piece::Constant, Before::Operand)
            }
            Token::Word(word) => {
                let before = match () {
                    () if word.eq_ignore_ascii_case(b"array") => Before::Array,
                    () if wants(word) => Before::Wanting,
                    () => Before::Operand,
                };
                self.put(Piece::Word { word, is_apart: before == Before::Wanting }, before)
            }
            Token::Quoted(name) => self.put(Piece::Quoted(&name), Before::Operand),
            Token::Open => self.put(Piece::Open(b"("), Before::Wanting),
            Token::Close => self.put(Piece::Close(b")"), Before::Operand),
            Token::Comma => self.put(Piece::Close(b","), Before::Wanting),
            Token::Dot => self.put(Piece::Joint(b"."), Before::Operand),
            Token::Operator(_) | Token::Semicolon => self.before,
        };
    }

    fn put(&mut self, piece: Piece<'_>, before: Before) -> Before {
        self.output.put(piece);
        before
    }

    /// A run of operator characters is one operator or several.
    fn operators(&mut self, run: &[u8]) {
        let mut rest = run;
        while !rest.is_empty() {
            let (first, others) = rest.split_at(lists::operator_length(rest).clamp(1, rest.len()));
            rest = others;
            if first == b"-" && matches!(self.before, Before::Wanting | Before::Nothing) {
                self.minuses += 1;
                continue;
            }
            self.flush();
            self.before = match first {
                b"[" => self.put(Piece::Open(b"["), Before::Wanting),
                b"]" => self.put(Piece::Close(b"]"), Before::Operand),
                b":" => self.put(Piece::Joint(b":"), Before::Wanting),
                b"!=" => self.put(Piece::Operator(b"<>"), Before::Wanting),
                other => self.put(Piece::Operator(other), Before::Wanting),
            };
        }
    }

    /// The signs that were read belong to no number.
    fn flush(&mut self) {
        for _ in 0..std::mem::take(&mut self.minuses) {
            self.output.put(Piece::Operator(b"-"));
        }
    }
}

#[cfg(test)]
mod tests;
