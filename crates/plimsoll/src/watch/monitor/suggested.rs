//! A limit that would fit what a kind of statement usually takes, with the reason.

use super::report::ms;
use crate::record::queries::Kind;
use crate::rules::suggestion::suggest;
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// A limit for one kind of statement: [`Monitoring::suggested_limits`](crate::monitor::Monitoring::suggested_limits).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SuggestedLimit {
    /// As in [`QueryMetrics`](crate::monitor::QueryMetrics).
    pub query_hash: String,
    /// As in [`QueryMetrics`](crate::monitor::QueryMetrics).
    pub query_template: String,
    /// The suggestion; none where no limit is configured and none can be suggested.
    pub limit_ms: Option<f64>,
    /// The limit that is configured: the earlier of `statement_timeout` and `client_statement_timeout`.
    pub configured_ms: Option<f64>,
    /// The time that 99 per cent did not exceed, at most 41 % too long; none where more than 1 % was stopped.
    pub p99_ms: Option<f64>,
    /// Executions that this was made of: those that were answered, and those that were stopped before.
    pub samples: u64,
    /// Those of them that were stopped or given up.
    pub cut_off: u64,
    /// Why this limit.
    pub reason: String,
}

impl SuggestedLimit {
    pub(super) fn of(hash: u64, kind: &Kind, configured: Option<Duration>) -> Self {
        let observed = kind.spread.observed();
        let suggestion = suggest(observed, configured);
        SuggestedLimit {
            query_hash: format!("{hash:016x}"),
            query_template: kind.text.to_string(),
            limit_ms: suggestion.limit.map(ms),
            configured_ms: configured.map(ms),
            p99_ms: observed.p99.map(ms),
            samples: observed.samples,
            cut_off: observed.cut_off,
            reason: suggestion.why.to_string(),
        }
    }
}

impl fmt::Display for SuggestedLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time =
            |ms: Option<f64>, none: &str| ms.map_or_else(|| none.to_owned(), |ms| format!("{ms:.0} ms"));
        write!(
            f,
            "{}: {} ({}; 99th percentile {}, {} samples, {} of them stopped; configured {})",
            self.query_template,
            time(self.limit_ms, "no limit"),
            self.reason,
            time(self.p99_ms, "unknown"),
            self.samples,
            self.cut_off,
            time(self.configured_ms, "none"),
        )
    }
}
