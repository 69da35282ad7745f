//! Checks I.

mod foreign_keys;
mod invalid;
mod unused;
