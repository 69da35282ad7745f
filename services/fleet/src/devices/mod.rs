//! Devices: what they are, whom they belong to, and how a new one comes in.

pub mod admission;
pub mod admit;
mod device;
pub mod provision;
pub mod refusal;
pub mod routes;
pub mod store;

pub use device::{DeviceId, DeviceStatus, SiteId};
