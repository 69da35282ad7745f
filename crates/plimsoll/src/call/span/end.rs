//! What a span is told when more is known: its server, and how it ended.

use crate::call::postgres::Connection;
use crate::error::{Error, Outcome};
use crate::settings::Address;
use tracing::{Span, field};

/// Tells it the server of this connection.
pub(super) fn tell_server(span: &Span, connection: &Connection) {
    let hosts = connection.server.plan.hosts();
    let Some(host) = hosts.get(connection.session.host) else { return };
    match (host.address(), host.socket_file()) {
        (_, Some(file)) => drop(span.record("server.address", field::display(file.display()))),
        (Address::Tcp(name), None) => {
            span.record("server.address", name.as_str());
            span.record("server.port", i64::from(host.port()));
        }
        (Address::Unix(_), None) => {}
    }
}

/// It ends with this outcome.
pub(super) fn close(span: &Span, outcome: &'static str) {
    span.record("plimsoll.outcome", outcome);
    // A layer that takes the last exit of a span for its end is told the end.
    span.in_scope(|| ());
}

/// It ends with this error.
pub(super) fn tell_failure(span: &Span, error: &Error) {
    let sqlstate = error.sqlstate().map(|code| code.code());
    if let Some(code) = sqlstate {
        span.record("db.response.status_code", code);
    }
    span.record("error.type", sqlstate.unwrap_or(error.code()));
    span.record("plimsoll.code", error.code());
    span.record("otel.status_code", "ERROR");
    // The cause that the table gives for the fault, and not the sentence, which may quote the server.
    span.record("otel.status_description", error.fault().advice().cause);
    close(span, outcome_of(error));
}

/// The outcome of work that failed, as the word of a label.
fn outcome_of(error: &Error) -> &'static str {
    match error.outcome() {
        Outcome::NotStarted => "not_started",
        Outcome::RolledBack => "rolled_back",
        Outcome::Committed => "committed",
        Outcome::Unknown => "unknown",
    }
}
