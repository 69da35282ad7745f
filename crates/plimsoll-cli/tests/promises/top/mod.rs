//! `plimsoll top` shows what goes on, stops what was confirmed and nothing else, and outlives its server's trouble.

mod by_keys;
mod once;
pub(crate) mod terminal;
