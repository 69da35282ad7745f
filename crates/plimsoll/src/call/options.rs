//! The options of a transaction, and its BEGIN: one message with everything that must hold inside it.

use crate::call::postgres::Connection;
use crate::deadline::Deadline;
use crate::event::StopReason;
use crate::name::WorkName;
use crate::request_id;
use crate::request_id::RequestId;
use crate::session_name;
use crate::wire::context::OWN_BEGIN;
use crate::wire::guardrails::Guardrail;
use crate::wire::stated::Mode;
use crate::wire::varying::{Way, rounded};
use std::time::Duration;
use tokio::time::Instant;

/// The id of the transaction and its server's timeline, as one text: asked in BEGIN, and used to
/// find out later how a lost COMMIT ended.
pub(crate) const IDENTITY: &str = "SELECT pg_catalog.pg_current_xact_id()::text || ' ' || \
                                   pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8)";

/// How far a transaction is isolated from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Isolation {
    /// Each statement sees what was committed before it began.
    ReadCommitted,
    /// Every statement sees what was committed before the first began.
    RepeatableRead,
    /// As if the transactions had run one after the other.
    Serializable,
}

impl Isolation {
    fn sql(self) -> &'static str {
        match self {
            Isolation::ReadCommitted => "READ COMMITTED",
            Isolation::RepeatableRead => "REPEATABLE READ",
            Isolation::Serializable => "SERIALIZABLE",
        }
    }
}

/// The options of a transaction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TransactionOptions {
    pub(crate) isolation: Option<Isolation>,
    pub(crate) read_only: bool,
    pub(crate) deferrable: bool,
    /// Ask for the transaction's id, so that a lost COMMIT can be resolved.
    pub(crate) with_id: bool,
    /// The server's limit on each statement, below the session's.
    pub(crate) statement_timeout: Option<Duration>,
    /// The server's limit on each lock wait.
    pub(crate) lock_timeout: Option<Duration>,
    /// This program's own limits on statements and transactions do not hold in it. A deadline does.
    pub(crate) is_without_limits: bool,
}

impl TransactionOptions {
    /// Whether no option is set, so that a bare statement does the same.
    pub(crate) fn is_plain(&self) -> bool {
        let TransactionOptions {
            isolation,
            read_only,
            deferrable,
            with_id,
            statement_timeout,
            lock_timeout,
            is_without_limits,
        } = self;
        isolation.is_none()
            && !read_only
            && !deferrable
            && !with_id
            && statement_timeout.is_none()
            && lock_timeout.is_none()
            && !is_without_limits
    }

    /// The text of BEGIN, and of the limits and the name that hold until its end.
    ///
    /// On a direct connection the session carries its limits already, so only tighter limits are set. Behind a transaction
    /// pooler the session may have had another client before, so BEGIN states all limits, and every other setting that
    /// decides what is stored (see `wire::stated`). That the wire knows by its beginning that the text is this crate's own
    /// keeps it from being read, name and all.
    pub(crate) fn sql(&self, start: Start<'_>) -> String {
        let Start { connection, .. } = start;
        let session = &connection.session;
        let (usual, varying): (Vec<_>, Vec<_>) =
            self.limits(start).into_iter().partition(|limit| session.local.contains(limit));
        let mut sql = String::with_capacity(256);
        sql.push_str(OWN_BEGIN);
        if connection.is_pooled_by_transaction() {
            // The same settings each time. They also decide to which objects the names in a statement refer.
            let mode = Mode {
                isolation: self.isolation.map(Isolation::sql),
                read_only: self.read_only,
                deferrable: self.deferrable,
            };
            sql.push_str(&session.own.mode(mode));
            sql.push(';');
            sql.push_str(&session.own.statements(&usual));
        } else {
            if let Some(isolation) = self.isolation {
                sql.push_str(" ISOLATION LEVEL ");
                sql.push_str(isolation.sql());
            }
            if self.read_only {
                sql.push_str(" READ ONLY");
            }
            if self.deferrable {
                sql.push_str(" DEFERRABLE");
            }
            sql.push(';');
        }
        self.put_varying(&mut sql, start, &varying);
        if self.with_id {
            sql.push(' ');
            sql.push_str(IDENTITY);
        }
        sql
    }

    /// Adds what differs from transaction to transaction.
    fn put_varying(&self, sql: &mut String, start: Start<'_>, limits: &[Guardrail]) {
        let way = Way::of(start.connection.session.version, self.keeps_its_snapshot(start.connection));
        let name = start.name(!limits.is_empty()).filter(|_| way.takes_any());
        let limits: Vec<_> = limits.iter().map(|limit| (limit.name, limit.millis.to_string())).collect();
        let limits = limits.iter().map(|(name, millis)| (*name, millis.as_str()));
        way.put(sql, limits.chain(name.as_deref().map(|name| ("application_name", name))));
    }

    /// Whether the first snapshot serves the whole transaction.
    fn keeps_its_snapshot(&self, connection: &Connection) -> bool {
        match self.isolation {
            Some(isolation) => isolation != Isolation::ReadCommitted,
            // The borrower may have changed the session's isolation.
            None => !connection.session.read_committed || !connection.link.state.residue().is_none(),
        }
    }

    /// The server's limit on each statement inside. One that is there for the deadline is rounded down, so that few values
    /// exist.
    pub(crate) fn statement_limit(
        &self,
        connection: &Connection,
        deadline: Option<Deadline>,
        limit: Option<Duration>,
    ) -> Option<ServerLimit> {
        let plan = &connection.server.plan;
        let own = [self.statement_timeout, limit, plan.statement_timeout()].into_iter().flatten().min();
        let own = own.map(ServerLimit::own);
        let by_deadline = deadline.map(|deadline| {
            let remaining = deadline.remaining(Instant::now());
            let limit = rounded(remaining - plan.deadline_margin().min(remaining / 4));
            ServerLimit { limit, reason: StopReason::Deadline }
        });
        [own, by_deadline].into_iter().flatten().min_by_key(|limit| limit.limit)
    }

    fn limits(&self, start: Start<'_>) -> Vec<Guardrail> {
        let Start { connection, deadline, limit, .. } = start;
        let session = connection.server.plan.statement_timeout();
        let wanted = self.statement_limit(connection, deadline, limit).map(|limit| millis(limit.limit));
        let lock = self.lock_timeout.map(millis);
        if connection.is_pooled_by_transaction() {
            let mut limits = connection.session.local.clone();
            set(&mut limits, "statement_timeout", wanted);
            set(&mut limits, "lock_timeout", lock);
            return limits;
        }
        let is_tighter = |wanted: &u64| session.map(millis).is_none_or(|session| *wanted < session);
        let mut limits = Vec::new();
        set(&mut limits, "statement_timeout", wanted.filter(is_tighter));
        set(&mut limits, "lock_timeout", lock);
        limits
    }
}

/// For whom and where a transaction begins.
#[derive(Clone, Copy)]
pub(crate) struct Start<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) work: &'a WorkName,
    pub(crate) deadline: Option<Deadline>,
    /// The limit on each statement.
    pub(crate) limit: Option<Duration>,
    /// It has one statement. That is named only where a limit is told in the same way: what such a transaction does is
    /// seen from its statement, and it never stays open while its program does something else.
    pub(crate) is_of_one: bool,
}

impl Start<'_> {
    /// The name that the session has meanwhile; `has_others` if other settings are set in the same way.
    fn name(&self, has_others: bool) -> Option<String> {
        let plan = &self.connection.server.plan;
        if !plan.session_names() || (self.is_of_one && !has_others) {
            return None;
        }
        let request = request_id::current();
        let request = request.as_ref().map(RequestId::as_str);
        Some(session_name::compose(plan.application_name(), request, &self.work.in_ascii()))
    }
}

/// The server's limit on one statement, and what it is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServerLimit {
    pub(crate) limit: Duration,
    pub(crate) reason: StopReason,
}

impl ServerLimit {
    /// A limit on statements.
    pub(crate) fn own(limit: Duration) -> Self {
        ServerLimit { limit, reason: StopReason::Limit }
    }
}

fn millis(limit: Duration) -> u64 {
    u64::try_from(limit.as_millis()).unwrap_or(u64::MAX).max(1)
}

fn set(limits: &mut Vec<Guardrail>, name: &'static str, millis: Option<u64>) {
    let Some(millis) = millis else { return };
    match limits.iter_mut().find(|limit| limit.name == name) {
        Some(limit) => limit.millis = millis,
        None => limits.push(Guardrail { name, millis }),
    }
}
