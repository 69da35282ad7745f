//! What a program is told of the connection budget.

use crate::call::database::Database;
use crate::rules::slots::Slots;
use crate::rules::slots::allowance::Granted;
use crate::settings::{Enforcement, Plan};
use serde::Serialize;

/// How many connections a pool may have at this moment, and why: [`Database::connection_budget`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BudgetStatus {
    /// Whether the budget bounds the pool; in the mode `dark` it only tells what it would do.
    pub is_enforced: bool,
    /// Connections that the pool may have by its settings: `pool_max` and `max_overflow`.
    pub configured: usize,
    /// Connections that it may have now.
    pub allowed: usize,
    /// Connections that the budget grants it; in the mode `dark`, that it would grant. `None` where nothing was read yet, or
    /// where nothing can be read: behind a pooler, or without a heartbeat.
    pub granted: Option<usize>,
    /// Whether the server has refused a connection because it had none left, and the pool keeps to those that it has.
    pub is_refused: bool,
    /// How often the server has refused a connection for that reason.
    pub refusals: u64,
    /// Live instances that share the connections, this one among them.
    pub instances: Option<usize>,
    /// Connections that this instance may have, over all its pools; heartbeats are not counted.
    pub share: Option<usize>,
    /// The limit on sessions that decides: that of the server (`max_connections` without what is reserved), of the role or of
    /// the database.
    pub limit: Option<usize>,
    /// Sessions under that limit that belong to no instance, give or take a few.
    pub others: Option<usize>,
    /// Why the pool may have fewer connections than its settings say; `None` if it may have all.
    pub reason: Option<String>,
}

impl Database {
    /// How many connections this pool may have now, and why. It asks the server nothing.
    #[must_use]
    pub fn connection_budget(&self) -> BudgetStatus {
        BudgetStatus::of(&self.pool.inner.slots.lock(), &self.server.plan)
    }
}

impl BudgetStatus {
    pub(in crate::watch) fn of<C, H>(slots: &Slots<C, H>, plan: &Plan) -> Self {
        let granted = slots.allowance.granted();
        let share = granted.and_then(|Granted { share, .. }| share);
        BudgetStatus {
            is_enforced: plan.connection_budget() == Enforcement::On,
            configured: slots.configured(),
            allowed: slots.ceiling(),
            granted: granted.map(|granted| granted.connections),
            is_refused: slots.allowance.is_refused(),
            refusals: slots.allowance.refusals(),
            instances: share.map(|share| share.instances),
            share: share.map(|share| share.connections),
            limit: share.map(|share| share.limit),
            others: share.map(|share| share.others),
            reason: slots.restriction(),
        }
    }
}
