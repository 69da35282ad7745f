//! Devices: what they are, whom they belong to, how a new one comes in, and how one goes.

pub mod admission;
pub mod admit;
pub mod change;
mod device;
pub mod draft;
pub mod import;
pub mod list;
pub mod provision;
pub mod refusal;
pub mod register;
pub mod registry_refusal;
pub mod retire;
pub mod routes;
pub mod state;
pub mod store;
pub mod tags;
pub mod tokens;

pub use device::{DeviceId, DeviceStatus, RESERVED_IDS, SiteId};
