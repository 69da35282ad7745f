//! The values of string constants and quoted identifiers, without their quotes and escapes.

use super::space;
use std::borrow::Cow;

/// How a string constant was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// `'..'` in which a backslash is an ordinary character, `N'..'` too.
    Plain,
    /// `E'..'`, and `'..'` where `standard_conforming_strings` is off.
    Escaped,
    /// `U&'..'`, with its escape character.
    Unicode(u8),
    /// `B'..'` and `X'..'`.
    Bits,
    /// `$tag$..$tag$`.
    Dollar,
}

/// A string constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Text<'a> {
    pub(crate) style: Style,
    /// The text between the first quote and the last, as written.
    pub(crate) raw: &'a [u8],
}

impl<'a> Text<'a> {
    /// The value that the server reads; a constant that the server would refuse stays as written.
    pub(crate) fn value(self) -> Cow<'a, [u8]> {
        if self.style == Style::Dollar || !self.raw.iter().any(|byte| matches!(byte, b'\'' | b'\\')) {
            return match self.style {
                Style::Unicode(escape) => unescape(Cow::Borrowed(self.raw), escape),
                _ => Cow::Borrowed(self.raw),
            };
        }
        let joined = join(self.raw, self.style);
        match self.style {
            Style::Unicode(escape) => unescape(Cow::Owned(joined), escape),
            _ => Cow::Owned(joined),
        }
    }
}

/// Removes doubled quotes, the gaps between the pieces of a continued string, and backslash escapes.
fn join(raw: &[u8], style: Style) -> Vec<u8> {
    let mut value = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        at += 1;
        match byte {
            b'\'' if raw.get(at) == Some(&b'\'') && style != Style::Bits => {
                value.push(b'\'');
                at += 1;
            }
            b'\'' => at = space::continuation(raw, at).unwrap_or(at),
            b'\\' if style == Style::Escaped => at = backslash(raw, at, &mut value),
            _ => value.push(byte),
        }
    }
    value
}

/// Decodes the escape whose backslash is before `at`, and returns where it ends.
fn backslash(raw: &[u8], at: usize, value: &mut Vec<u8>) -> usize {
    let Some(&kind) = raw.get(at) else { return at };
    let digits = |from: usize, radix: u32, most: usize| {
        let rest = raw.get(from..).unwrap_or_default();
        let count = rest.iter().take(most).take_while(|&&byte| char::from(byte).is_digit(radix)).count();
        (number(rest.get(..count).unwrap_or_default(), radix), count)
    };
    match kind {
        b'0'..=b'7' => {
            let (code, count) = digits(at, 8, 3);
            value.push(code.to_le_bytes()[0]);
            at + count
        }
        b'x' if digits(at + 1, 16, 2).1 > 0 => {
            let (code, count) = digits(at + 1, 16, 2);
            value.push(code.to_le_bytes()[0]);
            at + 1 + count
        }
        b'u' | b'U' => {
            let length = if kind == b'u' { 4 } else { 8 };
            let (mut code, count) = digits(at + 1, 16, length);
            let mut end = at + 1 + count;
            if is_high_surrogate(code) && raw.get(end) == Some(&b'\\') {
                let length = if raw.get(end + 1) == Some(&b'u') { 4 } else { 8 };
                let (low, count) = digits(end + 2, 16, length);
                code = pair(code, low);
                end += 2 + count;
            }
            push(code, value);
            end
        }
        _ => {
            value.push(match kind {
                b'b' => 0x08,
                b'f' => 0x0c,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 0x0b,
                other => other,
            });
            at + 1
        }
    }
}

fn number(digits: &[u8], radix: u32) -> u32 {
    digits
        .iter()
        .filter_map(|&digit| char::from(digit).to_digit(radix))
        .fold(0, |sum, digit| sum * radix + digit)
}

fn is_high_surrogate(code: u32) -> bool {
    (0xd800..0xdc00).contains(&code)
}

fn pair(high: u32, low: u32) -> u32 {
    0x1_0000 + ((high & 0x3ff) << 10) + (low & 0x3ff)
}

fn push(code: u32, value: &mut Vec<u8>) {
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    value.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

/// A quoted identifier whose doubled quotes are undone.
pub(super) fn identifier(raw: &[u8]) -> Cow<'_, [u8]> {
    if !raw.contains(&b'"') {
        return Cow::Borrowed(raw);
    }
    let mut value = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter();
    while let Some(&byte) = bytes.next() {
        value.push(byte);
        if byte == b'"' {
            bytes.next();
        }
    }
    Cow::Owned(value)
}

/// Whether this may be the escape character of `U&'..'`.
pub(super) fn may_escape(byte: u8) -> bool {
    !(byte.is_ascii_hexdigit() || matches!(byte, b'+' | b'\'' | b'"') || space::is_space(byte))
}

/// Decodes `\XXXX` and `\+XXXXXX`, with this escape character in place of the backslash.
pub(super) fn unescape(value: Cow<'_, [u8]>, escape: u8) -> Cow<'_, [u8]> {
    if !value.contains(&escape) {
        return value;
    }
    let mut found = Vec::with_capacity(value.len());
    let mut rest: &[u8] = &value;
    let mut high = None;
    while let Some((&byte, after)) = rest.split_first() {
        if byte != escape || after.first() == Some(&escape) {
            found.push(byte);
            rest = if byte == escape { after.get(1..).unwrap_or_default() } else { after };
            continue;
        }
        let (digits, length) = match after.split_first() {
            Some((b'+', digits)) => (digits, 6),
            _ => (after, 4),
        };
        let Some((digits, after)) = digits.split_at_checked(length) else { return value };
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return value;
        }
        let code = number(digits, 16);
        match high.take() {
            _ if is_high_surrogate(code) => high = Some(code),
            Some(first) => push(pair(first, code), &mut found),
            None => push(code, &mut found),
        }
        rest = after;
    }
    Cow::Owned(found)
}
