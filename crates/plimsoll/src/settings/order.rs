//! Limits that must lie in an order, and how a limit that was not set follows those that were.
//!
//! A lock limit above the statement limit never acts. A client limit below the server's hides the server's reason. A
//! dead connection that the kernel keeps for longer than a caller waits is lent again as if it were alive. Each of
//! these has caused an outage somewhere, and each began as one reasonable number beside a default that was not looked
//! at.
//!
//! So a limit that was *not* set gives way: it takes its default if that lies between its neighbours, else a value
//! that is a fifth away from the nearer neighbour. Two limits that *were* set are never moved: if they contradict each
//! other, both are reported with their values. `off` takes no part in the order.

use std::time::Duration;

use super::duration::Limit;
use super::problem::Problem;
use super::table::{Plan, Settings};

/// How much longer the client waits than the server's limit: a round trip, and the server's time to stop.
const CLIENT_GRACE: Duration = Duration::from_secs(2);

/// One limit with its name and its final value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resolved {
    name: &'static str,
    pub(super) limit: Limit,
    is_given: bool,
}

impl Resolved {
    /// The value that was set, or else the default, moved between its neighbours.
    pub(super) fn new(
        name: &'static str,
        given: Option<Limit>,
        default: Limit,
        floor: Limit,
        ceiling: Limit,
    ) -> Self {
        let limit = given.unwrap_or_else(|| between(floor, default, ceiling));
        Self { name, limit, is_given: given.is_some() }
    }

    fn shown(&self) -> String {
        let origin = if self.is_given { "" } else { " (which was not set)" };
        format!("{}{origin}", self.limit)
    }

    /// The problem that this limit is not below the other, if that is so.
    pub(super) fn must_be_below(&self, greater: &Self) -> Option<Problem> {
        let (Limit::After(low), Limit::After(high)) = (self.limit, greater.limit) else { return None };
        (low >= high).then(|| {
            Problem::new(
                self.name,
                self.shown(),
                format!("less than {}, which is {}", greater.name, greater.shown()),
                format!("lower {} or raise {}", self.name, greater.name),
            )
        })
    }
}

/// The default if it fits, else a value a fifth away from the neighbour that it does not fit, else the middle.
fn between(floor: Limit, default: Limit, ceiling: Limit) -> Limit {
    let Limit::After(default) = default else { return Limit::Off };
    let above = |time: Duration| floor.duration().is_none_or(|floor| time > floor);
    let below = |time: Duration| ceiling.duration().is_none_or(|ceiling| time < ceiling);
    if above(default) && below(default) {
        return Limit::After(default);
    }
    let near = match (floor.duration(), ceiling.duration()) {
        (_, Some(ceiling)) if !below(default) => ceiling.saturating_mul(4) / 5,
        (Some(floor), _) => floor.saturating_mul(5) / 4,
        (None, _) => default,
    };
    let near = whole_milliseconds(near);
    if above(near) && below(near) {
        return Limit::After(near);
    }
    let middle =
        floor.duration().unwrap_or_default().saturating_add(ceiling.duration().unwrap_or_default()) / 2;
    Limit::After(whole_milliseconds(middle).max(Duration::from_millis(1)))
}

fn whole_milliseconds(time: Duration) -> Duration {
    time.saturating_sub(Duration::from_nanos(u64::from(time.subsec_nanos() % 1_000_000)))
}

/// The four limits that lie within each other.
pub(super) struct Chain {
    pub(super) lock: Resolved,
    pub(super) statement: Resolved,
    pub(super) client: Resolved,
    pub(super) transaction: Resolved,
}

impl Chain {
    /// Decides the statement limit first, between the limits that were set around it; then the others around it.
    pub(super) fn resolve(given: &Settings, plan: &Plan) -> Self {
        let open = Limit::Off;
        let longest_transaction = given.transaction_timeout.unwrap_or(open);
        let upper = given.client_statement_timeout.unwrap_or(open).least(longest_transaction);
        let statement = Resolved::new(
            "statement_timeout",
            given.statement_timeout,
            plan.statement_timeout,
            given.lock_timeout.unwrap_or(open),
            upper,
        );
        let below = statement.limit.least(upper);
        let lock = Resolved::new("lock_timeout", given.lock_timeout, plan.lock_timeout, open, below);

        let client = Resolved::new(
            "client_statement_timeout",
            given.client_statement_timeout,
            later(statement.limit, CLIENT_GRACE),
            statement.limit,
            longest_transaction,
        );

        let inner = if client.limit == Limit::Off { statement.limit } else { client.limit };
        let transaction_default =
            match (statement.limit.duration().or(inner.duration()), plan.transaction_timeout) {
                (Some(inner), Limit::After(usual)) => Limit::After(usual.max(inner.saturating_mul(2))),
                _ => Limit::Off,
            };
        let transaction =
            Resolved::new("transaction_timeout", given.transaction_timeout, transaction_default, inner, open);
        Self { lock, statement, client, transaction }
    }

    /// The limits that were set against the order, or else those for which there is no room in it.
    pub(super) fn inversions(&self) -> Vec<Problem> {
        let given = self.disorder(|limit| limit.is_given);
        if given.is_empty() { self.disorder(|_| true) } else { given }
    }

    fn disorder(&self, counts: impl Fn(&Resolved) -> bool) -> Vec<Problem> {
        let counted: Vec<Resolved> = [self.lock, self.statement, self.client, self.transaction]
            .into_iter()
            .filter(|settled| settled.limit != Limit::Off && counts(settled))
            .collect();
        let pairs = counted.iter().zip(counted.iter().skip(1));
        pairs.filter_map(|(low, high)| low.must_be_below(high)).collect()
    }
}

fn later(limit: Limit, by: Duration) -> Limit {
    Limit::from(limit.duration().map(|time| time.saturating_add(by)))
}
