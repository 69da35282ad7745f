//! Checks C: how many connections there are, and the pooler before them.

use super::Check;

pub(super) const CHECKS: &[&Check] = &[];
