//! Limits that only make sense in an order, and how those that nobody said follow those that somebody did.
//!
//! A lock limit above the statement limit never acts. A client limit below the server's hides the server's reason. A
//! dead connection that the kernel keeps for longer than a caller waits is lent again as if it lived. Each of these
//! has been an outage somewhere, and each began as one reasonable number beside a default that nobody looked at.
//!
//! So the order is kept from both ends. A limit that was *not* said gives way: it takes its usual value if that lies
//! between its neighbours, and otherwise one a fifth away from the nearer of them. Two limits that *were* said are
//! never moved: if they contradict each other, both are named with their values. `off` takes no part; a limit that is
//! not there cannot be in anybody's way.

use std::time::Duration;

use super::duration::Limit;
use super::problem::Problem;
use super::table::{Plan, Settings};

/// What the client waits for beyond the server's limit: a round trip, and the server's time to stop.
const CLIENT_GRACE: Duration = Duration::from_secs(2);

/// One limit by name, with what it came out as.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resolved {
    name: &'static str,
    pub(super) limit: Limit,
    said: bool,
}

impl Resolved {
    /// What was said, or else the wish, moved between its neighbours.
    pub(super) fn new(
        name: &'static str,
        said: Option<Limit>,
        wish: Limit,
        floor: Limit,
        ceiling: Limit,
    ) -> Self {
        let limit = said.unwrap_or_else(|| between(floor, wish, ceiling));
        Self { name, limit, said: said.is_some() }
    }

    fn shown(&self) -> String {
        let origin = if self.said { "" } else { " (which nobody said)" };
        format!("{}{origin}", self.limit)
    }

    /// The problem that this one is not below the other, if it should be and is not.
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

/// The wish if it fits, else a value a fifth away from the neighbour that it does not fit, else the middle.
fn between(floor: Limit, wish: Limit, ceiling: Limit) -> Limit {
    let Limit::After(wish) = wish else { return Limit::Off };
    let above = |time: Duration| floor.duration().is_none_or(|floor| time > floor);
    let below = |time: Duration| ceiling.duration().is_none_or(|ceiling| time < ceiling);
    if above(wish) && below(wish) {
        return Limit::After(wish);
    }
    let near = match (floor.duration(), ceiling.duration()) {
        (_, Some(ceiling)) if !below(wish) => ceiling.saturating_mul(4) / 5,
        (Some(floor), _) => floor.saturating_mul(5) / 4,
        (None, _) => wish,
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
    /// The statement limit first, between what was said around it; then the others around the statement limit.
    pub(super) fn settle(said: &Settings, plan: &Plan) -> Self {
        let open = Limit::Off;
        let longest_transaction = said.transaction_timeout.unwrap_or(open);
        let upper = said.client_statement_timeout.unwrap_or(open).least(longest_transaction);
        let statement = Resolved::new(
            "statement_timeout",
            said.statement_timeout,
            plan.statement_timeout,
            said.lock_timeout.unwrap_or(open),
            upper,
        );
        let below = statement.limit.least(upper);
        let lock = Resolved::new("lock_timeout", said.lock_timeout, plan.lock_timeout, open, below);

        let client = Resolved::new(
            "client_statement_timeout",
            said.client_statement_timeout,
            later(statement.limit, CLIENT_GRACE),
            statement.limit,
            longest_transaction,
        );

        let inner = if client.limit == Limit::Off { statement.limit } else { client.limit };
        let transaction_wish =
            match (statement.limit.duration().or(inner.duration()), plan.transaction_timeout) {
                (Some(inner), Limit::After(usual)) => Limit::After(usual.max(inner.saturating_mul(2))),
                _ => Limit::Off,
            };
        let transaction =
            Resolved::new("transaction_timeout", said.transaction_timeout, transaction_wish, inner, open);
        Self { lock, statement, client, transaction }
    }

    /// Everything that was said against the order, or else whatever found no room in it.
    pub(super) fn inversions(&self) -> Vec<Problem> {
        let said = self.disorder(|limit| limit.said);
        if said.is_empty() { self.disorder(|_| true) } else { said }
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
