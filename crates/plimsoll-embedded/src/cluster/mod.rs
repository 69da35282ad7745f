//! One private PostgreSQL server: how it is asked for, how it is configured and started, and what may be done to it.

mod builder;
mod config;
mod handle;
mod kept;
mod server;
mod standby;

pub use builder::ClusterBuilder;
pub use config::Auth;
pub use handle::Cluster;
pub(crate) use server::Server;
pub use server::StopMode;
