//! For whoever runs the service: how it is, asked with the operators' token.

mod access;
mod health;
pub(crate) mod routes;
