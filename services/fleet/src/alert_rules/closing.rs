//! The end of an alert that a rule has opened: closed by itself, with the reason in its details.

use crate::alerts::store;
use crate::tenants::TenantTx;
use jiff::Timestamp;
use plimsoll::Result;
use serde_json::{Value, json};

const OF_RULE: &str = "
    SELECT id FROM public.fleet_alert
    WHERE tenant_id = $1 AND rule_id = $2 AND status IN ('OPEN', 'ACKNOWLEDGED') ORDER BY id FOR UPDATE";

/// What an alert's details say then.
pub(super) fn resolved(why: &str, at: Option<Timestamp>) -> Value {
    json!({ "resolved": { "by": "rule", "why": why, "at": at.map(|at| at.to_string()) } })
}

/// Closes all open alerts of a rule.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// It goes with the transaction.
pub(super) async fn all_of_rule(tx: &TenantTx, rule: i64, why: &str) -> Result<usize> {
    let mut ids: Vec<i64> = Vec::new();
    for row in tx.query(OF_RULE, &[&tx.tenant(), &rule]).await? {
        ids.push(row.try_get(0)?);
    }
    store::close_by_itself(tx, &ids, &resolved(why, None)).await
}
