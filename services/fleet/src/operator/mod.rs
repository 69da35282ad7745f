//! For whoever runs the service: how it is, asked with the operators' token.

mod health;
pub(crate) mod routes;
