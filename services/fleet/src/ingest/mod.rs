//! Ingest: from what a device sent to a row that has been committed.

pub(crate) mod batch;
mod desk;
mod fields;
pub(crate) mod health;
pub mod intake;
pub mod lookup;
pub mod message;
pub mod mqtt;
mod number;
pub mod pace;
pub mod partitions;
pub mod quarantine;
pub mod queue;
pub mod rate;
pub mod reading;
pub mod refusal;
pub mod rounds;
pub mod routes;
pub mod store;
mod time;
pub mod writer;
