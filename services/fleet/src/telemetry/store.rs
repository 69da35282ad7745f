//! Readings in SQL. Each statement names the device and both ends of its range, so it goes through the primary key of the
//! partitions of those days and no others.

use super::query::{Buckets, Range};
use crate::devices::DeviceId;
use crate::tenants::TenantTx;
use jiff::Timestamp;
use plimsoll::tokio_postgres::types::ToSql;
use plimsoll::{Error, Result};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

const IS_THERE: &str = "
    SELECT FROM public.device_registry WHERE tenant_id = $1 AND device_id = $2 AND status <> 'DELETED'";

/// The bound on the time alone is what partitions are chosen by.
const NEWEST_FIRST: &str = "
    SELECT time, seq, metrics::text FROM public.telemetry
    WHERE tenant_id = $1 AND device_id = $2 AND time >= $3 AND time <= $4 AND (time, seq) < ($4, $5)
    ORDER BY time DESC, seq DESC LIMIT $6";

const OLDEST_FIRST: &str = "
    SELECT time, seq, metrics::text FROM public.telemetry
    WHERE tenant_id = $1 AND device_id = $2 AND time >= $3 AND (time, seq) > ($3, $4) AND time < $5
    ORDER BY time, seq LIMIT $6";

/// As `numeric` from the first to the last step, which keeps every decimal; a truth value has no average.
const BY_BUCKET: &str = "
    SELECT date_bin(make_interval(secs => $5), t.time, timestamptz 'epoch'), m.key,
           min(m.value::numeric)::text, avg(m.value::numeric)::text, max(m.value::numeric)::text, count(*)
    FROM public.telemetry t CROSS JOIN LATERAL jsonb_each(t.metrics) AS m
    WHERE t.tenant_id = $1 AND t.device_id = $2 AND t.time >= $3 AND t.time < $4
      AND jsonb_typeof(m.value) = 'number' AND ($6::text IS NULL OR m.key = $6)
    GROUP BY 1, 2 ORDER BY 1, 2 LIMIT $7";

/// Where a reading stands among those of its device: its time in microseconds since 1970, and its number.
pub type Place = (i64, i64);

/// A reading as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// When it was measured.
    #[serde(serialize_with = "as_text")]
    pub ts: Timestamp,
    /// Its number.
    pub seq: i64,
    /// What was measured, as it is stored.
    pub metrics: Box<RawValue>,
}

/// A metric of a bucket.
#[derive(Clone, Debug, Serialize)]
pub struct Point {
    #[serde(serialize_with = "as_text")]
    ts: Timestamp,
    metric: String,
    min: Box<RawValue>,
    avg: Box<RawValue>,
    max: Box<RawValue>,
    count: i64,
}

fn as_text<S: Serializer>(time: &Timestamp, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

impl Shown {
    /// Where it stands.
    #[must_use]
    pub fn place(&self) -> Place {
        (self.ts.as_microsecond(), self.seq)
    }
}

/// Whether the tenant has this device.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn has(tx: &TenantTx, device: &DeviceId) -> Result<bool> {
    Ok(tx.query_opt(IS_THERE, &[&tx.tenant(), &device.as_str()]).await?.is_some())
}

/// Up to `limit` readings of the range, the newest first, those before `before` if that is said.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn newest_first(
    tx: &TenantTx,
    device: &DeviceId,
    range: Range,
    before: Option<Place>,
    limit: i64,
) -> Result<Vec<Shown>> {
    // No reading at the end of the range comes before its first number.
    let (time, seq) = before.unwrap_or((range.to.as_microsecond(), i64::MIN));
    let time = instant(time)?.min(range.to);
    let values: [&(dyn ToSql + Sync); 6] = [&tx.tenant(), &device.as_str(), &range.from, &time, &seq, &limit];
    read(tx, NEWEST_FIRST, &values).await
}

/// Up to `limit` readings of the range, the oldest first, those after `after` if that is said.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn oldest_first(
    tx: &TenantTx,
    device: &DeviceId,
    range: Range,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<Shown>> {
    // Every reading of the range comes after the last one of the microsecond before it.
    let (time, seq) = after.unwrap_or((range.from.as_microsecond().saturating_sub(1), i64::MAX));
    let time = instant(time)?;
    let values: [&(dyn ToSql + Sync); 6] = [&tx.tenant(), &device.as_str(), &time, &seq, &range.to, &limit];
    read(tx, OLDEST_FIRST, &values).await
}

/// Up to `limit` points of the range, the oldest first.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn by_bucket(
    tx: &TenantTx,
    device: &DeviceId,
    range: Range,
    buckets: &Buckets,
    limit: i64,
) -> Result<Vec<Point>> {
    let seconds = f64::from(buckets.seconds);
    let values: [&(dyn ToSql + Sync); 7] =
        [&tx.tenant(), &device.as_str(), &range.from, &range.to, &seconds, &buckets.metric, &limit];
    let rows = tx.query(BY_BUCKET, &values).await?;
    let mut points = Vec::with_capacity(rows.len());
    for row in &rows {
        points.push(Point {
            ts: row.try_get(0)?,
            metric: row.try_get(1)?,
            min: raw(row.try_get(2)?)?,
            avg: raw(row.try_get(3)?)?,
            max: raw(row.try_get(4)?)?,
            count: row.try_get(5)?,
        });
    }
    Ok(points)
}

async fn read(tx: &TenantTx, sql: &'static str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Shown>> {
    let rows = tx.query(sql, values).await?;
    let mut readings = Vec::with_capacity(rows.len());
    for row in &rows {
        let (ts, seq) = (row.try_get(0)?, row.try_get(1)?);
        readings.push(Shown { ts, seq, metrics: raw(row.try_get(2)?)? });
    }
    Ok(readings)
}

/// What the server writes of `jsonb` and of a number is JSON.
fn raw(text: String) -> Result<Box<RawValue>> {
    RawValue::from_string(text).map_err(|_| Error::abort("a stored metric is no JSON"))
}

fn instant(micros: i64) -> Result<Timestamp> {
    Timestamp::from_microsecond(micros).map_err(|_| Error::abort("a cursor holds a time that is none"))
}
