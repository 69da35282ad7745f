//! The sentence, from what is known: pure, and the first cause in this order.

use super::facts::{Facts, Held, PileUp};
use super::{Level, Matter, Verdict};
use plimsoll::BreakerState;
use plimsoll::monitor::Timestamp;
use std::borrow::Cow;
use std::time::Duration;

/// A silence that lasts for longer is told before the breaker opens.
const TOO_SILENT: Duration = Duration::from_millis(500);
/// Callers that wait for a shorter time are served as they should be.
const QUEUE: Duration = Duration::from_secs(2);
/// A pile-up of so many, or for so long, is trouble.
const MANY_WAIT: u64 = 10;
const LONG_WAIT: Duration = Duration::from_secs(30);
/// A share of failed statements from which on it is told, and from which on it is trouble.
const FAILING: f64 = 0.05;
const MOST_FAIL: f64 = 0.5;
/// More slow statements than this among the latest are told.
const SLOW: usize = 10;

/// What is to be said.
pub(super) fn judge(facts: &Facts) -> Verdict {
    let found = breaker(facts)
        .or_else(|| closed_or_starting(facts))
        .or_else(|| held_up(facts))
        .or_else(|| crowded(facts))
        .or_else(|| worth_a_look(facts))
        .unwrap_or_else(|| well(facts));
    let since = found.lasts.filter(|lasts| !lasts.is_zero());
    let since = since.and_then(|lasts| facts.now?.checked_sub(lasts)).map(Timestamp);
    Verdict { level: found.level, matter: found.matter, sentence: found.sentence, since }
}

struct Found {
    level: Level,
    matter: Matter,
    sentence: Cow<'static, str>,
    lasts: Option<Duration>,
}

fn found(level: Level, matter: Matter, sentence: impl Into<Cow<'static, str>>) -> Found {
    Found { level, matter, sentence: sentence.into(), lasts: None }
}

impl Found {
    fn lasting(mut self, lasts: Duration) -> Self {
        self.lasts = Some(lasts);
        self
    }
}

fn breaker(facts: &Facts) -> Option<Found> {
    let breaker = &facts.breaker;
    let lasts = breaker.open_for.max(breaker.silent_for.unwrap_or_default());
    let told = span(lasts);
    let calls = if breaker.is_dark { "calls go on waiting for it" } else { "calls are refused at once" };
    let found = match breaker.state {
        _ if facts.is_closed => return None,
        BreakerState::Isolated => found(
            Level::Trouble,
            Matter::Isolated,
            "Calls are refused because the database was isolated by hand; resume lets them through again.",
        ),
        BreakerState::Open if breaker.is_frozen => found(
            Level::Trouble,
            Matter::Frozen,
            format!("The database is frozen: it has given no answer for {told}, and {calls}."),
        ),
        BreakerState::Open => found(
            Level::Trouble,
            Matter::Refused,
            format!("No connection to the database can be opened for {told}, and {calls}."),
        ),
        BreakerState::HalfOpen => found(
            Level::Notice,
            Matter::Recovering,
            "The database answers again; calls are let through step by step.",
        ),
        _ if lasts >= TOO_SILENT && breaker.is_frozen => {
            found(Level::Trouble, Matter::Frozen, format!("The database has given no answer for {told}."))
        }
        _ => return None,
    };
    Some(found.lasting(lasts))
}

fn closed_or_starting(facts: &Facts) -> Option<Found> {
    if facts.is_closed {
        return Some(found(Level::Trouble, Matter::Closed, "The pool is closed: nothing is lent any more."));
    }
    match (facts.opened, facts.connect_failures) {
        (0, 0) if facts.waiting > 0 => {
            Some(found(Level::Notice, Matter::Starting, "The first connection is being opened."))
        }
        (0, failures @ 1..) => Some(found(
            Level::Trouble,
            Matter::Starting,
            format!(
                "No connection could be opened since the start: {}.",
                count(failures, "attempt failed", "attempts failed")
            ),
        )),
        _ => None,
    }
}

/// Held up by an operator or by the role of the server.
fn held_up(facts: &Facts) -> Option<Found> {
    if let Some(reason) = &facts.demotion {
        return Some(found(Level::Trouble, Matter::Demoted, capital(&format!("{reason}."))));
    }
    let waiting = match facts.waiting {
        0 => "no caller waits".to_owned(),
        waiting => count(waiting, "caller waits", "callers wait"),
    };
    facts.is_paused.then(|| {
        found(
            Level::Notice,
            Matter::Paused,
            format!("The pool was paused by hand: nothing is lent, and {waiting}."),
        )
    })
}

fn crowded(facts: &Facts) -> Option<Found> {
    let is_full = facts.lent >= facts.maximum && facts.waiting > 0;
    let is_long = facts.queued_for >= QUEUE && facts.waiting >= facts.maximum;
    let refused = facts.recent.failed;
    if is_full && (refused > 0 || is_long) {
        let mut told = format!(
            "The pool is exhausted: all {} are lent and {}",
            count(facts.maximum, "connection", "connections"),
            count(facts.waiting, "caller waits", "callers wait")
        );
        match (&facts.pile_up, &facts.oldest) {
            (Some(pile_up), _) => told.push_str(&format!("; {}.", behind(pile_up))),
            (None, Some(Held { work, held })) => {
                told.push_str(&format!("; {work} has held one for {}.", span(*held)));
            }
            (None, None) => told.push('.'),
        }
        return Some(found(Level::Trouble, Matter::Exhausted, told).lasting(facts.queued_for));
    }
    (refused > 0).then(|| {
        let who = count(refused, "caller was", "callers were");
        found(
            Level::Trouble,
            Matter::Overloaded,
            format!("The pool is overloaded: {who} refused or gave up in the last 5 s."),
        )
    })
}

fn worth_a_look(facts: &Facts) -> Option<Found> {
    if let Some(pile_up) = &facts.pile_up {
        let is_bad = pile_up.waiting >= MANY_WAIT || pile_up.lasted >= LONG_WAIT;
        let level = if is_bad { Level::Trouble } else { Level::Notice };
        let told = capital(&format!("{}.", behind(pile_up)));
        return Some(found(level, Matter::LockPileUp, told).lasting(pile_up.lasted));
    }
    if facts.failing >= FAILING {
        let level = if facts.failing >= MOST_FAIL { Level::Trouble } else { Level::Notice };
        let share = (100.0 * facts.failing).round();
        return Some(found(level, Matter::Failing, format!("{share} % of the latest statements failed.")));
    }
    if let Some(Held { work, held }) = facts.unused.first() {
        let others = match facts.unused.len() {
            1 => String::new(),
            leases => format!(", and {} more", leases - 1),
        };
        let told = format!("A connection is held and not used: by {work}, for {}{others}.", span(*held));
        return Some(found(Level::Notice, Matter::Leaking, told).lasting(*held));
    }
    if facts.slow > SLOW {
        let told = format!(
            "{} of the latest statements were slow; 95 % took no longer than {}.",
            facts.slow,
            ms(facts.p95_ms)
        );
        return Some(found(Level::Notice, Matter::Slow, told));
    }
    (facts.queued_for >= QUEUE).then(|| {
        let who = count(facts.waiting, "caller waits", "callers wait");
        let told = format!("{} for a connection; {} of {} are lent.", who, facts.lent, facts.maximum);
        found(Level::Notice, Matter::Queueing, told).lasting(facts.queued_for)
    })
}

fn well(facts: &Facts) -> Found {
    if facts.recent.is_quiet && facts.lent == 0 {
        return found(
            Level::Well,
            Matter::Idle,
            "All is well: the database would answer, and nothing is asked of it.",
        );
    }
    let told = match facts.recent.a_second {
        0 => "All is well: the database answers.".into(),
        calls => format!(
            "All is well: {} in the last second, 95 % of statements within {}.",
            count(calls, "call", "calls"),
            ms(facts.p95_ms)
        ),
    };
    found(Level::Well, Matter::Healthy, told)
}

/// `12 sessions wait for a lock on devices behind "nightly report" (report.rs:88)`
fn behind(pile_up: &PileUp) -> String {
    let who = count(pile_up.waiting, "session waits", "sessions wait");
    let lock = pile_up.lock.as_ref().map(|lock| format!(" on {lock}")).unwrap_or_default();
    match &pile_up.blocker {
        Some(blocker) => format!("{who} for a lock{lock} behind {blocker}"),
        None => format!("{who} for a lock{lock} in a circle"),
    }
}

fn count(number: impl TryInto<u64>, one: &str, more: &str) -> String {
    match number.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {one}"),
        number => format!("{} {more}", grouped(number)),
    }
}

/// `12,345`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + 4);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// `0.4 ms`, `12 ms`, `3.4 s`
fn ms(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1_000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1e3),
    }
}

/// A span as a person says it.
fn span(span: Duration) -> String {
    match span.as_secs() {
        0..=9 => format!("{:.1} s", span.as_secs_f64()),
        seconds @ 10..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests;
