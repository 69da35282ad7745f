//! Schedules in SQL. What writes takes a tenant's transaction, so all of a schedule is written or nothing of it.

use super::rotation::{Layer, Override, Rota, Rotation};
use super::schedule::{Draft, OverrideDraft};
use crate::instant::StoredInstant;
use crate::tenants::TenantTx;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use plimsoll::tokio_postgres::Row;
use plimsoll::{Error, Result};

const INSERT: &str = "
    INSERT INTO public.oncall_schedules (tenant_id, name, description, timezone)
    VALUES ($1, $2, $3, $4) RETURNING schedule_id";

const UPDATE: &str = "
    UPDATE public.oncall_schedules SET name = $3, description = $4, timezone = $5, updated_at = now()
    WHERE tenant_id = $1 AND schedule_id = $2";

const DELETE: &str = "DELETE FROM public.oncall_schedules WHERE tenant_id = $1 AND schedule_id = $2";

const INSERT_LAYER: &str = "
    INSERT INTO public.oncall_layers (tenant_id, schedule_id, layer_order, rotation, shift_duration_hours,
                                      handoff_day, handoff_hour, starts_on, responders)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

const DELETE_LAYERS: &str = "DELETE FROM public.oncall_layers WHERE tenant_id = $1 AND schedule_id = $2";

const GET: &str = "
    SELECT schedule_id, name, description, timezone, created_at, updated_at FROM public.oncall_schedules
    WHERE tenant_id = $1 AND schedule_id = $2";

const PAGE: &str = "
    SELECT schedule_id, name, description, timezone, created_at, updated_at FROM public.oncall_schedules
    WHERE tenant_id = $1 AND schedule_id > $2 ORDER BY schedule_id LIMIT $3";

const LAYERS: &str = "
    SELECT schedule_id, layer_order, rotation, shift_duration_hours, handoff_day, handoff_hour, starts_on, responders
    FROM public.oncall_layers WHERE tenant_id = $1 AND schedule_id = ANY ($2) ORDER BY schedule_id, layer_order";

const INSERT_OVERRIDE: &str = "
    INSERT INTO public.oncall_overrides (tenant_id, schedule_id, layer_order, responder, starts_at, ends_at, reason)
    SELECT $1, schedule_id, $3, $4, $5, $6, $7 FROM public.oncall_schedules
    WHERE tenant_id = $1 AND schedule_id = $2 RETURNING override_id";

const OVERRIDES: &str = "
    SELECT override_id, layer_order, responder, starts_at, ends_at, reason FROM public.oncall_overrides
    WHERE tenant_id = $1 AND schedule_id = $2 AND ends_at > $3 ORDER BY starts_at, override_id LIMIT $4";

const DELETE_OVERRIDE: &str = "
    DELETE FROM public.oncall_overrides WHERE tenant_id = $1 AND schedule_id = $2 AND override_id = $3";

/// As many overrides as are looked at; those that begin first.
const MOST_OVERRIDES: i64 = 1000;

/// A schedule as it is stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its number.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The name of its time zone.
    pub timezone: String,
    /// Since when it is there.
    pub created_at: StoredInstant,
    /// When it was last changed.
    pub updated_at: StoredInstant,
    /// In their order.
    pub layers: Vec<Layer>,
}

/// Somebody who stands in, and why.
#[derive(Clone, Debug)]
pub struct StoredOverride {
    /// Who, when, for whom.
    pub one: Override,
    /// Why.
    pub reason: Option<String>,
}

/// Writes a new schedule with its layers, and gives its number.
///
/// # Errors
/// As any statement's; the transaction has to be given up then.
///
/// # Cancel safety
/// What was written goes with the transaction.
pub async fn create(tx: &TenantTx, draft: &Draft) -> Result<i64> {
    let row = tx.query_one(INSERT, &[&tx.tenant(), &draft.name, &draft.description, &draft.timezone]).await?;
    let id = row.try_get(0)?;
    insert_layers(tx, id, draft.layers.as_deref().unwrap_or_default()).await?;
    Ok(id)
}

/// Writes a schedule anew, and its layers if something is said of them; false if there is no such schedule.
///
/// # Errors
/// As any statement's; the transaction has to be given up then.
///
/// # Cancel safety
/// What was written goes with the transaction.
pub async fn update(tx: &TenantTx, id: i64, draft: &Draft) -> Result<u64> {
    let changed =
        tx.execute(UPDATE, &[&tx.tenant(), &id, &draft.name, &draft.description, &draft.timezone]).await?;
    if let (1.., Some(layers)) = (changed, &draft.layers) {
        tx.execute(DELETE_LAYERS, &[&tx.tenant(), &id]).await?;
        insert_layers(tx, id, layers).await?;
    }
    Ok(changed)
}

async fn insert_layers(tx: &TenantTx, id: i64, layers: &[Layer]) -> Result<()> {
    for layer in layers {
        let rotation = layer.rotation.as_str();
        tx.execute(
            INSERT_LAYER,
            &[
                &tx.tenant(),
                &id,
                &layer.order,
                &rotation,
                &layer.shift_hours,
                &layer.handoff_day,
                &layer.handoff_hour,
                &layer.starts_on,
                &layer.responders,
            ],
        )
        .await?;
    }
    Ok(())
}

/// Deletes a schedule with its layers and overrides, and gives how many that were.
///
/// # Errors
/// As any statement's; a level of a policy that asks it breaks a reference.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn delete(tx: &TenantTx, id: i64) -> Result<u64> {
    tx.execute(DELETE, &[&tx.tenant(), &id]).await
}

/// The schedule of this number.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn get(tx: &TenantTx, id: i64) -> Result<Option<Stored>> {
    let rows = tx.query(GET, &[&tx.tenant(), &id]).await?;
    Ok(with_layers(tx, &rows).await?.pop())
}

/// Up to `limit` schedules whose numbers come after `after`, in order.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn page(tx: &TenantTx, after: i64, limit: i64) -> Result<Vec<Stored>> {
    let rows = tx.query(PAGE, &[&tx.tenant(), &after, &limit]).await?;
    with_layers(tx, &rows).await
}

/// The layers of all of them in one question.
async fn with_layers(tx: &TenantTx, rows: &[Row]) -> Result<Vec<Stored>> {
    let mut stored = Vec::with_capacity(rows.len());
    for row in rows {
        stored.push(Stored {
            id: row.try_get(0)?,
            name: row.try_get(1)?,
            description: row.try_get(2)?,
            timezone: row.try_get(3)?,
            created_at: row.try_get(4)?,
            updated_at: row.try_get(5)?,
            layers: Vec::new(),
        });
    }
    let ids: Vec<i64> = stored.iter().map(|one| one.id).collect();
    if !ids.is_empty() {
        for row in tx.query(LAYERS, &[&tx.tenant(), &ids]).await? {
            let of: i64 = row.try_get(0)?;
            if let Some(one) = stored.iter_mut().find(|one| one.id == of) {
                one.layers.push(layer(&row)?);
            }
        }
    }
    Ok(stored)
}

fn layer(row: &Row) -> Result<Layer> {
    let rotation: &str = row.try_get(2)?;
    Ok(Layer {
        order: row.try_get(1)?,
        rotation: Rotation::parse(rotation)
            .ok_or_else(|| Error::abort(format!("a layer has a rotation unknown here: {rotation}")))?,
        shift_hours: row.try_get(3)?,
        handoff_day: row.try_get(4)?,
        handoff_hour: row.try_get(5)?,
        starts_on: row.try_get(6)?,
        responders: row.try_get(7)?,
    })
}

/// Everything that decides who is on call from this moment on; nothing if there is no such schedule.
///
/// # Errors
/// As any statement's, and when the time zone that is stored is not known here.
///
/// # Cancel safety
/// Only reads.
pub async fn rota(tx: &TenantTx, id: i64, at: Timestamp) -> Result<Option<Rota>> {
    let Some(stored) = get(tx, id).await? else { return Ok(None) };
    let zone = TimeZone::get(&stored.timezone).map_err(|_| {
        Error::abort(format!(
            "schedule {id} is in the time zone {}, which is not known here",
            stored.timezone
        ))
    })?;
    let overrides = overrides(tx, id, at).await?.into_iter().map(|stored| stored.one).collect();
    Ok(Some(Rota { zone, layers: stored.layers, overrides }))
}

/// Those who stand in after this moment; the first thousand to begin.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn overrides(tx: &TenantTx, id: i64, after: Timestamp) -> Result<Vec<StoredOverride>> {
    let rows = tx.query(OVERRIDES, &[&tx.tenant(), &id, &after, &MOST_OVERRIDES]).await?;
    rows.iter()
        .map(|row| {
            let one = Override {
                id: row.try_get(0)?,
                layer: row.try_get(1)?,
                responder: row.try_get(2)?,
                start: row.try_get(3)?,
                end: row.try_get(4)?,
            };
            Ok(StoredOverride { one, reason: row.try_get(5)? })
        })
        .collect()
}

/// Lets somebody stand in, and gives the number of that; nothing if there is no such schedule.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn add_override(tx: &TenantTx, id: i64, draft: &OverrideDraft) -> Result<Option<i64>> {
    let (tenant, layer) = (tx.tenant(), draft.layer);
    let row = tx
        .query_opt(
            INSERT_OVERRIDE,
            &[&tenant, &id, &layer, &draft.responder, &draft.start, &draft.end, &draft.reason],
        )
        .await?;
    row.map(|row| row.try_get(0)).transpose().map_err(Error::from)
}

/// Ends that somebody stands in, and gives how many that were.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn delete_override(tx: &TenantTx, id: i64, number: i64) -> Result<u64> {
    tx.execute(DELETE_OVERRIDE, &[&tx.tenant(), &id, &number]).await
}
