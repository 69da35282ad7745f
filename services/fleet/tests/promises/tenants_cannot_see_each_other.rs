//! Under the role as which the service logs in, a tenant sees its own rows and no others, and nobody sees any without a
//! tenant.

use crate::service::{self, Fleet};
use fleet::tenants::{TenantId, TenantTx, transaction};
use plimsoll::{Database, Fault};

const TABLES: [&str; 10] = [
    "tenants",
    "sites",
    "tenant_access_tokens",
    "subscriptions",
    "device_registry",
    "subscription_event_log",
    "telemetry",
    "quarantine_events",
    "quarantine_counters_minute",
    "token_revocations",
];

/// Two tenants, each with a row in every table.
async fn two_tenants() -> (Fleet, Database) {
    let fleet = service::start().await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    let other = "
        INSERT INTO tenants (tenant_id, name, provision_key_hash) VALUES ('other', 'o', encode(sha256('key'), 'hex'));
        INSERT INTO sites (tenant_id, site_id, name) VALUES ('other', 'default', 'd');
        INSERT INTO tenant_access_tokens VALUES ('other', encode(sha256('other.token'), 'hex'), 'l');
        INSERT INTO subscriptions (tenant_id, subscription_id, subscription_type, device_limit, term_end)
        VALUES ('other', 'SUB-20250101-00001', 'MAIN', 5, now() + interval '1 year');
        INSERT INTO quarantine_events (tenant_id, device_id, msg_type, reason, payload)
        VALUES ('test', 'd1', 'telemetry', 'INVALID_JSON', '{'), ('other', 'd1', 'telemetry', 'INVALID_JSON', '{');
        INSERT INTO token_revocations (tenant_id, jti, until, created_by)
        SELECT tenant, 'j1', now() + interval '1 day', 'o' FROM unnest(ARRAY['test', 'other', NULL]) AS tenant;
        INSERT INTO quarantine_counters_minute VALUES ('test', now(), 'INVALID_JSON', 1), ('other', now(), 'INVALID_JSON', 1)";
    fleet.database.execute(other).await.unwrap();
    let path = "/ingest/tenant/other/device/o1/telemetry";
    fleet.device.send_to(path, Some("key"), r#"{"t": 1}"#).await.accepted();
    // One connection, so that whatever stayed behind on it would be met.
    let settings = fleet.reached.app_settings.clone().pool_min(1).pool_max(1);
    let db = Database::connect(settings).await.unwrap();
    (fleet, db)
}

async fn seen(db: &Database, table: &str) -> i64 {
    db.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn without_a_tenant_there_are_no_rows() {
    let (fleet, db) = two_tenants().await;
    for table in TABLES {
        assert!(
            fleet.number(&format!("SELECT count(*) AS n FROM {table}")).await >= 2,
            "{table} has rows of both"
        );
        assert_eq!(seen(&db, table).await, 0, "{table}");
    }
    // Nor after a tenant was there: the setting ended with its transaction.
    let own = TenantId::parse("test").unwrap();
    let call = db.named("read own");
    let count = transaction::once(call, &own, async |tx: TenantTx| {
        Ok(tx.query_one("SELECT count(*) FROM telemetry", &[]).await?.get::<_, i64>(0))
    });
    assert_eq!(count.await.unwrap(), 1);
    assert_eq!(seen(&db, "telemetry").await, 0);
}

#[tokio::test]
async fn a_tenant_sees_its_own_rows_and_changes_no_others() {
    let (fleet, db) = two_tenants().await;
    for tenant in ["test", "other"] {
        let id = TenantId::parse(tenant).unwrap();
        let read = async |tx: TenantTx| {
            for table in TABLES {
                let sql = format!("SELECT count(*) FILTER (WHERE tenant_id <> $1), count(*) FROM {table}");
                let row = tx.query_one(&sql, &[&tenant]).await?;
                let (strange, all): (i64, i64) = (row.get(0), row.get(1));
                assert!(strange == 0 && all > 0, "{tenant} sees {strange} strange rows of {all} in {table}");
            }
            tx.execute("UPDATE subscriptions SET device_limit = 77", &[]).await
        };
        assert_eq!(transaction::once(db.named("read"), &id, read).await.unwrap(), 1, "its own and no other");
    }
    let own = TenantId::parse("test").unwrap();
    let statements = [
        "INSERT INTO telemetry (tenant_id, device_id, time, seq, site_id, msg_type, metrics)
         VALUES ('other', 'o1', now(), 1, 'default', 'telemetry', '{}')",
        "INSERT INTO device_registry (tenant_id, device_id, site_id) VALUES ('other', 'o2', 'default')",
        "UPDATE device_registry SET tenant_id = 'other'",
    ];
    for sql in statements {
        let write = async |tx: TenantTx| tx.execute(sql, &[]).await;
        let error = transaction::once(db.named("write"), &own, write).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Privilege, "{sql}: {error}");
    }
    assert_eq!(fleet.number("SELECT count(*) AS n FROM device_registry WHERE tenant_id = 'other'").await, 1);
}

#[tokio::test]
async fn over_http_neither() {
    let (fleet, _db) = two_tenants().await;
    for (token, id) in [(fleet.device.token.as_str(), "d1"), ("other.token", "o1")] {
        let answer = fleet.device.get_as("/api/v1/customer/devices", Some(token)).await;
        let devices = answer.body["devices"].as_array().unwrap();
        assert_eq!(devices.len(), 1);
        assert_eq!(devices[0]["device_id"], id);
    }
    let path = "/ingest/tenant/other/device/o1/telemetry";
    fleet.device.send_to(path, Some(&fleet.device.key), r#"{"t": 1}"#).await.refused(401, "TOKEN_INVALID");
}

#[tokio::test]
async fn every_table_of_a_tenants_is_held_by_a_policy_and_the_role_stands_under_it() {
    let (fleet, db) = two_tenants().await;
    // Partitions too: whoever may read one directly would read past its parent's policy.
    let unguarded = "
        SELECT string_agg(c.relname, ', ') AS tables, count(*) AS n FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
        WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
          AND NOT (c.relrowsecurity AND c.relforcerowsecurity)";
    let rows = fleet.database.execute(unguarded).await.unwrap();
    assert_eq!(rows[0]["n"], "0", "{:?}", rows[0].get("tables"));
    let partitions =
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'telemetry'::regclass";
    let partitions = fleet.database.execute(partitions).await.unwrap();
    assert!(partitions.len() >= 4, "{partitions:?}");
    for partition in partitions {
        let error = db.query(&format!("SELECT FROM {}", partition["name"]), &[]).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Privilege, "{error}");
    }
    let role = "SELECT current_user::text, rolsuper OR rolbypassrls, 
                       (SELECT count(*) FROM pg_class WHERE relowner = r.oid)
                FROM pg_roles r WHERE rolname = current_user";
    let row = db.query_one(role, &[]).await.unwrap();
    let found: (String, bool, i64) = (row.get(0), row.get(1), row.get(2));
    assert_eq!(found, ("fleet_app".to_owned(), false, 0), "name, above policies, tables owned");
}
