//! For those who run the service: how each of its parts is, and how full the database is.

pub(super) mod capacity;
pub(super) mod health;
