//! Checks I: indexes and keys.

use super::Check;

pub(super) const CHECKS: &[&Check] = &[];
