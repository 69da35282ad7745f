//! The error that tells why there is no connection: the fault by its true cause, and numbers first.

use super::acquire::{Denial, Wanted};
use super::{Inner, LastConnect, Manage, snapshot};
use crate::error::{Error, Outcome, Phase};
use crate::event::Event;
use crate::fault::Fault;
use crate::moment::{Moment, in_seconds};
use crate::name::WorkName;
use crate::rules::forecast::{Forecast, Overload};
use crate::rules::queue::waiters::Refusal;
use std::num::NonZeroU32;

#[cold]
pub(super) fn denied<M: Manage>(wanted: &Wanted<'_, M>, denial: Denial) -> Error {
    let Wanted { inner, name, .. } = *wanted;
    match denial {
        Denial::Refused(refusal) => refused(wanted, refusal),
        Denial::Full(forecast) => full(inner, name, forecast.map(|forecast| *forecast)),
    }
}

/// Refusals at the door are told of as a number once a second, not each by an event of its own.
#[cold]
fn full<M: Manage>(inner: &Inner<M>, name: &WorkName, forecast: Option<Forecast>) -> Error {
    let sentence = format!("acquire for {name} was refused at once: {}", snapshot::sentence(inner));
    let error = Error::new(Fault::QueueFull, Phase::Acquire, Outcome::NotStarted, sentence);
    match forecast {
        Some(forecast) => error.with_retry_after(forecast.wait()),
        None => error,
    }
}

/// The place, the wait and what is left: whoever reads it sees what would have had to be otherwise.
#[cold]
fn overloaded(name: &WorkName, overload: Overload) -> Error {
    let Overload { forecast, remaining } = overload;
    let [wait, service, remaining] =
        [forecast.wait(), forecast.service(), remaining].map(|span| span.as_millis());
    let why = match forecast.place {
        0 => format!(
            "was refused when its turn came: a lease usually lasts {service} ms, and {remaining} ms were left"
        ),
        place => format!(
            "was refused at once: at place {place} of the queue it would wait for {wait} ms, a lease usually \
             lasts {service} ms, and {remaining} ms were left"
        ),
    };
    Error::new(Fault::Overloaded, Phase::Acquire, Outcome::NotStarted, format!("acquire for {name} {why}"))
        .with_retry_after(overload.retry_after())
}

const ENTANGLED: &str = "every lease is held by a task that waits for another";

/// The words that operators of other services already search their logs for.
fn exhausted(seconds: f64) -> String {
    format!(
        "Failed to acquire database connection after {seconds}s. Pool may be exhausted or database may be unresponsive."
    )
}

struct TimedOut {
    seconds: f64,
    is_own_limit: bool,
    is_paused: bool,
    entangled: Option<String>,
    cap: Option<NonZeroU32>,
    numbers: String,
}

/// Whose time it was, and what else stood in the way; a pause or a cap is no exhaustion.
fn timed_out(how: TimedOut) -> (Fault, String) {
    let TimedOut { seconds, is_own_limit, is_paused, entangled, cap, numbers } = how;
    let capped = cap.map(|cap| format!("its name holds the {cap} that it may, ")).unwrap_or_default();
    let knot = entangled.map(|leases| format!("; {ENTANGLED}: {leases}")).unwrap_or_default();
    let numbers = format!("{capped}{numbers}{knot}");
    if !is_own_limit {
        return (Fault::DeadlinePassed, format!("was ended by its deadline after {seconds:.1} s: {numbers}"));
    }
    let known = if is_paused || cap.is_some() { String::new() } else { format!(". {}", exhausted(seconds)) };
    (Fault::PoolExhausted, format!("gave up after {seconds:.1} s: {numbers}{known}"))
}

/// The error of a waiter that was sent away: fault by the true cause, numbers first.
#[cold]
fn refused<M: Manage>(wanted: &Wanted<'_, M>, refusal: Refusal) -> Error {
    let Wanted { inner, name, began, deadline, .. } = *wanted;
    if let Refusal::Overloaded(overload) = refusal {
        return overloaded(name, *overload);
    }
    let waited = Moment::now().since(began);
    let seconds = in_seconds(waited);
    let (open, is_paused, has_lost_its_runtime, last) = {
        let mut slots = inner.slots.lock();
        slots.totals.failed += 1;
        let open = slots.total() - slots.opening();
        (open, slots.is_paused, slots.has_lost_its_runtime, inner.last_connect.lock().clone())
    };
    let cannot_connect = match &last {
        LastConnect::Failed { fault, sentence, .. } if open == 0 => Some((*fault, sentence.clone())),
        _ => None,
    };
    let is_own_limit = deadline.is_none_or(|deadline| wanted.end() < deadline);
    let (fault, why) = match (refusal, cannot_connect) {
        (Refusal::Closed, _) if has_lost_its_runtime => {
            let ended = "was refused: the runtime on which this Database was opened has ended, and its connections \
                         with it; open it on the runtime that uses it";
            (Fault::PoolClosed, ended.to_owned())
        }
        (Refusal::Closed, _) => (Fault::PoolClosed, "was refused: the pool is closed".to_owned()),
        (Refusal::Deadlock(leases), _) => {
            (Fault::SelfDeadlock, format!("was ended after {seconds:.1} s: {ENTANGLED}: {leases}"))
        }
        (Refusal::Hopeless, Some((fault, why))) => {
            (fault, format!("was refused after {seconds:.1} s: no connection can be opened: {why}"))
        }
        (Refusal::TimedOut { .. }, Some((fault, why))) if is_own_limit => {
            (fault, format!("gave up after {seconds:.1} s: no connection could be opened: {why}"))
        }
        (Refusal::TimedOut { entangled, cap }, _) => {
            let numbers = snapshot::sentence(inner);
            timed_out(TimedOut { seconds, is_own_limit, is_paused, entangled, cap, numbers })
        }
        (Refusal::NeverReached(reason), known) => {
            let fault = known.map_or(Fault::Unreachable, |(fault, _)| fault);
            (fault, format!("was refused after {seconds:.1} s: no connection has ever been opened: {reason}"))
        }
        // Answered above.
        (Refusal::Overloaded(_), _) => (Fault::Overloaded, "was refused".to_owned()),
        (Refusal::Hopeless, None) => {
            (Fault::Unreachable, "was refused: no connection can be opened".to_owned())
        }
    };
    let sentence = format!("acquire for {name} {why}");
    inner.events.tell(Event::AcquireFailed { work: name.to_string(), fault, waited });
    let error = Error::new(fault, Phase::Acquire, Outcome::NotStarted, sentence);
    match last {
        LastConnect::Failed { sqlstate: Some(code), .. }
            if fault.is_connectivity() || fault == Fault::Authentication =>
        {
            error.with_sqlstate(&code)
        }
        _ => error,
    }
}
