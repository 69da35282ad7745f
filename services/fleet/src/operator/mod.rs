//! The operators' plane: what those who run the service see and do of all tenants.
//!
//! # By which way
//! A tenant's rows are seen in that tenant's transaction and nowhere else; operators look at the rows of all. Three ways were
//! weighed. A role that passes row-level security by would see everything, secrets and readings included, and a single mistaken
//! query would be enough. Functions that run as the tables' owner are as strong as the owner, one for each question, and nothing
//! in the database bounds what is written into them. So it is a role of its own, `fleet_operator`: bound by row-level security as
//! all others are, with policies that let it see the rows of all tenants, and with grants by column that leave out hashes, tokens
//! and readings. No one logs in as it. An [`OperatorTx`] takes it for one transaction (`SET LOCAL ROLE`), and the login
//! `fleet_app` does not inherit from it: a fault in a tenant's request finds other tenants' rows as closed as before. A second
//! lock is `app.operator`: without the name of a person the policies show nothing.
//!
//! # On record
//! Each access is recorded, in its own transaction: an operator sees nothing that was not recorded, and changes nothing whose
//! record was rolled back. What tells of the machine and not of tenants (`/operator/system/*`, but for `aggregates`) is looked at
//! every few seconds, also while the database is away, and is not recorded.

pub(crate) mod caller;
pub mod filter;
pub mod history;
pub mod lists;
mod refusal;
pub mod routes;
pub mod subscriptions;
mod system;
pub mod tenant;
pub mod tenants;
pub mod transaction;

pub use refusal::OperatorRefusal;
pub use transaction::{Access, OperatorTx};
