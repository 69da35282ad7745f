//! What the console shows first is counted in the tables, agrees with the routes that it stands for, is seen by its tenant
//! alone, and costs as many statements for many schedules as for one.

use crate::alerts::{cause, open};
use crate::asking::{OTHER, ask, other_tenant, post};
use crate::service::{self, Fleet};
use fleet::alerts::Severity;
use serde_json::{Value, json};

async fn schedule(fleet: &Fleet, name: &str, responders: &[&str]) -> i64 {
    let layers = json!([{ "rotation": "weekly", "responders": responders }]);
    let made = post(
        fleet,
        "/customer/oncall/schedules",
        &json!({ "name": name, "timezone": "Europe/Berlin", "layers": layers }),
    )
    .await;
    assert_eq!(made.status, 201, "{made:?}");
    made.body["schedule_id"].as_i64().unwrap()
}

async fn overview(fleet: &Fleet) -> Value {
    let answer = fleet.device.get("/api/v1/customer/overview").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

#[tokio::test]
async fn and_says_what_the_tables_hold() {
    let fleet = service::start().await;
    let nothing = overview(&fleet).await;
    assert_eq!(
        nothing["alerts"]["open"],
        json!({ "critical": 0, "high": 0, "medium": 0, "low": 0, "info": 0 })
    );
    assert_eq!((&nothing["tenant"], &nothing["oncall"]), (&json!("test"), &json!([])));
    for number in 0..7 {
        open(&fleet, "test", &cause(&format!("low {number}"), Severity::Low)).await;
    }
    let worst = open(&fleet, "test", &cause("worst", Severity::Critical)).await;
    let closed = open(&fleet, "test", &cause("closed", Severity::Critical)).await;
    let known = open(&fleet, "test", &cause("known", Severity::High)).await;
    for (id, to) in [(closed.id, "close"), (known.id, "acknowledge")] {
        assert_eq!(
            ask(&fleet.device, "PATCH", &format!("/customer/alerts/{id}/{to}"), None).await.status,
            200
        );
    }
    let alerts = overview(&fleet).await["alerts"].clone();
    assert_eq!(alerts["open"], json!({ "critical": 1, "high": 0, "medium": 0, "low": 7, "info": 0 }));
    assert_eq!(alerts["acknowledged"], 1);
    let listed = alerts["worst"].as_array().unwrap();
    assert_eq!(listed.len(), 5);
    assert_eq!((&listed[0]["alert_id"], &listed[0]["severity_name"]), (&json!(worst.id), &json!("critical")));
}

#[tokio::test]
async fn and_names_those_who_are_on_call() {
    let fleet = service::start().await;
    let mut ids = Vec::new();
    for (name, responders) in
        [("one", &["anna@x.example", "ben@x.example"][..]), ("none", &[]), ("other", &["carla@x.example"])]
    {
        ids.push(schedule(&fleet, name, responders).await);
    }
    let now = jiff::Timestamp::now();
    let around = |hours| now + jiff::SignedDuration::from_hours(hours);
    let stands_in = json!({ "responder": "dora@x.example", "start": around(-1).to_string(), "end": around(2).to_string() });
    assert_eq!(
        post(&fleet, &format!("/customer/oncall/schedules/{}/overrides", ids[2]), &stands_in).await.status,
        201
    );
    let board = overview(&fleet).await["oncall"].clone();
    let board = board.as_array().unwrap();
    assert_eq!(board.len(), 3);
    for (told, id) in board.iter().zip(&ids) {
        assert_eq!(told["schedule_id"], *id);
        let current = fleet.device.get(&format!("/customer/oncall/schedules/{id}/current")).await.body;
        assert_eq!(
            (&told["responder"], &told["until"]),
            (&current["responder"], &current["until"]),
            "{told}"
        );
    }
    assert_eq!((&board[1]["responder"], &board[2]["responder"]), (&Value::Null, &json!("dora@x.example")));
}

#[tokio::test]
async fn and_shows_nothing_of_another_tenant() {
    let fleet = service::start().await;
    other_tenant(&fleet).await;
    open(&fleet, "test", &cause("foreign", Severity::Critical)).await;
    schedule(&fleet, "foreign", &["anna@x.example"]).await;
    let told = fleet.device.get_as("/customer/overview", Some(OTHER)).await.body;
    let (alerts, worst) = (&told["alerts"]["open"]["critical"], &told["alerts"]["worst"]);
    assert_eq!((alerts, worst, &told["oncall"]), (&json!(0), &json!([]), &json!([])));
    fleet.device.get_as("/customer/overview", None).await.refused(401, "TOKEN_MISSING");
    fleet.device.get_as("/customer/overview", Some("test.wrong")).await.refused(401, "TOKEN_INVALID");
    for token in [None, Some(fleet.device.token.as_str())] {
        assert_eq!(fleet.device.get_as("/operator/system/ingest", token).await.status, 401);
    }
}

#[tokio::test]
async fn at_the_same_cost_however_much_there_is() {
    let fleet = service::start().await;
    schedule(&fleet, "first", &["anna@x.example"]).await;
    let statements = || fleet.running.service().unwrap().pools.ui.monitor().pulse().executed;
    let cost = async || {
        let before = statements();
        overview(&fleet).await;
        statements() - before
    };
    // What is prepared once is prepared by then.
    cost().await;
    let of_one = cost().await;
    for number in 0..40 {
        schedule(&fleet, &format!("n{number}"), &["anna@x.example"]).await;
        open(&fleet, "test", &cause(&format!("c{number}"), Severity::Low)).await;
    }
    cost().await;
    assert_eq!(cost().await, of_one);
    assert_eq!(overview(&fleet).await["oncall"].as_array().unwrap().len(), 41);
}

#[tokio::test]
async fn and_the_newest_readings_are_those_of_its_devices() {
    let fleet = service::start().await;
    other_tenant(&fleet).await;
    for (device, seq, value) in [("a", 1, "1"), ("a", 2, "0.30000000000000004"), ("b", 7, "2.50")] {
        let ts = service::now() + jiff::SignedDuration::from_secs(seq);
        let body = format!(r#"{{"ts": "{ts}", "seq": {seq}, "metrics": {{"t": {value}}}}}"#);
        fleet.device.send(device, body).await.accepted();
    }
    let path = "/api/v1/customer/last-readings?devices=b,a,a,never";
    let raw = fleet.device.http.get(format!("{}{path}", fleet.device.url)).bearer_auth(&fleet.device.token);
    let text = raw.send().await.unwrap().text().await.unwrap();
    assert!(
        text.contains(r#""t": 0.30000000000000004"#) || text.contains(r#""t":0.30000000000000004"#),
        "{text}"
    );
    let told: Value = serde_json::from_str(&text).unwrap();
    let of =
        |place: usize| (told["readings"][place]["device_id"].clone(), told["readings"][place]["seq"].clone());
    assert_eq!((of(0), of(1)), ((json!("a"), json!(2)), (json!("b"), json!(7))));
    assert_eq!(told["readings"].as_array().unwrap().len(), 2, "one that never sent has none");
    let foreign = fleet.device.get_as(path, Some(OTHER)).await;
    assert_eq!((foreign.status, &foreign.body["readings"]), (200, &json!([])));
    let many: Vec<String> = (0..51).map(|number| format!("d{number}")).collect();
    for wrong in ["", "?devices=", "?devices=a,", "?devices=a%20b", &format!("?devices={}", many.join(","))] {
        fleet.device.get(&format!("/customer/last-readings{wrong}")).await.refused(400, "BAD_DEVICES");
    }
}
