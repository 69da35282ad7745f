//! What the service's batches are compared with: the same path, on the same HTTP stack, pool and tables, on which each message has
//! a transaction of its own.
//!
//! Everything else is done as the service does it: the message is read, its device is looked up, its row is written by the same
//! statements, and 202 comes after COMMIT.

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use fleet::credentials::TokenHash;
use fleet::devices::DeviceId;
use fleet::devices::admit::{admit, on_record};
use fleet::ingest::message;
use fleet::ingest::partitions::Partitions;
use fleet::ingest::reading::{Reading, time_of_arrival};
use fleet::ingest::store;
use fleet::tenants::TenantId;
use plimsoll::Database;
use plimsoll_http::serve::{StopBy, StopHandle};
use plimsoll_http::{Databases, Options, ServeOptions, layers};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

struct Shared {
    db: Database,
    partitions: Partitions,
}

/// A server of that path, which ends when its handle is dropped or turned.
pub struct OneByOne {
    pub addr: SocketAddr,
    stop: StopHandle,
}

impl OneByOne {
    pub async fn start(databases: &Databases, db: &Database, partitions: &Partitions) -> Result<Self> {
        let shared = Arc::new(Shared { db: db.clone(), partitions: partitions.clone() });
        let router = Router::new()
            .route("/ingest/v1/tenant/{tenant}/device/{device}/telemetry", post(take))
            .with_state(shared)
            .layer(layers(databases, Options::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (addr, stop) = (listener.local_addr()?, StopHandle::new());
        let options = ServeOptions { stop: StopBy::Handle(stop.clone()), ..ServeOptions::default() };
        tokio::spawn(plimsoll_http::serve(listener, router, options));
        Ok(OneByOne { addr, stop })
    }
}

impl Drop for OneByOne {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

async fn take(
    State(shared): State<Arc<Shared>>,
    Path((tenant, device)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    match taken(&shared, &tenant, &device, &headers, &body).await {
        Some(seq) => {
            (StatusCode::ACCEPTED, format!(r#"{{"status":"accepted","device_id":"{device}","seq":{seq}}}"#))
        }
        None => (StatusCode::SERVICE_UNAVAILABLE, String::new()),
    }
}

async fn taken(shared: &Shared, tenant: &str, device: &str, headers: &HeaderMap, body: &[u8]) -> Option<i64> {
    let (tenant, device) = (TenantId::parse(tenant)?, DeviceId::parse(device)?);
    let shown = TokenHash::of(headers.get("x-provision-token")?.to_str().ok()?);
    let now = time_of_arrival();
    let message = message::parse(body, now).ok()?;
    let known = on_record(&shared.db, &tenant, &device).await.ok()?;
    let said = message.site.as_ref();
    let site = admit(&shared.db, &tenant, &device, known.as_ref(), &shown, said, true).await.ok()?;
    let reading = Reading::of(message, device, site, now).ok()?;
    store::insert(&shared.db, &shared.partitions, &tenant, &[&reading]).await.ok()?;
    Some(reading.seq)
}
