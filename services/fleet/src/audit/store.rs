//! The record in SQL, as a tenant and as operators read it.

use crate::instant::StoredInstant;
use crate::operator::OperatorTx;
use crate::tenants::TenantTx;
use plimsoll::Result;
use plimsoll::tokio_postgres::Row;
use serde_json::{Value, json};

macro_rules! shown {
    ($rest:literal) => {
        concat!(
            "SELECT audit_id, at, tenant_id, actor_type, actor_id, action, object_type, object_id, outcome, reason, client,
                    request_id, person
             FROM public.audit_log WHERE ($1::text IS NULL OR tenant_id = $1) AND audit_id < $2
               AND ($3::text IS NULL OR actor_id = $3 OR person = $3) AND ($4::text IS NULL OR action = $4)",
            $rest
        )
    };
}

const PAGE: &str = shown!(" ORDER BY audit_id DESC LIMIT $5");

/// Which rows are asked for. What is not said lets all of them pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this tenant.
    pub tenant: Option<String>,
    /// By this operator, tenant or person.
    pub actor: Option<String>,
    /// Of this kind.
    pub action: Option<String>,
}

/// A row, with the key by which it stands in its list.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub id: i64,
    is_by_operator: bool,
    json: Value,
}

impl Entry {
    /// As operators see it.
    #[must_use]
    pub fn for_operators(&self) -> &Value {
        &self.json
    }

    /// As its tenant sees it: that an operator did it, and not which one or from where.
    #[must_use]
    pub fn for_its_tenant(&self) -> Value {
        let mut json = self.json.clone();
        if let (true, Some(fields)) = (self.is_by_operator, json.as_object_mut()) {
            for name in ["actor_id", "client"] {
                fields.insert(name.to_owned(), Value::Null);
            }
        }
        json
    }
}

/// Up to `limit` rows of this tenant's that are older than the one with this id, the newest first.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn of_tenant(tx: &TenantTx, before: i64, limit: i64) -> Result<Vec<Entry>> {
    let (tenant, all): (Option<&str>, Option<&str>) = (Some(tx.tenant()), None);
    let rows = tx.query(PAGE, &[&tenant, &before, &all, &all, &limit]).await?;
    rows.iter().map(entry).collect()
}

/// Up to `limit` rows of all tenants that pass the filter and are older than the one with this id, the newest first.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn of_all(tx: &OperatorTx, filter: &Filter, before: i64, limit: i64) -> Result<Vec<Entry>> {
    let rows = tx.query(PAGE, &[&filter.tenant, &before, &filter.actor, &filter.action, &limit]).await?;
    rows.iter().map(entry).collect()
}

fn entry(row: &Row) -> Result<Entry> {
    let text = |place: usize| row.try_get::<_, Option<String>>(place);
    let (id, at, actor_type): (i64, StoredInstant, String) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(3)?);
    let json = json!({
        "audit_id": id,
        "at": at.to_string(),
        "tenant_id": text(2)?,
        "actor_type": actor_type,
        "actor_id": text(4)?,
        "person": text(12)?,
        "action": text(5)?,
        "object_type": text(6)?,
        "object_id": text(7)?,
        "outcome": text(8)?,
        "reason": text(9)?,
        "client": text(10)?,
        "request_id": text(11)?,
    });
    Ok(Entry { id, is_by_operator: actor_type == "operator", json })
}
