//! Ingest: from what a device sent to a row that has been committed.

mod fields;
pub(crate) mod health;
pub mod message;
mod number;
pub mod partitions;
pub mod reading;
pub mod refusal;
pub mod routes;
pub mod store;
mod time;
pub mod writer;
