//! What of a device's readings is asked for: from when, until when, how, and how much of it there may be. No clock here:
//! the present time is an argument.

use super::TelemetryRefusal;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// The greatest width of a range, in days: readings are kept for thirty, and a device's clock may be one ahead.
pub const MOST_DAYS: i64 = 32;

/// The most buckets of a chart: a day by the minute, a month by the half hour.
pub const MOST_BUCKETS: i64 = 1_500;

/// The longest name of a metric, as readings are taken in.
const LONGEST_METRIC: usize = 128;

/// By how much a device's clock may be ahead: the latest time that a stored reading can have.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// The range of a chart where nothing is said.
const OF_A_CHART: SignedDuration = SignedDuration::from_hours(24);

/// The widest bucket, in seconds: the width of the widest range.
const WIDEST_BUCKET: i64 = MOST_DAYS * 86_400;

type Result<T> = std::result::Result<T, TelemetryRefusal>;

/// A range of time: the beginning is in it, the end is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
}

/// Readings by buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets {
    /// The width of each, in seconds.
    pub seconds: i32,
    /// Only this metric.
    pub metric: Option<String>,
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A line for each metric of each reading, for people and their spreadsheets.
    Csv,
    /// A JSON object on a line for each reading, for programs.
    Ndjson,
}

/// What a query says, each part at most once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    from: Option<String>,
    to: Option<String>,
    bucket: Option<String>,
    metric: Option<String>,
    format: Option<String>,
    is_paged: bool,
}

impl Said {
    /// The parts of a query.
    ///
    /// # Errors
    /// For a part that is none or is said twice: one that is passed over gives readings that were not asked for.
    pub fn of(query: Vec<(String, String)>) -> Result<Self> {
        let mut said = Said::default();
        for (name, value) in query {
            let part = match name.as_str() {
                // A page's own; read elsewhere.
                "limit" | "after" => {
                    said.is_paged = true;
                    continue;
                }
                "from" => &mut said.from,
                "to" => &mut said.to,
                "bucket" => &mut said.bucket,
                "metric" => &mut said.metric,
                "format" => &mut said.format,
                _ => return Err(bad("the query has from, to, limit, after, bucket, metric and format")),
            };
            if part.replace(value).is_some() {
                return Err(bad("each part of the query is said once"));
            }
        }
        Ok(said)
    }

    /// Whether a chart is asked for.
    #[must_use]
    pub fn is_chart(&self) -> bool {
        self.bucket.is_some()
    }

    /// A page: of all that is kept, where nothing is said.
    ///
    /// # Errors
    /// For a range that cannot be one, and for what a page has not.
    pub fn page(&self, now: Timestamp) -> Result<Range> {
        self.only(&[("metric", &self.metric), ("format", &self.format)], "a page of readings")?;
        self.all_kept(now)
    }

    /// As a cursor is signed with it: the range that was said, whatever the time of asking.
    #[must_use]
    pub fn signed(&self) -> String {
        format!("{:?} {:?}", self.from, self.to)
    }

    /// A chart: of the last day, where nothing is said.
    ///
    /// # Errors
    /// For a range that cannot be one or has too many buckets, a bucket that cannot be one, and for what a chart has not.
    pub fn chart(&self, now: Timestamp) -> Result<(Range, Buckets)> {
        self.only(&[("format", &self.format)], "a chart")?;
        if self.is_paged {
            return Err(bad("limit and after are for pages, and not for buckets"));
        }
        let seconds = seconds(self.bucket.as_deref().unwrap_or_default())?;
        let range = self.range(now, OF_A_CHART)?;
        // The first and the last are parts of one.
        let width = range.to.duration_since(range.from).as_secs();
        let asked = width / i64::from(seconds) + 1;
        if asked > MOST_BUCKETS + 1 {
            return Err(TelemetryRefusal::TooManyBuckets { asked, most: MOST_BUCKETS });
        }
        if self.metric.as_ref().is_some_and(|name| name.is_empty() || name.chars().count() > LONGEST_METRIC) {
            return Err(bad("metric has 1 to 128 characters"));
        }
        if self.metric.as_ref().is_some_and(|name| name.contains('\0')) {
            return Err(bad("metric has no NUL"));
        }
        Ok((range, Buckets { seconds, metric: self.metric.clone() }))
    }

    /// A file: of all that is kept, where nothing is said.
    ///
    /// # Errors
    /// For a range or a format that cannot be one, and for what a file has not.
    pub fn file(&self, now: Timestamp) -> Result<(Range, Format)> {
        self.only(&[("bucket", &self.bucket), ("metric", &self.metric)], "a file")?;
        if self.is_paged {
            return Err(bad("limit and after are for pages; a file has all of its range"));
        }
        let format = match self.format.as_deref() {
            None | Some("csv") => Format::Csv,
            Some("ndjson") => Format::Ndjson,
            Some(_) => return Err(bad("format is csv or ndjson")),
        };
        Ok((self.all_kept(now)?, format))
    }

    fn only(&self, others: &[(&str, &Option<String>)], what: &str) -> Result<()> {
        match others.iter().find(|(_, said)| said.is_some()) {
            Some((name, _)) => Err(bad(format!("{name} is not for {what}"))),
            None => Ok(()),
        }
    }

    fn all_kept(&self, now: Timestamp) -> Result<Range> {
        let latest = now.checked_add(AHEAD).unwrap_or(now);
        self.range(latest, SignedDuration::from_hours(24 * MOST_DAYS))
    }

    fn range(&self, latest: Timestamp, usual: SignedDuration) -> Result<Range> {
        let to = self.to.as_deref().map_or(Ok(latest), |text| instant("to", text))?;
        let otherwise = || to.checked_sub(usual).unwrap_or(to);
        let from = self.from.as_deref().map_or_else(|| Ok(otherwise()), |text| instant("from", text))?;
        if from > to {
            return Err(TelemetryRefusal::FromAfterTo);
        }
        if to.duration_since(from) > SignedDuration::from_hours(24 * MOST_DAYS) {
            return Err(TelemetryRefusal::TooWide { most: MOST_DAYS });
        }
        Ok(Range { from, to })
    }
}

/// A time in whole microseconds, as the table has them. Without a zone it is UTC, and a date alone is its midnight.
fn instant(name: &'static str, text: &str) -> Result<Timestamp> {
    let refused = || TelemetryRefusal::BadInstant(name);
    let time = match text.parse::<Timestamp>() {
        Ok(time) => time,
        // What has a zone and could not be read is not read without it.
        Err(_) if text.get(10..).is_some_and(|rest| rest.contains(['+', '-', 'Z', 'z', '['])) => {
            return Err(refused());
        }
        Err(_) => {
            let civil: DateTime = text.parse().map_err(|_| refused())?;
            civil.to_zoned(TimeZone::UTC).map_err(|_| refused())?.timestamp()
        }
    };
    // The server knows no time before 4713 BC, and no device measured one before 1970.
    if time < Timestamp::UNIX_EPOCH {
        return Err(refused());
    }
    Timestamp::from_microsecond(time.as_microsecond()).map_err(|_| refused())
}

/// The width of a bucket: a whole number and s, m, h or d.
fn seconds(text: &str) -> Result<i32> {
    let refused = || bad("bucket is a whole number and s, m, h or d, such as 5m; from 1s to 32d");
    let unit = match text.as_bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3_600,
        Some(b'd') => 86_400,
        _ => return Err(refused()),
    };
    let digits = text.get(..text.len().saturating_sub(1)).unwrap_or_default();
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = digits.parse::<i64>().ok().filter(|_| is_number).and_then(|count| count.checked_mul(unit));
    let seconds = seconds.filter(|seconds| (1..=WIDEST_BUCKET).contains(seconds)).ok_or_else(refused)?;
    i32::try_from(seconds).map_err(|_| refused())
}

fn bad(why: impl Into<std::borrow::Cow<'static, str>>) -> TelemetryRefusal {
    TelemetryRefusal::BadQuery(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2025-06-15T12:00:00Z".parse().unwrap()
    }

    fn said(query: &[(&str, &str)]) -> Result<Said> {
        Said::of(query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    fn page(query: &[(&str, &str)]) -> Result<(String, String)> {
        said(query)?.page(now()).map(|range| (range.from.to_string(), range.to.to_string()))
    }

    fn chart(query: &[(&str, &str)]) -> std::result::Result<i32, &'static str> {
        use crate::refusal::Refusal;
        let read = said(query).and_then(|said| said.chart(now()));
        read.map(|(_, buckets)| buckets.seconds).map_err(|refusal| refusal.code())
    }

    #[test]
    fn what_is_not_said_is_all_that_is_kept() {
        let (from, to) = page(&[("limit", "5"), ("after", "x")]).unwrap();
        assert_eq!((from.as_str(), to.as_str()), ("2025-05-15T12:00:00Z", "2025-06-16T12:00:00Z"));
        let (from, to) = page(&[("from", "2025-06-01"), ("to", "2025-06-01T00:00:00.000001+00:00")]).unwrap();
        assert_eq!((from.as_str(), to.as_str()), ("2025-06-01T00:00:00Z", "2025-06-01T00:00:00.000001Z"));
    }

    #[test]
    fn a_range_is_one() {
        let at = "2025-06-01T00:00:00Z";
        assert!(page(&[("from", at), ("to", at)]).is_ok(), "an empty one");
        assert_eq!(page(&[("from", "2025-06-02"), ("to", at)]), Err(TelemetryRefusal::FromAfterTo));
        let wide = page(&[("from", "2025-04-01"), ("to", at)]);
        assert_eq!(wide, Err(TelemetryRefusal::TooWide { most: MOST_DAYS }));
        for wrong in
            ["", "now", "1", "infinity", "2025-06-01T00:00:00 00:00", "-009999-01-01T00:00:00Z", "1969-12-31"]
        {
            assert_eq!(page(&[("to", wrong)]), Err(TelemetryRefusal::BadInstant("to")), "{wrong:?}");
        }
    }

    #[test]
    fn each_part_is_known_said_once_and_in_its_place() {
        for wrong in [
            &[("form", "x")][..],
            &[("from", "2025-06-01"), ("from", "2025-06-01")],
            &[("metric", "a")],
            &[("format", "csv")],
        ] {
            assert!(matches!(page(wrong), Err(TelemetryRefusal::BadQuery(_))), "{wrong:?}");
        }
        let file = |query: &[(&str, &str)]| said(query).and_then(|said| said.file(now()));
        assert!(matches!(file(&[]), Ok((_, Format::Csv))));
        assert!(matches!(file(&[("format", "ndjson")]), Ok((_, Format::Ndjson))));
        for wrong in [("format", "xlsx"), ("limit", "3"), ("bucket", "1h")] {
            assert!(matches!(file(&[wrong]), Err(TelemetryRefusal::BadQuery(_))), "{wrong:?}");
        }
    }

    #[test]
    fn buckets_are_bounded() {
        let told = ["60s", "5m", "1h", "1d"].map(|bucket| chart(&[("bucket", bucket)]));
        assert_eq!(told, [Ok(60), Ok(300), Ok(3_600), Ok(86_400)]);
        for wrong in ["", "m", "0s", "-1m", "+1m", "1", "1w", "1.5h", "99999999999999999999d", "33d", "1µ"] {
            assert_eq!(chart(&[("bucket", wrong)]), Err("BAD_QUERY"), "{wrong:?}");
        }
        assert_eq!(chart(&[("bucket", "1s")]), Err("TOO_MANY_BUCKETS"), "of a day");
        assert_eq!(chart(&[("bucket", "1m"), ("limit", "1")]), Err("BAD_QUERY"));
        assert_eq!(chart(&[("bucket", "1m"), ("metric", "")]), Err("BAD_QUERY"));
    }
}
