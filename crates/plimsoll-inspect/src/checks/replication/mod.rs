//! Checks R: replication, and what a crash would lose.

use super::Check;

pub(super) const CHECKS: &[&Check] = &[];
