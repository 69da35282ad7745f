//! Checks G.

mod application_role;
mod connection_limit;
mod dead_clients;
mod dead_peers;
mod idle_session;
mod limit_source;
mod limits;
mod migration_role;
mod order;

// What they begin with.
mod app;
