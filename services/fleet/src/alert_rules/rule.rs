//! A rule as people write it: when to open an alert.
//!
//! A threshold is a decimal number and stays one: `0.1` is stored and compared as one tenth, and is shown as it was written. It
//! may come as a number or as a text; it is shown as a text, since many readers of JSON make a float of a number.

use super::refusal::RuleRefusal;
use crate::alerts::Severity;
use crate::text;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The most digits of a threshold, before its point and behind it.
const MOST_DIGITS: usize = 40;
/// The longest time that something has to last, in seconds: 30 days.
const LONGEST: i32 = 2_592_000;
/// The most sites of a rule.
const MOST_SITES: usize = 100;

/// What a rule looks at. The table has the same list in a CHECK; a test compares them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleKind {
    /// A metric is beyond a limit.
    Threshold,
    /// A device is not heard of.
    NoHeartbeat,
}

impl RuleKind {
    /// Every kind.
    pub const ALL: [RuleKind; 2] = [RuleKind::Threshold, RuleKind::NoHeartbeat];

    /// As the database and the API write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RuleKind::Threshold => "THRESHOLD",
            RuleKind::NoHeartbeat => "NO_HEARTBEAT",
        }
    }
}

/// The ways to be beyond a limit. The table has the same list in a CHECK; a test compares them.
pub const OPERATORS: [&str; 4] = ["GT", "GTE", "LT", "LTE"];

/// A rule as it is sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleBody {
    name: String,
    kind: Option<String>,
    metric_name: Option<String>,
    operator: Option<String>,
    threshold: Option<Box<RawValue>>,
    duration_seconds: Option<i32>,
    severity: Option<i32>,
    site_ids: Option<Vec<String>>,
    enabled: Option<bool>,
    escalation_policy_id: Option<i64>,
}

/// A rule that can be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleDraft {
    /// What it is called.
    pub name: String,
    /// What it looks at.
    pub kind: RuleKind,
    /// The metric, the operator and the limit, as decimal text.
    pub limit: Option<(String, &'static str, String)>,
    /// How long it has to be so, in seconds.
    pub duration: i32,
    /// How bad it is.
    pub severity: Severity,
    /// Of which sites; empty for all.
    pub sites: Vec<String>,
    /// Whether it is looked at.
    pub enabled: bool,
    /// The policy that its alerts follow; the tenant's default without.
    pub policy: Option<i64>,
}

fn invalid(why: &'static str) -> RuleRefusal {
    RuleRefusal::Invalid(why)
}

impl RuleBody {
    /// The same, checked. Without a kind it is about a threshold.
    ///
    /// # Errors
    /// What cannot be.
    pub fn checked(self) -> Result<RuleDraft, RuleRefusal> {
        let name = text::line(&self.name, 200).ok_or(invalid("name has 1 to 200 characters"))?;
        let said = self.kind.as_deref().unwrap_or("THRESHOLD");
        let kind = RuleKind::ALL.into_iter().find(|kind| kind.as_str() == said);
        let kind = kind.ok_or(invalid("kind is THRESHOLD or NO_HEARTBEAT"))?;
        let (limit, least) = match kind {
            RuleKind::Threshold => {
                let limit = limit(self.metric_name, self.operator.as_deref(), self.threshold.as_deref())?;
                (Some(limit), 0)
            }
            RuleKind::NoHeartbeat => {
                if self.metric_name.is_some() || self.operator.is_some() || self.threshold.is_some() {
                    return Err(invalid(
                        "a rule of kind NO_HEARTBEAT has no metric_name, operator and threshold",
                    ));
                }
                (None, 1)
            }
        };
        let duration = self.duration_seconds.unwrap_or(0);
        if !(least..=LONGEST).contains(&duration) {
            return Err(invalid(
                "duration_seconds is a number from 0 to 2592000, and at least 1 for NO_HEARTBEAT",
            ));
        }
        let severity = Severity::of_number(self.severity.unwrap_or(3));
        let severity = severity.ok_or(invalid("severity is a number from 1 (info) to 5 (critical)"))?;
        let sites = self.site_ids.unwrap_or_default();
        if sites.len() > MOST_SITES || sites.iter().any(|site| text::line(site, 128).is_none()) {
            return Err(invalid("site_ids are at most 100 of 1 to 128 characters"));
        }
        let (enabled, policy) = (self.enabled.unwrap_or(true), self.escalation_policy_id);
        Ok(RuleDraft { name, kind, limit, duration, severity, sites, enabled, policy })
    }
}

fn limit(
    metric: Option<String>,
    operator: Option<&str>,
    threshold: Option<&RawValue>,
) -> Result<(String, &'static str, String), RuleRefusal> {
    let metric = metric.and_then(|said| text::line(&said, 128));
    let metric = metric.ok_or(invalid("metric_name has 1 to 128 characters"))?;
    let operator = OPERATORS.into_iter().find(|one| Some(*one) == operator);
    let operator = operator.ok_or(invalid("operator is GT, GTE, LT or LTE"))?;
    let threshold = threshold.and_then(|said| decimal(said.get()));
    let threshold = threshold.ok_or(invalid(
        "threshold is a decimal number such as 30.5, with at most 40 digits and without an exponent",
    ))?;
    Ok((metric, operator, threshold))
}

/// A number or a text of one, as it was written: digits with one point at most, and a sign before them.
fn decimal(said: &str) -> Option<String> {
    let said = said.trim_matches('"');
    let digits = said.strip_prefix('-').unwrap_or(said);
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, fraction),
        None => (digits, "0"),
    };
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_one = are_digits(whole) && are_digits(fraction) && whole.len() + fraction.len() <= MOST_DIGITS;
    is_one.then(|| said.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<RuleDraft, RuleRefusal> {
        serde_json::from_str::<RuleBody>(body).unwrap().checked()
    }

    #[test]
    fn a_threshold_is_kept_digit_for_digit() {
        for (said, kept) in [
            ("0.1", "0.1"),
            ("30.50", "30.50"),
            ("\"-0.12345678901234567890\"", "-0.12345678901234567890"),
            ("9007199254740993", "9007199254740993"),
            ("0", "0"),
        ] {
            let body =
                format!(r#"{{"name": "n", "metric_name": "t", "operator": "GT", "threshold": {said}}}"#);
            let made = read(&body).unwrap();
            assert_eq!(made.limit, Some(("t".into(), "GT", kept.into())));
            assert_eq!((made.severity, made.duration, made.enabled), (Severity::Medium, 0, true));
        }
        for said in [
            "1e3", "\"\"", "\"1,5\"", "\".5\"", "\"5.\"", "\"NaN\"", "\"+1\"", "\" 1\"", "null", "true",
            "[1]",
        ] {
            let body =
                format!(r#"{{"name": "n", "metric_name": "t", "operator": "GT", "threshold": {said}}}"#);
            assert!(read(&body).is_err(), "{said}");
        }
        assert_eq!(decimal(&"1".repeat(41)), None);
    }

    #[test]
    fn silence_has_a_time_and_no_limit() {
        let made =
            read(r#"{"name": "n", "kind": "NO_HEARTBEAT", "duration_seconds": 60, "severity": 5}"#).unwrap();
        assert_eq!((made.limit, made.duration, made.severity), (None, 60, Severity::Critical));
        for bad in [
            r#"{"name": "n", "kind": "NO_HEARTBEAT"}"#,
            r#"{"name": "n", "kind": "NO_HEARTBEAT", "duration_seconds": 60, "operator": "GT"}"#,
            r#"{"name": "n", "kind": "ANOMALY", "duration_seconds": 60}"#,
            r#"{"name": "n", "kind": "NO_HEARTBEAT", "duration_seconds": 2592001}"#,
            r#"{"name": "n", "kind": "NO_HEARTBEAT", "duration_seconds": 60, "severity": 0}"#,
            r#"{"name": "n", "kind": "NO_HEARTBEAT", "duration_seconds": 60, "severity": 6}"#,
            r#"{"name": "", "kind": "NO_HEARTBEAT", "duration_seconds": 60}"#,
            r#"{"name": "n", "kind": "NO_HEARTBEAT", "duration_seconds": 60, "site_ids": [""]}"#,
            r#"{"name": "n", "metric_name": "t", "operator": "EQ", "threshold": 1}"#,
            r#"{"name": "n", "operator": "GT", "threshold": 1}"#,
            r#"{"name": "n", "metric_name": "t", "operator": "GT", "threshold": 1, "duration_seconds": -1}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
