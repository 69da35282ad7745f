//! What keeps tables in order, besides autovacuum's formula: what holds vacuum back, which vacuums are under way, and which options
//! a table had better have.
//!
//! | file | what it holds |
//! |---|---|
//! | [`holders`] | what keeps dead rows from being removed, and what ends it |
//! | [`progress`] | how far the vacuums, rewrites and analyzes under way have come |
//! | [`mod@advice`] | options of a table that fit what is done with it |

pub mod advice;
pub mod holders;
pub mod progress;

pub use advice::{Advice, Bounds, advice, needs_analyze};
pub use holders::{Holder, XMIN_HORIZON};
pub use progress::{PROGRESS, Work};
