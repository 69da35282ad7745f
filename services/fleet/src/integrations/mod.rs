//! Integrations, which are the places outside where alerts are told, and the routes that say which alert goes to which.

pub mod integration;
pub mod integration_routes;
pub mod integration_store;
pub mod refusal;
pub mod route;
pub mod routes;
pub mod store;
