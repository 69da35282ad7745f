//! Checks I.

mod covered;
mod foreign_keys;
mod invalid;
mod not_valid;
mod unused;
