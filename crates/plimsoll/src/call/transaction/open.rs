//! What is behind the handle of a transaction: the lease, the limits, and whether there is a transaction on the server.
//!
//! Two things must never happen. A statement that runs without its transaction, because BEGIN failed or a statement inside
//! has ended the transaction, would commit by itself. And a handle that outlives its closure would write into another
//! caller's transaction. So every statement asks here first, and shares the lease for as long as it runs; the end of the
//! transaction takes the lease out.

use super::levels::Levels;
use crate::call::connection::PooledConnection;
use crate::call::options::{ServerLimit, Start, TransactionOptions};
use crate::call::span::{SpanOf, WorkSpan};
use crate::call::statement::executor::{Executor, ScopeSource};
use crate::call::statement::stop::give_up;
use crate::deadline;
use crate::deadline::Deadline;
use crate::error::{Error, Outcome, Phase, Result};
use crate::fault::Fault;
use crate::name::WorkName;
use crate::request_totals::Timed;
use crate::rules::outcome::Scope;
use crate::sql::nature;
use crate::wire::marks::Mark;
use crate::wire::transaction_status::TransactionStatus;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::time::Instant;
use tokio_postgres::SimpleQueryMessage;

/// Shared by the handle and by what ends the transaction.
pub(crate) struct OpenTransaction {
    /// Taken out when the transaction ends. A statement that runs shares it.
    lease: Mutex<Option<Arc<PooledConnection>>>,
    pub(crate) work: WorkName,
    pub(crate) deadline: Option<Deadline>,
    is_own_limit: bool,
    /// The server's limit on each statement, as BEGIN has set it.
    server_limit: Option<ServerLimit>,
    is_read_only: bool,
    /// This program's own limits do not hold in it.
    is_without_limits: bool,
    /// The BEGIN that was not sent yet, because it travels with the first statement.
    pub(crate) unsent: Mutex<Option<String>>,
    /// The state of the wire when BEGIN succeeded, `None` if it failed; unset until BEGIN is answered.
    pub(crate) begun: OnceLock<Option<Mark>>,
    /// BEGIN failed, and the first statement, which was on its way behind it, ran by itself.
    pub(crate) has_strayed: AtomicBool,
    /// A text was sent that may end the transaction: its outcome is known only once that text was answered.
    pub(crate) may_have_ended: AtomicBool,
    /// The savepoints that are open, one inside the other.
    pub(crate) levels: Levels,
    pub(crate) xid: Mutex<Option<String>>,
    pub(crate) began: Instant,
    /// Ends with the transaction, however long its handles live.
    pub(crate) span: WorkSpan,
}

impl OpenTransaction {
    /// The lease, while the transaction is open.
    pub(crate) fn lease(&self) -> Result<Arc<PooledConnection>> {
        let Some(lease) = self.lease.lock().clone() else {
            return Err(Error::new(
                Fault::Usage,
                Phase::Statement,
                Outcome::NotStarted,
                format!("the transaction of {} has ended; its handle was used afterwards", self.work),
            ));
        };
        match self.why_not_open(&lease) {
            Some(why) => Err(self.not_open(why, Phase::Statement, Outcome::NotStarted)),
            None => Ok(lease),
        }
    }

    /// The transaction status and the command tag of the server's last answer.
    pub(crate) fn last_answer(&self) -> (TransactionStatus, String) {
        match self.lease.lock().as_ref() {
            Some(lease) => (lease.inner().link.state.status(), lease.inner().link.state.last_tag()),
            None => (TransactionStatus::Idle, String::new()),
        }
    }

    /// Why there is no transaction on the server, if there is none: a statement that is sent now would commit by itself.
    pub(crate) fn why_not_open(&self, lease: &PooledConnection) -> Option<NotOpen> {
        let link = &lease.inner().link;
        let begun = self.begun.get();
        // A command tag showed its end. Another transaction may have begun since, so the status proves nothing.
        if matches!(begun, Some(Some(mark)) if link.state.has_ended_since(*mark)) {
            return Some(NotOpen::EndedFromWithin);
        }
        if !link.state.status().is_idle() || link.is_closed() || self.unsent.lock().is_some() {
            return None;
        }
        // The server confirmed the transaction and now reports none, whatever else is on its way.
        match begun {
            Some(Some(_)) => Some(NotOpen::EndedFromWithin),
            Some(None) => Some(NotOpen::NeverBegun),
            // Its BEGIN may still be on its way.
            None => link.is_quiet().then_some(NotOpen::NeverBegun),
        }
    }

    /// The outcome of the transaction if we do not commit it.
    pub(crate) fn undone(&self, lease: &PooledConnection) -> Outcome {
        let link = &lease.inner().link;
        let may_have_ended = self.may_have_ended.load(Ordering::Acquire);
        let is_answered = link.is_answered() && !link.is_abandoned() && !link.is_closed();
        match self.why_not_open(lease) {
            Some(NotOpen::EndedFromWithin) => Outcome::Unknown,
            _ if may_have_ended && !is_answered => Outcome::Unknown,
            _ => self.strayed_or(Outcome::RolledBack),
        }
    }

    /// The same when another task has the connection.
    pub(crate) fn undone_unseen(&self) -> Outcome {
        match self.may_have_ended.load(Ordering::Acquire) {
            true => Outcome::Unknown,
            false => self.strayed_or(Outcome::RolledBack),
        }
    }

    fn strayed_or(&self, outcome: Outcome) -> Outcome {
        if self.has_strayed.load(Ordering::Acquire) { Outcome::Unknown } else { outcome }
    }

    pub(crate) fn not_open(&self, why: NotOpen, phase: Phase, outcome: Outcome) -> Error {
        let work = &self.work;
        let sentence = match why {
            NotOpen::NeverBegun => {
                format!("the transaction of {work} could not be begun, and the error was passed over")
            }
            NotOpen::EndedFromWithin => format!(
                "the transaction of {work} was ended by a statement of its own; leave COMMIT and ROLLBACK to \
                 the code that opened it"
            ),
        };
        Error::new(Fault::TransactionState, phase, outcome, sentence)
    }

    pub(crate) fn executor<'a>(&'a self, lease: &'a PooledConnection) -> Executor<'a> {
        let deadline = Deadline::earliest([self.deadline, deadline::current()]);
        let scope = match self.may_have_ended.load(Ordering::Acquire) {
            true => Scope::Unclear,
            false => Scope::InTransaction,
        };
        Executor {
            work: &self.work,
            deadline,
            confirm_by: if self.levels.has_open() { self.deadline } else { deadline },
            scope: ScopeSource::Known(scope),
            is_transaction_limit: self.is_own_limit && deadline == self.deadline,
            server_limit: self.server_limit,
            is_read_only: self.is_read_only,
            limit: lease.executor().limit.filter(|_| !self.is_without_limits),
            span: SpanOf::Transaction(&self.span),
            ..lease.executor()
        }
    }

    /// A text that may end the transaction is about to be sent.
    #[inline]
    pub(crate) fn note_ending(&self, sql: &str) {
        if nature::may_end(sql) {
            self.may_have_ended.store(true, Ordering::Release);
        }
    }

    /// Takes the lease out, once. `None` if another task still has a statement under way: that is stopped, and that task
    /// gives the lease back.
    pub(crate) fn take(&self) -> Option<PooledConnection> {
        let shared = self.lease.lock().take()?;
        match Arc::try_unwrap(shared) {
            Ok(lease) => Some(lease),
            Err(shared) => {
                give_up(shared.inner(), &self.work, false, None);
                None
            }
        }
    }

    /// Sends the BEGIN that was held back, if it was.
    pub(crate) async fn send_begin(&self, executor: &Executor<'_>) -> Result<()> {
        let unsent = self.unsent.lock().take();
        match unsent {
            Some(begin) => self.send(executor, &begin).await.map(drop),
            None => Ok(()),
        }
    }

    pub(crate) async fn send(&self, executor: &Executor<'_>, begin: &str) -> Result<Option<String>> {
        let id = send_begin(executor, begin).await;
        // BEGIN is sent once.
        let link = &executor.connection.link;
        let _ = self.begun.set(id.is_ok().then(|| link.state.mark()));
        if id.is_ok() {
            // The caller knows of this transaction.
            link.note_told_status();
        }
        id
    }
}

/// Why there is no transaction behind a handle.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotOpen {
    /// Its BEGIN failed or was abandoned.
    NeverBegun,
    /// A statement inside was its COMMIT or ROLLBACK.
    EndedFromWithin,
}

async fn send_begin(executor: &Executor<'_>, begin: &str) -> Result<Option<String>> {
    let alone = executor.at(Scope::Autocommit);
    let _timed = Timed::begin();
    let messages = alone
        .run(Phase::Begin, executor.connection.client.simple_query(begin))
        .await
        .map_err(|error| error.with_outcome(Outcome::NotStarted))?;
    // The id is asked for last.
    Ok(messages.iter().rev().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.try_get(0).ok().flatten().map(str::to_owned),
        _ => None,
    }))
}

/// Opens a transaction on a lease.
pub(crate) async fn open(
    lease: PooledConnection,
    begin: TransactionOptions,
    span: WorkSpan,
) -> Result<Arc<OpenTransaction>> {
    let now = Instant::now();
    let own = lease.inner().server.plan.transaction_timeout().filter(|_| !begin.is_without_limits);
    let own = own.and_then(|limit| now.checked_add(limit));
    let scope = Deadline::earliest([lease.deadline(), deadline::current()]);
    let own = own.map(Deadline::at);
    let is_own_limit = own.is_some_and(|own| scope.is_none_or(|scope| own < scope));
    let deadline = if is_own_limit { own } else { scope };
    let work = lease.work().clone();
    let start = Start { connection: lease.inner(), work: &work, deadline, limit: None, is_of_one: false };
    let sql = begin.sql(start);
    let core = OpenTransaction {
        lease: Mutex::new(None),
        work,
        deadline,
        is_own_limit,
        // Work without limits lifts the server's limit, or sets another.
        server_limit: match begin.is_without_limits {
            true => begin.statement_timeout.map(ServerLimit::own),
            false => begin.statement_limit(lease.inner(), deadline, None),
        },
        is_read_only: begin.read_only,
        is_without_limits: begin.is_without_limits,
        unsent: Mutex::new(None),
        begun: OnceLock::new(),
        has_strayed: AtomicBool::new(false),
        may_have_ended: AtomicBool::new(false),
        levels: Levels::default(),
        xid: Mutex::new(None),
        began: now,
        span,
    };
    if begin.read_only {
        *core.unsent.lock() = Some(sql);
    } else {
        let begun = core.send(&core.executor(&lease), &sql).await;
        let xid = begun.inspect_err(|error| core.span.failed(error))?;
        *core.xid.lock() = xid.filter(|_| begin.with_id);
    }
    *core.lease.lock() = Some(Arc::new(lease));
    Ok(Arc::new(core))
}

/// Ends the transaction when its closure was dropped or panicked: the lease goes back, and is rolled back there.
pub(crate) struct RollbackOnDrop(pub(crate) Arc<OpenTransaction>);

impl Drop for RollbackOnDrop {
    fn drop(&mut self) {
        drop(self.0.take());
        self.0.span.dropped();
    }
}
