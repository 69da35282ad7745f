//! What runs beside the calls: the start of a handle, the heartbeat, and the answers to how the database is.
//!
//! | file | what it holds |
//! |---|---|
//! | [`start`] | from settings to a handle, and the wait until the database answers |
//! | [`heartbeat`], [`probe_connects`], [`session_watch`], [`lock_watch`] | the reserved connection: signs of life, changes of the schema, what other clients leave, who waits for locks |
//! | [`read_pools`], [`replication`] | a pool for each replica, and the task that asks every server for its role and lag |
//! | [`budget`] | the connections that instances and pools share |
//! | [`health`], [`capacity`] | how the database is, and how full |
//! | [`diagnostics`] | the same for a report on a program that hangs: it waits for nothing |
//! | [`listen`] | notifications, on a connection of their own |
//! | [`monitor`] | what went on: acquisitions, statements, leases, in bounded memory |
//! | [`metrics`] | what is measured, for monitoring systems; alert rules |
//! | [`slow_log`] | tells what the slow log counted, and asks for the plans of slow statements |
//! | [`events`] | writes events to the log |

pub(crate) mod budget;
pub(crate) mod capacity;
pub(crate) mod diagnostics;
mod events;
pub(crate) mod health;
pub(crate) mod heartbeat;
pub(crate) mod listen;
mod lock_watch;
pub(crate) mod metrics;
pub(crate) mod monitor;
mod probe_connects;
mod read_pools;
mod replication;
mod session_watch;
mod slow_log;
mod start;
