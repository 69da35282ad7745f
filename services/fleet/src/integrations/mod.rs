//! Integrations: where alerts are told outside of the service, and the routes that say which of them.

pub mod refusal;
pub mod route;
pub mod routes;
pub mod store;
