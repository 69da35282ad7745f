//! The record of who did what: `audit_log`, to which rows are added and never changed.
//!
//! What people of a tenant write is recorded by triggers on the tables, and not by handlers: so no route can forget it, the row
//! is in the transaction of the write, and where it cannot be added nothing is written. All that the service does for it is to
//! name the person in each transaction of a request ([`origin`], `tenants::transaction`). What operators do is recorded by their
//! transaction ([`crate::operator::transaction`]), reads included: they see nothing that was not recorded.
//!
//! The service's role may not add, change or delete a row of it. What is older than ninety days is forgotten ([`forget`]).

pub mod forget;
pub mod origin;
pub mod routes;
pub mod store;
