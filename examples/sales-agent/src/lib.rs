//! What the service `sales-agent` keeps, and what it tells of its database.

use plimsoll::migrate::Migrations;
use plimsoll::{Database, Pooler, Result};
use serde_json::{Value, json};

/// The schema.
pub static MIGRATIONS: Migrations = plimsoll::migrations!("migrations/001_media_buys.sql");

/// Books a media buy: the buy and its entry in the audit log, or neither. Gives its id, and whether it is new.
///
/// The transaction is run again if it was certainly rolled back by a temporary fault, such as a deadlock or a lost connection:
/// what `execute_with_retry()` is in other services. After a COMMIT whose answer was lost it is not; the buyer who sends the
/// same reference again gets the same buy.
///
/// # Errors
/// As any transaction; `Fault::Constraint` for a budget that is not positive.
///
/// # Cancel safety
/// Dropped, it is rolled back, unless the COMMIT is already under way.
pub async fn book(db: &Database, buyer_ref: &str, budget_cents: i64) -> Result<(i64, bool)> {
    db.named("book a media buy")
        .retrying(async |tx| {
            let insert = "INSERT INTO media_buy (buyer_ref, budget_cents) VALUES ($1, $2)
                          ON CONFLICT (buyer_ref) DO NOTHING RETURNING id";
            let Some(row) = tx.query_opt(insert, &[&buyer_ref, &budget_cents]).await? else {
                let known = "SELECT id FROM media_buy WHERE buyer_ref = $1";
                return Ok((tx.query_one(known, &[&buyer_ref]).await?.try_get(0)?, false));
            };
            let id: i64 = row.try_get(0)?;
            tx.execute("INSERT INTO audit_log (media_buy_id, what) VALUES ($1, 'booked')", &[&id]).await?;
            Ok((id, true))
        })
        .await
}

/// What `get_pool_status()` tells in other services, by the same names, and beside it the breaker, the limits and the pooler.
/// It asks the database nothing, so it answers while that is away.
#[must_use]
pub fn pool_status(db: &Database) -> Value {
    let (now, breaker, plan) = (db.pool_status(), db.breaker(), db.plan());
    json!({
        "size": now.size,
        "checked_in": now.checked_in,
        "checked_out": now.checked_out,
        "overflow": now.overflow,
        "total_connections": now.total_connections,
        "waiting": now.waiting,
        "maximum": now.maximum,
        "circuit_breaker": {
            "state": breaker.state.to_string(),
            "open_seconds": breaker.open_for.map(|time| time.as_secs_f64()),
            "trips": breaker.trips,
            "refused": breaker.refused,
        },
        "limits_seconds": {
            "query": plan.statement_timeout().map(|limit| limit.as_secs_f64()),
            "connect": plan.connect_timeout().as_secs_f64(),
            "pool": plan.pool_timeout().as_secs_f64(),
        },
        // Not known before the first connection.
        "pgbouncer": db.pooler().map(|pooler| pooler == Pooler::Transaction),
    })
}
