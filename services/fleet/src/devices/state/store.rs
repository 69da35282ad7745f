//! That devices were heard of, in SQL: one statement for all devices of a batch, in its transaction.
//!
//! It is the last statement of the transaction, so the rows are locked for no longer than the COMMIT takes. They are locked in
//! the order of the ids, so two batches that hold the same devices wait for each other without a deadlock. A device of which it
//! was noted within a second is left as it is, without a lock: one that sends a hundred times a second costs one change a
//! second, and batches that are written at the same time do not wait for each other on its row. The limits are of seconds, so
//! nothing is lost by that.

use crate::ingest::reading::{Kind, Reading};
use crate::tenants::TenantTx;
use plimsoll::Result;
use std::collections::BTreeMap;

/// A subquery for each device and no join: it looks the device up by the key, whatever the planner knows of the table.
const HEARD_OF: &str = "
    INSERT INTO public.device_state AS s (tenant_id, device_id, last_seen_at, last_telemetry_at, last_heartbeat_at)
    SELECT $1, r.device_id, now(), CASE WHEN r.telemetry THEN now() END, CASE WHEN r.heartbeat THEN now() END
    FROM unnest($2::text[], $3::boolean[], $4::boolean[]) AS r (device_id, telemetry, heartbeat)
    WHERE (SELECT (NOT r.telemetry OR k.last_telemetry_at > now() - interval '1 s')
              AND (NOT r.heartbeat OR k.last_heartbeat_at > now() - interval '1 s')
           FROM public.device_state k WHERE k.tenant_id = $1 AND k.device_id = r.device_id) IS NOT TRUE
    ORDER BY r.device_id COLLATE \"C\"
    ON CONFLICT (tenant_id, device_id) DO UPDATE
    SET last_seen_at = greatest(s.last_seen_at, excluded.last_seen_at),
        last_telemetry_at = greatest(s.last_telemetry_at, excluded.last_telemetry_at),
        last_heartbeat_at = greatest(s.last_heartbeat_at, excluded.last_heartbeat_at)";

/// Notes that the devices of these messages were heard of, whether the messages are new or were sent again.
///
/// # Errors
/// As any statement's; the transaction has to be given up then.
///
/// # Cancel safety
/// It goes with the transaction.
pub(crate) async fn heard_of(tx: &TenantTx, messages: &[&Reading]) -> Result<()> {
    let mut devices: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
    for message in messages {
        let (telemetry, heartbeat) = devices.entry(message.device.as_str()).or_default();
        match message.kind {
            Kind::Telemetry => *telemetry = true,
            Kind::Heartbeat => *heartbeat = true,
        }
    }
    let ids: Vec<&str> = devices.keys().copied().collect();
    let telemetry: Vec<bool> = devices.values().map(|(telemetry, _)| *telemetry).collect();
    let heartbeat: Vec<bool> = devices.values().map(|(_, heartbeat)| *heartbeat).collect();
    tx.execute(HEARD_OF, &[&tx.tenant(), &ids, &telemetry, &heartbeat]).await.map(drop)
}
