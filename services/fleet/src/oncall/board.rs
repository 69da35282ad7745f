//! Who is on call at one moment, in all schedules of a tenant: two questions, however many schedules there are.

use super::rotation::{OnCall, Override, Rota};
use super::store;
use crate::tenants::TenantTx;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use plimsoll::{Error, Result};
use std::collections::HashMap;

/// More schedules are not looked at.
const MOST: i64 = 50;

/// Those who stand in at the moment or later, of each schedule the first hundred to begin.
const OVERRIDES: &str = "
    SELECT s.schedule_id, o.override_id, o.layer_order, o.responder, o.starts_at, o.ends_at
    FROM unnest($2::bigint[]) AS s (schedule_id)
    CROSS JOIN LATERAL (
        SELECT * FROM public.oncall_overrides o
        WHERE o.tenant_id = $1 AND o.schedule_id = s.schedule_id AND o.ends_at > $3
        ORDER BY o.starts_at, o.override_id LIMIT 100) AS o";

/// A schedule, and who is on call.
#[derive(Clone, Debug)]
pub struct OnBoard {
    /// The number of the schedule.
    pub schedule: i64,
    /// What it is called.
    pub name: String,
    /// The name of its time zone.
    pub timezone: String,
    /// Who; none where no layer has a responder and no override names one.
    pub who: Option<OnCall>,
}

/// Who is on call at this moment in each schedule of the tenant, in the order of their numbers; of at most fifty.
///
/// # Errors
/// As any statement's, and when a time zone that is stored is not known here.
///
/// # Cancel safety
/// Only reads.
pub async fn board(tx: &TenantTx, at: Timestamp) -> Result<Vec<OnBoard>> {
    let schedules = store::page(tx, 0, MOST).await?;
    let ids: Vec<i64> = schedules.iter().map(|schedule| schedule.id).collect();
    let mut overrides: HashMap<i64, Vec<Override>> = HashMap::new();
    for row in tx.query(OVERRIDES, &[&tx.tenant(), &ids, &at]).await? {
        let one = Override {
            id: row.try_get(1)?,
            layer: row.try_get(2)?,
            responder: row.try_get(3)?,
            start: row.try_get(4)?,
            end: row.try_get(5)?,
        };
        overrides.entry(row.try_get(0)?).or_default().push(one);
    }
    schedules
        .into_iter()
        .map(|stored| {
            let zone = TimeZone::get(&stored.timezone).map_err(|_| {
                let (id, zone) = (stored.id, &stored.timezone);
                Error::abort(format!("schedule {id} is in the time zone {zone}, which is not known here"))
            })?;
            let overrides = overrides.remove(&stored.id).unwrap_or_default();
            let who = Rota { zone, layers: stored.layers, overrides }.on_call(at);
            Ok(OnBoard { schedule: stored.id, name: stored.name, timezone: stored.timezone, who })
        })
        .collect()
}
