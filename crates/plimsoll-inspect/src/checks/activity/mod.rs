//! Checks A: what sessions do and wait for at this moment.

use super::Check;

pub(super) const CHECKS: &[&Check] = &[];
