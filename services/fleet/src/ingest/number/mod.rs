//! Which numbers are taken: those that come out of the database as the numbers that went in.
//!
//! Devices and the programs that read their readings hold numbers as 64-bit floats and whole numbers of 64 bits. What is
//! neither would come back changed, and nobody would be told: `1e400` as infinity, `123456789012345678901` as another
//! number, `0.1234567890123456789` with other digits. So it is refused.
//!
//! - A whole number, written without a point or an exponent, fits from -2^63 to 2^64-1.
//! - Any other number fits if its digits say no more than a 64-bit float holds. That is so for the shortest text of a
//!   float (`21.3`), and for a longer one that a device printed with so many digits (`21.30000000000000071054`, which is
//!   what `%.20f` makes of it).
//! - `-0` is 0, as in every comparison: sensors that round print it, and its sign tells nothing.
//!
//! What fits is stored as it was written, digit for digit.

use super::refusal::Misfit;

/// The text under which a JSON number is stored.
pub(super) fn storable(text: &str) -> Result<&str, Misfit> {
    if !text.contains(['.', 'e', 'E']) {
        return match text {
            "-0" => Ok("0"),
            _ if text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok() => Ok(text),
            _ => Err(Misfit::Whole),
        };
    }
    let value: f64 = text.parse().map_err(|_| Misfit::Large)?;
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    if value.is_infinite() {
        return Err(Misfit::Large);
    }
    if value == 0.0 {
        let is_zero = !mantissa.contains(|digit: char| matches!(digit, '1'..='9'));
        return match is_zero {
            // An exponent may be larger than the server's numbers have room for, and tells nothing.
            true if mantissa.len() < text.len() => Ok("0"),
            true => Ok(text.strip_prefix('-').unwrap_or(text)),
            false => Err(Misfit::Small),
        };
    }
    let said = Decimal::read(text);
    let shortest = Decimal::read(&format!("{value:e}"));
    let as_long = || Decimal::read(&format!("{value:.*e}", said.digits.len().saturating_sub(1)));
    if said == shortest || said == as_long() { Ok(text) } else { Err(Misfit::Digits) }
}

/// The value of a decimal text: 0.digits times ten to the exponent.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    /// Without zeros before and behind.
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// Reads a number that was read as a float already; its exponent is therefore a small one.
    fn read(text: &str) -> Self {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        let point = i64::try_from(whole.len()).unwrap_or(i64::MAX);
        let zeros = i64::try_from(all.len() - significant.len()).unwrap_or(i64::MAX);
        Decimal {
            is_negative: unsigned.len() < text.len(),
            digits: significant.trim_end_matches('0').to_owned(),
            exponent: exponent.parse::<i64>().unwrap_or(i64::MAX).saturating_add(point).saturating_sub(zeros),
        }
    }
}

#[cfg(test)]
mod tests;
