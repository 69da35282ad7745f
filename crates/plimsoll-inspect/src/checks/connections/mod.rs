//! Checks C: how many connections there are, and the pooler before them.

mod churn;
mod pooler;
mod pooler_ignores;
mod pooler_peers;
mod pooler_version;
mod pooler_waits;
mod used;

use super::Check;

pub(super) const CHECKS: &[&Check] = &[
    &used::C01,
    &churn::C03,
    &pooler_version::C06,
    &pooler_peers::C07,
    &pooler_waits::C08,
    &pooler_ignores::C09,
];
