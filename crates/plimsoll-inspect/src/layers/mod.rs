//! The time limits between a person and a row, from the outside in: where each is set, how long it is, and whether each lies
//! inside the one around it.
//!
//! A limit that is longer than the one around it never acts, or acts where no caller is left: a proxy that gives up after 30 s
//! hides a statement's limit of 60 s, and the statement goes on for nobody. Each of the two numbers may have been reasonable
//! by itself, and they are set in different files by different people. So they are read from where they are set and held against
//! each other here.
//!
//! | file | what it holds |
//! |---|---|
//! | [`limit`] | one limit, its layer, and where it is set |
//! | [`order`] | which limit has to lie inside which, and why |
//! | [`mod@corrected`] | values in which every limit lies inside the next, as close to the given ones as can be |
//! | [`nginx`], [`pooler`], [`server`], [`connection`] | how limits are read |
//! | [`drawing`] | limits as a drawing, in SVG |
//!
//! All of it is pure: texts and answers come in, limits go out.

pub mod connection;
pub mod corrected;
pub mod drawing;
pub mod limit;
pub mod nginx;
pub mod order;
pub mod pooler;
pub mod server;

pub use crate::span::in_words;
pub use corrected::{Correction, Whose, corrected};
pub use limit::{At, Layer, Limit};
pub use order::{Inversion, Missing, inversions, missing};
