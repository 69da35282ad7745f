//! PgBouncer in front of a server, for tests of what a pooler changes: session state that goes, startup options that it
//! refuses, cancels that it passes on in its own time.
//!
//! It is run as the distribution made it, with a configuration of its own in a temporary folder; like the server it
//! drops root, and has a watchdog.

mod builder;
mod handle;
mod ini;
mod on_each;
mod program;
mod upstream;

pub use builder::PgBouncerBuilder;
pub use handle::PgBouncer;
pub use ini::PoolMode;
pub use upstream::Upstream;
