//! Checks O: what would be known afterwards.

mod lock_log;
mod restart;
mod rights;
mod slow_log;
mod statement_statistics;

use super::Check;

pub(super) const CHECKS: &[&Check] =
    &[&statement_statistics::O01, &lock_log::O02, &slow_log::O03, &restart::O07, &rights::O09];
