//! Subscriptions: how many devices a tenant may have, how many it has, and until when.

pub mod list;
pub mod refusal;
pub mod renew;
pub mod renewal;
pub mod routes;
pub mod store;
pub mod subscription;
pub mod terms;
