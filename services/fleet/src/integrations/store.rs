//! Routes in SQL. `severities` is the only column that says how bad an alert has to be.

use super::route::{Draft, Uuid};
use crate::instant::StoredInstant;
use crate::tenants::TenantTx;
use plimsoll::Result;
use plimsoll::tokio_postgres::Row;

/// Its own columns in the order of [`route`].
macro_rules! columns {
    () => {
        "route_id::text, integration_id::text, name, enabled, severities, alert_types, site_ids, device_prefixes, deliver_on,
         priority, created_at, updated_at"
    };
}

const INSERT: &str = concat!(
    "INSERT INTO public.integration_routes (tenant_id, integration_id, name, enabled, severities, alert_types, site_ids,
                                            device_prefixes, deliver_on, priority)
     VALUES ($1, $2::text::uuid, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING ",
    columns!()
);

const UPDATE: &str = concat!(
    "UPDATE public.integration_routes
     SET integration_id = $2::text::uuid, name = $3, enabled = $4, severities = $5, alert_types = $6, site_ids = $7,
         device_prefixes = $8, deliver_on = $9, priority = $10, updated_at = now()
     WHERE tenant_id = $1 AND route_id = $11::text::uuid RETURNING ",
    columns!()
);

const GET: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM public.integration_routes WHERE tenant_id = $1 AND route_id = $2::text::uuid"
);

const PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM public.integration_routes
     WHERE tenant_id = $1 AND route_id > $2::text::uuid ORDER BY route_id LIMIT $3"
);

const DELETE: &str =
    "DELETE FROM public.integration_routes WHERE tenant_id = $1 AND route_id = $2::text::uuid";

/// A route as it is stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its id.
    pub id: String,
    /// Where to.
    pub integration: String,
    /// What it is called.
    pub name: String,
    /// Whether it is used.
    pub enabled: bool,
    /// Which severities.
    pub severities: Vec<String>,
    /// Which types.
    pub alert_types: Vec<String>,
    /// Of which sites.
    pub site_ids: Vec<String>,
    /// Of devices whose ids begin so.
    pub device_prefixes: Vec<String>,
    /// In which states.
    pub deliver_on: Vec<String>,
    /// The less comes first.
    pub priority: i32,
    /// Since when it is there.
    pub created_at: StoredInstant,
    /// When it was last changed.
    pub updated_at: StoredInstant,
}

/// Writes a new route.
///
/// # Errors
/// As any statement's; an integration that is not there breaks a reference.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn create(tx: &TenantTx, draft: &Draft) -> Result<Stored> {
    let Draft {
        name, enabled, severities, alert_types, site_ids, device_prefixes, deliver_on, priority, ..
    } = draft;
    let row = tx
        .query_one(
            INSERT,
            &[
                &tx.tenant(),
                &draft.integration.as_str(),
                name,
                enabled,
                severities,
                alert_types,
                site_ids,
                device_prefixes,
                deliver_on,
                priority,
            ],
        )
        .await?;
    route(&row)
}

/// Writes a route anew; nothing if there is no such route.
///
/// # Errors
/// As [`create`].
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn update(tx: &TenantTx, id: &Uuid, draft: &Draft) -> Result<Option<Stored>> {
    let Draft {
        name, enabled, severities, alert_types, site_ids, device_prefixes, deliver_on, priority, ..
    } = draft;
    let row = tx
        .query_opt(
            UPDATE,
            &[
                &tx.tenant(),
                &draft.integration.as_str(),
                name,
                enabled,
                severities,
                alert_types,
                site_ids,
                device_prefixes,
                deliver_on,
                priority,
                &id.as_str(),
            ],
        )
        .await?;
    row.as_ref().map(route).transpose()
}

/// The route of this id.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn get(tx: &TenantTx, id: &Uuid) -> Result<Option<Stored>> {
    tx.query_opt(GET, &[&tx.tenant(), &id.as_str()]).await?.as_ref().map(route).transpose()
}

/// Up to `limit` routes whose ids come after `after`, in order.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn page(tx: &TenantTx, after: &Uuid, limit: i64) -> Result<Vec<Stored>> {
    tx.query(PAGE, &[&tx.tenant(), &after.as_str(), &limit]).await?.iter().map(route).collect()
}

/// Deletes a route, and gives how many that were.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn delete(tx: &TenantTx, id: &Uuid) -> Result<u64> {
    tx.execute(DELETE, &[&tx.tenant(), &id.as_str()]).await
}

fn route(row: &Row) -> Result<Stored> {
    Ok(Stored {
        id: row.try_get(0)?,
        integration: row.try_get(1)?,
        name: row.try_get(2)?,
        enabled: row.try_get(3)?,
        severities: row.try_get(4)?,
        alert_types: row.try_get(5)?,
        site_ids: row.try_get(6)?,
        device_prefixes: row.try_get(7)?,
        deliver_on: row.try_get(8)?,
        priority: row.try_get(9)?,
        created_at: row.try_get(10)?,
        updated_at: row.try_get(11)?,
    })
}
