//! Readings as their tenant reads them: page by page, as points of a chart, and as a file.
//!
//! All three are bounded before the database is asked: a range has a greatest width, a page a greatest length, a chart a
//! greatest number of points. Each names the times between which it reads, so the server looks only into the partitions of
//! those days. Numbers go from the table to the client as text and through no floating point, so they are those that the
//! device wrote, to the last decimal.

pub mod export;
pub mod file;
pub mod query;
mod refusal;
pub mod routes;
pub mod store;

pub use refusal::TelemetryRefusal;
