//! Checks G.

mod dead_clients;
