//! Alerts to begin with, opened as the service opens them: under its own role, in the tenant's transaction.

use crate::service::Fleet;
use fleet::alerts::Severity;
use fleet::alerts::alert::{AlertType, Cause};
use fleet::alerts::store::{self, Opened};
use fleet::tenants::{TenantId, TenantTx, transaction};

pub(crate) fn cause(fingerprint: &str, severity: Severity) -> Cause {
    Cause {
        fingerprint: fingerprint.to_owned(),
        kind: AlertType::NoHeartbeat,
        severity,
        site: Some("default".to_owned()),
        device: Some("d1".to_owned()),
        summary: format!("{fingerprint} is not heard of"),
        policy: None,
        rule: None,
        details: serde_json::json!({}),
    }
}

pub(crate) async fn open(fleet: &Fleet, tenant: &str, cause: &Cause) -> Opened {
    let db = &fleet.running.service().unwrap().pools.ui;
    let work = async |tx: TenantTx| store::open(&tx, cause).await;
    transaction::retrying(db.named("open alert"), &TenantId::parse(tenant).unwrap(), work).await.unwrap()
}
