//! Ingest: from what a device sent to a row that has been committed.

pub mod message;
pub mod partitions;
pub mod routes;
pub mod store;
pub mod writer;
