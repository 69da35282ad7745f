//! Checks O: what would be known afterwards.

use super::Check;

pub(super) const CHECKS: &[&Check] = &[];
