//! Checks G: the limits that a session of the application's role has by itself.

mod application_role;
mod connection_limit;
mod dead_clients;
mod dead_peers;
mod idle_in_transaction;
mod idle_session;
mod limit;
mod limit_source;
mod lock_timeout;
mod migration_role;
mod order;
mod session_limits;
mod statement_timeout;
mod transaction_timeout;

use super::Check;

pub(super) const CHECKS: &[&Check] = &[
    &dead_clients::G01,
    &statement_timeout::G02,
    &lock_timeout::G03,
    &idle_in_transaction::G04,
    &transaction_timeout::G05,
    &idle_session::G06,
    &limit_source::G07,
    &order::G08,
    &application_role::G09,
    &connection_limit::G10,
    &migration_role::G11,
    &dead_peers::G12,
];
