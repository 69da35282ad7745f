//! The role of operators is bound as all others are: it sees and changes the columns that it was granted, while a person is named;
//! and the login of the service has none of it outside of an operator's transaction.

use crate::operating::operate;
use crate::service::{self, Fleet};
use fleet::operator::transaction::audited;
use fleet::operator::{Access, OperatorRefusal, OperatorTx};
use fleet::refusal::NotDone;
use fleet::tenants::{TenantId, TenantTx, transaction};
use plimsoll::{Database, Fault, Transaction};

/// One connection, so that whatever stayed behind on it would be met.
async fn one(fleet: &Fleet) -> Database {
    Database::connect(fleet.reached.app_settings.clone().pool_min(1).pool_max(1)).await.unwrap()
}

async fn as_operator(db: &Database, sql: &'static str) -> Result<u64, NotDone<OperatorRefusal>> {
    let access = Access::new("anna", "test", "tests");
    let work = async |tx: OperatorTx| tx.execute(sql, &[]).await.map(Ok);
    audited(db.named("as an operator"), &access, work).await
}

#[tokio::test]
async fn neither_secrets_nor_readings_nor_the_record() {
    let fleet = service::start().await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    let db = one(&fleet).await;
    for sql in [
        "SELECT FROM telemetry",
        "SELECT provision_key_hash FROM tenants",
        "SELECT * FROM tenants",
        "SELECT token_hash FROM tenant_access_tokens",
        "SELECT provision_token_hash FROM device_registry",
        "SELECT FROM device_api_tokens",
        "SELECT FROM service_keys",
        "SELECT config FROM integrations",
        "UPDATE tenants SET provision_key_hash = NULL",
        "UPDATE tenants SET tenant_id = 'x'",
        "UPDATE subscriptions SET active_device_count = 0",
        "UPDATE subscriptions SET term_end = now()",
        "UPDATE device_registry SET status = 'DELETED'",
        "UPDATE fleet_alert SET status = 'CLOSED'",
        "DELETE FROM tenants",
        "DELETE FROM subscriptions",
        "DELETE FROM quarantine_events",
        "UPDATE audit_log SET outcome = 'DONE'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "SELECT forget_old_audit(1)",
        "SELECT ensure_telemetry_partition(current_date)",
        "INSERT INTO audit_log (actor_type, actor_id, action, object_type, outcome)
         VALUES ('operator', 'ben', 'x', 'x', 'DONE')",
        "INSERT INTO audit_log (actor_type, actor_id, action, object_type, outcome)
         VALUES ('tenant', 'anna', 'x', 'x', 'DONE')",
    ] {
        match as_operator(&db, sql).await {
            Err(NotDone::Failed(error)) => assert_eq!(error.fault(), Fault::Privilege, "{sql}: {error}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
    assert_eq!(as_operator(&db, "SELECT FROM device_registry").await.unwrap(), 1, "while this may be seen");
}

#[tokio::test]
async fn the_login_has_none_of_it_otherwise() {
    let fleet = service::start().await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    let db = one(&fleet).await;
    as_operator(&db, "SELECT FROM tenants").await.unwrap();
    // The same connection afterwards.
    let row =
        db.query_one("SELECT current_user::text, current_setting('app.operator', true)", &[]).await.unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, Option<&str>>(1).unwrap_or_default()), ("fleet_app", ""));
    let named = async |tx: Transaction| {
        tx.query_one("SELECT set_config('app.operator', 'anna', true)", &[]).await?;
        let mut seen = Vec::new();
        for table in
            ["tenants", "subscriptions", "device_registry", "fleet_alert", "quarantine_events", "audit_log"]
        {
            seen.push(tx.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await?.get::<_, i64>(0));
        }
        Ok(seen)
    };
    assert_eq!(db.transaction(named).await.unwrap(), [0; 6], "a name alone shows nothing");
    let unnamed = async |tx: Transaction| {
        tx.batch_execute("SET LOCAL ROLE fleet_operator").await?;
        Ok(tx.query_one("SELECT count(tenant_id) FROM tenants", &[]).await?.get::<_, i64>(0))
    };
    assert_eq!(db.transaction(unnamed).await.unwrap(), 0, "nor does the role alone");
    // Not even of the own tenant does a tenant's request change what operators may.
    let tenant = TenantId::parse("test").unwrap();
    for sql in [
        "UPDATE tenants SET status = 'ACTIVE'",
        "INSERT INTO tenants (tenant_id, name) VALUES ('x', 'x')",
        "INSERT INTO audit_log (tenant_id, actor_type, actor_id, action, object_type, outcome)
         VALUES ('test', 'tenant', 'test', 'x', 'x', 'DONE')",
        "UPDATE audit_log SET outcome = 'REFUSED'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
    ] {
        let work = async |tx: TenantTx| tx.execute(sql, &[]).await;
        let error = transaction::once(db.named("as a tenant"), &tenant, work).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Privilege, "{sql}: {error}");
    }
}

/// The roles are those that the design says, whatever they were before.
#[tokio::test]
async fn the_roles_are_put_right_at_start() {
    let fleet = service::start().await;
    let right = "SELECT (SELECT NOT rolcanlogin AND NOT rolsuper AND NOT rolbypassrls AND NOT rolcreaterole
                         FROM pg_roles WHERE rolname = 'fleet_operator')
                    AND (SELECT NOT rolinherit AND NOT rolsuper AND NOT rolbypassrls FROM pg_roles WHERE rolname = 'fleet_app')
                    AND pg_has_role('fleet_app', 'fleet_operator', 'MEMBER')
                    AND NOT pg_has_role('fleet_app', 'fleet_operator', 'USAGE') AS n";
    let is_right = async || fleet.database.execute(right).await.unwrap()[0]["n"].clone();
    assert_eq!(is_right().await, "t");
    assert_eq!(operate(&fleet, "GET", "/operator/tenants", None).await.status, 200);
}
