//! What is told of alerts to the outside, and what became of it.
//!
//! An alert that is opened, acknowledged or closed, and each step of an escalation, writes its messages in its own transaction
//! ([`enqueue`]); which routes an alert takes is a pure rule ([`matching`]). A background task of every instance ([`sender`])
//! claims messages, commits, sends them, and writes down what became of it. So a message is sent **at least once**: a sender that
//! ends between the receiver's answer and its own COMMIT is followed by another try. Each try of a message carries the same
//! `Idempotency-Key` (for mail: the same `Message-ID`), by which a receiver tells a repetition.
//!
//! A webhook goes to the public internet by HTTPS and nowhere else ([`address`], [`webhook`]); mail goes through the relay that
//! the operator has named ([`mail`]).

pub mod address;
mod attempt;
pub mod enqueue;
pub mod log;
pub mod mail;
pub mod matching;
pub mod refusal;
pub mod retry;
pub mod routes;
pub mod secret_change;
pub mod sender;
pub mod signature;
pub mod store;
pub mod webhook;

pub use attempt::Outcome;
