//! Integrations in SQL. The secret is written here and read by the sender alone.

use super::integration::IntegrationDraft;
use super::route::Uuid;
use crate::instant::StoredInstant;
use crate::tenants::TenantTx;
use plimsoll::Result;
use plimsoll::tokio_postgres::Row;

/// Its own columns in the order of [`integration`].
macro_rules! columns {
    () => {
        "integration_id::text, name, type, enabled, config::text, secret IS NOT NULL, created_at, updated_at"
    };
}

const INSERT: &str = concat!(
    "INSERT INTO public.integrations (tenant_id, name, type, enabled, config, secret)
     VALUES ($1, $2, $3, $4, $5::text::jsonb, $6) RETURNING ",
    columns!()
);

const UPDATE: &str = concat!(
    "UPDATE public.integrations
     SET name = $2, type = $3, enabled = $4, config = $5::text::jsonb, secret = CASE WHEN $7 THEN secret ELSE $6 END,
         updated_at = now()
     WHERE tenant_id = $1 AND integration_id = $8::text::uuid RETURNING ",
    columns!()
);

const GET: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM public.integrations WHERE tenant_id = $1 AND integration_id = $2::text::uuid"
);

const PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM public.integrations WHERE tenant_id = $1 AND integration_id > $2::text::uuid ORDER BY integration_id LIMIT $3"
);

const DELETE: &str =
    "DELETE FROM public.integrations WHERE tenant_id = $1 AND integration_id = $2::text::uuid";

/// An integration as it is stored, without its secret.
#[derive(Clone, Debug)]
pub struct StoredIntegration {
    /// Its id.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// `webhook` or `email`, or one of those that are not sent to.
    pub kind: String,
    /// Whether it is used.
    pub enabled: bool,
    /// Where to, as JSON.
    pub config: String,
    /// Whether its messages are signed.
    pub has_secret: bool,
    /// Since when it is there.
    pub created_at: StoredInstant,
    /// When it was last changed.
    pub updated_at: StoredInstant,
}

/// Writes a new integration.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn create(tx: &TenantTx, draft: &IntegrationDraft) -> Result<StoredIntegration> {
    let secret = draft.secret.new_one();
    let row = tx
        .query_one(INSERT, &[&tx.tenant(), &draft.name, &draft.kind, &draft.enabled, &draft.config, &secret])
        .await?;
    integration(&row)
}

/// Writes an integration anew; nothing if there is no such integration.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn update(tx: &TenantTx, id: &Uuid, draft: &IntegrationDraft) -> Result<Option<StoredIntegration>> {
    let (secret, stays) = (draft.secret.new_one(), draft.secret.stays());
    let row = tx
        .query_opt(
            UPDATE,
            &[
                &tx.tenant(),
                &draft.name,
                &draft.kind,
                &draft.enabled,
                &draft.config,
                &secret,
                &stays,
                &id.as_str(),
            ],
        )
        .await?;
    row.as_ref().map(integration).transpose()
}

/// The integration of this id.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn get(tx: &TenantTx, id: &Uuid) -> Result<Option<StoredIntegration>> {
    tx.query_opt(GET, &[&tx.tenant(), &id.as_str()]).await?.as_ref().map(integration).transpose()
}

/// Up to `limit` integrations whose ids come after `after`, in order.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn page(tx: &TenantTx, after: &Uuid, limit: i64) -> Result<Vec<StoredIntegration>> {
    tx.query(PAGE, &[&tx.tenant(), &after.as_str(), &limit]).await?.iter().map(integration).collect()
}

/// Deletes an integration with its routes, and gives how many that were.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn delete(tx: &TenantTx, id: &Uuid) -> Result<u64> {
    tx.execute(DELETE, &[&tx.tenant(), &id.as_str()]).await
}

fn integration(row: &Row) -> Result<StoredIntegration> {
    Ok(StoredIntegration {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        kind: row.try_get(2)?,
        enabled: row.try_get(3)?,
        config: row.try_get(4)?,
        has_secret: row.try_get(5)?,
        created_at: row.try_get(6)?,
        updated_at: row.try_get(7)?,
    })
}
