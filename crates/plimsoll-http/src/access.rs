//! The access log: one record for each request, with what its work on the database took.
//!
//! It names the matched route and never the path, since a path holds ids and a log of paths has as many kinds of lines as
//! there are devices. No header, no query and no body is in it.
//!
//! A record goes to `tracing` at the target `plimsoll::access`, which a subscriber writes as JSON or for people. A service that
//! answers many requests gives [`Options::access_log`](crate::Options::access_log) an [`AccessWriter`](crate::AccessWriter), which
//! costs less and makes no request wait, or something of its own: a record serialises itself, and its `Display` is one line for
//! a terminal.

use serde::{Serialize, Serializer};
use std::fmt;

/// Takes the record of each request. It must neither wait nor panic: it is called where requests end, also where they are dropped.
pub trait AccessLog: Send + Sync + 'static {
    /// A request is over.
    fn log(&self, record: &AccessRecord<'_>);
}

impl<F: Fn(&AccessRecord<'_>) + Send + Sync + 'static> AccessLog for F {
    fn log(&self, record: &AccessRecord<'_>) {
        self(record);
    }
}

/// A request that is over. Times are in milliseconds.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct AccessRecord<'a> {
    /// Its method.
    pub method: &'a str,
    /// The route that it matched, as the router has it, such as `/devices/{id}`; `-` if it matched none.
    pub route: &'a str,
    /// Who it is from, if that is known: see [`User`](crate::User).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    /// The status of its response; 499 if the client left before there was one.
    pub status: u16,
    /// How it ended.
    pub ended: Ended,
    /// The code of the problem that it was answered with, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'a str>,
    /// How long it took, its body included if that is a stream.
    #[serde(serialize_with = "in_thousandths")]
    pub ms: f64,
    /// The part in which the server worked on its statements. Statements that run side by side count each.
    #[serde(serialize_with = "in_thousandths")]
    pub sql_ms: f64,
    /// The part in which it waited for connections.
    #[serde(serialize_with = "in_thousandths")]
    pub wait_ms: f64,
    /// Statements.
    pub statements: u64,
    /// Rows that they gave or changed.
    pub rows: u64,
    /// How often work was tried again.
    pub retries: u64,
    /// The id of the request.
    pub request: &'a str,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ended {
    /// It was answered, whatever the answer was.
    Answered,
    /// The client went away, or its connection was ended, before it had its whole answer.
    ClientLeft,
    /// Its deadline passed.
    DeadlinePassed,
    /// Its answer broke off.
    Failed,
    /// Its handler panicked.
    Panicked,
}

impl Ended {
    /// As a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Ended::Answered => "answered",
            Ended::ClientLeft => "client_left",
            Ended::DeadlinePassed => "deadline_passed",
            Ended::Failed => "failed",
            Ended::Panicked => "panicked",
        }
    }
}

impl AccessRecord<'_> {
    /// Logs it to `tracing`.
    pub(crate) fn trace(&self) {
        let AccessRecord {
            method, route, user, status, ended, code, rows, statements, retries, request, ..
        } = *self;
        let [ms, sql_ms, wait_ms] = [self.ms, self.sql_ms, self.wait_ms].map(thousandths);
        let ended = ended.as_str();
        tracing::info!(
            target: "plimsoll::access",
            method, route, user, status, ended, code, ms, sql_ms, wait_ms, statements, rows, retries, request,
            "{method} {route} {status}"
        );
    }
}

impl fmt::Display for AccessRecord<'_> {
    /// One line for a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AccessRecord { method, route, status, ms, .. } = self;
        write!(f, "{status} {method:<6} {route} {ms:.1} ms")?;
        if self.statements > 0 {
            let AccessRecord { statements, rows, sql_ms, .. } = self;
            write!(f, ", {sql_ms:.1} ms in {statements} statement(s), {rows} row(s)")?;
        }
        if self.wait_ms >= 0.1 {
            write!(f, ", waited {:.1} ms for connections", self.wait_ms)?;
        }
        if self.retries > 0 {
            write!(f, ", {} retries", self.retries)?;
        }
        if self.ended != Ended::Answered {
            write!(f, ", {}", self.ended.as_str())?;
        }
        if let Some(code) = self.code {
            write!(f, ", {code}")?;
        }
        if let Some(user) = self.user {
            write!(f, ", user {user}")?;
        }
        write!(f, " [{}]", self.request)
    }
}

/// Microseconds are enough.
fn thousandths(ms: f64) -> f64 {
    (ms * 1000.0).round() / 1000.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn in_thousandths<S: Serializer>(ms: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(thousandths(*ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> AccessRecord<'static> {
        AccessRecord {
            method: "GET",
            route: "/devices/{id}",
            user: None,
            status: 200,
            ended: Ended::Answered,
            code: None,
            ms: 12.345_678,
            sql_ms: 0.0,
            wait_ms: 0.01,
            statements: 0,
            rows: 0,
            retries: 0,
            request: "req-7",
        }
    }

    #[test]
    fn a_line_for_people_says_what_there_is_to_say() {
        assert_eq!(record().to_string(), "200 GET    /devices/{id} 12.3 ms [req-7]");
        let busy = AccessRecord {
            status: 504,
            ended: Ended::DeadlinePassed,
            code: Some("PL-DEA-01"),
            statements: 2,
            rows: 9,
            sql_ms: 8.0,
            wait_ms: 3.0,
            retries: 1,
            user: Some("u-17"),
            ..record()
        };
        let said = "504 GET    /devices/{id} 12.3 ms, 8.0 ms in 2 statement(s), 9 row(s), waited 3.0 ms for \
                    connections, 1 retries, deadline_passed, PL-DEA-01, user u-17 [req-7]";
        assert_eq!(busy.to_string(), said);
    }

    #[test]
    fn a_line_for_programs_has_always_the_same_fields() {
        let said = r#"{"method":"GET","route":"/devices/{id}","status":200,"ended":"answered","ms":12.346,"sql_ms":0.0,"wait_ms":0.01,"statements":0,"rows":0,"retries":0,"request":"req-7"}"#;
        assert_eq!(serde_json::to_string(&record()).unwrap(), said);
    }
}
