//! The limits on time as the session that asks has them: what the server said to one session, not what it says to all.

use crate::answer::Unreadable;
use crate::checks::check::Answers;
use crate::checks::setting_value::SettingValue;
use std::collections::BTreeMap;

/// Asks for them.
pub(super) const SESSION_LIMITS: &str = include_str!("session_limits.sql");

/// One limit of the session that asks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SessionLimit {
    /// In milliseconds; 0 is none.
    pub(super) now: f64,
    /// It was SET after the session began.
    pub(super) is_set: bool,
    /// The session began with what its client said. Where it was SET since, this is known of `statement_timeout` and
    /// `lock_timeout` only.
    pub(super) is_of_client: bool,
}

/// All of them, by name.
pub(super) fn read(answer: &Answers<'_>) -> Result<BTreeMap<String, SessionLimit>, Unreadable> {
    let mut all = BTreeMap::new();
    for row in answer.rows().filter(|row| row.has("limit_name")) {
        let Some(name) = row.text("limit_name")? else { continue };
        let begun = row.text("limit_start")?;
        // SHOW tells it of the two limits that this question puts back.
        let mut now = row.text("limit_now")?;
        for limit in ["statement_timeout", "lock_timeout"].into_iter().filter(|limit| *limit == name) {
            for shown in answer.rows().filter(|row| row.has(limit)) {
                now = shown.text(limit)?;
            }
        }
        let (begun, now) = (millis(begun), millis(now));
        let source = row.text("limit_source")?;
        let limit = SessionLimit {
            now,
            is_set: source == Some("session") || now != begun,
            is_of_client: source == Some("client"),
        };
        all.insert(name.to_owned(), limit);
    }
    Ok(all)
}

fn millis(text: Option<&str>) -> f64 {
    text.and_then(|text| SettingValue::read(text, Some("ms"))).map_or(0.0, |value| value.0)
}
