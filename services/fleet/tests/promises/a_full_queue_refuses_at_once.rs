//! When more comes than can be written, the rest is refused at once and told when to come again; what was taken is
//! written.

use crate::service;
use axum::http::StatusCode;
use fleet::devices::{DeviceId, SiteId};
use fleet::http::failure::Failure;
use fleet::ingest::reading::{Kind, Reading};
use fleet::ingest::writer::Writer;
use fleet::tenants::TenantId;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const ROOM: usize = 10;
const WITHIN: Duration = Duration::from_secs(12);

fn reading(seq: i64) -> Reading {
    Reading {
        kind: Kind::Telemetry,
        device: DeviceId::parse("d1").unwrap(),
        time: jiff::Timestamp::now(),
        seq,
        site: SiteId::default_site(),
        metrics: r#"{"t":1}"#.to_owned(),
        is_repeatable: true,
    }
}

#[tokio::test]
async fn and_is_not_lost() {
    let fleet = service::start().await;
    let ready = fleet.running.service().unwrap();
    let writer =
        Arc::new(Writer::with_queue(ready.pools.ingest.clone(), ready.partitions.clone(), WITHIN, ROOM));
    let tenant = TenantId::parse("test").unwrap();
    let hold = fleet.hold_writes().await;
    let mut storing = JoinSet::new();
    for seq in 0..1000 {
        let (writer, tenant) = (Arc::clone(&writer), tenant.clone());
        storing.spawn(async move { writer.store(tenant, reading(seq)).await });
    }
    // While nothing is written, only refusals come back, and at once.
    let first = Failure::from(storing.join_next().await.unwrap().unwrap().unwrap_err());
    let first = first.problem();
    assert_eq!((first.status(), first.code()), (StatusCode::SERVICE_UNAVAILABLE, "QUEUE_FULL"));
    hold.rollback().await;
    let (stored, refused): (Vec<_>, Vec<_>) = storing.join_all().await.into_iter().partition(Result::is_ok);
    assert!(
        stored.len() >= ROOM && !refused.is_empty(),
        "{} stored, {} refused",
        stored.len(),
        refused.len()
    );
    assert_eq!(fleet.readings().await, i64::try_from(stored.len()).unwrap());
    writer.stop().await;
    let late = Failure::from(writer.store(tenant, reading(1)).await.unwrap_err());
    assert_eq!(late.problem().code(), "STOPPING");
}
