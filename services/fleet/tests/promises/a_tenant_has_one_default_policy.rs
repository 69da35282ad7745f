//! A tenant has one default escalation policy, whoever says at the same moment which it is; the table keeps that by itself.

use crate::asking::{OTHER, ask, ask_as, other_tenant};
use crate::service;
use fleet::tenants::{TenantId, TenantTx, transaction};
use plimsoll::Database;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/customer/escalation-policies";
const DEFAULTS: &str =
    "SELECT count(*) AS n FROM escalation_policies WHERE tenant_id = 'test' AND is_default";

#[tokio::test]
async fn the_last_that_is_said() {
    let fleet = service::start().await;
    other_tenant(&fleet).await;
    let make = async |name: &str, is_default: bool| {
        let made =
            ask(&fleet.device, "POST", PATH, Some(json!({ "name": name, "is_default": is_default }))).await;
        assert_eq!(made.status, 201, "{made:?}");
        made.body["policy_id"].as_i64().unwrap()
    };
    let theirs = json!({ "name": "theirs", "is_default": true }).to_string();
    assert_eq!(ask_as(&fleet.device, Some(OTHER), "POST", PATH, Some(theirs)).await.status, 201);
    let (first, second) = (make("first", true).await, make("second", true).await);
    let is_default = async |id: i64| {
        ask(&fleet.device, "GET", &format!("{PATH}/{id}"), None).await.body["is_default"].clone()
    };
    assert_eq!((is_default(first).await, is_default(second).await), (Value::from(false), Value::from(true)));
    let third = make("third", false).await;
    let put = async |id: i64, body: Value| {
        ask(&fleet.device, "PUT", &format!("{PATH}/{id}"), Some(body)).await.status
    };
    assert_eq!(put(third, json!({ "name": "third" })).await, 200);
    assert_eq!(is_default(second).await, true, "nothing was said of it");
    assert_eq!(put(third, json!({ "name": "third", "is_default": true })).await, 200);
    assert_eq!((is_default(second).await, is_default(third).await), (Value::from(false), Value::from(true)));
    // What is not there takes the default from nobody.
    assert_eq!(put(999_999, json!({ "name": "none", "is_default": true })).await, 404);
    assert_eq!(is_default(third).await, true);
    assert_eq!(put(third, json!({ "name": "third", "is_default": false })).await, 200);
    assert_eq!(fleet.number(DEFAULTS).await, 0, "a tenant may have none");
    let others = "SELECT count(*) AS n FROM escalation_policies WHERE tenant_id = 'other' AND is_default";
    assert_eq!(fleet.number(others).await, 1, "another tenant's is its own");
}

#[tokio::test]
async fn of_forty_at_once() {
    let fleet = service::start().await;
    let made = ask(&fleet.device, "POST", PATH, Some(json!({ "name": "old", "is_default": true }))).await;
    let own = format!("{PATH}/{}", made.body["policy_id"]);
    let asking = (0..40).map(|number| {
        let (device, own) = (fleet.device.clone(), own.clone());
        let body = Some(json!({ "name": format!("p{number}"), "is_default": true }));
        tokio::spawn(async move {
            match number % 2 {
                0 => ask(&device, "POST", PATH, body).await,
                _ => ask(&device, "PUT", &own, body).await,
            }
        })
    });
    for answer in asking.collect::<Vec<_>>() {
        let answer = answer.await.unwrap();
        assert!(matches!(answer.status, 200 | 201), "none of them fails: {answer:?}");
    }
    assert_eq!(fleet.number(DEFAULTS).await, 1);
    assert_eq!(fleet.number("SELECT count(*) AS n FROM escalation_policies").await, 21);
}

#[tokio::test]
async fn the_table_takes_no_second_one() {
    let fleet = service::start().await;
    let db = Database::connect(fleet.reached.app_settings.clone()).await.unwrap();
    let tenant = TenantId::parse("test").unwrap();
    let insert = async || {
        let work = async |tx: TenantTx| {
            let sql = "INSERT INTO escalation_policies (tenant_id, name, is_default) VALUES ($1, 'p', true)";
            tx.execute(sql, &[&tx.tenant()]).await
        };
        transaction::once(db.named("past the service"), &tenant, work).await
    };
    assert_eq!(insert().await.unwrap(), 1);
    let refused = insert().await.unwrap_err();
    assert_eq!(refused.as_db_error().unwrap().constraint(), Some("escalation_policies_one_default"));
    assert_eq!(fleet.number(DEFAULTS).await, 1);
}
