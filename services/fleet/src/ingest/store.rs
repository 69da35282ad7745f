//! Readings in SQL: many rows of one tenant in one statement, and each of them once.

use super::partitions::{self, Partitions};
use super::reading::Reading;
use super::refusal::StoreRefusal;
use crate::refusal::NotDone;
use crate::tenants::{TenantId, TenantTx, transaction};
use jiff::Timestamp;
use plimsoll::{Database, Fault, Outcome, Result};
use std::sync::Arc;

const INSERT: &str = "
    INSERT INTO public.telemetry (tenant_id, device_id, time, seq, site_id, msg_type, metrics)
    SELECT $1, r.device_id, r.time, r.seq, r.site_id, 'telemetry', r.metrics::jsonb
    FROM unnest($2::text[], $3::timestamptz[], $4::bigint[], $5::text[], $6::text[])
         AS r (device_id, time, seq, site_id, metrics)
    ON CONFLICT DO NOTHING";

/// Stores these readings of one tenant, all or none, and returns after COMMIT. Those that were stored before are left
/// as they are.
///
/// The transaction asks for its id at the beginning, so that a COMMIT whose answer is lost can be looked up; and it is
/// run again by itself when it was rolled back for certain.
///
/// # Errors
/// With what became of them: see [`plimsoll::Error::outcome`].
///
/// # Cancel safety
/// Dropped before COMMIT was sent, none is stored.
pub async fn insert(
    db: &Database,
    partitions: &Partitions,
    tenant: &TenantId,
    readings: &[&Reading],
) -> Result<()> {
    let days = partitions::days(readings.iter().map(|reading| reading.time));
    partitions.ensure(days.clone()).await?;
    match insert_rows(db, tenant, readings).await {
        // "no partition of relation found for row": one was dropped since it was seen.
        Err(error) if error.fault() == Fault::Constraint && is_about_partitions(&error) => {
            partitions.forget();
            partitions.ensure(days).await?;
            insert_rows(db, tenant, readings).await
        }
        result => result,
    }
}

/// Why a reading was not stored that this failure met, and others with it. That the day has no place is not the reading's
/// fault, which would make the device throw it away. A reading that may be stored can be sent again, since the table keeps it
/// once.
pub fn not_stored(error: &Arc<plimsoll::Error>) -> NotDone<StoreRefusal> {
    if is_about_partitions(error) {
        return NotDone::Refused(StoreRefusal::NoPlaceForTheDay);
    }
    if error.outcome() == Outcome::Unknown {
        return NotDone::Refused(StoreRefusal::OutcomeUnknown);
    }
    NotDone::FailedForAll(Arc::clone(error))
}

/// Whether the failure may lie in one of the rows or its day, so that the others could be stored without it.
#[must_use]
pub fn is_about_a_row(error: &plimsoll::Error) -> bool {
    // A table that has the name of a day and is none.
    let is_about_a_day = error.sqlstate().is_some_and(|state| state.code() == "55000");
    is_about_a_day || matches!(error.fault(), Fault::Constraint | Fault::Data | Fault::Conversion)
}

fn is_about_partitions(error: &plimsoll::Error) -> bool {
    error.as_db_error().is_some_and(|said| said.code().code() == "23514" && said.constraint().is_none())
}

async fn insert_rows(db: &Database, tenant: &TenantId, readings: &[&Reading]) -> Result<()> {
    // Two batches that hold the same readings wait for each other; in one order, they do so without a deadlock.
    let mut rows = readings.to_vec();
    rows.sort_by(|a, b| (&a.device, a.time, a.seq).cmp(&(&b.device, b.time, b.seq)));
    let devices: Vec<&str> = rows.iter().map(|row| row.device.as_str()).collect();
    let times: Vec<Timestamp> = rows.iter().map(|row| row.time).collect();
    let seqs: Vec<i64> = rows.iter().map(|row| row.seq).collect();
    let sites: Vec<&str> = rows.iter().map(|row| row.site.as_str()).collect();
    let metrics: Vec<&str> = rows.iter().map(|row| row.metrics.as_str()).collect();
    let call = db.named("store readings").resolvable();
    let write = async |tx: TenantTx| {
        tx.execute(INSERT, &[&tx.tenant(), &devices, &times, &seqs, &sites, &metrics]).await.map(drop)
    };
    transaction::retrying(call, tenant, write).await
}
