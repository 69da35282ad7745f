//! How a program asks for what is [recorded](crate::record), and what is given out.
//!
//! | file | what it holds |
//! |---|---|
//! | [`access`] | how a program asks, and tells what it did itself |
//! | [`report`] | what is given out |
//! | [`pulse`] | what is asked for each second |
//! | [`suggested`] | limits that would fit what statements take |
//! | [`mod@without_constants`] | statements as they may be shown |
//! | [`sampler`] | the snapshot of the pool that is taken each second |

pub(crate) mod access;
pub(crate) mod pulse;
pub(crate) mod report;
pub(super) mod sampler;
pub(crate) mod suggested;
pub(crate) mod without_constants;
