//! The error that tells why a request got no connection: the fault by its true cause, and numbers first.

use super::ask::Ask;
use super::{Inner, LastConnect, Manage, snapshot};
use crate::error::{Error, Outcome, Phase};
use crate::event::Event;
use crate::fault::Fault;
use crate::moment::{Moment, in_seconds};
use crate::rules::forecast::Forecast;
use crate::rules::given_up::GivenUp;
use crate::rules::refusal::Refusal;
use crate::rules::request::{Priority, Request};
use std::time::Duration;

/// Makes the error of a refusal; the only place that does.
#[cold]
pub(super) fn error<M: Manage>(inner: &Inner<M>, request: &Request, refusal: Refusal) -> Error {
    match refusal {
        // These two were counted where they were decided, and are told of as a number once a second.
        Refusal::QueueFull { wait } => {
            let error = not_started(
                request,
                Fault::QueueFull,
                &format!("was refused at once: {}", snapshot::sentence(inner)),
            );
            match wait {
                Some(wait) => error.with_retry_after(wait),
                None => error,
            }
        }
        Refusal::Overloaded { forecast, remaining } => {
            not_started(request, Fault::Overloaded, &overloaded(forecast, remaining))
                .with_retry_after(forecast.retry_after())
        }
        refusal => after_a_wait(inner, request, refusal),
    }
}

/// The answer to a trial: no connection is idle that the request may have. Nothing has failed, so nothing is counted or told.
#[cold]
pub(super) fn nothing_idle(request: &Request) -> Error {
    not_started(request, Fault::PoolExhausted, "did not wait, and no connection was idle")
}

/// For how long a caller that is told of a pause should stay away, at the least: how long it lasts, only its operator knows.
const PAUSE: Duration = Duration::from_secs(1);

/// Why an acquisition of this work would not begin well now: the pool is closed, paused, or its queue is full. For work that
/// had better not begin at all; an acquisition itself waits while the pool is paused.
pub(super) fn foreseen<M: Manage>(inner: &Inner<M>, ask: Ask) -> Option<Error> {
    let now = Moment::now();
    let (closed, is_paused, full) = {
        let slots = inner.slots.lock();
        let closed = slots.is_closed().then(|| why_closed(slots.has_lost_its_runtime));
        (closed, slots.is_paused(), slots.full_for(Priority::Normal, now))
    };
    if closed.is_none() && !is_paused && full.is_none() {
        return None;
    }
    let request = ask.begin(&inner.plan, None);
    if let Some(why) = closed {
        return Some(not_started(&request, Fault::PoolClosed, why));
    }
    if is_paused {
        let paused = "was refused at once: the pool is paused by its operator, and lends nothing";
        return Some(not_started(&request, Fault::PoolExhausted, paused).with_retry_after(PAUSE));
    }
    full.map(|refusal| error(inner, &request, refusal))
}

/// The error of an acquisition of this work from a closed pool, counted and told of as such; none if the pool is open.
pub(super) fn closed<M: Manage>(inner: &Inner<M>, ask: Ask) -> Option<Error> {
    let is_closed = inner.slots.lock().is_closed();
    is_closed.then(|| error(inner, &ask.begin(&inner.plan, None), Refusal::Closed))
}

fn why_closed(has_lost_its_runtime: bool) -> &'static str {
    if has_lost_its_runtime {
        "was refused: the runtime on which this Database was opened has ended, and its connections with it; open it on \
         the runtime that uses it"
    } else {
        "was refused: the pool is closed"
    }
}

fn not_started(request: &Request, fault: Fault, why: &str) -> Error {
    let sentence = format!("acquire for {} {why}", request.name);
    Error::new(fault, Phase::Acquire, Outcome::NotStarted, sentence)
}

/// The place, the wait and the remaining time: they show what would have had to be otherwise.
fn overloaded(forecast: Forecast, remaining: Duration) -> String {
    let [wait, service, remaining] =
        [forecast.wait(), forecast.service(), remaining].map(|span| span.as_millis());
    match forecast.place {
        0 => format!(
            "was refused when its turn came: a lease usually lasts {service} ms, and {remaining} ms were left"
        ),
        place => format!(
            "was refused at once: at place {place} of the queue it would wait for {wait} ms, a lease usually \
             lasts {service} ms, and {remaining} ms were left"
        ),
    }
}

/// The error of a request that waited, or that came to a closed pool or too late. Each is counted and told of here.
fn after_a_wait<M: Manage>(inner: &Inner<M>, request: &Request, refusal: Refusal) -> Error {
    let waited = Moment::now().since(request.since);
    let (is_away, is_paused, has_lost_its_runtime, last, restriction) = {
        let mut slots = inner.slots.lock();
        let last = inner.last_connect.lock().clone();
        let is_away = matches!(last, LastConnect::Failed { .. }) && slots.total() == slots.opening();
        slots.totals.failed += 1;
        let why = reason(&refusal, request.has_own_limit(), is_away, slots.is_paused());
        slots.totals.given_up.add(why);
        (is_away, slots.is_paused(), slots.has_lost_its_runtime, last, slots.restriction())
    };
    let no_connect = match &last {
        LastConnect::Failed { fault, sentence, .. } if is_away => Some((*fault, sentence.as_str())),
        _ => None,
    };
    let wait = Wait {
        seconds: in_seconds(waited),
        has_own_limit: request.has_own_limit(),
        is_paused,
        no_connect,
        restriction: restriction.as_deref(),
    };
    let (fault, why) = match refusal {
        Refusal::Closed => (Fault::PoolClosed, why_closed(has_lost_its_runtime).to_owned()),
        refusal => wait.cause(refusal, || snapshot::sentence(inner)),
    };
    inner.events.tell(Event::AcquireFailed { work: request.name.to_string(), fault, waited });
    let error = not_started(request, fault, &why);
    match last {
        LastConnect::Failed { sqlstate: Some(code), .. }
            if fault.is_connectivity() || fault == Fault::Authentication =>
        {
            error.with_sqlstate(&code)
        }
        _ => error,
    }
}

/// Why, in a word. `is_away` says that there is no connection and that the last connect failed.
fn reason(refusal: &Refusal, has_own_limit: bool, is_away: bool, is_paused: bool) -> GivenUp {
    match refusal {
        Refusal::QueueFull { .. } => GivenUp::QueueFull,
        Refusal::Overloaded { .. } => GivenUp::Overloaded,
        Refusal::Closed => GivenUp::PoolClosed,
        Refusal::Deadlock { .. } => GivenUp::SelfDeadlock,
        Refusal::Hopeless | Refusal::NeverReached { .. } => GivenUp::NoConnection,
        Refusal::TimedOut { .. } if !has_own_limit => GivenUp::DeadlinePassed,
        Refusal::TimedOut { .. } if is_away => GivenUp::NoConnection,
        Refusal::TimedOut { .. } if is_paused => GivenUp::Paused,
        Refusal::TimedOut { cap: Some(_), .. } => GivenUp::AtCap,
        Refusal::TimedOut { cap: None, .. } => GivenUp::TimedOut,
    }
}

const ENTANGLED: &str = "every lease is held by a task that waits for another";

/// The words that operators of other services already search their logs for.
fn exhausted(seconds: f64) -> String {
    format!(
        "Failed to acquire database connection after {seconds}s. Pool may be exhausted or database may be unresponsive."
    )
}

/// What is known of a wait that ended without a connection.
struct Wait<'a> {
    seconds: f64,
    has_own_limit: bool,
    is_paused: bool,
    /// Why no connection could be opened, if there is none.
    no_connect: Option<(Fault, &'a str)>,
    /// What the connection budget allows, where that is not all.
    restriction: Option<&'a str>,
}

impl Wait<'_> {
    /// The fault and its sentence; `numbers` are those of the pool.
    fn cause(&self, refusal: Refusal, numbers: impl FnOnce() -> String) -> (Fault, String) {
        let seconds = self.seconds;
        match (refusal, self.no_connect) {
            (Refusal::Deadlock { leases }, _) => {
                (Fault::SelfDeadlock, format!("was ended after {seconds:.1} s: {ENTANGLED}: {leases}"))
            }
            (Refusal::Hopeless, Some((fault, why))) => {
                (fault, format!("was refused after {seconds:.1} s: no connection can be opened: {why}"))
            }
            (Refusal::Hopeless, None) => {
                (Fault::Unreachable, "was refused: no connection can be opened".to_owned())
            }
            (Refusal::NeverReached { reason }, known) => {
                let fault = known.map_or(Fault::Unreachable, |(fault, _)| fault);
                (
                    fault,
                    format!("was refused after {seconds:.1} s: no connection has ever been opened: {reason}"),
                )
            }
            (Refusal::TimedOut { .. }, Some((fault, why))) if self.has_own_limit => {
                let restriction = self.restriction.filter(|_| fault == Fault::TooManyConnections);
                let numbers = restriction.map(|numbers| format!("; {numbers}")).unwrap_or_default();
                (
                    fault,
                    format!("gave up after {seconds:.1} s: no connection could be opened: {why}{numbers}"),
                )
            }
            (Refusal::TimedOut { entangled, cap }, _) => {
                let capped =
                    cap.map(|cap| format!("its name holds the {cap} that it may, ")).unwrap_or_default();
                let knot =
                    entangled.map(|leases| format!("; {ENTANGLED} (this may be a deadlock): {leases}"));
                let knot = knot.unwrap_or_default();
                self.limit_passed(cap.is_some(), &format!("{capped}{}{knot}", numbers()))
            }
            // These are answered without a look at the wait.
            (Refusal::QueueFull { .. } | Refusal::Overloaded { .. } | Refusal::Closed, _) => {
                (Fault::PoolExhausted, "was refused".to_owned())
            }
        }
    }

    /// Which limit it was. A pause or a cap is no exhaustion.
    fn limit_passed(&self, is_capped: bool, numbers: &str) -> (Fault, String) {
        let seconds = self.seconds;
        if !self.has_own_limit {
            return (
                Fault::DeadlinePassed,
                format!("was ended by its deadline after {seconds:.1} s: {numbers}"),
            );
        }
        let known =
            if self.is_paused || is_capped { String::new() } else { format!(" ({})", exhausted(seconds)) };
        (Fault::PoolExhausted, format!("gave up after {seconds:.1} s: {numbers}{known}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    #[test]
    fn each_wait_in_vain_has_the_reason_that_was_true_first() {
        let capped = Refusal::TIMED_OUT.at_cap(NonZeroU32::new(2));
        for (refusal, own, away, paused, why) in [
            (Refusal::TIMED_OUT, true, false, false, GivenUp::TimedOut),
            (Refusal::TIMED_OUT, false, false, false, GivenUp::DeadlinePassed),
            (Refusal::TIMED_OUT, false, true, true, GivenUp::DeadlinePassed),
            (Refusal::TIMED_OUT, true, true, true, GivenUp::NoConnection),
            (Refusal::TIMED_OUT, true, false, true, GivenUp::Paused),
            (capped.clone(), true, false, true, GivenUp::Paused),
            (capped, true, false, false, GivenUp::AtCap),
            (Refusal::Closed, true, true, true, GivenUp::PoolClosed),
            (Refusal::Hopeless, true, false, false, GivenUp::NoConnection),
        ] {
            assert_eq!(reason(&refusal, own, away, paused), why, "{refusal:?}");
        }
    }
}
