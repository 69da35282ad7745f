//! Checks O.

mod logs;
mod rights;
mod statement_statistics;
mod versions;
