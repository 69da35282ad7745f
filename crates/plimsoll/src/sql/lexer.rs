//! Splits SQL into tokens as the server's own lexer (`scan.l`) does.
//!
//! A text that the server refuses as a whole never runs, so it does not matter how it is read here; a text that any
//! version accepts must be read as that version reads it. Where versions differ (`1_000`, `0x1F`), the accepted texts
//! give the same tokens. No text causes a panic, and each byte is read a bounded number of times.

use super::literal;
use super::literal::{Style, Text};
use super::{Strings, space};
use std::borrow::Cow;

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A keyword or an identifier without quotes, as written.
    Word(&'a [u8]),
    /// A quoted identifier, `U&".."` too, without quotes and escapes. It is never a keyword. The server truncates it to
    /// 63 bytes, as every name.
    Quoted(Cow<'a, [u8]>),
    /// A string constant of any form, with its continuations.
    Text(Text<'a>),
    /// A number, as written.
    Number(&'a [u8]),
    /// `$1`, without the dollar.
    Parameter(&'a [u8]),
    Open,
    Close,
    Comma,
    Dot,
    Semicolon,
    /// A run of operator characters, and every other character: `=`, `:=`, `::`, `[`.
    Operator(&'a [u8]),
}

impl<'a> Token<'a> {
    /// Whether it is this keyword (in lower case). A quoted identifier is no keyword.
    pub(crate) fn is(&self, keyword: &str) -> bool {
        matches!(self, Token::Word(word) if word.eq_ignore_ascii_case(keyword.as_bytes()))
    }

    /// Whether it is this name (in lower case), quoted or not.
    pub(crate) fn names(&self, name: &str) -> bool {
        match self {
            Token::Quoted(word) => **word == *name.as_bytes(),
            other => other.is(name),
        }
    }

    /// Whether it is a name with this prefix, quoted or not, in any case.
    pub(crate) fn is_like(&self, beginning: &str) -> bool {
        let name: &[u8] = match self {
            Token::Word(name) => name,
            Token::Quoted(name) => name,
            _ => return false,
        };
        name.get(..beginning.len()).is_some_and(|first| first.eq_ignore_ascii_case(beginning.as_bytes()))
    }

    /// The bytes of a name, quoted or not; in lower case if it is not quoted.
    pub(crate) fn name(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Token::Word(word) if word.iter().any(u8::is_ascii_uppercase) => {
                Some(Cow::Owned(word.to_ascii_lowercase()))
            }
            Token::Word(word) => Some(Cow::Borrowed(word)),
            Token::Quoted(word) => Some(Cow::Borrowed(word)),
            _ => None,
        }
    }
}

/// Reads the tokens of a text from its beginning.
#[derive(Clone)]
pub(crate) struct Lexer<'a> {
    sql: &'a [u8],
    strings: Strings,
    at: usize,
    end: usize,
}

fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn continues_word(byte: u8) -> bool {
    begins_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

fn is_operator(byte: u8) -> bool {
    b"~!@#^&|`?+-*/%<>=".contains(&byte)
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(sql: &'a [u8], strings: Strings) -> Self {
        Lexer { sql, strings, at: 0, end: 0 }
    }

    /// Where the last token began; the length of the text once there is none.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Where the last token ended.
    pub(crate) fn end(&self) -> usize {
        self.end
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.sql.get(at).copied()
    }

    fn is_digit(&self, at: usize) -> bool {
        self.byte(at).is_some_and(|byte| byte.is_ascii_digit())
    }

    fn slice(&self, from: usize, to: usize) -> &'a [u8] {
        self.sql.get(from..to).unwrap_or_default()
    }

    /// Where the run of such bytes ends.
    fn run(&self, from: usize, belongs: impl Fn(u8) -> bool) -> usize {
        let rest = self.sql.get(from..).unwrap_or_default();
        from + rest.iter().position(|&byte| !belongs(byte)).unwrap_or(rest.len())
    }

    /// Returns the token, which is this long.
    fn token(&mut self, length: usize, token: Token<'a>) -> Token<'a> {
        self.end = self.at + length;
        token
    }

    fn word(&mut self) -> Token<'a> {
        let end = self.run(self.at, continues_word);
        let word = self.slice(self.at, end);
        let [letter] = *word else {
            self.end = end;
            return Token::Word(word);
        };
        match (letter.to_ascii_lowercase(), self.byte(end), self.byte(end + 1)) {
            (b'e', Some(b'\''), _) => self.text(end + 1, Style::Escaped),
            (b'b' | b'x', Some(b'\''), _) => self.text(end + 1, Style::Bits),
            (b'n', Some(b'\''), _) => self.text(end + 1, self.plain()),
            (b'u', Some(b'&'), Some(b'\'')) => {
                let text = self.text(end + 2, Style::Unicode(b'\\'));
                let escape = self.uescape();
                match text {
                    Token::Text(text) => Token::Text(Text { style: Style::Unicode(escape), ..text }),
                    other => other,
                }
            }
            (b'u', Some(b'&'), Some(b'"')) => {
                let name = self.quoted_name(end + 2);
                let escape = self.uescape();
                Token::Quoted(literal::unescape(name, escape))
            }
            _ => {
                self.end = end;
                Token::Word(word)
            }
        }
    }

    /// How a plain `'..'` is read.
    fn plain(&self) -> Style {
        match self.strings {
            Strings::Standard => Style::Plain,
            Strings::Escaped => Style::Escaped,
        }
    }

    /// A string whose first quote is before `from`.
    fn text(&mut self, from: usize, style: Style) -> Token<'a> {
        let mut at = from;
        let close = loop {
            match self.byte(at) {
                None => break self.sql.len(),
                Some(b'\\') if style == Style::Escaped => at += 2,
                Some(b'\'') if style != Style::Bits && self.byte(at + 1) == Some(b'\'') => at += 2,
                Some(b'\'') => match space::continuation(self.sql, at + 1) {
                    Some(after) => at = after,
                    None => break at,
                },
                Some(_) => at += 1,
            }
        };
        self.end = (close + 1).min(self.sql.len());
        Token::Text(Text { style, raw: self.slice(from, close) })
    }

    /// A quoted identifier whose first quote is before `from`.
    fn quoted_name(&mut self, from: usize) -> Cow<'a, [u8]> {
        let mut at = from;
        let close = loop {
            match (self.byte(at), self.byte(at + 1)) {
                (None, _) => break self.sql.len(),
                (Some(b'"'), Some(b'"')) => at += 2,
                (Some(b'"'), _) => break at,
                _ => at += 1,
            }
        };
        self.end = (close + 1).min(self.sql.len());
        literal::identifier(self.slice(from, close))
    }

    /// The escape character of the `U&` constant that ends here: `UESCAPE '!'` may follow and belongs to it.
    fn uescape(&mut self) -> u8 {
        let mut ahead = self.clone();
        ahead.at = space::skip(self.sql, self.end);
        let word = ahead.run(ahead.at, continues_word);
        if !ahead.slice(ahead.at, word).eq_ignore_ascii_case(b"uescape") {
            return b'\\';
        }
        ahead.at = space::skip(self.sql, word);
        let text = match (ahead.byte(ahead.at), ahead.byte(ahead.at + 1)) {
            (Some(b'\''), _) => ahead.text(ahead.at + 1, ahead.plain()),
            (Some(b'e' | b'E'), Some(b'\'')) => ahead.text(ahead.at + 2, Style::Escaped),
            (Some(b'$'), _) => ahead.dollar(),
            _ => return b'\\',
        };
        let Token::Text(text) = text else { return b'\\' };
        self.end = ahead.end;
        match *text.value() {
            [escape] if literal::may_escape(escape) => escape,
            _ => b'\\',
        }
    }

    /// `$1`, `$tag$ .. $tag$`, or a lone dollar.
    fn dollar(&mut self) -> Token<'a> {
        let from = self.at + 1;
        if self.is_digit(from) {
            self.end = self.run(from, |byte| byte.is_ascii_digit());
            return Token::Parameter(self.slice(from, self.end));
        }
        let tag_end = self.run(from, |byte| begins_word(byte) || byte.is_ascii_digit());
        if self.byte(tag_end) != Some(b'$') {
            self.end = from;
            return Token::Operator(self.slice(self.at, from));
        }
        let body = tag_end + 1;
        let tag = self.slice(self.at, body);
        let close = self.tag_after(tag, body).unwrap_or(self.sql.len());
        self.end = (close + tag.len()).min(self.sql.len());
        Token::Text(Text { style: Style::Dollar, raw: self.slice(body, close) })
    }

    /// Where the tag of a dollar quote occurs next. A failed comparison does not pass the next dollar: this is linear.
    fn tag_after(&self, tag: &[u8], from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            at = self.run(at, |byte| byte != b'$');
            match self.sql.get(at..) {
                Some(rest) if rest.starts_with(tag) => return Some(at),
                Some(rest) if !rest.is_empty() => at += 1,
                _ => return None,
            }
        }
    }

    /// A number, including the forms that versions since 16 accept (`0x1F`, `1_000`). Other letters after digits do not
    /// belong to it: older versions read them as a word.
    fn number(&mut self) -> Token<'a> {
        let digits = |lexer: &Self, from| lexer.run(from, |byte| byte.is_ascii_digit());
        let mut end = digits(self, self.at);
        let is_special = match (self.byte(end).unwrap_or(0), self.byte(end + 1).unwrap_or(0)) {
            (b'_', next) => next.is_ascii_digit(),
            (b'x' | b'X', next) => next.is_ascii_hexdigit() || next == b'_',
            (b'o' | b'O' | b'b' | b'B', next) => next.is_ascii_digit() || next == b'_',
            _ => false,
        };
        if is_special && end > self.at {
            end = self.run(end, continues_word);
        } else {
            if self.byte(end) == Some(b'.') && self.byte(end + 1) != Some(b'.') {
                end = digits(self, end + 1);
            }
            if matches!(self.byte(end), Some(b'e' | b'E')) {
                let sign = usize::from(matches!(self.byte(end + 1), Some(b'+' | b'-')));
                if self.is_digit(end + 1 + sign) {
                    end = digits(self, end + 1 + sign);
                }
            }
        }
        self.end = end;
        Token::Number(self.slice(self.at, end))
    }

    /// A run of operator characters, up to the beginning of a comment.
    fn operator(&mut self) -> Token<'a> {
        let rest = self.sql.get(self.at..).unwrap_or_default();
        let goes_on = |&(at, &byte): &(usize, &u8)| {
            is_operator(byte) && !matches!((byte, rest.get(at + 1)), (b'-', Some(b'-')) | (b'/', Some(b'*')))
        };
        let length = rest.iter().enumerate().take_while(goes_on).count();
        self.token(length, Token::Operator(rest.get(..length).unwrap_or_default()))
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.at = space::skip(self.sql, self.end);
        self.end = self.at;
        let first = self.byte(self.at)?;
        Some(match first {
            b'(' => self.token(1, Token::Open),
            b')' => self.token(1, Token::Close),
            b',' => self.token(1, Token::Comma),
            b';' => self.token(1, Token::Semicolon),
            b'.' if self.is_digit(self.at + 1) => self.number(),
            b'.' if self.byte(self.at + 1) == Some(b'.') => self.token(2, Token::Operator(b"..")),
            b'.' => self.token(1, Token::Dot),
            b'\'' => self.text(self.at + 1, self.plain()),
            b'"' => {
                let name = self.quoted_name(self.at + 1);
                Token::Quoted(name)
            }
            b'$' => self.dollar(),
            byte if byte.is_ascii_digit() => self.number(),
            byte if begins_word(byte) => self.word(),
            byte if is_operator(byte) => self.operator(),
            _ => self.token(1, Token::Operator(self.slice(self.at, self.at + 1))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(sql: &'static str) -> Vec<Token<'static>> {
        Lexer::new(sql.as_bytes(), Strings::Standard).collect()
    }

    fn quoted(name: &str) -> Token<'_> {
        Token::Quoted(Cow::Borrowed(name.as_bytes()))
    }

    #[test]
    fn what_belongs_to_a_token_is_in_it() {
        let text = |style, raw: &'static str| Token::Text(Text { style, raw: raw.as_bytes() });
        assert_eq!(tokens("U&\"s!0065t\" /* */ UESCAPE '!' x"), [quoted("set"), Token::Word(b"x")]);
        assert_eq!(tokens(r#"u&"s\0065t" uescape"#), [quoted("set"), Token::Word(b"uescape")]);
        assert_eq!(tokens("U&'!0065'\n'b' uescape E'\\041'"), [text(Style::Unicode(b'!'), "!0065'\n'b")]);
        assert_eq!(
            tokens("'a' -- it's\r'b' 'c'"),
            [text(Style::Plain, "a' -- it's\r'b"), text(Style::Plain, "c")]
        );
        assert_eq!(tokens("n'a'x'1f'"), [text(Style::Plain, "a"), text(Style::Bits, "1f")]);
        assert_eq!(tokens("$é$a$$b$é$$1"), [text(Style::Dollar, "a$$b"), Token::Parameter(b"1")]);
        assert_eq!(tokens("a$b$"), [Token::Word(b"a$b$")]);
    }

    #[test]
    fn numbers_and_operators_end_where_the_servers_do() {
        let number = |raw: &'static str| Token::Number(raw.as_bytes());
        let operator = |raw: &'static str| Token::Operator(raw.as_bytes());
        assert_eq!(tokens("1.5e-3 .5 1. 0x1F 1_000"), ["1.5e-3", ".5", "1.", "0x1F", "1_000"].map(number));
        assert_eq!(tokens("1..2"), [number("1"), operator(".."), number("2")]);
        assert_eq!(tokens("1e 0x"), [number("1"), Token::Word(b"e"), number("0"), Token::Word(b"x")]);
        assert_eq!(tokens("*/* */<=--\n@-"), ["*", "<=", "@-"].map(operator));
    }

    #[test]
    fn a_token_knows_where_it_lies() {
        let mut lexer = Lexer::new(b" -- c\r 'a' \"b\"", Strings::Standard);
        assert_eq!(lexer.next().map(|_| (lexer.at(), lexer.end())), Some((7, 10)));
        assert_eq!(lexer.next().map(|_| (lexer.at(), lexer.end())), Some((11, 14)));
        assert_eq!((lexer.next(), lexer.at()), (None, 14));
    }

    #[test]
    fn keywords_are_of_any_case_and_quoted_names_of_one() {
        assert!(Token::Word(b"SeT").is("set") && Token::Word(b"SET").names("set"));
        assert!(!quoted("set").is("set") && quoted("set").names("set") && !quoted("SET").names("set"));
    }
}
