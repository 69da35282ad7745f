//! Alert rules for Prometheus, made of the definitions of metrics.
//!
//! A condition names metrics by their definitions and not by text, so a rule for a metric that does not exist cannot be
//! written. What asks how much a counter has grown asks only for one that exists from the start: Prometheus does not see
//! the growth of a series that begins at one.

mod condition;
mod table;

use condition::Condition;
use std::fmt;
use std::fmt::Write;

pub(super) use table::ALERTS;

/// How urgent an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Severity {
    /// Something to know.
    Info,
    /// Something to look at today.
    Warning,
    /// Something to look at now.
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        })
    }
}

/// A rule of which Prometheus makes alerts.
pub struct Alert {
    name: &'static str,
    severity: Severity,
    condition: Condition,
    /// For how long it must hold.
    lasting: Option<&'static str>,
    /// The heading in the runbook, as a link writes it.
    anchor: &'static str,
    summary: &'static str,
    description: &'static str,
}

impl Alert {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How urgent it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// Its condition, in PromQL.
    #[must_use]
    pub fn expression(&self) -> String {
        self.condition.to_string()
    }

    /// For how long the condition must hold; none for at once.
    #[must_use]
    pub fn lasting(&self) -> Option<&'static str> {
        self.lasting
    }

    /// The heading of the runbook that it leads to, as a link writes it.
    #[must_use]
    pub fn anchor(&self) -> &'static str {
        self.anchor
    }

    /// One line, with `{{ $labels.pool }}` for the pool.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        self.summary
    }

    /// What it means, with templates for pool and value.
    #[must_use]
    pub fn description(&self) -> &'static str {
        self.description
    }

    /// The metrics that its condition asks for.
    pub fn metrics(&self) -> impl Iterator<Item = &'static super::definition::Metric> {
        self.condition.metrics().into_iter()
    }
}

impl fmt::Debug for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.name, self.severity, self.condition)
    }
}

/// Every alert, the most urgent first.
#[must_use]
pub fn alerts() -> &'static [Alert] {
    ALERTS
}

/// The rules as Prometheus reads them, in YAML. `runbook` is the address of the runbook's page, which the annotation
/// `runbook_url` begins with: in this repository `../runbooks/database-issues.md`.
#[must_use]
pub fn alert_rules(runbook: &str) -> String {
    let mut text = HEAD.to_owned();
    for alert in alerts() {
        let _ =
            write!(text, "\n      - alert: {}\n        expr: {}\n", alert.name, quoted(&alert.expression()));
        if let Some(lasting) = alert.lasting {
            let _ = writeln!(text, "        for: {lasting}");
        }
        let _ = write!(
            text,
            "        labels:\n          severity: {}\n        annotations:\n          summary: {}\n          \
             description: {}\n          runbook_url: {}\n",
            alert.severity,
            quoted(alert.summary),
            quoted(alert.description),
            quoted(&format!("{runbook}#{}", alert.anchor)),
        );
    }
    text
}

const HEAD: &str = "\
# Alert rules for Prometheus. Made from crates/plimsoll/src/watch/metrics/alerts/table.rs; written by `make docs`.
#
# They expect a scrape every 15 s, and at least every 30 s: a rule that looks at one minute needs two samples in it.
groups:
  - name: plimsoll
    rules:
";

/// A scalar of YAML in single quotes, in which only the quote itself is special.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
