//! Checks A: what sessions do and wait for at this moment.

mod advisory_locks;
mod blocked_sessions;
mod deadlocks;
mod idle_in_transaction;
mod long_queries;
mod oldest_transaction;
mod prepared;
mod sessions;
mod xmin_horizon;

pub(crate) use sessions::terminate;

use super::Check;

pub(super) const CHECKS: &[&Check] = &[
    &long_queries::A01,
    &idle_in_transaction::A02,
    &oldest_transaction::A03,
    &blocked_sessions::A04,
    &deadlocks::A05,
    &xmin_horizon::A06,
    &prepared::A07,
    &advisory_locks::A08,
];
