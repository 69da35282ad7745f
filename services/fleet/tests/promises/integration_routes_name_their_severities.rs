//! A route to an integration names its severities. Routes from before had a least severity: the migration turns each into its
//! list once, leaves what people have chosen since, and may run again. Whether a route was there to be deleted is told by the
//! number of its rows.

use crate::asking::{OTHER, ask, ask_as, content, other_tenant};
use crate::service::{self, Fleet};
use serde_json::{Value, json};

const PATH: &str = "/api/v1/customer/integration-routes";
const MIGRATION: &str = include_str!("../../migrations/012_integration_routes_severities.sql");

async fn integration(fleet: &Fleet, tenant: &str) -> String {
    let sql = format!(
        "INSERT INTO integrations (tenant_id, name, type) VALUES ('{tenant}', 'i', 'webhook') RETURNING integration_id::text AS id"
    );
    fleet.database.execute(&sql).await.unwrap()[0]["id"].clone()
}

/// Each route's least severity and its list.
async fn lists(fleet: &Fleet) -> Vec<(String, String)> {
    let sql = "SELECT name, array_to_string(severities, ' ') AS list FROM integration_routes ORDER BY name";
    let rows = fleet.database.execute(sql).await.unwrap();
    rows.iter().map(|row| (row["name"].clone(), row["list"].clone())).collect()
}

#[tokio::test]
async fn those_from_before_are_filled_once() {
    let fleet = service::start().await;
    let id = integration(&fleet, "test").await;
    // As it was: no such column.
    fleet.database.execute("ALTER TABLE integration_routes DROP COLUMN severities").await.unwrap();
    for least in ["1", "2", "3", "4", "5", "NULL", "9"] {
        let sql = format!(
            "INSERT INTO integration_routes (tenant_id, integration_id, name, min_severity)
             VALUES ('test', '{id}', 'least {least}', {least})"
        );
        fleet.database.execute(&sql).await.unwrap();
    }
    fleet.database.execute(MIGRATION).await.unwrap();
    let all = "critical high medium low info";
    let expected = [
        ("least 1", all),
        ("least 2", "critical high medium low"),
        ("least 3", "critical high medium"),
        ("least 4", "critical high"),
        ("least 5", "critical"),
        ("least 9", all),
        ("least NULL", all),
    ]
    .map(|(name, list)| (name.to_owned(), list.to_owned()));
    assert_eq!(lists(&fleet).await, expected);
    fleet.database.execute(MIGRATION).await.unwrap();
    assert_eq!(lists(&fleet).await, expected, "again it changes nothing");

    // What was chosen since stays; what was emptied or lost is filled.
    let chosen = "ALTER TABLE integration_routes ALTER COLUMN severities DROP NOT NULL;
                  UPDATE integration_routes SET severities = '{low}' WHERE min_severity = 5;
                  UPDATE integration_routes SET severities = '{}' WHERE min_severity = 4;
                  UPDATE integration_routes SET severities = NULL WHERE min_severity = 3";
    fleet.database.execute(chosen).await.unwrap();
    fleet.database.execute(MIGRATION).await.unwrap();
    let mut after = expected.clone();
    after[4].1 = "low".to_owned();
    assert_eq!(lists(&fleet).await, after);
    let forced = "SELECT relforcerowsecurity AS f FROM pg_class WHERE relname = 'integration_routes'";
    assert_eq!(fleet.database.execute(forced).await.unwrap()[0]["f"], "t");
    // And they are read by what the service answers.
    let listed = ask(&fleet.device, "GET", PATH, None).await.body;
    assert_eq!(listed["routes"].as_array().unwrap().len(), 7, "{listed}");
}

/// An owner of the tables that is no superuser stands under the policies that it forces.
#[tokio::test]
async fn also_by_an_owner_who_is_no_superuser() {
    let fleet = service::start().await;
    let id = integration(&fleet, "test").await;
    let owner = format!("owner_{}", id.replace('-', ""));
    let sql = format!(
        "ALTER TABLE integration_routes DROP COLUMN severities;
         INSERT INTO integration_routes (tenant_id, integration_id, name, min_severity) VALUES ('test', '{id}', 'r', 4);
         CREATE ROLE {owner} NOLOGIN; GRANT ALL ON SCHEMA public TO {owner};
         ALTER TABLE integration_routes OWNER TO {owner}; SET ROLE {owner}; {MIGRATION}; RESET ROLE;
         ALTER TABLE integration_routes OWNER TO CURRENT_USER; REVOKE ALL ON SCHEMA public FROM {owner}; DROP ROLE {owner}"
    );
    fleet.database.execute(&sql).await.unwrap();
    assert_eq!(lists(&fleet).await, [("r".to_owned(), "critical high".to_owned())]);
}

/// No statement reads the least severity, so its column may go.
#[tokio::test]
async fn and_by_nothing_else() {
    let fleet = service::start().await;
    let id = integration(&fleet, "test").await;
    fleet.database.execute("ALTER TABLE integration_routes DROP COLUMN min_severity").await.unwrap();
    let body = json!({ "integration_id": id, "name": "r", "severities": ["high"] });
    let made = ask(&fleet.device, "POST", PATH, Some(body.clone())).await;
    assert_eq!((made.status, &made.body["severities"]), (201, &json!(["high"])), "{made:?}");
    let own = format!("{PATH}/{}", made.body["route_id"].as_str().unwrap());
    for (method, body, status) in [("GET", None, 200), ("PUT", Some(body), 200), ("DELETE", None, 204)] {
        assert_eq!(ask(&fleet.device, method, &own, body).await.status, status, "{method}");
    }
}

#[tokio::test]
async fn are_made_changed_and_deleted() {
    let fleet = service::start().await;
    other_tenant(&fleet).await;
    let (id, theirs) = (integration(&fleet, "test").await, integration(&fleet, "other").await);
    let body = json!({ "integration_id": id, "name": "r", "severities": ["INFO", "CRITICAL", "WARNING"] });
    let made = ask(&fleet.device, "POST", PATH, Some(body.clone())).await;
    assert_eq!(
        (made.status, &made.body["severities"]),
        (201, &json!(["critical", "medium", "info"])),
        "{made:?}"
    );
    assert_eq!((&made.body["deliver_on"], &made.body["priority"]), (&json!(["OPEN"]), &100.into()));
    let own = format!("{PATH}/{}", made.body["route_id"].as_str().unwrap());
    let change = json!({ "integration_id": id, "name": "r2", "enabled": false, "priority": 0, "alert_types": ["THRESHOLD"] });
    let changed = ask(&fleet.device, "PUT", &own, Some(change)).await;
    assert_eq!((changed.status, &changed.body["name"]), (200, &"r2".into()), "{changed:?}");
    assert_eq!((&changed.body["enabled"], &changed.body["priority"]), (&false.into(), &0.into()));
    assert_eq!(changed.body["severities"], json!(["critical", "high", "medium", "low", "info"]));
    assert_eq!(ask(&fleet.device, "GET", &own, None).await.body, changed.body);

    let before = content(&fleet, &["integration_routes"]).await;
    for (method, body) in
        [("GET", None), ("PUT", Some(json!({ "integration_id": theirs, "name": "x" }))), ("DELETE", None)]
    {
        let body = body.map(|body| body.to_string());
        ask_as(&fleet.device, Some(OTHER), method, &own, body).await.refused(404, "NOT_FOUND");
    }
    let stolen = json!({ "integration_id": theirs, "name": "x" });
    ask(&fleet.device, "POST", PATH, Some(stolen.clone())).await.refused(400, "UNKNOWN_INTEGRATION");
    ask(&fleet.device, "PUT", &own, Some(stolen)).await.refused(400, "UNKNOWN_INTEGRATION");
    assert_eq!(ask_as(&fleet.device, Some(OTHER), "GET", PATH, None).await.body["routes"], json!([]));
    assert_eq!(content(&fleet, &["integration_routes"]).await, before);

    for bad in ["1", "not-a-uuid", "7f0c2a525d0e4c3e9d7b0c8f6a1b2c3d", "%00"] {
        for (method, body) in [("GET", None), ("PUT", Some(body.clone())), ("DELETE", None)] {
            ask(&fleet.device, method, &format!("{PATH}/{bad}"), body).await.refused(400, "INVALID_ID");
        }
    }
    let with = |name: &str, value: Value| {
        let mut body = body.clone();
        body[name] = value;
        body
    };
    for body in [
        with("severities", json!(["worst"])),
        with("severities", json!([])),
        with("integration_id", json!("1")),
        with("name", json!("")),
        with("alert_types", json!(["FIRE"])),
        with("deliver_on", json!(["open"])),
        with("site_ids", json!([""])),
    ] {
        ask(&fleet.device, "POST", PATH, Some(body)).await.refused(400, "INVALID_ROUTE");
    }
    assert_eq!(ask(&fleet.device, "DELETE", &own, None).await.status, 204);
    let gone = ask(&fleet.device, "DELETE", &own, None).await;
    gone.refused(404, "NOT_FOUND");
    assert_eq!(gone.body["title"], "Not found");
    assert_eq!(fleet.number("SELECT count(*) AS n FROM integration_routes").await, 0);
}
