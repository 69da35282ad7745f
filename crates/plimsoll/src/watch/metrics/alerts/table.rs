//! Every alert. The bounds are those of the operators' documents.

use super::condition::Condition::{Above, Grown, GrownAndOver, Is, MeanAboveMs, Within};
use super::{Alert, Severity};
use crate::watch::metrics::table::conventions::CONNECTION_WAIT_TIME;
use crate::watch::metrics::table::documents::{
    ACQUISITION_FAILURES, CONNECTION_LEAKS, EXHAUSTION_EVENTS, SLOW_COUNT, TIMEOUT_ERRORS, UTILIZATION,
};
use crate::watch::metrics::table::own::{
    BREAKER_STATE, EXHAUSTED, HEALTH_CHECK_FAILURES, MIGRATED_AT, STATEMENT_TIMEOUTS,
};

pub(in crate::watch::metrics) static ALERTS: &[Alert] = &[
    Alert {
        name: "DatabasePoolUtilizationSustained",
        severity: Severity::Critical,
        condition: Above(&UTILIZATION, 95),
        lasting: Some("10m"),
        anchor: "utilisation",
        summary: "Pool {{ $labels.pool }}: more than 95 % of the connections have been lent for 10 minutes",
        description: "{{ printf \"%.0f\" $value }} % of the connections that there may be are lent. The database may need \
                      to be scaled: call its team.",
    },
    Alert {
        name: "DatabasePoolUtilizationCritical",
        severity: Severity::Critical,
        condition: Above(&UTILIZATION, 90),
        lasting: Some("5m"),
        anchor: "utilisation",
        summary: "Pool {{ $labels.pool }}: more than 90 % of the connections have been lent for 5 minutes",
        description: "{{ printf \"%.0f\" $value }} % of the connections that there may be are lent. The next burst of work \
                      will wait.",
    },
    Alert {
        name: "DatabaseAcquisitionFailures",
        severity: Severity::Critical,
        condition: Grown(&ACQUISITION_FAILURES, "1m", 10),
        lasting: None,
        anchor: "failed-acquisitions",
        summary: "Pool {{ $labels.pool }}: more than 10 callers got no connection within a minute",
        description: "{{ printf \"%.0f\" $value }} callers were refused, waited in vain or gave up in the last minute.",
    },
    Alert {
        name: "DatabaseTimeouts",
        severity: Severity::Critical,
        condition: Grown(&TIMEOUT_ERRORS, "1m", 5),
        lasting: None,
        anchor: "timeouts",
        summary: "Pool {{ $labels.pool }}: more than 5 timeouts within a minute",
        description: "Limits on time ended {{ printf \"%.0f\" $value }} waits for a connection and statements in the last \
                      minute.",
    },
    Alert {
        name: "DatabaseCircuitOpen",
        severity: Severity::Critical,
        condition: Is(&BREAKER_STATE, &[("state", "open"), ("mode", "on")]),
        lasting: Some("1m"),
        anchor: "circuit-open",
        summary: "Pool {{ $labels.pool }}: the circuit breaker has been open for a minute",
        description: "The server does not answer, so every call is refused at once.",
    },
    Alert {
        name: "DatabasePoolUtilizationHigh",
        severity: Severity::Warning,
        condition: Above(&UTILIZATION, 80),
        lasting: Some("2m"),
        anchor: "utilisation",
        summary: "Pool {{ $labels.pool }}: more than 80 % of the connections are lent",
        description: "{{ printf \"%.0f\" $value }} % of the connections that there may be are lent.",
    },
    Alert {
        name: "DatabaseSlowAcquisition",
        severity: Severity::Warning,
        condition: MeanAboveMs(&CONNECTION_WAIT_TIME, "5m", 100),
        lasting: None,
        anchor: "slow-acquisition",
        summary: "Pool {{ $labels.pool }}: getting a connection takes more than 100 ms on average",
        description: "It took {{ printf \"%.0f\" $value }} ms on average over the last 5 minutes.",
    },
    Alert {
        name: "DatabaseSlowQueries",
        severity: Severity::Warning,
        condition: Grown(&SLOW_COUNT, "1h", 50),
        lasting: None,
        anchor: "slow-queries",
        summary: "Pool {{ $labels.pool }}: more than 50 slow statements within an hour",
        description: "{{ printf \"%.0f\" $value }} statements of the last hour took longer than `monitor_slow_after`.",
    },
    Alert {
        name: "DatabaseQueryTimeouts",
        severity: Severity::Warning,
        condition: Grown(&STATEMENT_TIMEOUTS, "1m", 10),
        lasting: None,
        anchor: "timeouts",
        summary: "Pool {{ $labels.pool }}: more than 10 statements ran into their limit within a minute",
        description: "Limits on time ended {{ printf \"%.0f\" $value }} statements in the last minute.",
    },
    Alert {
        name: "DatabaseConnectionLeak",
        severity: Severity::Warning,
        condition: Above(&CONNECTION_LEAKS, 0),
        lasting: None,
        anchor: "leaks",
        summary: "Pool {{ $labels.pool }}: a connection is held for longer than a lease should be",
        description: "Leases held for longer than `leak_after`: {{ printf \"%.0f\" $value }}. The log and \
                      `Database::snapshot` name the borrower.",
    },
    Alert {
        name: "DatabasePoolExhausted",
        severity: Severity::Info,
        condition: GrownAndOver(&EXHAUSTION_EVENTS, "10m", &EXHAUSTED),
        lasting: None,
        anchor: "exhaustion",
        summary: "Pool {{ $labels.pool }}: it was exhausted, and has recovered",
        description: "Callers were refused for lack of connections in the last 10 minutes. Now one can be had at once.",
    },
    Alert {
        name: "DatabaseSchemaInitialised",
        severity: Severity::Info,
        condition: Within(&MIGRATED_AT, 600),
        lasting: None,
        anchor: "schema",
        summary: "Pool {{ $labels.pool }}: the schema was brought up to date",
        description: "This program has applied migrations within the last 10 minutes.",
    },
    Alert {
        name: "DatabaseHealthCheckFailed",
        severity: Severity::Info,
        condition: Grown(&HEALTH_CHECK_FAILURES, "5m", 0),
        lasting: None,
        anchor: "health-check",
        summary: "Pool {{ $labels.pool }}: a health check of the database failed",
        description: "A health check failed within the last 5 minutes.",
    },
];
