//! How PostgreSQL reads a number with a unit: `30s`, `1.5min`, `64MB`, or `3000` in the setting's own unit.
//!
//! Source: PostgreSQL's documentation, "Parameter Names and Values". Units are case-sensitive there, a blank may stand before
//! them, and times are in us, ms, s, min, h, d, sizes in B, kB, MB, GB, TB with 1,024 each.

/// A number in the smallest unit that matters: milliseconds for a time, bytes for a size, else the number itself. What means
/// "off" (-1) stays -1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) struct SettingValue(pub(crate) f64);

const TIMES: [(&str, f64); 6] =
    [("us", 0.001), ("ms", 1.0), ("s", 1_000.0), ("min", 60_000.0), ("h", 3_600_000.0), ("d", 86_400_000.0)];

const SIZES: [(&str, f64); 5] =
    [("B", 1.0), ("kB", 1_024.0), ("MB", 1_048_576.0), ("GB", 1_073_741_824.0), ("TB", 1_099_511_627_776.0)];

impl SettingValue {
    /// Reads a value; `own_unit` is the setting's own, which may have a factor (`8kB`).
    pub(crate) fn read(text: &str, own_unit: Option<&str>) -> Option<Self> {
        let text = text.trim();
        let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(end)?;
        let number: f64 = number.trim().parse().ok()?;
        if number < 0.0 {
            return Some(SettingValue(number));
        }
        let factor = if unit.is_empty() { own_unit.map_or(Some(1.0), factor_of)? } else { factor_of(unit)? };
        Some(SettingValue(number * factor))
    }
}

/// A time as PostgreSQL writes and reads it, in the largest unit that it is a whole number of.
pub(crate) fn time(millis: f64) -> String {
    if millis == 0.0 {
        return "0".to_owned();
    }
    let whole = |factor: &f64| millis % factor == 0.0;
    let (unit, factor) = TIMES.iter().rev().find(|(_, factor)| whole(factor)).copied().unwrap_or(("ms", 1.0));
    format!("{}{unit}", millis / factor)
}

/// A size as PostgreSQL writes and reads it, in the largest unit that it is a whole number of.
pub(crate) fn whole_size(bytes: f64) -> String {
    let whole = |factor: &f64| bytes % factor == 0.0;
    let (unit, factor) = SIZES.iter().rev().find(|(_, factor)| whole(factor)).copied().unwrap_or(("B", 1.0));
    format!("{}{unit}", bytes / factor)
}

fn factor_of(unit: &str) -> Option<f64> {
    let end = unit.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = unit.split_at_checked(end)?;
    let count: f64 = if count.is_empty() { 1.0 } else { count.parse().ok()? };
    TIMES.iter().chain(&SIZES).find(|(known, _)| *known == unit).map(|(_, factor)| count * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_as_postgresql_does() {
        for (text, own, value) in [
            ("30s", Some("ms"), 30_000.0),
            ("30000", Some("ms"), 30_000.0),
            ("1.5min", Some("ms"), 90_000.0),
            ("2 h", Some("s"), 7_200_000.0),
            ("100", Some("8kB"), 819_200.0),
            ("64MB", Some("kB"), 67_108_864.0),
            ("-1", Some("ms"), -1.0),
            ("100", None, 100.0),
        ] {
            assert_eq!(SettingValue::read(text, own), Some(SettingValue(value)), "{text}");
        }
        for (millis, text) in
            [(0.0, "0"), (30_000.0, "30s"), (90_000.0, "90s"), (1_500.0, "1500ms"), (7_200_000.0, "2h")]
        {
            assert_eq!(time(millis), text);
        }
        for (bytes, text) in
            [(4_194_304.0, "4MB"), (8_192.0, "8kB"), (1_536.0, "1536B"), (1_073_741_824.0, "1GB")]
        {
            assert_eq!(whole_size(bytes), text);
        }
        for text in ["", "on", "30S", "10 parsecs", "s"] {
            assert_eq!(SettingValue::read(text, Some("ms")), None, "{text}");
        }
    }
}
