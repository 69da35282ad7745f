//! Subscriptions: how many devices a tenant may have, how many it has, and until when.

pub mod store;
pub mod subscription;
