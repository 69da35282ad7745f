//! Alerts: what is wrong with a fleet, one for each cause, until somebody closes it.

pub mod alert;
pub mod refusal;
pub mod routes;
mod severity;
pub mod store;

pub use severity::Severity;
