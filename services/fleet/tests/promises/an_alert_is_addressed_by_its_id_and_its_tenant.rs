//! An alert is one row, found by its `id` and its tenant in whatever is done with it, and shown as `alert_id`.

use crate::alerts::{cause, open};
use crate::asking::{OTHER, ask, ask_as, content, other_tenant};
use crate::service;
use fleet::alerts::Severity;
use fleet::alerts::alert::{AlertStatus, AlertType};
use fleet::oncall::rotation::Rotation;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/customer/alerts";

#[tokio::test]
async fn through_its_whole_life() {
    let fleet = service::start().await;
    let opened = open(&fleet, "test", &cause("d1 silent", Severity::High)).await;
    assert!(opened.is_new);
    let own = format!("{PATH}/{}", opened.id);
    let told = ask(&fleet.device, "GET", &own, None).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert_eq!(told.body["alert_id"], opened.id);
    assert_eq!((&told.body["severity"], &told.body["severity_name"]), (&4.into(), &"high".into()));
    assert_eq!((&told.body["status"], &told.body["details"]), (&"OPEN".into(), &json!({})));
    // The same under the path without its prefix.
    assert_eq!(
        ask(&fleet.device, "GET", &format!("/customer/alerts/{}", opened.id), None).await.body,
        told.body
    );

    let patch = async |what: &str, body: Option<Value>| {
        ask(&fleet.device, "PATCH", &format!("{own}/{what}"), body).await
    };
    let silenced = patch("silence", Some(json!({ "minutes": 30 }))).await;
    assert!(silenced.status == 200 && silenced.body["silenced_until"].is_string(), "{silenced:?}");
    let half_an_hour = "SELECT extract(epoch FROM silenced_until - now())::bigint BETWEEN 1700 AND 1800 AS n FROM fleet_alert";
    assert_eq!(fleet.database.execute(half_an_hour).await.unwrap()[0]["n"], "t");
    let acknowledged = patch("acknowledge", Some(json!({ "acknowledged_by": "ann" }))).await;
    assert_eq!(
        (acknowledged.status, &acknowledged.body["acknowledged_by"]),
        (200, &"ann".into()),
        "{acknowledged:?}"
    );
    assert_eq!(acknowledged.body["alert_id"], opened.id);
    patch("acknowledge", None).await.refused(404, "NOT_FOUND");
    let closed = patch("close", None).await;
    assert_eq!((closed.status, &closed.body["status"]), (200, &"CLOSED".into()), "{closed:?}");
    assert!(closed.body["closed_at"].is_string());
    for what in ["acknowledge", "close"] {
        patch(what, None).await.refused(404, "NOT_FOUND");
    }
    patch("silence", Some(json!({ "minutes": 30 }))).await.refused(404, "NOT_FOUND");
    for what in ["acknowledge", "close"] {
        let nowhere = format!("{PATH}/987654/{what}");
        ask(&fleet.device, "PATCH", &nowhere, None).await.refused(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn in_lists_by_state_and_page() {
    let fleet = service::start().await;
    let mut ids = Vec::new();
    for number in 0..60 {
        ids.push(open(&fleet, "test", &cause(&format!("f{number}"), Severity::Low)).await.id);
    }
    ids.reverse();
    let get = async |query: &str| ask(&fleet.device, "GET", &format!("{PATH}{query}"), None).await;
    let of = |body: &Value| -> Vec<i64> {
        body["alerts"].as_array().unwrap().iter().map(|alert| alert["alert_id"].as_i64().unwrap()).collect()
    };
    let first = get("").await.body;
    assert_eq!(of(&first), ids[..50], "50 where nothing is said, the newest first");
    let next = first["next"].as_str().unwrap();
    // One that comes meanwhile moves nothing.
    open(&fleet, "test", &cause("late", Severity::Low)).await;
    let second = get(&format!("?after={next}")).await.body;
    assert_eq!((of(&second), &second["next"]), (ids[50..].to_vec(), &Value::Null));
    assert_eq!(of(&get("?limit=200").await.body).len(), 61);
    assert_eq!(of(&get("?limit=1").await.body).len(), 1);
    assert_eq!(
        ask(&fleet.device, "PATCH", &format!("{PATH}/{}/acknowledge", ids[0]), None).await.status,
        200
    );
    assert_eq!(of(&get("?status=ACKNOWLEDGED").await.body), [ids[0]]);
    assert_eq!(of(&get("?status=CLOSED").await.body), Vec::<i64>::new());
    assert_eq!(of(&get("?limit=200&status=OPEN").await.body).len(), 60);
    for limit in ["0", "201", "-1", "x", ""] {
        get(&format!("?limit={limit}")).await.refused(400, "BAD_LIMIT");
    }
    get("?status=open").await.refused(400, "UNKNOWN_STATUS");
    get("?limit=1&limit=2").await.refused(400, "INVALID_QUERY");
    get("?after=x").await.refused(400, "BAD_CURSOR");
    // A cursor is good for the list that it came from.
    get(&format!("?status=CLOSED&after={next}")).await.refused(400, "BAD_CURSOR");
}

#[tokio::test]
async fn and_what_is_no_id_is_refused() {
    let fleet = service::start().await;
    for id in ["abc", "0", "-1", "1.5", "1e3", "99999999999999999999", "1%20", "%00"] {
        ask(&fleet.device, "GET", &format!("{PATH}/{id}"), None).await.refused(400, "INVALID_ID");
        ask(&fleet.device, "PATCH", &format!("{PATH}/{id}/close"), None).await.refused(400, "INVALID_ID");
    }
    let id = open(&fleet, "test", &cause("f", Severity::Info)).await.id;
    let silence =
        async |body: Value| ask(&fleet.device, "PATCH", &format!("{PATH}/{id}/silence"), Some(body)).await;
    for minutes in [0, -1, 43_201] {
        silence(json!({ "minutes": minutes })).await.refused(400, "INVALID_MINUTES");
    }
    for body in
        [json!({}), json!({ "minutes": "5" }), json!({ "minutes": 1.5 }), json!({ "minutes": 1, "x": 1 })]
    {
        silence(body).await.refused(400, "BAD_BODY");
    }
    let by = Some(json!({ "acknowledged_by": "" }));
    ask(&fleet.device, "PATCH", &format!("{PATH}/{id}/acknowledge"), by).await.refused(400, "BAD_BODY");
    assert_eq!(fleet.number("SELECT count(*) AS n FROM fleet_alert WHERE status = 'OPEN'").await, 1);
}

#[tokio::test]
async fn one_cause_has_one_alert_until_it_is_closed() {
    let fleet = service::start().await;
    other_tenant(&fleet).await;
    let opening = (0..50).map(|number| {
        let cause = cause("same", if number == 7 { Severity::Critical } else { Severity::Low });
        let fleet = &fleet;
        async move { open(fleet, "test", &cause).await }
    });
    let opened = futures_util::future::join_all(opening).await;
    assert_eq!(opened.iter().filter(|one| one.is_new).count(), 1, "{opened:?}");
    assert!(opened.iter().all(|one| one.id == opened[0].id));
    let own = format!("{PATH}/{}", opened[0].id);
    let told = ask(&fleet.device, "GET", &own, None).await.body;
    assert_eq!((&told["trigger_count"], &told["severity"]), (&50.into(), &5.into()), "{told}");
    // Another tenant's is another.
    assert!(open(&fleet, "other", &cause("same", Severity::Low)).await.is_new);
    assert_eq!(ask(&fleet.device, "PATCH", &format!("{own}/acknowledge"), None).await.status, 200);
    assert!(
        !open(&fleet, "test", &cause("same", Severity::Low)).await.is_new,
        "somebody looks at it already"
    );
    assert_eq!(ask(&fleet.device, "PATCH", &format!("{own}/close"), None).await.status, 200);
    let again = open(&fleet, "test", &cause("same", Severity::Low)).await;
    assert!(again.is_new && again.id != opened[0].id);
    // The table keeps that by itself.
    let reopened = format!("UPDATE fleet_alert SET status = 'OPEN' WHERE id = {}", opened[0].id);
    let refused = fleet.database.execute(&reopened).await.unwrap_err();
    assert!(refused.to_string().contains("fleet_alert_one_open"), "{refused}");
}

#[tokio::test]
async fn of_two_who_acknowledge_one_does() {
    let fleet = service::start().await;
    let id = open(&fleet, "test", &cause("f", Severity::High)).await.id;
    let asking = (0..20).map(|number| {
        let (device, path) = (fleet.device.clone(), format!("{PATH}/{id}/acknowledge"));
        let body = Some(json!({ "acknowledged_by": format!("p{number}") }));
        tokio::spawn(async move { ask(&device, "PATCH", &path, body).await.status })
    });
    let mut done = Vec::new();
    for asked in asking.collect::<Vec<_>>() {
        done.push(asked.await.unwrap());
    }
    done.sort_unstable();
    assert_eq!((done[0], done[1], done[19]), (200, 404, 404), "{done:?}");
}

#[tokio::test]
async fn another_tenants_is_not_there() {
    let fleet = service::start().await;
    other_tenant(&fleet).await;
    let id = open(&fleet, "test", &cause("f", Severity::High)).await.id;
    let before = content(&fleet, &["fleet_alert"]).await;
    for (method, path, body) in [
        ("GET", format!("{PATH}/{id}"), None),
        ("PATCH", format!("{PATH}/{id}/acknowledge"), None),
        ("PATCH", format!("{PATH}/{id}/close"), None),
        ("PATCH", format!("{PATH}/{id}/silence"), Some(r#"{"minutes": 5}"#.to_owned())),
    ] {
        let theirs = ask_as(&fleet.device, Some(OTHER), method, &path, body.clone()).await;
        theirs.refused(404, "NOT_FOUND");
        let nowhere = path.replace(&format!("/{id}"), "/987654");
        let none = ask_as(&fleet.device, Some(OTHER), method, &nowhere, body).await;
        assert_eq!((none.status, &none.body["title"]), (404, &theirs.body["title"]));
    }
    let listed = ask_as(&fleet.device, Some(OTHER), "GET", PATH, None).await;
    assert_eq!(listed.body["alerts"], json!([]), "{listed:?}");
    assert_eq!(content(&fleet, &["fleet_alert"]).await, before);
}

#[tokio::test]
async fn sql_and_code_have_one_list() {
    let fleet = service::start().await;
    let lists = [
        ("fleet_alert_status", AlertStatus::ALL.map(AlertStatus::as_str).to_vec()),
        ("fleet_alert_type", AlertType::ALL.map(AlertType::as_str).to_vec()),
        ("oncall_layers_rotation", Rotation::ALL.map(Rotation::as_str).to_vec()),
    ];
    for (constraint, of_code) in lists {
        let sql = format!(
            "SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint WHERE conname = '{constraint}'"
        );
        let rows = fleet.database.execute(&sql).await.unwrap();
        let of_table: Vec<&str> = rows[0]["text"].split('\'').skip(1).step_by(2).collect();
        assert_eq!(of_table, of_code, "{constraint}");
    }
}
