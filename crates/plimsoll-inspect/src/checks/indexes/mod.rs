//! Checks I: indexes and keys.

mod covered;
mod foreign_keys;
mod invalid;
mod not_valid;
mod unused;

use super::Check;

pub(super) const CHECKS: &[&Check] =
    &[&invalid::I01, &covered::I02, &unused::I03, &foreign_keys::I04, &not_valid::I06];
