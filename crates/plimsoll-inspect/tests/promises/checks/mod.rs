//! Each check of `plimsoll doctor` on a server where it fires and on one where it does not, and its remedy put to the proof.

mod activity;
mod connections;
mod guardrails;
mod indexes;
mod observability;
mod replication;
mod scene;
mod vacuum;
mod whole;
