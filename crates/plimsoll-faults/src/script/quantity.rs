//! Lengths of time, shares and sizes as text: `1.5s`, `0.1%`, `10B/s`.
//!
//! Everything is whole numbers inside, nanoseconds and millionths, so that what is printed reads back as the same
//! value. What cannot be said exactly (half a nanosecond) is no quantity here.

use std::time::Duration;

const NANOS: u128 = 1_000_000_000;
/// Units that are read, in nanoseconds.
const UNITS: [(&str, u128); 6] =
    [("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", NANOS), ("min", 60 * NANOS), ("h", 3600 * NANOS)];

/// `12.5` as a whole number of units of 10 to the minus `places`.
fn decimal(text: &str, places: usize) -> Option<u128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > places {
        return None;
    }
    format!("{whole}{fraction:0<places$}").parse().ok()
}

pub(super) fn read_duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.')?);
    let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let billionths = decimal(number, 9)?.checked_mul(*nanos)?;
    let nanos = billionths.is_multiple_of(NANOS).then_some(billionths / NANOS)?;
    Some(Duration::new(u64::try_from(nanos / NANOS).ok()?, u32::try_from(nanos % NANOS).ok()?))
}

/// In the longest unit up to seconds of which it is a whole number.
pub(super) fn write_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let fits = UNITS.iter().take(4).rev().find(|(_, unit)| nanos.is_multiple_of(*unit));
    fits.map_or_else(|| format!("{nanos}ns"), |(name, unit)| format!("{}{name}", nanos / unit))
}

/// A share in millionths.
pub(super) fn read_share(text: &str) -> Option<u32> {
    let millionths = decimal(text.strip_suffix('%')?, 4)?;
    u32::try_from(millionths).ok().filter(|share| *share <= 1_000_000)
}

pub(super) fn write_share(per_million: u32) -> String {
    let text = format!("{}.{:04}", per_million / 10_000, per_million % 10_000);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A whole number in front of a unit.
pub(super) fn read_number<T: std::str::FromStr>(text: &str, unit: &str) -> Option<T> {
    let number = text.strip_suffix(unit)?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok())?
}

/// Bytes as one word: letters, digits and `_` stand for themselves, everything else is `\x2e`.
pub(super) fn write_bytes(bytes: &[u8]) -> String {
    let one = |byte: &u8| match byte {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' => char::from(*byte).to_string(),
        other => format!("\\x{other:02x}"),
    };
    bytes.iter().map(one).collect()
}

pub(super) fn read_bytes(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if let Some(behind) = rest.strip_prefix("\\x") {
            let code = behind.get(..2).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
            bytes.push(u8::from_str_radix(code, 16).ok()?);
            rest = behind.get(2..)?;
        } else if next == '\\' {
            return None;
        } else {
            let (plain, behind) = rest.split_at(next.len_utf8());
            bytes.extend_from_slice(plain.as_bytes());
            rest = behind;
        }
    }
    Some(bytes)
}
