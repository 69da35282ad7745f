//! Makes a returned connection fit for the next borrower.
//!
//! It stops what runs, rolls back what is open, undoes what was left in the session, and checks that nothing is left. All
//! of it happens on a task of its own: the borrower who returned the connection has gone on, and the next one is lent
//! another connection, or waits no longer than the limit.

use super::handshake::Session;
use super::link::Link;
use super::stop::{Extent, StopResult};
use crate::sql::residue::Residue;
use crate::wire::transaction_status::TransactionStatus;
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// The reset. It is `DISCARD ALL` without the parts that would discard this crate's own prepared statements. `RESET ALL`
/// goes back to the start-up options, which contain the limits.
const RESET: &str = "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; \
                     SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES;";

/// Why a connection could not be made clean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// The connection has ended.
    Closed,
    /// What ran on the connection did not stop within the limit.
    StillRunning,
    /// A reset failed, or cannot undo what was done.
    NotResettable,
}

/// Stops, rolls back and resets, until the connection is clean.
///
/// # Errors
/// Why the connection must be discarded.
pub(crate) async fn reclaim(
    client: &Client,
    link: &Arc<Link>,
    session: &Session,
    until: Instant,
) -> Result<(), Unfit> {
    // Each turn repairs one thing. After more turns than there are things to repair, the connection is given up.
    for _ in 0..8 {
        link.abandon();
        match link.stop(until, Extent::Everything).await {
            StopResult::Closed => return Err(Unfit::Closed),
            StopResult::StillRunning => return Err(Unfit::StillRunning),
            StopResult::Quiet => {}
        }
        if link.is_doomed() || link.state.residue().contains(Residue::BEYOND_RESET) {
            return Err(Unfit::NotResettable);
        }
        let repair = match (link.state.status(), link.state.residue().is_none(), link.owes_barrier()) {
            (TransactionStatus::InTransaction | TransactionStatus::Failed, _, _) => "ROLLBACK".to_owned(),
            // An empty statement: a cancel that comes late hits it instead of a statement of the next borrower.
            (TransactionStatus::Idle, _, true) => String::new(),
            (TransactionStatus::Idle, false, false) => format!("{RESET} {}", session.after_reset),
            (TransactionStatus::Idle, true, false) => return Ok(()),
            _ => return Err(Unfit::NotResettable),
        };
        let residue = link.state.residue();
        let resets = !residue.is_none() && repair.starts_with("CLOSE");
        match timeout_at(until, link.sending(client.batch_execute(&repair))).await {
            Err(_) => return Err(Unfit::StillRunning),
            Ok(Ok(())) => {
                link.barrier_passed();
                if resets {
                    link.state.settle();
                }
            }
            // The late cancel has hit it. The next turn looks again.
            Ok(Err(error)) if error.code() == Some(&SqlState::QUERY_CANCELED) => link.barrier_passed(),
            Ok(Err(_)) if link.is_closed() => return Err(Unfit::Closed),
            Ok(Err(_)) => return Err(Unfit::NotResettable),
        }
    }
    Err(Unfit::NotResettable)
}
