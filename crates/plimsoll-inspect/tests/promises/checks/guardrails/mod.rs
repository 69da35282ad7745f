//! Checks G.

mod dead_clients;
mod idle_session;
mod limit_source;
mod limits;
mod order;

// What they begin with.
mod app;
