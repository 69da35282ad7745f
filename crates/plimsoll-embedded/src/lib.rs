//! A private PostgreSQL, PgBouncer and Mosquitto, for development and tests: made in under a second from the programs that the
//! machine already has, and gone without a trace when the one who asked for it is gone.
//!
//! ```no_run
//! # async fn example() -> plimsoll_embedded::Result<()> {
//! use plimsoll_embedded::{Cluster, PgBouncer, PoolMode, StopMode, test_server};
//!
//! let database = test_server::database().await?;         // a fresh database on a server that a whole test run shares
//! println!("{}", database.url());
//!
//! let cluster = Cluster::start().await?;                  // a server of one's own, to be stopped, killed and restarted
//! cluster.restart(StopMode::Immediate).await?;
//! let bouncer = PgBouncer::in_front_of(&cluster).pool_mode(PoolMode::Transaction).start().await?;
//! println!("{}", bouncer.url("postgres"));
//!
//! let dev = Cluster::builder().data_dir("data/dev").port(5433).start().await?;      // keeps its rows for the next time
//! # drop(dev); Ok(()) }
//! ```
//!
//! # Why another one
//!
//! `postgresql_embedded` downloads a server: the first build then needs a network, meets the rate limit of whoever hosts
//! the archive, and trusts binaries that no distribution signed. `pgtemp` uses the installed server, as this does, but
//! starts one for each test, cannot be restarted or killed on purpose, runs nothing in front of the server, and leaves it
//! running when the test process is killed. Neither shares a server among the processes of a nextest run. What this crate
//! adds is in that gap:
//!
//! - **It ends.** A watchdog outside the process stops the server and removes its folder even after SIGKILL.
//! - **It is fast.** One server a run, one template copy a test ([`test_server`]).
//! - **It can be hurt.** Stopped in any mode, started again on the same port, with its process id known.
//! - **It runs anywhere.** As root (in a container) it steps down to `postgres` or `nobody`.
//! - **It explains itself.** Each [`Error`] says what was tried, the likely cause, and what to do.
//!
//! # Which server
//!
//! See [`Binaries::find`]; in short: `PLIMSOLL_PG_BIN` (a folder), else `PATH`, `pg_config`, and the folders of the
//! distributions; `PLIMSOLL_PG_VERSION` picks a major version; `PLIMSOLL_PGBOUNCER` names the pooler and `PLIMSOLL_MOSQUITTO` the broker.
//! `PLIMSOLL_PGBOUNCER_VERSION` (or [`PgBouncerBuilder::version`]) picks among the installed pooler and those unpacked
//! under `PLIMSOLL_PGBOUNCER_FOLDER`.

mod binaries;
mod cluster;
mod daemon;
mod error;
mod file_lock;
mod folder;
mod install;
mod mosquitto;
mod pgbouncer;
mod pgbouncer_version;
mod port;
mod process;
mod root;
mod secret;
mod sql;
pub mod test_server;
mod url;
mod watchdog;

pub use binaries::Binaries;
pub use cluster::{Auth, Cluster, ClusterBuilder, StopMode};
pub use error::{Error, Result};
pub use mosquitto::{Mosquitto, MosquittoBuilder};
pub use pgbouncer::{PgBouncer, PgBouncerBuilder, PoolMode, Upstream};
pub use pgbouncer_version::PgBouncerVersion;
pub use sql::Row;
