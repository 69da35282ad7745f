//! The parameters of a statement, as the slow log shows them: `$1 = 42, $2 = text(12 bytes), $3 = null`.
//!
//! A parameter can only be asked for the bytes that it sends. They are read back here for those types whose values say
//! much about a statement and are rarely a secret. Of all other types, text first of all, only the length is shown. What
//! is shown is bounded in number and length, and a parameter whose own code fails or panics is a question mark.

use super::query::Params;
use bytes::BytesMut;
use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Timestamp, ToSpan};
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokio_postgres::types::{Format, FromSql, IsNull, ToSql, Type};

/// So many parameters are shown.
const SHOWN: usize = 20;

/// A number with more groups of four digits is shown as its length.
const GROUPS: u16 = 16;

/// Shows these parameters, whose types the server has told if it was asked already.
pub(super) fn show(params: Params<'_>, types: Option<&[Type]>) -> String {
    let mut shown = String::new();
    for (number, param) in params.iter().take(SHOWN).enumerate() {
        let separator = if number == 0 { "" } else { ", " };
        let value = types.and_then(|types| value(*param, types.get(number)?));
        let _ = write!(shown, "{separator}${} = {}", number + 1, value.as_deref().unwrap_or("?"));
    }
    if let Some(more) = params.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let _ = write!(shown, " and {more} more");
    }
    shown
}

fn value(param: &(dyn ToSql + Sync), ty: &Type) -> Option<String> {
    let mut bytes = BytesMut::new();
    let sent = catch_unwind(AssertUnwindSafe(|| {
        (param.to_sql_checked(ty, &mut bytes).ok(), matches!(param.encode_format(ty), Format::Binary))
    }));
    match sent.ok()? {
        (Some(IsNull::Yes), _) => Some("null".to_owned()),
        (Some(IsNull::No), is_binary) => {
            let read = if is_binary { read(ty, &bytes) } else { None };
            Some(read.unwrap_or_else(|| format!("{}({} bytes)", printable(ty.name()), bytes.len())))
        }
        (None, _) => None,
    }
}

/// A name, in which the schema's author may have put anything.
fn printable(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The value, if it is of a type that is shown.
fn read(ty: &Type, bytes: &[u8]) -> Option<String> {
    fn plain<'a, T: FromSql<'a> + ToString>(ty: &Type, bytes: &'a [u8]) -> Option<String> {
        T::from_sql(ty, bytes).ok().map(|value| value.to_string())
    }
    match *ty {
        Type::BOOL => plain::<bool>(ty, bytes),
        Type::INT2 => plain::<i16>(ty, bytes),
        Type::INT4 => plain::<i32>(ty, bytes),
        Type::INT8 => plain::<i64>(ty, bytes),
        Type::OID => plain::<u32>(ty, bytes),
        Type::FLOAT4 => plain::<f32>(ty, bytes),
        Type::FLOAT8 => plain::<f64>(ty, bytes),
        Type::NUMERIC => numeric(bytes),
        Type::UUID => uuid(bytes),
        Type::TIMESTAMPTZ => Some(format!("{}Z", moment(long(bytes)?)?)),
        Type::TIMESTAMP => Some(moment(long(bytes)?)?.to_string()),
        Type::DATE => date(i32::from_be_bytes(bytes.try_into().ok()?)),
        Type::TIME => {
            let since_midnight = SignedDuration::from_micros(long(bytes)?);
            Some(Time::midnight().checked_add(since_midnight).ok()?.to_string())
        }
        _ => None,
    }
}

fn long(bytes: &[u8]) -> Option<i64> {
    bytes.try_into().ok().map(i64::from_be_bytes)
}

/// The server counts from the beginning of 2000.
fn moment(micros: i64) -> Option<DateTime> {
    const TO_2000: i64 = 946_684_800_000_000;
    let timestamp = Timestamp::from_microsecond(micros.checked_add(TO_2000)?).ok()?;
    Some(jiff::tz::Offset::UTC.to_datetime(timestamp))
}

fn date(days: i32) -> Option<String> {
    Date::constant(2000, 1, 1).checked_add(days.days()).ok().map(|date| date.to_string())
}

fn uuid(bytes: &[u8]) -> Option<String> {
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    let digits = format!("{:032x}", u128::from_be_bytes(bytes));
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| digits.get(part).unwrap_or_default());
    Some(parts.join("-"))
}

/// A number in groups of four decimal digits, the first of which has the weight 10000 to the power of `weight`.
fn numeric(bytes: &[u8]) -> Option<String> {
    let pairs = bytes.chunks_exact(2).filter_map(|pair| pair.try_into().ok());
    let words: Vec<u16> = pairs.take(4 + usize::from(GROUPS) + 1).map(u16::from_be_bytes).collect();
    let [count, weight, sign, scale, digits @ ..] = words.as_slice() else { return None };
    let weight = weight.cast_signed();
    match sign {
        0x0000 | 0x4000 => {}
        0xC000 => return Some("NaN".to_owned()),
        0xD000 => return Some("Infinity".to_owned()),
        0xF000 => return Some("-Infinity".to_owned()),
        _ => return None,
    }
    if *count > GROUPS || *scale > 4 * GROUPS || weight.unsigned_abs() > GROUPS {
        return None;
    }
    let group =
        |at: i16| usize::try_from(weight - at).ok().and_then(|at| digits.get(at)).copied().unwrap_or(0);
    let mut shown = if *sign == 0x4000 { "-".to_owned() } else { String::new() };
    let whole: String = (0..=weight.max(0)).rev().map(|at| format!("{:04}", group(at))).collect();
    shown.push_str(match whole.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    });
    if *scale > 0 {
        let groups = 1..=scale.div_ceil(4).cast_signed();
        let behind: String = groups.map(|at| format!("{:04}", group(-at))).collect();
        let _ = write!(shown, ".{}", behind.get(..usize::from(*scale)).unwrap_or_default());
    }
    Some(shown)
}
