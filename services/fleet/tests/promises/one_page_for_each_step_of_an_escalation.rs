//! An alert that nobody acknowledges is told to one level after the other, each once, however many instances look at the same
//! moment. What is to be told is written with the step, or neither is.

use crate::alerts::{cause, open};
use crate::asking::{ask, other_tenant};
use crate::service::{self, Fleet};
use fleet::alerts::Severity;
use fleet::escalation::tick;
use plimsoll::Database;
use serde_json::json;

const PAGES: &str = "SELECT count(*) AS n FROM escalation_outbox";

fn worker(fleet: &Fleet) -> &Database {
    &fleet.running.service().unwrap().pools.ops_worker
}

/// A default policy with three levels: mail, a web hook, and who is on call.
async fn policy(fleet: &Fleet) {
    let body = json!({ "name": "s", "layers": [{ "responders": ["ann"] }] });
    let schedule = ask(&fleet.device, "POST", "/customer/oncall/schedules", Some(body)).await;
    let levels = json!([
        { "notify_email": "team@example.com", "delay_minutes": 5 },
        { "notify_webhook": "https://example.com/alerts", "delay_minutes": 10 },
        { "oncall_schedule_id": schedule.body["schedule_id"], "delay_minutes": 15 },
    ]);
    let body = json!({ "name": "p", "is_default": true, "levels": levels });
    let made = ask(&fleet.device, "POST", "/customer/escalation-policies", Some(body)).await;
    assert_eq!(made.status, 201, "{made:?}");
}

/// Lets the time of every step come that is still to come.
async fn let_time_pass(fleet: &Fleet) {
    let sql = "UPDATE fleet_alert SET next_escalation_at = now() - interval '1 s' WHERE next_escalation_at IS NOT NULL";
    fleet.database.execute(sql).await.unwrap();
}

#[tokio::test]
async fn of_a_hundred_alerts_by_two_instances() {
    let first = service::start().await;
    // A second instance on the same database, and a third pair of hands in each.
    let config = service::config(&first.database.url(), first.folder.path());
    let second = fleet::start(config).await.unwrap();
    second.ready().await.unwrap();
    policy(&first).await;
    for number in 0..100 {
        open(&first, "test", &cause(&format!("f{number}"), Severity::High)).await;
    }
    let (one, other) = (worker(&first).clone(), second.service().unwrap().pools.ops_worker.clone());
    for level in 1..=3 {
        let looks = (0..4).flat_map(|_| [tick::once(&one), tick::once(&other)]);
        let mut told = 0;
        for look in futures_util::future::join_all(looks).await {
            told += look.unwrap().told;
        }
        // The instances look by themselves too, so these are at most all of them.
        assert!(told <= 100, "{told} of 100 alerts at level {level}");
        let pages = format!("{PAGES} WHERE level_number = {level}");
        assert_eq!(first.number(&pages).await, 100);
        assert_eq!(first.number(PAGES).await, 100 * level);
        let each = "SELECT count(DISTINCT alert_id) AS n FROM escalation_outbox";
        assert_eq!(first.number(each).await, 100);
        let at_level = format!("SELECT count(*) AS n FROM fleet_alert WHERE escalation_level = {level}");
        assert_eq!(first.number(&at_level).await, 100);
        let_time_pass(&first).await;
    }
    // After the last level nothing is due any more.
    tick::once(&one).await.unwrap();
    assert_eq!(
        first.number("SELECT count(*) AS n FROM fleet_alert WHERE next_escalation_at IS NULL").await,
        100
    );
    assert_eq!(first.number(PAGES).await, 300);
    let who = "SELECT count(*) AS n FROM escalation_outbox WHERE responder = 'ann' AND level_number = 3";
    assert_eq!(first.number(who).await, 100, "who is on call is told where the level asks a schedule");
    let nobody =
        "SELECT count(*) AS n FROM escalation_outbox WHERE responder IS NOT NULL AND level_number < 3";
    assert_eq!(first.number(nobody).await, 0);
    second.stop().await;
}

#[tokio::test]
async fn and_each_level_has_its_time() {
    let fleet = service::start().await;
    policy(&fleet).await;
    open(&fleet, "test", &cause("f", Severity::High)).await;
    for minutes in [5, 10, 15] {
        assert_eq!(tick::once(worker(&fleet)).await.unwrap().told, 1);
        let sql = format!(
            "SELECT count(*) AS n FROM fleet_alert WHERE next_escalation_at = escalated_at + make_interval(mins => {minutes})"
        );
        assert_eq!(fleet.number(&sql).await, 1, "{minutes}");
        assert_eq!(tick::once(worker(&fleet)).await.unwrap().due, 0, "not before its time");
        let_time_pass(&fleet).await;
    }
}

#[tokio::test]
async fn not_of_what_is_acknowledged_closed_or_silenced() {
    let fleet = service::start().await;
    policy(&fleet).await;
    let mut ids = Vec::new();
    for fingerprint in ["acknowledge", "close", "silence", "neither"] {
        ids.push(open(&fleet, "test", &cause(fingerprint, Severity::High)).await.id);
    }
    for (id, what) in ids.iter().zip(["acknowledge", "close", "silence"]) {
        let body = (what == "silence").then(|| json!({ "minutes": 5 }));
        let done = ask(&fleet.device, "PATCH", &format!("/customer/alerts/{id}/{what}"), body).await;
        assert_eq!(done.status, 200, "{done:?}");
    }
    assert_eq!(tick::once(worker(&fleet)).await.unwrap().told, 1);
    let told = format!("{PAGES} WHERE alert_id = {}", ids[3]);
    assert_eq!((fleet.number(&told).await, fleet.number(PAGES).await), (1, 1));
    // What was silenced goes on when that is over.
    fleet.database.execute("UPDATE fleet_alert SET silenced_until = now() - interval '1 s'").await.unwrap();
    assert_eq!(tick::once(worker(&fleet)).await.unwrap().told, 1);
    let told = format!("{PAGES} WHERE alert_id = {}", ids[2]);
    assert_eq!((fleet.number(&told).await, fleet.number(PAGES).await), (1, 2));
}

#[tokio::test]
async fn of_every_tenant_in_its_own_transaction() {
    let fleet = service::start().await;
    other_tenant(&fleet).await;
    policy(&fleet).await;
    open(&fleet, "test", &cause("f", Severity::High)).await;
    // Without a policy there is no one to tell.
    open(&fleet, "other", &cause("f", Severity::High)).await;
    assert_eq!(
        fleet.number("SELECT count(*) AS n FROM fleet_alert WHERE next_escalation_at IS NULL").await,
        1
    );
    let theirs = "INSERT INTO escalation_policies (tenant_id, name, is_default) VALUES ('other', 'p', true);
                  INSERT INTO escalation_levels (tenant_id, policy_id, level_number, notify_email)
                  SELECT 'other', policy_id, 2, 'a@b.c' FROM escalation_policies WHERE tenant_id = 'other'";
    fleet.database.execute(theirs).await.unwrap();
    open(&fleet, "other", &cause("g", Severity::High)).await;
    assert_eq!(tick::once(worker(&fleet)).await.unwrap().told, 2);
    for (tenant, level) in [("test", 1), ("other", 2)] {
        let told = format!("{PAGES} WHERE tenant_id = '{tenant}' AND level_number = {level}");
        assert_eq!(fleet.number(&told).await, 1, "{tenant}");
    }
    // Whom the service's role may ask for names, it is told names and shown no row.
    let seen = worker(&fleet).query_one("SELECT count(*) FROM fleet_alert", &[]).await.unwrap();
    assert_eq!(seen.get::<_, i64>(0), 0);
}

#[tokio::test]
async fn a_step_that_fails_is_not_taken() {
    let fleet = service::start().await;
    policy(&fleet).await;
    open(&fleet, "test", &cause("f", Severity::High)).await;
    let broken = "ALTER TABLE escalation_outbox ADD CONSTRAINT broken CHECK (false) NOT VALID";
    fleet.database.execute(broken).await.unwrap();
    tick::once(worker(&fleet)).await.unwrap_err();
    let untouched =
        "SELECT count(*) AS n FROM fleet_alert WHERE escalation_level = 0 AND next_escalation_at <= now()";
    assert_eq!((fleet.number(untouched).await, fleet.number(PAGES).await), (1, 0));
    fleet.database.execute("ALTER TABLE escalation_outbox DROP CONSTRAINT broken").await.unwrap();
    assert_eq!(tick::once(worker(&fleet)).await.unwrap().told, 1);
    assert_eq!(fleet.number(PAGES).await, 1);
}

/// What is due when an instance starts is told without being asked for.
#[tokio::test]
async fn and_the_service_looks_by_itself() {
    let first = service::start().await;
    policy(&first).await;
    open(&first, "test", &cause("f", Severity::High)).await;
    assert_eq!(first.number(PAGES).await, 0);
    let config = service::config(&first.database.url(), first.folder.path());
    let second = fleet::start(config).await.unwrap();
    second.ready().await.unwrap();
    service::until("the step is told", async || first.number(PAGES).await == 1).await;
    second.stop().await;
}
