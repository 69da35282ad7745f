//! Mosquitto, an MQTT broker, for services and tests of services that devices speak to.
//!
//! It is run as the distribution made it, with a configuration of its own in a temporary folder; like the servers it drops
//! root, and has a watchdog. What it holds for clients that are away is written to that folder every second, so that it can
//! be killed on purpose and come back with its sessions.

mod builder;
mod configuration;
mod handle;
mod program;

pub use builder::MosquittoBuilder;
pub use handle::Mosquitto;
