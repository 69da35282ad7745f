//! How a span begins: its name, and every attribute that it may come to have.

use crate::call::server::Server;
use crate::name::WorkName;
use crate::nested;
use crate::spans::TARGET;
use std::borrow::Cow;
use tracing::Span;
use tracing::field::Empty;

/// What is known when a span begins.
pub(super) struct Beginning<'a> {
    pub(super) work: &'a WorkName,
    pub(super) server: &'a Server,
    pub(super) operation: Option<&'static str>,
    pub(super) name: Name,
}

/// After what a span is named.
pub(super) enum Name {
    /// After the work, where that has a name, since it is all of the work.
    Work,
    /// After the operation, since it is a part of the work.
    Operation,
    /// After what goes on, since it is no operation of the server's.
    Of(&'static str),
}

impl Beginning<'_> {
    /// What a name was given for, if it was given for this.
    fn summary(&self) -> Option<&str> {
        self.work.name().filter(|_| matches!(self.name, Name::Work))
    }

    /// The name that is shown: the summary, else the operation and the database.
    fn shown(&self) -> Cow<'_, str> {
        let namespace = self.server.plan.dbname();
        match (&self.name, self.summary(), self.operation) {
            (Name::Of(name), ..) => Cow::Borrowed(name),
            (_, Some(summary), _) => Cow::Borrowed(summary),
            (_, None, Some(operation)) => Cow::Owned(format!("{operation} {namespace}")),
            (_, None, None) => Cow::Borrowed(namespace),
        }
    }
}

/// Makes a span with every attribute that it may come to have.
macro_rules! span {
    ($beginning:expr, $name:literal, $kind:literal $(, $parent:expr)?) => {{
        let beginning = $beginning;
        let site = beginning.work.site();
        let retries = Some(i64::from(nested::tries())).filter(|tries| *tries > 0);
        tracing::debug_span!(
            target: TARGET,
            $(parent: $parent,)?
            $name,
            otel.name = &*beginning.shown(),
            otel.kind = $kind,
            otel.status_code = Empty,
            otel.status_description = Empty,
            db.system.name = "postgresql",
            db.namespace = beginning.server.plan.dbname(),
            db.operation.name = beginning.operation,
            db.query.summary = beginning.summary(),
            db.query.text = Empty,
            db.response.returned_rows = Empty,
            db.response.status_code = Empty,
            error.type = Empty,
            server.address = Empty,
            server.port = Empty,
            code.file.path = site.file(),
            code.line.number = i64::from(site.line()),
            plimsoll.work = beginning.work.name(),
            plimsoll.wait_ms = Empty,
            plimsoll.affected_rows = Empty,
            plimsoll.code = Empty,
            plimsoll.outcome = Empty,
            plimsoll.retries = retries,
        )
    }};
}

impl Beginning<'_> {
    /// A statement, inside this span or where its caller is.
    pub(super) fn statement(&self, parent: Option<&Span>) -> Span {
        match parent {
            Some(parent) => span!(self, "statement", "client", parent),
            None => span!(self, "statement", "client"),
        }
    }

    /// A transaction.
    pub(super) fn transaction(&self) -> Span {
        span!(self, "transaction", "client")
    }

    /// A wait for a lease, which is no work of the server's.
    pub(super) fn acquire(&self) -> Span {
        span!(self, "acquire", "internal")
    }
}
