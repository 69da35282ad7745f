//! Escalation policies in SQL. What writes takes a tenant's transaction, so all of a policy is written or nothing of it.
//!
//! A tenant has one default. The table keeps that (index `escalation_policies_one_default`), and what makes another the
//! default clears the old one in the same transaction, under a lock of the tenant's: two at once then follow each other, and
//! neither fails.

use super::policy::{Draft, Level};
use crate::instant::StoredInstant;
use crate::tenants::TenantTx;
use plimsoll::Result;
use plimsoll::tokio_postgres::Row;
use plimsoll::tokio_postgres::types::ToSql;

const CLEAR: &str = "
    UPDATE public.escalation_policies SET is_default = false, updated_at = now()
    WHERE tenant_id = $1 AND is_default AND policy_id <> $2";

const INSERT: &str = "
    INSERT INTO public.escalation_policies (tenant_id, name, description, is_default, webhook_secret)
    VALUES ($1, $2, $3, $4, $5) RETURNING policy_id";

const EXISTS: &str = "
    SELECT FROM public.escalation_policies WHERE tenant_id = $1 AND policy_id = $2 FOR UPDATE";

const UPDATE: &str = "
    UPDATE public.escalation_policies
    SET name = $3, description = $4, is_default = coalesce($5, is_default),
        webhook_secret = CASE WHEN $7 THEN webhook_secret ELSE $6 END, updated_at = now()
    WHERE tenant_id = $1 AND policy_id = $2";

const DELETE: &str = "DELETE FROM public.escalation_policies WHERE tenant_id = $1 AND policy_id = $2";

const INSERT_LEVEL: &str = "
    INSERT INTO public.escalation_levels (tenant_id, policy_id, level_number, delay_minutes, notify_email,
                                          notify_webhook, oncall_schedule_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";

const DELETE_LEVELS: &str = "DELETE FROM public.escalation_levels WHERE tenant_id = $1 AND policy_id = $2";

const GET: &str = "
    SELECT policy_id, name, description, is_default, created_at, updated_at, webhook_secret IS NOT NULL
    FROM public.escalation_policies WHERE tenant_id = $1 AND policy_id = $2";

const PAGE: &str = "
    SELECT policy_id, name, description, is_default, created_at, updated_at, webhook_secret IS NOT NULL
    FROM public.escalation_policies WHERE tenant_id = $1 AND policy_id > $2 ORDER BY policy_id LIMIT $3";

const LEVELS: &str = "
    SELECT policy_id, level_number, delay_minutes, notify_email, notify_webhook, oncall_schedule_id
    FROM public.escalation_levels WHERE tenant_id = $1 AND policy_id = ANY ($2) ORDER BY policy_id, level_number";

/// A policy as it is stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its number.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whether it is the tenant's default.
    pub is_default: bool,
    /// Whether its webhooks are signed.
    pub has_secret: bool,
    /// Since when it is there.
    pub created_at: StoredInstant,
    /// When it was last changed.
    pub updated_at: StoredInstant,
    /// In their order.
    pub levels: Vec<Level>,
}

/// Writes a new policy with its levels, and gives its number.
///
/// # Errors
/// As any statement's; a level that asks a schedule which is not there breaks a reference. The transaction has to be given
/// up then.
///
/// # Cancel safety
/// What was written goes with the transaction.
pub async fn create(tx: &TenantTx, draft: &Draft) -> Result<i64> {
    let is_default = draft.is_default.unwrap_or(false);
    if is_default {
        clear_default(tx, 0).await?;
    }
    let values: [&(dyn ToSql + Sync); 5] =
        [&tx.tenant(), &draft.name, &draft.description, &is_default, &draft.secret.new_one()];
    let row = tx.query_one(INSERT, &values).await?;
    let id = row.try_get(0)?;
    insert_levels(tx, id, draft.levels.as_deref().unwrap_or_default()).await?;
    Ok(id)
}

/// Writes a policy anew, and its levels if something is said of them. Gives how many policies were changed: none if there is
/// no such policy, and then nothing else was changed either.
///
/// # Errors
/// As [`create`].
///
/// # Cancel safety
/// What was written goes with the transaction.
pub async fn update(tx: &TenantTx, id: i64, draft: &Draft) -> Result<u64> {
    if draft.is_default == Some(true) {
        lock_default(tx).await?;
    }
    if tx.query_opt(EXISTS, &[&tx.tenant(), &id]).await?.is_none() {
        return Ok(0);
    }
    if draft.is_default == Some(true) {
        clear_default(tx, id).await?;
    }
    let (secret, stays) = (draft.secret.new_one(), draft.secret.stays());
    let values: [&(dyn ToSql + Sync); 7] =
        [&tx.tenant(), &id, &draft.name, &draft.description, &draft.is_default, &secret, &stays];
    let changed = tx.execute(UPDATE, &values).await?;
    if let Some(levels) = &draft.levels {
        tx.execute(DELETE_LEVELS, &[&tx.tenant(), &id]).await?;
        insert_levels(tx, id, levels).await?;
    }
    Ok(changed)
}

/// Only one at a time says which policy is a tenant's default.
async fn lock_default(tx: &TenantTx) -> Result<()> {
    tx.advisory_lock(("default escalation policy", tx.tenant())).await
}

/// No other policy than this one is the default any more.
async fn clear_default(tx: &TenantTx, but: i64) -> Result<()> {
    lock_default(tx).await?;
    tx.execute(CLEAR, &[&tx.tenant(), &but]).await.map(drop)
}

async fn insert_levels(tx: &TenantTx, id: i64, levels: &[Level]) -> Result<()> {
    for level in levels {
        tx.execute(
            INSERT_LEVEL,
            &[
                &tx.tenant(),
                &id,
                &level.number,
                &level.delay_minutes,
                &level.email,
                &level.webhook,
                &level.schedule,
            ],
        )
        .await?;
    }
    Ok(())
}

/// Deletes a policy with its levels, and gives how many that were.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn delete(tx: &TenantTx, id: i64) -> Result<u64> {
    tx.execute(DELETE, &[&tx.tenant(), &id]).await
}

/// The policy of this number.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn get(tx: &TenantTx, id: i64) -> Result<Option<Stored>> {
    let rows = tx.query(GET, &[&tx.tenant(), &id]).await?;
    Ok(with_levels(tx, &rows).await?.pop())
}

/// Up to `limit` policies whose numbers come after `after`, in order.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn page(tx: &TenantTx, after: i64, limit: i64) -> Result<Vec<Stored>> {
    let rows = tx.query(PAGE, &[&tx.tenant(), &after, &limit]).await?;
    with_levels(tx, &rows).await
}

/// The levels of all of them in one question.
async fn with_levels(tx: &TenantTx, rows: &[Row]) -> Result<Vec<Stored>> {
    let mut stored = Vec::with_capacity(rows.len());
    for row in rows {
        stored.push(Stored {
            id: row.try_get(0)?,
            name: row.try_get(1)?,
            description: row.try_get(2)?,
            is_default: row.try_get(3)?,
            created_at: row.try_get(4)?,
            updated_at: row.try_get(5)?,
            has_secret: row.try_get(6)?,
            levels: Vec::new(),
        });
    }
    let ids: Vec<i64> = stored.iter().map(|one| one.id).collect();
    if !ids.is_empty() {
        for row in tx.query(LEVELS, &[&tx.tenant(), &ids]).await? {
            let of: i64 = row.try_get(0)?;
            if let Some(one) = stored.iter_mut().find(|one| one.id == of) {
                one.levels.push(level(&row)?);
            }
        }
    }
    Ok(stored)
}

fn level(row: &Row) -> Result<Level> {
    Ok(Level {
        number: row.try_get(1)?,
        delay_minutes: row.try_get(2)?,
        email: row.try_get(3)?,
        webhook: row.try_get(4)?,
        schedule: row.try_get(5)?,
    })
}
