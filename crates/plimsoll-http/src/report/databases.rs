//! The part of the report on one database: who holds connections and who waits, the breaker, retries, listeners, the share.

use super::text::{LIMIT, Seen, Subject, clean, count, line, more, ms, span};
use plimsoll::pool::LeaseStatus;
use plimsoll::{
    BreakerState, BreakerStatus, PoolDiagnostics, Priority, RetryStatus, ServerDiagnostics, WaiterStatus,
};
use std::fmt::Write;

pub(super) fn tell(text: &mut String, database: &Seen, subject: &Subject) {
    for server in &database.now.servers {
        let role = if server.is_replica { ", replica" } else { "" };
        let (name, hosts) = (clean(&database.name), clean(&server.hosts));
        line(text, format_args!("database \"{name}\"{role} ({hosts})"));
        match &server.pool {
            Some(pool) => tell_pool(text, pool, server, subject),
            None => {
                line(text, format_args!("  connections: not known, the pool was locked for {}", ms(LIMIT)))
            }
        }
        line(text, format_args!("  breaker: {}", server.breaker.as_ref().map_or_else(locked, breaker)));
    }
    let retries = database.now.retries.as_ref().map_or_else(locked, retries);
    line(text, format_args!("  retries: {retries}; listeners: {}", database.now.listeners));
}

fn locked() -> String {
    format!("not known, it was locked for {}", ms(LIMIT))
}

fn tell_pool(text: &mut String, pool: &PoolDiagnostics, server: &ServerDiagnostics, subject: &Subject) {
    let status = &pool.status;
    let state = match (pool.is_closed, status.is_paused) {
        (true, _) => "the pool is closed, ",
        (false, true) => "the pool is paused, ",
        (false, false) => "",
    };
    let lent = status.checked_out.saturating_sub(status.returning);
    let last = server.last_connect.as_deref().unwrap_or("how the last connect ended is locked");
    line(
        text,
        format_args!(
            "  connections: {state}{lent} of {} lent, {} idle, {} being opened, {} being made clean; {}",
            status.maximum,
            status.checked_in,
            status.connecting,
            status.returning,
            clean(last)
        ),
    );
    let budget = &pool.budget;
    let may = format!("{} of {} connections", budget.allowed, budget.configured);
    let why = budget.reason.as_deref().map(|why| format!(" ({})", clean(why))).unwrap_or_default();
    let share = match (budget.share, budget.instances, budget.limit) {
        (Some(share), Some(instances), Some(limit)) => {
            let instances = count(instances as u64, "instance shares", "instances share");
            format!("; {instances} a limit of {limit}, and this one may have {share} of them")
        }
        _ => String::new(),
    };
    line(text, format_args!("  share: may have {may}{why}{share}"));
    if !status.leases.is_empty() {
        line(text, format_args!("  lent, oldest first:"));
    }
    let leases = status.leases.iter().take(subject.most);
    leases.for_each(|held| line(text, format_args!("{}", lease(held, subject.statement_texts))));
    more(text, subject.most, status.leases.len());
    let waiting = &pool.waiting;
    if let Some(first) = waiting.oldest.first() {
        line(
            text,
            format_args!(
                "  waiting: {}, the first for {} (priority high {}, normal {}, low {}); oldest first:",
                status.waiting,
                span(first.waited),
                waiting.high,
                waiting.normal,
                waiting.low
            ),
        );
    }
    let waiters = waiting.oldest.iter().take(subject.most);
    waiters.for_each(|waits| line(text, format_args!("{}", waiter(waits))));
    more(text, subject.most, status.waiting);
}

fn lease(lease: &LeaseStatus, has_text: bool) -> String {
    let mut told = format!("{:>10}  {}: {}", span(lease.held), clean(&lease.work), lease.state);
    let _ = write!(told, ", nothing received for {}", span(lease.silent));
    if let Some(pid) = lease.pid {
        let _ = write!(told, ", backend {pid}");
    }
    if let Some(fingerprint) = lease.fingerprint {
        let _ = write!(told, ", last statement {fingerprint:016x}");
    }
    if let Some(text) = lease.last_statement.as_deref().filter(|_| has_text) {
        let _ = write!(told, " ({})", clean(text));
    }
    told + &of_request(lease.request_id.as_deref())
}

fn waiter(waiter: &WaiterStatus) -> String {
    let priority = match waiter.priority {
        Priority::High => ", high priority",
        Priority::Low => ", low priority",
        _ => "",
    };
    let request = of_request(waiter.request_id.as_deref());
    format!("{:>10}  {}{priority}{request}", span(waiter.waited), clean(&waiter.work))
}

fn of_request(id: Option<&str>) -> String {
    id.map(|id| format!(", request {}", clean(id))).unwrap_or_default()
}

fn breaker(breaker: &BreakerStatus) -> String {
    let mut told = breaker.state.to_string();
    if let (true, Some(open)) = (breaker.state != BreakerState::Closed, breaker.open_for) {
        let _ = write!(told, " for {}", span(open));
    }
    if let Some(reason) = &breaker.reason {
        let _ = write!(told, ": {}", clean(reason));
    }
    // The reason tells it too.
    if let (None, Some(silent)) = (&breaker.reason, breaker.silent_for) {
        let _ = write!(told, "; the server has owed an answer for {}", span(silent));
    }
    let (trips, refused) = (count(breaker.trips, "time", "times"), count(breaker.refused, "call", "calls"));
    let _ = write!(told, "; opened {trips} by itself, {refused} refused");
    told
}

fn retries(retries: &RetryStatus) -> String {
    let RetryStatus { calls, retries, refused, allowed, .. } = retries;
    let calls = count(*calls, "call", "calls");
    format!("{allowed} allowed now, {retries} made for {calls}, {refused} refused")
}
