//! Opening connections, on tasks of the pool's own.
//!
//! A connect that belongs to a caller ends when the caller stops waiting, so a pool with impatient callers never warms
//! up. Here a connect belongs to the pool: it goes on when the caller that caused it has left, and the first in line
//! then gets its connection. Only a few run at a time, and after a failure none begins before a jittered pause is over,
//! so that a database that comes back is not overrun by the callers that waited for it. A server that is full makes the pool
//! keep to the connections that it has (see [`allowance`](crate::rules::slots::allowance)), for which the callers wait.

use super::{Inner, Manage, snapshot};
use crate::error::Error;
use crate::event::Event;
use crate::fault::Fault;
use crate::moment::Moment;
use crate::rules::backoff::before_connect;
use crate::rules::refusal::Refusal;
use crate::rules::slots::Closing;
use crate::settings::Enforcement;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How the last connect went.
#[derive(Clone, Debug)]
pub(crate) enum LastConnect {
    Never,
    Ok(Moment),
    Failed { at: Moment, fault: crate::fault::Fault, sentence: String, sqlstate: Option<String> },
}

impl LastConnect {
    /// `last connect failed 3 s ago: ..`
    pub(crate) fn told(&self, now: Moment) -> String {
        let ago = |at: &Moment| snapshot::span(now.since(*at));
        match self {
            LastConnect::Never => "no connect has ended yet".to_owned(),
            LastConnect::Ok(at) => format!("last connect ok {} ago", ago(at)),
            LastConnect::Failed { at, sentence, .. } => {
                format!("last connect failed {} ago: {sentence}", ago(at))
            }
        }
    }
}

/// Begins the connects whose slots were taken under the lock.
pub(super) fn start<M: Manage>(inner: &Arc<Inner<M>>, slots: Vec<usize>) {
    for slot in slots {
        let opening = Opening { inner: Arc::clone(inner), slot, is_done: false };
        inner.runtime.spawn(open(opening));
    }
}

/// Begins as many connects as are wanted now.
pub(crate) fn refill<M: Manage>(inner: &Arc<Inner<M>>) {
    // A connection that has gone may have been what a waiter at the cap of its name waited for.
    inner.serve_idle();
    let slots = inner.slots.lock().begin_wanted(Moment::now());
    start(inner, slots);
}

/// A slot that was taken for a connect. Dropped before the connect is done (a panic, a runtime that ends) it becomes
/// free.
struct Opening<M: Manage> {
    inner: Arc<Inner<M>>,
    slot: usize,
    is_done: bool,
}

impl<M: Manage> Drop for Opening<M> {
    fn drop(&mut self) {
        if !self.is_done {
            self.inner.slots.lock().vacate(self.slot, Closing::Broken);
            self.inner.changed.notify_waiters();
        }
    }
}

async fn open<M: Manage>(mut opening: Opening<M>) {
    let inner = Arc::clone(&opening.inner);
    let began = Instant::now();
    let until = began + inner.plan.connect_timeout();
    // Closing the pool does not wait for a server that may not answer: no caller would get the connection.
    let outcome = tokio::select! {
        biased;
        outcome = inner.manager.connect(until) => outcome,
        () = inner.closed() => return,
    };
    match outcome {
        Ok(connection) => {
            if let Some(meter) = inner.metering.meter() {
                meter.connected(began.elapsed());
            }
            opening.is_done = true;
            arrived(&inner, opening.slot, connection);
        }
        Err(error) => {
            drop(opening);
            failed(&inner, &error);
        }
    }
}

fn arrived<M: Manage>(inner: &Arc<Inner<M>>, slot: usize, connection: M::Connection) {
    let now = Moment::now();
    *inner.last_connect.lock() = LastConnect::Ok(now);
    let handle = inner.manager.handle(&connection).clone();
    let expires = lifetime(inner.plan.max_lifetime(), inner.plan.lifetime_jitter(), fastrand::f64(), now);
    let effects = inner.slots.lock().connected(slot, connection, handle, expires, now);
    inner.apply(effects);
    inner.changed.notify_waiters();
    refill(inner);
}

/// When a connection that is opened now must be closed. The jitter is drawn here, once: drawn at each look, it would
/// shorten every life to the shortest draw.
fn lifetime(whole: Option<Duration>, jitter: f64, draw: f64, now: Moment) -> Option<Moment> {
    let share = (jitter.clamp(0.0, 1.0) * draw).clamp(0.0, 1.0);
    Some(now + whole?.mul_f64(1.0 - share))
}

fn failed<M: Manage>(inner: &Arc<Inner<M>>, error: &Error) {
    let now = Moment::now();
    *inner.last_connect.lock() = LastConnect::Failed {
        at: now,
        fault: error.fault(),
        sentence: error.sentence().to_owned(),
        sqlstate: error.sqlstate().map(|code| code.code().to_owned()),
    };
    inner.events.tell(Event::ConnectFailed { fault: error.fault(), reason: error.to_string() });
    let wakers = {
        let mut slots = inner.slots.lock();
        slots.totals.connect_failures += 1;
        if error.fault() == Fault::TooManyConnections && inner.plan.connection_budget() != Enforcement::Off {
            slots.found_full(now);
        }
        slots.pause = Some(slots.pause.map_or(FIRST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE)));
        let pause = slots.pause.unwrap_or(FIRST_PAUSE);
        let until = now + before_connect(pause, fastrand::f64());
        slots.back_off = Some(until);
        let is_alone = slots.total() == slots.opening();
        if error.fault().heals_by_waiting() || !is_alone {
            Vec::new()
        } else {
            slots.waiters.refuse_all(&Refusal::Hopeless)
        }
    };
    wakers.into_iter().for_each(std::task::Waker::wake);
    inner.alarm.ring();
    inner.changed.notify_waiters();
}

/// No connection has ever been opened, and the server is known to be away: refuses the callers that wait by a limit.
pub(crate) fn give_up_first<M: Manage>(inner: &Arc<Inner<M>>, reason: &str) {
    let wakers = {
        let mut slots = inner.slots.lock();
        if slots.totals.opened > 0 {
            return;
        }
        slots.waiters.refuse_limited(Moment::now(), &Refusal::NeverReached { reason: reason.to_owned() })
    };
    wakers.into_iter().for_each(std::task::Waker::wake);
}

/// Begins a connect if there is no connection and none under way.
pub(crate) fn at_least_one<M: Manage>(inner: &Arc<Inner<M>>) {
    let opened = {
        let mut slots = inner.slots.lock();
        let wanted = slots.wanted().max(usize::from(slots.total() == 0));
        slots.begin_connects(wanted, Moment::now())
    };
    start(inner, opened);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_shortened_by_its_draw_and_by_no_more_than_the_jitter() {
        let now = Moment::now();
        let whole = Duration::from_secs(1800);
        let life = |jitter, draw| lifetime(Some(whole), jitter, draw, now).map(|end| end.since(now));
        assert_eq!(life(0.2, 0.0), Some(whole));
        assert_eq!(life(0.2, 0.5), Some(whole.mul_f64(0.9)));
        assert_eq!(life(0.2, 1.0), Some(whole.mul_f64(0.8)));
        assert_eq!(life(0.0, 0.7), Some(whole), "no jitter, no lot");
        assert_eq!(life(7.0, 1.0), Some(Duration::ZERO), "more than all is all");
        assert_eq!(lifetime(None, 0.2, 0.5, now), None);
    }
}
