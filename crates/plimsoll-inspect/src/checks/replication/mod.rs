//! Checks R: replication, and what a crash would lose.

mod asynchronous_commit;
mod durability;
mod lag;
mod slots;
mod synchronous;

use super::Check;

pub(super) const CHECKS: &[&Check] =
    &[&lag::R01, &slots::R02, &synchronous::R03, &asynchronous_commit::R04, &durability::R05];
