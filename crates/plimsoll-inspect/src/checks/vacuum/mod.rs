//! Checks B: what vacuum has left undone, and what is running out.

use super::Check;

pub(super) const CHECKS: &[&Check] = &[];
