//! Subscriptions: how many devices a tenant may have, and how many it has.

pub mod store;
