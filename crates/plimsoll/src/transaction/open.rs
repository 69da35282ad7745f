//! What is behind the handle of a transaction: the lease, what bounds it, and whether there is a transaction at all.
//!
//! Two things must never happen: a statement that runs without its transaction, because BEGIN had failed or had
//! already been undone by a statement inside, would commit by itself; and a handle that outlives its closure would
//! write into a stranger's transaction. So every statement asks here first, and gets a share in the lease for as long
//! as it runs; the end of the transaction takes the lease out.

use super::levels::Levels;
use crate::begin::Begin;
use crate::connection::PooledConnection;
use crate::deadline::{self, Deadline};
use crate::error::{Error, Outcome, Phase, Result};
use crate::fault::Fault;
use crate::guard::request::give_up;
use crate::guard::{Guard, Whereabouts};
use crate::name::WorkName;
use crate::outcome::Place;
use crate::sql::nature;
use crate::wire::seen::Mark;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::SimpleQueryMessage;

/// What the handle and whoever ends the transaction share.
pub(super) struct Core {
    /// Taken out when the transaction ends. A statement in flight has a share in it.
    lease: Mutex<Option<Arc<PooledConnection>>>,
    pub(super) work: WorkName,
    pub(super) deadline: Option<Deadline>,
    is_own_limit: bool,
    /// The server's limit on each statement, as BEGIN stamped it.
    server_limit: Option<Duration>,
    is_read_only: bool,
    /// This program's own limits do not hold in it.
    takes_its_time: bool,
    /// The BEGIN that has not been sent yet: it travels with the first statement.
    pub(super) unsent: Mutex<Option<String>>,
    /// How things stood on the wire when the server said yes to BEGIN, and none if it said no; nothing before it was sent,
    /// or while its answer is awaited.
    pub(super) begun: OnceLock<Option<Mark>>,
    /// It said no, and the first statement, which was on its way behind it, ran by itself.
    pub(super) has_strayed: AtomicBool,
    /// A text was sent that may end the transaction: what became of it is known only once that was answered.
    pub(super) may_have_ended: AtomicBool,
    /// The savepoints that are open, one inside the other.
    pub(super) levels: Levels,
    pub(super) xid: Mutex<Option<String>>,
    pub(super) began: Instant,
}

impl Core {
    /// The lease, while the transaction is open.
    pub(super) fn lease(&self) -> Result<Arc<PooledConnection>> {
        let Some(lease) = self.lease.lock().clone() else {
            return Err(Error::new(
                Fault::Usage,
                Phase::Statement,
                Outcome::NotStarted,
                format!("the transaction of {} has ended; its handle was used afterwards", self.work),
            ));
        };
        match self.adrift(&lease) {
            Some(adrift) => Err(self.not_open(adrift, Phase::Statement, Outcome::NotStarted)),
            None => Ok(lease),
        }
    }

    /// The status byte and the command tag of the server's last answer.
    pub(super) fn last_answer(&self) -> (u8, String) {
        match self.lease.lock().as_ref() {
            Some(lease) => (lease.inner().link.seen.status(), lease.inner().link.seen.last_tag()),
            None => (b'I', String::new()),
        }
    }

    /// Why there is no transaction on the server, if there is none: what was sent now would commit by itself.
    pub(super) fn adrift(&self, lease: &PooledConnection) -> Option<Adrift> {
        let link = &lease.inner().link;
        let begun = self.begun.get();
        // A command tag has said so. Another may have been begun behind it, so the status says nothing.
        if matches!(begun, Some(Some(mark)) if link.seen.has_ended_since(*mark)) {
            return Some(Adrift::EndedFromWithin);
        }
        if link.seen.status() != b'I' || link.is_closed() || self.unsent.lock().is_some() {
            return None;
        }
        // The server has said that there was one, and now says that there is none: whatever else is on its way.
        match begun {
            Some(Some(_)) => Some(Adrift::EndedFromWithin),
            Some(None) => Some(Adrift::NeverBegun),
            // Its BEGIN may still be on its way.
            None => link.is_quiet().then_some(Adrift::NeverBegun),
        }
    }

    /// What becomes of a transaction that is not committed by us.
    pub(super) fn undone(&self, lease: &PooledConnection) -> Outcome {
        let link = &lease.inner().link;
        let may_have_ended = self.may_have_ended.load(Ordering::Acquire);
        let is_answered = link.is_answered() && !link.is_abandoned() && !link.is_closed();
        match self.adrift(lease) {
            Some(Adrift::EndedFromWithin) => Outcome::Unknown,
            _ if may_have_ended && !is_answered => Outcome::Unknown,
            _ => self.strayed_or(Outcome::RolledBack),
        }
    }

    /// The same where its connection is in other hands.
    pub(super) fn undone_unseen(&self) -> Outcome {
        match self.may_have_ended.load(Ordering::Acquire) {
            true => Outcome::Unknown,
            false => self.strayed_or(Outcome::RolledBack),
        }
    }

    fn strayed_or(&self, outcome: Outcome) -> Outcome {
        if self.has_strayed.load(Ordering::Acquire) { Outcome::Unknown } else { outcome }
    }

    pub(super) fn not_open(&self, adrift: Adrift, phase: Phase, outcome: Outcome) -> Error {
        let work = &self.work;
        let sentence = match adrift {
            Adrift::NeverBegun => {
                format!("the transaction of {work} could not be begun, and the error was passed over")
            }
            Adrift::EndedFromWithin => format!(
                "the transaction of {work} was ended by a statement of its own; leave COMMIT and ROLLBACK to whoever \
                 opened it"
            ),
        };
        Error::new(Fault::TransactionState, phase, outcome, sentence)
    }

    pub(super) fn guard<'a>(&'a self, lease: &'a PooledConnection) -> Guard<'a> {
        let deadline = match (self.deadline, deadline::current()) {
            (Some(own), current) => Some(own.or_earlier(current)),
            (None, current) => current,
        };
        let place = match self.may_have_ended.load(Ordering::Acquire) {
            true => Place::Unclear,
            false => Place::Inside,
        };
        Guard {
            work: &self.work,
            deadline,
            place: Whereabouts::Known(place),
            is_transaction_limit: self.is_own_limit && deadline == self.deadline,
            server_limit: self.server_limit,
            is_read_only: self.is_read_only,
            limit: lease.guard().limit.filter(|_| !self.takes_its_time),
            ..lease.guard()
        }
    }

    /// A text that may end the transaction is about to be sent.
    #[inline]
    pub(super) fn note_ending(&self, sql: &str) {
        if nature::may_end(sql) {
            self.may_have_ended.store(true, Ordering::Release);
        }
    }

    /// Takes the lease out, once. `None` when another task still has a statement under way: that is stopped, and
    /// whoever waits for it gives the lease back.
    pub(super) fn take(&self) -> Option<PooledConnection> {
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
    pub(super) async fn send_begin(&self, guard: &Guard<'_>) -> Result<()> {
        let unsent = self.unsent.lock().take();
        match unsent {
            Some(begin) => self.send(guard, &begin).await.map(drop),
            None => Ok(()),
        }
    }

    pub(super) async fn send(&self, guard: &Guard<'_>, begin: &str) -> Result<Option<String>> {
        let id = send_begin(guard, begin).await;
        // BEGIN is sent once.
        let link = &guard.connection.link;
        let _ = self.begun.set(id.is_ok().then(|| link.seen.mark()));
        if id.is_ok() {
            // This transaction has an owner.
            link.told();
        }
        id
    }
}

/// Why a handle has no transaction behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Adrift {
    /// Its BEGIN failed, or was given up.
    NeverBegun,
    /// A statement inside was its COMMIT or ROLLBACK.
    EndedFromWithin,
}

async fn send_begin(guard: &Guard<'_>, begin: &str) -> Result<Option<String>> {
    let alone = guard.at(Place::Alone);
    let messages = alone
        .run(Phase::Begin, guard.connection.client.simple_query(begin))
        .await
        .map_err(|error| error.with_outcome(Outcome::NotStarted))?;
    // The id is asked for last.
    Ok(messages.iter().rev().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.try_get(0).ok().flatten().map(str::to_owned),
        _ => None,
    }))
}

/// Opens a transaction on a lease.
pub(super) async fn open(lease: PooledConnection, begin: Begin) -> Result<Arc<Core>> {
    let now = Instant::now();
    let own = lease.inner().shared.plan.transaction_timeout().filter(|_| !begin.takes_its_time);
    let own = own.and_then(|limit| now.checked_add(limit));
    let scope = match (lease.deadline(), deadline::current()) {
        (Some(lease), current) => Some(lease.or_earlier(current)),
        (None, current) => current,
    };
    let own = own.map(Deadline::at);
    let is_own_limit = own.is_some_and(|own| scope.is_none_or(|scope| own < scope));
    let deadline = if is_own_limit { own } else { scope };
    let work = lease.work().clone();
    let sql = begin.sql(lease.inner(), deadline, None);
    let core = Core {
        lease: Mutex::new(None),
        work,
        deadline,
        is_own_limit,
        // Who takes his time lifts the server's limit, or says another.
        server_limit: match begin.takes_its_time {
            true => begin.statement_timeout,
            false => begin.statement_limit(lease.inner(), deadline, None),
        },
        is_read_only: begin.read_only,
        takes_its_time: begin.takes_its_time,
        unsent: Mutex::new(None),
        begun: OnceLock::new(),
        has_strayed: AtomicBool::new(false),
        may_have_ended: AtomicBool::new(false),
        levels: Levels::default(),
        xid: Mutex::new(None),
        began: now,
    };
    if begin.read_only {
        *core.unsent.lock() = Some(sql);
    } else {
        let xid = core.send(&core.guard(&lease), &sql).await?;
        *core.xid.lock() = xid.filter(|_| begin.with_id);
    }
    *core.lease.lock() = Some(Arc::new(lease));
    Ok(Arc::new(core))
}

/// Ends the transaction when its closure was dropped or panicked: the lease goes back, and is rolled back there.
pub(super) struct Ending(pub(super) Arc<Core>);

impl Drop for Ending {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}
