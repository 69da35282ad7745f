//! Whether the limits of a service fit each other, asked once at its start.
//!
//! Limits lie in layers: the proxy's around the request's, the request's around those of its statements. Where an inner limit is
//! longer than an outer one, the outer one strikes first, and the error names the wrong cause. A statement needs no limit that
//! is shorter than its request's: it is stopped on the server at what remains of the request's time. `statement_timeout` is the
//! backstop for a program that cannot do that any more, because it was killed or stands still.

use crate::patience::GRACE;
use plimsoll::settings::Plan;
use std::fmt;
use std::time::Duration;

/// Limits that contradict each other, each told in a sentence with both values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradictions(Vec<String>);

impl Contradictions {
    /// The sentences.
    #[must_use]
    pub fn sentences(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Contradictions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for Contradictions {}

/// Whether the deadline of requests fits the limits of statements, and that of the proxy in front, if there is one (nginx:
/// `proxy_read_timeout`). Ask it for each deadline that routes have.
///
/// # Errors
/// Every contradiction, with both values and what to change.
pub fn check(
    plan: &Plan,
    request_deadline: Duration,
    proxy_limit: Option<Duration>,
) -> Result<(), Contradictions> {
    let margin = plan.deadline_margin();
    let mut found = Vec::new();
    if request_deadline <= margin {
        found.push(format!(
            "requests have {request_deadline:?} and statements are stopped {margin:?} (deadline_margin) before their \
             end, so none has any time: raise the deadline of requests"
        ));
    }
    if let Some(proxy) = proxy_limit.filter(|proxy| *proxy <= request_deadline.saturating_add(GRACE)) {
        found.push(format!(
            "the proxy waits for {proxy:?}, and a request that has {request_deadline:?} is ended {GRACE:?} after that \
             at the latest, so the proxy gives up first and the client never sees the service's answer: raise the \
             proxy's limit, or lower the deadline of requests"
        ));
    }
    if plan.statement_timeout().is_none() {
        found.push(format!(
            "requests have {request_deadline:?} and statement_timeout is off, so a statement whose program was killed \
             runs on without an end: set statement_timeout"
        ));
    }
    if found.is_empty() { Ok(()) } else { Err(Contradictions(found)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll::Settings;

    fn plan() -> Plan {
        Settings::from_url("postgres://u@127.0.0.1/d").unwrap().check().unwrap()
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_defaults_fit_each_other() {
        assert_eq!(check(&plan(), 15 * SECOND, Some(30 * SECOND)), Ok(()));
        assert_eq!(check(&plan(), 15 * SECOND, None), Ok(()));
    }

    #[test]
    fn each_contradiction_is_told_with_both_values() {
        let told = |plan: &Plan, deadline, proxy| check(plan, deadline, proxy).unwrap_err();
        let late = told(&plan(), 60 * SECOND, Some(30 * SECOND));
        assert_eq!(late.sentences().len(), 1);
        assert!(late.to_string().contains("30s") && late.to_string().contains("60s"), "{late}");
        let same = told(&plan(), 30 * SECOND, Some(30 * SECOND));
        assert!(same.to_string().contains("250ms"), "{same}");
        let none = told(&plan(), Duration::from_millis(50), None);
        assert!(none.to_string().contains("50ms") && none.to_string().contains("100ms"), "{none}");
        assert!(told(&plan(), Duration::MAX, Some(SECOND)).to_string().contains("proxy"));
    }

    #[test]
    fn a_statement_without_a_backstop_is_told() {
        let settings = Settings::from_url("postgres://u@127.0.0.1/d").unwrap();
        let open = settings.statement_timeout(plimsoll::settings::Limit::Off).check().unwrap();
        assert!(check(&open, 15 * SECOND, None).unwrap_err().to_string().contains("statement_timeout"));
    }
}
