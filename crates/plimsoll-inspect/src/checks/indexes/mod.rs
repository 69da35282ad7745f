//! Checks I: indexes and keys.

mod foreign_keys;
mod invalid;
mod unused;

use super::Check;

pub(super) const CHECKS: &[&Check] = &[&invalid::I01, &unused::I03, &foreign_keys::I04];
