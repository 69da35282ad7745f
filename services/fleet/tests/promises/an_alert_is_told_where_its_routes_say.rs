//! What is told of an alert is written in the transaction that opens, acknowledges or closes it, once for each route that it
//! takes, and is sent after that: signed, with a key that stays.

use crate::alerts::{cause, open};
use crate::asking::ask;
use crate::boundaries::{all_or_nothing, install};
use crate::deliveries::{self, SECRET, integration, listed, route, until_there_are, webhook};
use crate::receiver::{Receiver, Reply};
use crate::service::{self, Answer};
use fleet::alerts::Severity;
use fleet::alerts::store;
use fleet::delivery::{log, signature};
use fleet::escalation::tick;
use fleet::tenants::{TenantId, TenantTx, transaction};
use jiff::Timestamp;
use serde_json::{Value, json};

#[tokio::test]
async fn signed_and_in_each_state() {
    let fleet = deliveries::start().await;
    let receiver = Receiver::start(|_| Reply::Status(204, "")).await;
    webhook(&fleet, &receiver.url()).await;
    let id = open(&fleet, "test", &cause("f", Severity::High)).await.id;
    until_there_are(&fleet, 1, "SENT").await;
    // The same cause again opens nothing, and is not told again.
    open(&fleet, "test", &cause("f", Severity::High)).await;
    for (what, count) in [("acknowledge", 2), ("close", 3)] {
        ask(&fleet.device, "PATCH", &format!("/customer/alerts/{id}/{what}"), None).await;
        until_there_are(&fleet, count, "SENT").await;
    }
    let received = receiver.received();
    let events: Vec<&str> = received.iter().map(|one| one.headers["x-fleet-event"].as_str()).collect();
    assert_eq!(events, ["OPEN", "ACKNOWLEDGED", "CLOSED"]);
    for one in &received {
        assert_eq!(
            (one.path.as_str(), one.headers["content-type"].as_str()),
            ("/alerts?token=hidden", "application/json")
        );
        let (time, _) =
            one.headers["x-fleet-signature"].strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
        let time = Timestamp::from_second(time.parse().unwrap()).unwrap();
        assert!(Timestamp::now().duration_since(time).as_secs() < 60);
        assert_eq!(one.headers["x-fleet-signature"], signature::of(SECRET, time, &one.body));
        let body: Value = serde_json::from_str(&one.body).unwrap();
        assert_eq!((&body["tenant_id"], &body["alert"]["alert_id"]), (&"test".into(), &id.into()));
        assert_eq!(body["event"], body["alert"]["status"]);
    }
    let log = listed(&fleet, "?status=SENT&limit=2").await;
    assert_eq!((log.len(), &log[0]["event"]), (2, &"CLOSED".into()));
    assert_eq!(log[0]["idempotency_key"], received[2].key());
    assert_eq!(
        (&log[0]["log"][0]["outcome"], &log[0]["log"][0]["status_code"]),
        (&"SENT".into(), &204.into())
    );
    let text = format!("{:?}", listed(&fleet, "").await);
    assert!(!text.contains("hidden") && !text.contains(SECRET), "{text}");
}

#[tokio::test]
async fn by_those_that_it_takes_and_no_others() {
    let fleet = service::start().await;
    let id = integration(&fleet, "webhook", json!({ "url": "https://example.com/" })).await;
    let off = json!({ "name": "off", "type": "email", "enabled": false, "config": { "to": ["a@b.c"] } });
    let off = ask(&fleet.device, "POST", "/customer/integrations", Some(off)).await;
    route(&fleet, off.body["integration_id"].as_str().unwrap(), json!({})).await;
    let mut taken = vec![
        route(&fleet, &id, json!({ "priority": 7 })).await,
        route(
            &fleet,
            &id,
            json!({ "priority": 5, "severities": ["high"], "alert_types": ["NO_HEARTBEAT"],
                                   "site_ids": ["default"], "device_prefixes": ["x", "d"] }),
        )
        .await,
    ];
    for other in [
        json!({ "enabled": false }),
        json!({ "severities": ["critical"] }),
        json!({ "alert_types": ["THRESHOLD"] }),
        json!({ "site_ids": ["elsewhere"] }),
        json!({ "device_prefixes": ["d2"] }),
        json!({ "deliver_on": ["CLOSED"] }),
    ] {
        route(&fleet, &id, other).await;
    }
    open(&fleet, "test", &cause("f", Severity::High)).await;
    let found = listed(&fleet, "").await;
    let mut routes: Vec<&str> = found.iter().map(|one| one["route_id"].as_str().unwrap()).collect();
    routes.sort_unstable();
    taken.sort_unstable();
    assert_eq!(routes, taken);
    let first = "SELECT priority AS n FROM delivery_jobs ORDER BY next_run_at, priority, job_id LIMIT 1";
    assert_eq!(fleet.number(first).await, 5, "the less comes first");
}

/// Under a fault at any boundary there is no alert without its message, and no message without its alert.
#[tokio::test]
async fn with_the_alert_or_not_at_all() {
    let fleet = service::start().await;
    let id = integration(&fleet, "webhook", json!({ "url": "https://example.com/" })).await;
    for _ in 0..2 {
        route(&fleet, &id, json!({ "deliver_on": ["OPEN", "ACKNOWLEDGED", "CLOSED"] })).await;
    }
    // No sender comes between.
    let later = "ALTER TABLE delivery_jobs ALTER next_run_at SET DEFAULT now() + interval '1 hour'";
    fleet.database.execute(later).await.unwrap();
    install(&fleet).await;
    let db = fleet.running.service().unwrap().pools.ui.clone();
    let tenant = TenantId::parse("test").unwrap();
    let cause = cause("f", Severity::High);
    let opened = async || {
        let work = async |tx: TenantTx| store::open(&tx, &cause).await;
        transaction::once(db.named("open alert"), &tenant, work).await.ok()
    };
    // Before and after each of two statements, of which the first may insert or update, and at COMMIT for each of three rows.
    assert_eq!(all_or_nothing(&fleet, "open", Option::is_some, opened).await, 9);
    let is_done = |answer: &Answer| answer.status == 200;
    let id = fleet.number("SELECT max(id) AS n FROM fleet_alert").await;
    for what in ["acknowledge", "close"] {
        let change =
            async || ask(&fleet.device, "PATCH", &format!("/customer/alerts/{id}/{what}"), None).await;
        assert_eq!(all_or_nothing(&fleet, what, is_done, change).await, 7);
    }
}

/// A step of an escalation, and who is on call.
#[tokio::test]
async fn and_a_page_of_an_escalation_goes_to_all_who_are_named() {
    let fleet = deliveries::start().await;
    let receiver = Receiver::start(|_| Reply::Status(200, "")).await;
    let on_call = format!("http://{}/ann", receiver.addr);
    let schedule = json!({ "name": "s", "layers": [{ "responders": [on_call] }] });
    let schedule = ask(&fleet.device, "POST", "/customer/oncall/schedules", Some(schedule)).await;
    let nameless = json!({ "name": "n", "layers": [{ "responders": ["ann"] }] });
    let nameless = ask(&fleet.device, "POST", "/customer/oncall/schedules", Some(nameless)).await;
    let levels = json!([
        { "notify_webhook": receiver.url(), "oncall_schedule_id": schedule.body["schedule_id"] },
        { "oncall_schedule_id": nameless.body["schedule_id"] },
    ]);
    let policy = json!({ "name": "p", "is_default": true, "levels": levels });
    assert_eq!(ask(&fleet.device, "POST", "/customer/escalation-policies", Some(policy)).await.status, 201);
    let worker = fleet.running.service().unwrap().pools.ops_worker.clone();
    open(&fleet, "test", &cause("f", Severity::High)).await;
    assert_eq!(tick::once(&worker).await.unwrap().told, 1);
    until_there_are(&fleet, 2, "SENT").await;
    let mut paths: Vec<String> = receiver.received().into_iter().map(|one| one.path).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["/alerts?token=hidden", "/ann"]);
    let body: Value = serde_json::from_str(&receiver.received()[0].body).unwrap();
    assert_eq!(
        (&body["event"], &body["level"], &body["responder"]),
        (&"ESCALATED".into(), &1.into(), &on_call.into())
    );
    assert_eq!(
        fleet.number("SELECT count(*) AS n FROM escalation_outbox WHERE sent_at IS NOT NULL").await,
        1
    );

    // Who has no address is not told, and that is seen.
    fleet.database.execute("UPDATE fleet_alert SET next_escalation_at = now()").await.unwrap();
    assert_eq!(tick::once(&worker).await.unwrap().told, 1);
    until_there_are(&fleet, 1, "DEAD").await;
    let dead = listed(&fleet, "?status=DEAD").await;
    assert!(dead[0]["last_error"].as_str().unwrap().contains("no mail address"), "{dead:?}");
    assert_eq!(
        fleet.number("SELECT count(*) AS n FROM escalation_outbox WHERE sent_at IS NOT NULL").await,
        1
    );
}

#[tokio::test]
async fn and_the_list_is_filtered_and_paged() {
    let fleet = service::start().await;
    let id = integration(&fleet, "webhook", json!({ "url": "https://example.com/" })).await;
    route(&fleet, &id, json!({})).await;
    let mut alerts = Vec::new();
    for number in 0..5 {
        alerts.push(open(&fleet, "test", &cause(&format!("f{number}"), Severity::Low)).await.id);
    }
    let of = |body: &Value| -> Vec<i64> {
        body["deliveries"].as_array().unwrap().iter().map(|one| one["alert_id"].as_i64().unwrap()).collect()
    };
    alerts.reverse();
    let get =
        async |query: &str| ask(&fleet.device, "GET", &format!("/customer/deliveries{query}"), None).await;
    let first = get("?limit=3").await.body;
    assert_eq!(of(&first), alerts[..3]);
    let next = first["next"].as_str().unwrap();
    let second = get(&format!("?limit=3&after={next}")).await.body;
    assert_eq!((of(&second), &second["next"]), (alerts[3..].to_vec(), &Value::Null));
    assert_eq!(of(&get(&format!("?alert={}", alerts[1])).await.body), [alerts[1]]);
    assert_eq!(of(&get("?status=DEAD").await.body), Vec::<i64>::new());
    get("?status=dead").await.refused(400, "UNKNOWN_STATUS");
    get("?alert=x").await.refused(400, "INVALID_ID");
    for limit in ["0", "201", "-1", ""] {
        get(&format!("?limit={limit}")).await.refused(400, "BAD_LIMIT");
    }
    get("?limit=1&limit=2").await.refused(400, "INVALID_QUERY");
    // A cursor is good for the list that it came from.
    get(&format!("?status=DEAD&after={next}")).await.refused(400, "BAD_CURSOR");
    let sql =
        "SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint WHERE conname = 'delivery_jobs_status'";
    let rows = fleet.database.execute(sql).await.unwrap();
    assert_eq!(rows[0]["text"].split('\'').skip(1).step_by(2).collect::<Vec<_>>(), log::STATES);
}
