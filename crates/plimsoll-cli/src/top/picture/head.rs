//! The server and the services, in a few lines.

use super::clock;
use super::line::{Line, Tone, clean, fit};
use crate::top::rows::{counts, oldest, waits};
use crate::top::state::{Service, State};
use jiff::Timestamp;
use plimsoll_inspect::span::narrow;

/// So many services have a line of their own.
const SERVICES: usize = 4;

/// Whose connections are used up to this part are no reason to look.
const NEARLY_FULL: f64 = 0.8;

/// An age of a transaction from which on it holds vacuum up.
const OLD: std::time::Duration = std::time::Duration::from_secs(300);

pub(super) fn head(state: &State, columns: usize, now: Timestamp) -> Vec<Line> {
    let mut lines = vec![title(state, columns)];
    if let Some(trouble) = &state.trouble {
        let since = now.duration_since(trouble.at).as_secs();
        let last = state.look.as_ref().map_or("never".to_owned(), |look| clock(look.at));
        let text = format!("NO ANSWER for {since} s; the last one came at {last}, and below is what it said");
        lines.push(Line::of(fit(&text, columns), Tone::Bad));
        lines.push(Line::of(fit(&format!("  {}", clean(&trouble.what)), columns), Tone::Bad));
    }
    lines.push(numbers(state));
    lines.push(sum_of_waits(state, columns));
    lines
}

fn title(state: &State, columns: usize) -> Line {
    let mut server = state.server.clone();
    let mut at = String::new();
    if let Some(look) = &state.look {
        let numbers = &look.what.numbers;
        let standby = if numbers.is_standby { ", a standby" } else { "" };
        let version = numbers.server_version.split(' ').next().unwrap_or_default();
        server = format!("{server}/{} PostgreSQL {version}{standby}", numbers.database);
        at = clock(look.at);
    }
    let paused = if state.is_paused { " PAUSED at " } else { " " };
    let right = format!("{paused}{at}");
    let left = fit(&format!("plimsoll top  {server}"), columns.saturating_sub(right.len()));
    let tone = if state.is_paused { Tone::Warn } else { Tone::Plain };
    Line::of(left, Tone::Strong).and(right, tone)
}

fn numbers(state: &State) -> Line {
    let Some(look) = &state.look else { return Line::default() };
    let (numbers, sessions) = (&look.what.numbers, &look.what.sessions);
    let (used, usable) = (numbers.connections_used, numbers.connections_usable);
    let is_nearly_full = used as f64 >= NEARLY_FULL * usable as f64;
    let tone = if is_nearly_full { Tone::Bad } else { Tone::Plain };
    let mut line = Line::of("connections ", Tone::Dim).and(format!("{used} of {usable}"), tone);
    let rate = state.transactions_per_second.map_or("-".to_owned(), |rate| format!("{rate:.0}/s"));
    line = line.and("  tx ", Tone::Dim).and(rate, Tone::Plain);
    if let Some((age, pid)) = oldest(sessions, numbers.prepared_for()) {
        let whose = if pid == 0 { "prepared".to_owned() } else { pid.to_string() };
        let tone = if age >= OLD { Tone::Warn } else { Tone::Plain };
        line = line.and("  oldest ", Tone::Dim).and(format!("{} ({whose})", narrow(age)), tone);
    }
    let counts = counts(sessions);
    line = line.and(
        format!("  {} active {} in tx {} idle", counts.active, counts.in_transaction, counts.idle),
        Tone::Plain,
    );
    if counts.hidden > 0 {
        line = line.and(format!(" {} hidden", counts.hidden), Tone::Warn);
    }
    line
}

fn sum_of_waits(state: &State, columns: usize) -> Line {
    let Some(look) = &state.look else { return Line::default() };
    let waits = waits(&look.what.sessions);
    let all: Vec<String> = waits.iter().map(|it| format!("{} {}", it.event, it.sessions)).collect();
    let mut text = if all.is_empty() { "nothing is active".to_owned() } else { all.join("  ") };
    if !look.what.sessions.sees_all {
        text = format!("of this role only (GRANT pg_read_all_stats)  {text}");
    }
    let label = "waits ";
    Line::of(label, Tone::Dim).and(fit(&text, columns.saturating_sub(label.len())), Tone::Plain)
}

/// A line for each service.
pub(super) fn services(state: &State, columns: usize, now: Timestamp) -> Vec<Line> {
    let mut lines: Vec<Line> =
        state.services.iter().take(SERVICES).map(|it| service(it, columns, now)).collect();
    if state.services.len() > SERVICES {
        lines.push(Line::of(format!("  and {} services more", state.services.len() - SERVICES), Tone::Dim));
    }
    lines
}

fn service(service: &Service, columns: usize, now: Timestamp) -> Line {
    let name = format!("{} ", service.name);
    if let Some(trouble) = &service.trouble {
        let since = now.duration_since(trouble.at).as_secs();
        let last =
            service.pools.as_ref().map_or(String::new(), |it| format!("; the last one at {}", clock(it.at)));
        let text = format!("{name}NO ANSWER for {since} s{last}: {}", clean(&trouble.what));
        return Line::of(fit(&text, columns), Tone::Bad);
    }
    let Some(pools) = &service.pools else {
        return Line::of(fit(&format!("{name}is being asked"), columns), Tone::Dim);
    };
    let (pool, breaker, health) = (&pools.what.pool_metrics, &pools.what.breaker, &pools.what.health_status);
    let is_well = health.status == "healthy" && breaker.state == "closed";
    let tone = if is_well { Tone::Good } else { Tone::Warn };
    let text = format!(
        "{name}{}: pool {} of {} lent, {} wait; breaker {}, {} trips, {} refused",
        clean(&health.status),
        pool.active_connections,
        pool.maximum,
        pool.waiting_threads,
        clean(&breaker.state),
        breaker.trips,
        breaker.refused,
    );
    let warnings: String = health.warnings.iter().map(|it| format!("; {it}")).collect();
    Line::of(fit(&format!("{text}{warnings}"), columns), tone)
}
