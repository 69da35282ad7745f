//! Runs work again when that is certain to be safe.
//!
//! Only temporary faults are tried again, and only if nothing of the previous try remains: it was certainly rolled back or
//! never began. The one exception is a statement whose author declared that twice is the same as once
//! ([`Idempotent`](crate::Idempotent)): that one runs again after a lost answer too.
//!
//! *One layer.* A retry inside a retry multiplies: five times five tries for one request, and the budget counts them all as
//! ordinary. So work that runs here is marked, and a retry inside it runs once: the outer one, which can undo everything,
//! tries again.
//!
//! *Nothing is hidden.* The error says how often the work was tried and why no more. A later try may fail with another
//! fault (a breaker that has opened meanwhile), which would mislead the reader, so the error also says how the first try
//! failed. And an answer that was lost once stays lost: if any try may have happened, the outcome of the whole is unknown,
//! unless the last try has certainly happened.
//!
//! The decisions are pure and lie in `rules::budget` and `rules::backoff`; this file is the loop around them.

pub use crate::rules::budget::RetryStatus;

use crate::deadline;
use crate::error::{Error, Outcome, Phase, Result};
use crate::event::Event;
use crate::events::Events;
use crate::fault::Fault;
use crate::name::WorkName;
use crate::nested;
use crate::request_id;
use crate::request_totals::RequestCounters;
use crate::rules::budget::RetryBudget;
use crate::rules::{backoff, budget};
use crate::settings::Plan;
use parking_lot::Mutex;
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What may run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryWhen {
    /// Work that was certainly rolled back or never began.
    RolledBack,
    /// Also work that may have happened, since twice is the same as once.
    Twice,
    /// Only work of which nothing has run: what was known of the statement was out of date, or its server only reads.
    Unrun,
}

/// When work is tried again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) when: RetryWhen,
    /// Also after a lock timeout. Such work has held a connection for all of `lock_timeout` already and would do so again,
    /// so only callers that ask for it get it.
    pub(crate) lock_timeouts: bool,
}

impl Policy {
    fn allows(self, error: &Error) -> bool {
        (self.lock_timeouts || error.fault() != Fault::LockTimeout) && self.when.allows(error)
    }
}

impl RetryWhen {
    fn allows(self, error: &Error) -> bool {
        // A caller that got no connection has waited for as long as it may; waiting again would not help.
        let waited_already = error.phase() == Phase::Acquire;
        let lost_answer = error.outcome() == Outcome::Unknown && error.fault().is_connectivity();
        if self == RetryWhen::Unrun {
            let is_unrun = matches!(error.fault(), Fault::StalePlan | Fault::ReadOnlyServer);
            return is_unrun && !waited_already && error.may_run_again();
        }
        !waited_already && (error.may_run_again() || self == RetryWhen::Twice && lost_answer)
    }
}

/// Retries of all the work of one [`Database`](crate::Database).
pub(crate) struct Retries {
    budget: Mutex<RetryBudget>,
    margin: Duration,
    events: Events,
}

impl Retries {
    pub(crate) fn new(plan: &Plan, events: Events) -> Self {
        let budget = RetryBudget::new(plan.retry_share(), plan.retry_floor(), Instant::now());
        Retries { budget: Mutex::new(budget), margin: plan.deadline_margin(), events }
    }

    pub(crate) fn status(&self) -> RetryStatus {
        self.budget.lock().status(Instant::now())
    }

    /// The same, unless the budget is locked for longer than this.
    pub(crate) fn status_within(&self, limit: Duration) -> Option<RetryStatus> {
        self.budget.try_lock_for(limit).map(|mut budget| budget.status(Instant::now()))
    }

    /// Does something while the budget is locked.
    #[cfg(test)]
    pub(crate) fn while_locked(&self, what: impl FnOnce()) {
        let _locked = self.budget.lock();
        what();
    }

    /// Runs work until it succeeds, or may not or need not run again.
    pub(crate) async fn run<T, Fut: Future<Output = Result<T>>>(
        &self,
        name: &WorkName,
        policy: Policy,
        work: impl Fn() -> Fut,
    ) -> Result<T> {
        if nested::is_inside() {
            return work().await.map_err(|error| once_only(error, policy));
        }
        self.budget.lock().note_call(Instant::now());
        match nested::inside(work()).await {
            Ok(value) => Ok(value),
            Err(error) => self.go_on(name, policy, error, work).await,
        }
    }

    /// Runs a bare statement again of whose first try nothing has run: it had been prepared for an object that is gone, or
    /// its server only reads.
    pub(crate) async fn renew<T, Fut: Future<Output = Result<T>>>(
        &self,
        name: &WorkName,
        error: Error,
        work: impl Fn() -> Fut,
    ) -> Result<T> {
        if nested::is_inside() {
            return Err(error);
        }
        self.budget.lock().note_call(Instant::now());
        self.go_on(name, Policy { when: RetryWhen::Unrun, lock_timeouts: false }, error, work).await
    }

    /// After a try that failed.
    async fn go_on<T, Fut: Future<Output = Result<T>>>(
        &self,
        name: &WorkName,
        policy: Policy,
        mut error: Error,
        work: impl Fn() -> Fut,
    ) -> Result<T> {
        let mut tries = Tries::default();
        loop {
            tries.count(&error);
            let pause = backoff::pause(tries.made, fastrand::f64());
            if let Err(reason) = self.another(&tries, policy, &error, pause) {
                if let Stop::Spent(_) = reason {
                    self.tell(name, &error, tries.made, false);
                }
                return Err(tries.conclude(error, &reason));
            }
            self.tell(name, &error, tries.made, true);
            tries.keep(error);
            sleep(pause).await;
            error = match nested::inside(work()).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
        }
    }

    /// Whether there is another try after this error. The budget is asked last, so that nothing is taken from it in vain.
    fn another(&self, tries: &Tries, policy: Policy, error: &Error, pause: Duration) -> Result<(), Stop> {
        if !policy.allows(error) {
            return Err(Stop::NotSafe);
        }
        if tries.made >= backoff::TRIES {
            return Err(Stop::Enough);
        }
        let now = Instant::now();
        let remaining = deadline::current().map(|deadline| deadline.remaining(now));
        if !backoff::fits(remaining, pause, self.margin) {
            return Err(Stop::NoTime);
        }
        self.budget.lock().ask(now).map_err(Stop::Spent)
    }

    fn tell(&self, name: &WorkName, error: &Error, tried: u32, again: bool) {
        if again {
            request_id::count(RequestCounters::retried);
        }
        let (work, fault) = (name.to_string(), error.fault());
        self.events.tell(if again {
            Event::Retried { work, fault, tried }
        } else {
            Event::RetryRefused { work, fault, tried }
        });
    }
}

/// Why there is no other try.
enum Stop {
    NotSafe,
    Enough,
    NoTime,
    Spent(budget::Spent),
}

/// The tries of one call.
#[derive(Default)]
struct Tries {
    made: u32,
    outcome: Option<Outcome>,
    first: Option<(Fault, String)>,
}

impl Tries {
    fn count(&mut self, error: &Error) {
        self.made += 1;
        self.outcome = Some(together(self.outcome, error.outcome()));
    }

    fn keep(&mut self, error: Error) {
        self.first.get_or_insert_with(|| (error.fault(), error.sentence().to_owned()));
    }

    /// The last error, with what the earlier tries add to it.
    fn conclude(self, error: Error, why: &Stop) -> Error {
        let tried = match self.made {
            1 => "tried once".to_owned(),
            made => format!("tried {made} times"),
        };
        let fault = error.fault();
        let error = match why {
            Stop::NotSafe | Stop::Enough if self.made == 1 => error,
            Stop::NotSafe | Stop::Enough => error.and(tried),
            Stop::NoTime => error.and(format_args!("{tried}; the deadline leaves no time for another")),
            Stop::Spent(spent) => error.and(format_args!("{tried}; {spent}")),
        };
        let error = match self.first {
            Some((first, sentence)) if first != fault => {
                let which = if self.made == 2 { "the try before" } else { "the first try" };
                error.and(format_args!("{which} failed with: {sentence}"))
            }
            _ => error,
        };
        let outcome = self.outcome.unwrap_or(error.outcome());
        error.after_tries(self.made).with_outcome(outcome)
    }
}

/// The outcome of all tries so far and of one more. A try that has certainly happened decides, whatever came before.
fn together(before: Option<Outcome>, last: Outcome) -> Outcome {
    match (before, last) {
        (_, Outcome::Committed) => last,
        (Some(Outcome::Unknown), _) | (_, Outcome::Unknown) => Outcome::Unknown,
        (Some(Outcome::RolledBack), _) => Outcome::RolledBack,
        _ => last,
    }
}

/// The error of work that would have been tried again if it did not run inside a retry already.
fn once_only(error: Error, policy: Policy) -> Error {
    if policy.allows(&error) {
        return error.and("tried once only, because the work around it is itself tried again");
    }
    error
}
