//! One call to the database: the handle that a program clones, a lent connection, a statement, a transaction.
//!
//! | file | what it holds |
//! |---|---|
//! | [`database`] | the handle: the work that goes through it, and how it is operated |
//! | [`builder`], [`adaptive`] | the options of one call: name, limits, priority, isolation |
//! | [`lending`] | how a call gets its connection, and how long it waits for one |
//! | [`options`] | the options of a transaction, and the text of its BEGIN |
//! | [`connection`] | a lent connection, as its borrower sees it |
//! | [`server`] | what all connections to one server share |
//! | [`postgres`] | a connection to PostgreSQL as the pool manages it: opened, judged at its return, made clean |
//! | [`statement`] | how one statement runs, is stopped, and is repeated where that is safe |
//! | [`transaction`] | BEGIN, COMMIT, savepoints, and finding out how a lost COMMIT ended |
//! | [`health`] | the last answer to the question how the database is |
//! | [`breaker`], [`retry`], [`idempotent`] | which calls are let through, and which run again |
//! | [`again`] | a statement of which nothing has run, on another connection |
//! | [`replicas`], [`standing`] | the servers that reads may go to, and what each tells of itself |
//! | [`reads`], [`fallback`] | how a read gets its server, and how much of the primary such reads may have |
//! | [`span`] | the spans that all of this leaves for `tracing` |
//! | [`cancel_handle`] | cancels the statement of a lease from another task |

pub(crate) mod adaptive;
mod again;
pub(crate) mod breaker;
pub(crate) mod builder;
pub(crate) mod cancel_handle;
pub(crate) mod connection;
pub(crate) mod database;
mod fallback;
pub(crate) mod health;
pub(crate) mod idempotent;
mod lending;
pub(crate) mod options;
pub(crate) mod postgres;
mod reads;
pub(crate) mod replicas;
pub(crate) mod retry;
pub(crate) mod server;
pub(crate) mod span;
pub(crate) mod standing;
pub(crate) mod statement;
pub(crate) mod transaction;
