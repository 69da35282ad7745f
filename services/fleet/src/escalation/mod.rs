//! Escalation: who is told of an alert, and who next if it is not acknowledged.

pub mod policy;
pub mod refusal;
pub mod routes;
pub mod store;
pub mod tick;
