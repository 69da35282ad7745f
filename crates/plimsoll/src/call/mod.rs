//! One call: the handle that a program clones, a lent connection, a statement, a transaction.
//!
//! | file | what it holds |
//! |---|---|
//! | [`database`] | the handle: the work that goes through it, and what its owner asks of it |
//! | [`builder`] | the options of one call: name, limits, priority, isolation |
//! | [`connection`] | a lent connection, as a caller sees it |
//! | [`server`] | what all connections to one server share |
//! | [`postgres`] | a connection to PostgreSQL as the pool manages it: opened, judged at its return, made clean |
//! | [`statement`] | how one statement runs, is stopped, and is repeated where that is safe |
//! | [`transaction`] | BEGIN, COMMIT, savepoints, and finding out how a lost COMMIT ended |
//! | [`health`] | what was found when the database was asked how it is |
//! | [`breaker`], [`retry`], [`idempotent`] | who is let through, and what runs again |

pub(crate) mod breaker;
pub(crate) mod builder;
pub(crate) mod cancel_handle;
pub(crate) mod connection;
pub(crate) mod database;
pub(crate) mod health;
pub(crate) mod idempotent;
pub(crate) mod options;
pub(crate) mod postgres;
pub(crate) mod retry;
pub(crate) mod server;
pub(crate) mod statement;
pub(crate) mod transaction;
