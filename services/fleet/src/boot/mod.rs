//! How the service starts and stops: what it was told, its login role, its schema, its first tenant, and the paths that
//! it answers.

pub(crate) mod access;
mod alert_paths;
mod background;
pub mod bring_up;
mod broker;
pub mod config;
mod database_url;
pub mod delivery_config;
pub mod demo;
#[cfg(feature = "dev")]
pub(crate) mod dev_postgres;
pub mod env_file;
pub mod ingest_config;
pub mod mqtt_config;
mod origin;
pub mod prepare;
mod prepared;
mod private_file;
pub mod role;
pub(crate) mod router;
pub mod schema;
pub mod session;
pub mod start;
mod start_error;
mod state_config;
mod stop;
