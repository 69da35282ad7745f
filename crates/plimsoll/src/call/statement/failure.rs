//! A request that failed: which fault it is, and what has become of the work.

use super::executor::{Executor, Sent};
use super::typed::count_of;
use crate::driver_fault::{fault_of, is_unsendable};
use crate::error::{Error, Outcome, Phase, Result};
use crate::event::StopReason;
use crate::fault::Fault;
use crate::moment::Moment;
use crate::pooler_said::{Unforwarded, unforwarded};
use crate::rules::outcome::{Evidence, Scope, ServerAnswer};
use crate::said::{said_of, text_of};
use crate::sql::nature;
use crate::sql::nature::Nature;
use crate::timeout_said::is_statement_timeout;
use crate::wire::connect::Pooler;
use std::time::Duration;
use tokio_postgres::error::SqlState;

/// The server measures its limit with a clock of its own: this much earlier counts as its limit too.
const CLOCK_SLACK: Duration = Duration::from_millis(20);

/// Whether a standby has refused a BEGIN that asks for more than it can give: to write, which BEGIN states behind a pooler,
/// or to be serializable. It says so with the code of what is not supported, and not with 25006.
fn is_refused_by_a_standby(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED)
}

/// Whether the statement may not run in a transaction (VACUUM, CREATE INDEX CONCURRENTLY), or is a procedure that wanted
/// to commit within one.
fn needs_no_transaction(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|db| match db.code().code() {
        "25001" => db.routine() == Some("PreventInTransactionBlock"),
        code => code == "2D000",
    })
}

impl Executor<'_> {
    /// Maps a driver's error to ours: fault, outcome, and a sentence with the time that it took.
    #[cold]
    pub(crate) fn failed(
        &self,
        phase: Phase,
        error: tokio_postgres::Error,
        stopped: Option<StopReason>,
        sent: Sent,
    ) -> Error {
        let mut fault = fault_of(&error);
        if let Some((takes, given)) = count_of(&error) {
            return self.miscounted(takes, given).caused_by(error);
        }
        if fault == Fault::Driver
            && let Some(refused) = self.misplaced_copy(phase, &error, sent)
        {
            return refused.caused_by(error);
        }
        let elapsed = sent.began.elapsed();
        fault = self.judged(fault, phase, &error, stopped, sent);
        if fault == Fault::ReadOnlyServer {
            self.connection.refused_a_write();
        }
        if fault.evicts() {
            self.connection.link.doom();
        }
        let mut outcome = self.outcome_of(phase, fault, &error, sent);
        let is_lost = error.as_db_error().is_none() && fault == Fault::ConnectionLost;
        let text = match self.connection.link.ended() {
            Some(ended) if is_lost => {
                fault = ended.reason();
                // The server ended an idle session, so it never read what was sent last. But if several requests were
                // under way, another one may have been a COMMIT.
                let is_only_one = sent.scope != Scope::Unclear;
                if matches!(fault, Fault::TransactionTimeout | Fault::IdleSessionEnded) && is_only_one {
                    outcome = Outcome::RolledBack;
                }
                ended.text
            }
            _ => text_of(&error, |db| said_of(db, self.text)),
        };
        let why = stopped.map(|reason| format!(" and was stopped because {reason}")).unwrap_or_default();
        let advice = self.advice(fault, &error, stopped, sent.began);
        let blocked = self.blocked(fault, sent).map(|by| format!("; {by}")).unwrap_or_default();
        let sentence = format!(
            "{phase} of {} failed after {:.3} s{why}: {text}{advice}{blocked}",
            self.work,
            elapsed.as_secs_f64()
        );
        self.error(fault, phase, outcome, sentence).caused_by(error)
    }

    /// What to do, where the case is known more exactly than the fault.
    fn advice(
        &self,
        fault: Fault,
        error: &tokio_postgres::Error,
        stopped: Option<StopReason>,
        began: Moment,
    ) -> &'static str {
        let is_unforwarded = || error.as_db_error().and_then(unforwarded).is_some();
        match fault {
            _ if needs_no_transaction(error) && self.connection.is_pooled_by_transaction() => {
                "; behind a transaction pooler each statement runs in a transaction, and this one may run in none: send it \
                 to the server itself, past the pooler"
            }
            _ if needs_no_transaction(error) => {
                "; it may run in no transaction: send it alone, on the pool or a lease, and not in a text of several \
                 statements"
            }
            _ if self.sets_transaction_late(error) => {
                "; a query in BEGIN's message named the session, so say .isolation(..) where the transaction begins, or \
                 session_names = false"
            }
            Fault::StatementTimeout if self.own_limit(stopped, began).is_none() => {
                "; the limit is none of this pool: it was set in the session (SET, set_config), in a function, or for the \
                 role or the database"
            }
            Fault::Usage if is_unsendable(error) => "; nothing was sent",
            // The reason is in what the wire saw of the end.
            Fault::Usage if error.is_closed() => {
                "; ask for less at a time (fewer columns, a part of the value with substr), or raise max_message"
            }
            Fault::Usage => "; the work was declared read_only and wanted to write",
            Fault::TooManyConnections if is_unforwarded() => {
                "; the pooler's connections to the server were all lent for as long as it lets a client wait \
                 (default_pool_size, query_wait_timeout), and nothing was passed on to the server"
            }
            _ => "",
        }
    }

    /// The fault, by what is known beside the server's code: who cancelled, and what the work and the server are for.
    fn judged(
        &self,
        fault: Fault,
        phase: Phase,
        error: &tokio_postgres::Error,
        stopped: Option<StopReason>,
        sent: Sent,
    ) -> Fault {
        let is_demoted = phase == Phase::Begin && !self.is_read_only && is_refused_by_a_standby(error);
        match fault {
            Fault::CancelledByOther => self.who_cancelled(stopped, sent.began, error),
            // The work was declared read only; whether the server accepts writes is another question.
            Fault::ReadOnlyServer if self.is_read_only || self.connection.server.is_replica() => Fault::Usage,
            // The transaction that is in its way was begun here, and not by the caller.
            _ if needs_no_transaction(error) && self.connection.is_pooled_by_transaction() => Fault::Usage,
            _ if is_demoted && self.connection.server.is_replica() => Fault::Usage,
            _ if is_demoted => Fault::ReadOnlyServer,
            fault => fault,
        }
    }

    /// Who kept this statement waiting for a lock, if its time ran out and it was seen to wait.
    fn blocked(&self, fault: Fault, sent: Sent) -> Option<String> {
        let is_late = matches!(
            fault,
            Fault::LockTimeout | Fault::StatementTimeout | Fault::TransactionTimeout | Fault::DeadlinePassed
        );
        // Behind a pooler the process id is not the server's.
        if !is_late || self.connection.session.pooler != Pooler::None {
            return None;
        }
        self.connection.server.monitor.locks.lock().blocker_of(self.connection.pid(), sent.began)
    }

    /// Whether the statement was a SET TRANSACTION that the server refuses behind a query.
    fn sets_transaction_late(&self, error: &tokio_postgres::Error) -> bool {
        let is_set =
            |text: &str| text.trim_start().get(..4).is_some_and(|word| word.eq_ignore_ascii_case("set "));
        error.code() == Some(&SqlState::ACTIVE_SQL_TRANSACTION)
            && self.text.is_some_and(is_set)
            && self.connection.server.plan.session_names()
    }

    /// Passes an answer on, unless the server has said since the request was sent that a commit stands on it alone: it was
    /// to wait for a standby, and a cancel or a limit ended that wait. The server answers as if all were well, and a
    /// failover would make that untrue.
    #[inline]
    pub(super) fn unless_unreplicated<T>(&self, phase: Phase, sent: Sent, out: T) -> Result<T> {
        if self.is_unreplicated_since(sent) { Err(self.unreplicated(phase, sent)) } else { Ok(out) }
    }

    #[inline]
    fn is_unreplicated_since(&self, sent: Sent) -> bool {
        self.connection.link.state.is_unreplicated_since(sent.mark)
    }

    #[cold]
    fn unreplicated(&self, phase: Phase, sent: Sent) -> Error {
        let sentence = format!(
            "{phase} of {} is committed on this server, but its wait for a standby was given up after {:.3} s: it is lost \
             if a server takes over that does not have it",
            self.work,
            sent.began.elapsed().as_secs_f64()
        );
        self.error(Fault::NotReplicated, phase, Outcome::Unknown, sentence)
    }

    /// Finds out who cancelled a statement. SQLSTATE 57014 means the server's own limit as well as any client's cancel, so
    /// this looks at the limits and at our own cancels first. A limit that is none of ours (set by hand, for the role, in
    /// a function) can be told from a client's cancel by the server's text alone.
    fn who_cancelled(
        &self,
        stopped: Option<StopReason>,
        began: Moment,
        error: &tokio_postgres::Error,
    ) -> Fault {
        if let Some(fault) = self.own_limit(stopped, began) {
            return fault;
        }
        if error.as_db_error().is_some_and(is_statement_timeout) {
            return Fault::StatementTimeout;
        }
        // Our cancel was meant for another statement of this lease, which ended just then.
        let is_ours = self.connection.link.was_cancelled_since(began);
        if is_ours { Fault::CancelStrayed } else { Fault::CancelledByOther }
    }

    /// The fault of a statement that has run for as long as it may, by a limit of this pool; `None` if it has not.
    fn own_limit(&self, stopped: Option<StopReason>, began: Moment) -> Option<Fault> {
        if let Some(reason) = stopped {
            return Some(self.fault_of_stop(reason));
        }
        let (stop_at, reason) = self.stop_at(began);
        let soon = Moment::now() + CLOCK_SLACK;
        if soon >= stop_at {
            // The server knows the same limit, and was quicker than our own cancel.
            return Some(self.fault_of_stop(reason));
        }
        // One that is there for the deadline is rounded down.
        let known = self.server_limit.filter(|known| soon.since(began) >= known.limit);
        known.map(|known| self.fault_of_stop(known.reason))
    }

    fn outcome_of(&self, phase: Phase, fault: Fault, error: &tokio_postgres::Error, sent: Sent) -> Outcome {
        // The driver could not encode the parameters, so nothing was sent.
        if fault == Fault::Conversion && error.to_string().contains("parameter") || is_unsendable(error) {
            return sent.scope.untouched();
        }
        // A session that ends before anything was passed on takes nothing with it. If several requests were under way, it
        // may have been another one that was not passed on.
        let unforwarded = error.as_db_error().and_then(unforwarded);
        if matches!(unforwarded, Some(Unforwarded::Full | Unforwarded::NoServer))
            && sent.scope != Scope::Unclear
            && !self.connection.link.state.has_ended_since(sent.mark)
        {
            return sent.scope.untouched();
        }
        let nature = self.nature_since(sent);
        let answer = match error.as_db_error() {
            Some(_) if unforwarded == Some(Unforwarded::NameUnknown) => {
                ServerAnswer::Error { is_unsure: false, is_unrun: true }
            }
            // The session has ended with this error, whatever it says.
            Some(_) if self.connection.link.is_closed() => ServerAnswer::Fatal { is_undone: false },
            Some(db) => ServerAnswer::by(db, nature),
            None if matches!(fault, Fault::Conversion | Fault::RowCount) => ServerAnswer::Everything,
            None => ServerAnswer::Nothing,
        };
        match self.evidence(phase, answer, nature, sent).outcome() {
            Outcome::Committed if self.is_unreplicated_since(sent) => Outcome::Unknown,
            outcome => outcome,
        }
    }

    /// The outcome of a request that was sent and got no answer.
    pub(super) fn lost(&self, phase: Phase, sent: Sent) -> Outcome {
        self.evidence(phase, ServerAnswer::Nothing, self.nature_since(sent), sent).outcome()
    }

    fn evidence(&self, phase: Phase, answer: ServerAnswer, nature: Nature, sent: Sent) -> Evidence {
        let link = &self.connection.link;
        Evidence {
            phase,
            scope: sent.scope,
            nature,
            answer,
            has_ended: link.state.has_ended_since(sent.mark),
            is_idle: link.is_answered() && link.state.status().is_idle(),
        }
    }

    /// What this request, and everything else that was sent on the connection since, can do to transactions.
    fn nature_since(&self, sent: Sent) -> Nature {
        let link = &self.connection.link;
        let mut nature = link.state.nature_since(sent.mark);
        match self.text {
            // The text is certain. What else the wire has seen matters only if other requests were under way.
            Some(text) if sent.scope != Scope::Unclear => {
                let ends = nature.contains(Nature::ENDS);
                nature = nature::of_sql(text.as_bytes(), None);
                if ends {
                    nature |= Nature::ENDS;
                }
            }
            Some(text) => nature |= nature::of_sql(text.as_bytes(), None),
            None => {}
        }
        nature
    }

    /// An error of this executor. A connectivity fault makes what is known of the server's health out of date.
    #[cold]
    pub(super) fn error(&self, fault: Fault, phase: Phase, outcome: Outcome, sentence: String) -> Error {
        if fault.is_connectivity() {
            self.connection.server.breaker.is_news();
        }
        Error::new(fault, phase, outcome, sentence).at(self.connection.server.place.as_ref())
    }
}
