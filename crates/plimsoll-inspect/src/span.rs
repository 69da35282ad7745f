//! Spans of time as people write them.
//!
//! Each has its place: a limit that somebody set is written as it was set ([`in_words`]), what was measured with the digits that mean
//! something ([`rough`]), and in a narrow column of a table in six characters ([`narrow`]).

use std::time::Duration;

/// A limit, exact to the tenth of a second: `30 s`, `1.5 s`, `250 ms`, `5 min`.
#[must_use]
pub fn in_words(span: Duration) -> String {
    match span.as_millis() {
        ms if ms < 1000 && ms % 100 != 0 => format!("{ms} ms"),
        ms if ms >= 120_000 && ms % 60_000 == 0 => format!("{} min", ms / 60_000),
        ms if ms % 1000 == 0 => format!("{} s", ms / 1000),
        ms => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
    }
}

/// What was measured, in two or three digits: `4.2 ms`, `13 s`, `3 h 20 min`.
#[must_use]
pub fn rough(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    let whole = span.as_secs();
    match whole {
        0 if seconds < 0.01 => format!("{:.2} ms", seconds * 1_000.0),
        0 => format!("{:.0} ms", seconds * 1_000.0),
        1..=9 => format!("{seconds:.1} s"),
        10..=119 => format!("{whole} s"),
        120..=7_199 => format!("{} min", whole / 60),
        7_200..=172_799 => two(whole / 3_600, "h", whole % 3_600 / 60, "min"),
        _ => two(whole / 86_400, "d", whole % 86_400 / 3_600, "h"),
    }
}

fn two(more: u64, unit: &str, less: u64, of: &str) -> String {
    if less == 0 { format!("{more} {unit}") } else { format!("{more} {unit} {less} {of}") }
}

/// How long ago something was: `3 h 20 min ago`.
#[must_use]
pub fn ago(since: Duration) -> String {
    match since.as_secs() {
        0..=59 => "under a minute ago".to_owned(),
        _ => format!("{} ago", rough(since)),
    }
}

/// In at most six characters: `250ms`, `59s`, `3m05`, `2h14`, `3d03`.
#[must_use]
pub fn narrow(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0 => format!("{}ms", span.as_millis()),
        1..=59 => format!("{seconds}s"),
        60..=3599 => format!("{}m{:02}", seconds / 60, seconds % 60),
        3600..=86_399 => format!("{}h{:02}", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{:02}", (seconds / 86_400).min(999), seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_written_as_it_was_set() {
        let written = [900, 30_000, 1_500, 250, 100, 120_000, 90_000, 3_600_000]
            .map(|ms| in_words(Duration::from_millis(ms)));
        assert_eq!(written, ["0.9 s", "30 s", "1.5 s", "250 ms", "0.1 s", "2 min", "90 s", "60 min"]);
    }

    #[test]
    fn what_was_measured_has_the_digits_that_mean_something() {
        let written = [0.000_02, 0.009_99, 0.25, 1.25, 59.9, 150.0, 8_000.0, 300_000.0]
            .map(|seconds| rough(Duration::from_secs_f64(seconds)));
        assert_eq!(
            written,
            ["0.02 ms", "9.99 ms", "250 ms", "1.2 s", "59 s", "2 min", "2 h 13 min", "3 d 11 h"]
        );
        let said = [0, 59, 61, 7_199, 7_200, 172_800].map(|seconds| ago(Duration::from_secs(seconds)));
        assert_eq!(
            said,
            ["under a minute ago", "under a minute ago", "61 s ago", "119 min ago", "2 h ago", "2 d ago"]
        );
    }

    #[test]
    fn a_narrow_one_takes_at_most_six_columns() {
        for (seconds, expected) in
            [(0, "0ms"), (59, "59s"), (185, "3m05"), (8040, "2h14"), (270_000, "3d03"), (u64::MAX, "999d07")]
        {
            assert_eq!(narrow(Duration::from_secs(seconds)), expected);
        }
    }
}
