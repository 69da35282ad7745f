//! Tenants: whose everything is, and the only way to touch it.

pub mod access;
mod id;
pub mod transaction;

pub use id::TenantId;
pub use transaction::TenantTx;
