//! The options of a transaction, and its BEGIN: one message with everything that must hold inside it.

use crate::call::postgres::Connection;
use crate::deadline::Deadline;
use crate::wire::context::OWN_BEGIN;
use crate::wire::guardrails;
use crate::wire::guardrails::Guardrail;
use crate::wire::stated::Mode;
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

    /// The text of BEGIN and of the limits that hold until its end.
    ///
    /// On a direct connection the session carries its limits already, so only tighter limits are set. Behind a transaction
    /// pooler the session may have had another client before, so BEGIN states all limits, and every other setting that
    /// decides what is stored (see `wire::stated`).
    pub(crate) fn sql(
        &self,
        connection: &Connection,
        deadline: Option<Deadline>,
        limit: Option<Duration>,
    ) -> String {
        let limits = self.limits(connection, deadline, limit);
        let mut sql = String::with_capacity(160);
        if connection.is_pooled_by_transaction() {
            // The same settings each time. They also decide to which objects the names in a statement refer.
            let session = &connection.session;
            let mode = Mode {
                isolation: self.isolation.map(Isolation::sql),
                read_only: self.read_only,
                deferrable: self.deferrable,
            };
            sql.push_str(OWN_BEGIN);
            sql.push_str(&session.own.mode(mode));
            sql.push(';');
            sql.push_str(&session.own.statements(&limits, &session.local));
        } else {
            sql.push_str("BEGIN");
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
            sql.push_str(&guardrails::local_sets(&limits));
        }
        if self.with_id {
            sql.push(' ');
            sql.push_str(IDENTITY);
        }
        sql
    }

    /// The server's limit on each statement inside.
    pub(crate) fn statement_limit(
        &self,
        connection: &Connection,
        deadline: Option<Deadline>,
        limit: Option<Duration>,
    ) -> Option<Duration> {
        let plan = &connection.server.plan;
        let remaining = deadline.map(|deadline| {
            let remaining = deadline.remaining(Instant::now());
            remaining - plan.deadline_margin().min(remaining / 4)
        });
        [self.statement_timeout, remaining, limit, plan.statement_timeout()].into_iter().flatten().min()
    }

    fn limits(
        &self,
        connection: &Connection,
        deadline: Option<Deadline>,
        limit: Option<Duration>,
    ) -> Vec<Guardrail> {
        let session = connection.server.plan.statement_timeout();
        let wanted = self.statement_limit(connection, deadline, limit).map(millis);
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
