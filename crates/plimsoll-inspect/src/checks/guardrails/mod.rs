//! Checks G: the limits that a session of the application's role has by itself.

mod dead_clients;

use super::Check;

pub(super) const CHECKS: &[&Check] = &[&dead_clients::G01];
