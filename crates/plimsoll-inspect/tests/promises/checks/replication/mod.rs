//! Checks R.

mod commits;
mod lag;
mod slots;
