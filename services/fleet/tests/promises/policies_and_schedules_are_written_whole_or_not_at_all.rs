//! An escalation policy is written with all of its levels, and a schedule with all of its layers, or nothing is changed:
//! whichever of the statements fails, and whether the server refuses it or the connection is lost.

use crate::asking::{ask, content};
use crate::service::{self, Answer, Fleet};
use plimsoll::settings::Enforcement;
use plimsoll::{Database, Settings};
use plimsoll_embedded::test_server;
use plimsoll_faults::{Direction, Fault, Proxy, When};
use serde_json::{Value, json};

const POLICIES: [&str; 2] = ["escalation_policies", "escalation_levels"];
const SCHEDULES: [&str; 2] = ["oncall_schedules", "oncall_layers"];

/// At the server's side of a statement, the transaction fails, or its connection ends.
const STRIKE: &str = "
    CREATE FUNCTION strike() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        IF TG_ARGV[0] = 'refuse' THEN RAISE EXCEPTION 'struck'; END IF;
        PERFORM pg_terminate_backend(pg_backend_pid());
        PERFORM pg_sleep(10);
        RETURN NULL;
    END $$";

/// Where it strikes: what a trigger says before EXECUTE.
fn statements(table: &str, key: &str, keys: &[i32], event: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    for when in ["BEFORE", "AFTER"] {
        for event in event {
            all.push(format!("TRIGGER struck {when} {event} FOR EACH STATEMENT"));
        }
        for value in keys {
            all.push(format!(
                "TRIGGER struck {when} INSERT ON {table} FOR EACH ROW WHEN (NEW.{key} = {value})"
            ));
        }
    }
    // And at COMMIT.
    all.push(format!(
        "CONSTRAINT TRIGGER struck AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
    ));
    all
}

async fn strike_everywhere(
    fleet: &Fleet,
    tables: &[&str],
    statements: &[String],
    write: impl AsyncFn() -> Answer,
) {
    let before = content(fleet, tables).await;
    for statement in statements {
        for how in ["refuse", "end"] {
            let sql = format!("CREATE {statement} EXECUTE FUNCTION strike('{how}')");
            fleet.database.execute(&sql).await.unwrap();
            let answer = write().await;
            assert!(answer.status >= 500, "{statement}, {how}: {answer:?}");
            assert_eq!(content(fleet, tables).await, before, "{statement}, {how}");
            let table = tables.iter().find(|table| statement.contains(&format!(" ON {table} "))).unwrap();
            fleet.database.execute(&format!("DROP TRIGGER struck ON {table}")).await.unwrap();
        }
    }
    let answer = write().await;
    assert!(answer.status < 300, "nothing strikes: {answer:?}");
    assert_ne!(content(fleet, tables).await, before);
}

fn policy(name: &str) -> Value {
    let level =
        |number: i32| json!({ "level_number": number, "delay_minutes": number, "notify_email": "a@b.c" });
    json!({ "name": name, "is_default": true, "levels": [level(1), level(2), level(3)] })
}

#[tokio::test]
async fn a_policy() {
    let fleet = service::start().await;
    fleet.database.execute(STRIKE).await.unwrap();
    let path = "/api/v1/customer/escalation-policies";
    let ask = async |method, path: &str, body| ask(&fleet.device, method, path, Some(body)).await;
    let first = ask("POST", path, policy("first")).await;
    assert_eq!(first.status, 201, "{first:?}");
    let events = ["INSERT ON escalation_policies", "UPDATE ON escalation_policies"];
    let boundaries = statements("escalation_levels", "level_number", &[1, 2, 3], &events);
    strike_everywhere(&fleet, &POLICIES, &boundaries, async || ask("POST", path, policy("second")).await)
        .await;

    let events = ["UPDATE ON escalation_policies", "DELETE ON escalation_levels"];
    let mut boundaries = statements("escalation_levels", "level_number", &[1, 2, 3], &events);
    // Of the two updates, the one of the policy itself.
    for when in ["BEFORE", "AFTER"] {
        let own = "UPDATE ON escalation_policies FOR EACH ROW WHEN (NEW.name = 'third')";
        boundaries.push(format!("TRIGGER struck {when} {own}"));
    }
    let own = format!("{path}/{}", first.body["policy_id"]);
    strike_everywhere(&fleet, &POLICIES, &boundaries, async || ask("PUT", &own, policy("third")).await).await;
    let told = ask("GET", &own, Value::Null).await;
    assert_eq!((&told.body["name"], &told.body["is_default"]), (&"third".into(), &true.into()), "{told:?}");
    let defaults = "SELECT count(*) AS n FROM escalation_policies WHERE is_default";
    assert_eq!(fleet.number(defaults).await, 1);
}

fn schedule(name: &str) -> Value {
    let layer = |order: i32| json!({ "layer_order": order, "responders": ["ann", name] });
    json!({ "name": name, "timezone": "Europe/Berlin", "layers": [layer(0), layer(1), layer(2)] })
}

#[tokio::test]
async fn a_schedule() {
    let fleet = service::start().await;
    fleet.database.execute(STRIKE).await.unwrap();
    let path = "/api/v1/customer/oncall/schedules";
    let ask = async |method, path: &str, body| ask(&fleet.device, method, path, Some(body)).await;
    let boundaries = statements("oncall_layers", "layer_order", &[0, 1, 2], &["INSERT ON oncall_schedules"]);
    strike_everywhere(&fleet, &SCHEDULES, &boundaries, async || ask("POST", path, schedule("first")).await)
        .await;

    let made = ask("POST", path, schedule("second")).await;
    let events = ["UPDATE ON oncall_schedules", "DELETE ON oncall_layers"];
    let boundaries = statements("oncall_layers", "layer_order", &[0, 1, 2], &events);
    let own = format!("{path}/{}", made.body["schedule_id"]);
    strike_everywhere(&fleet, &SCHEDULES, &boundaries, async || ask("PUT", &own, schedule("third")).await)
        .await;
    let told = ask("GET", &own, Value::Null).await;
    assert_eq!(told.body["layers"][2]["responders"][1], "third", "{told:?}");
}

/// Writes a policy whose COMMIT is lost on its way back, and counts what is stored.
async fn with_a_lost_commit(finds_out: bool) -> Answer {
    let server = test_server::server().await.unwrap();
    let wire = Proxy::in_front_of((server.host(), server.port())).await.unwrap();
    let port = wire.port().to_string();
    let fleet = service::start_with(|config| {
        let fleet::Source::Given(settings) = &config.database else { panic!("a database was given") };
        let host = format!("127.0.0.1:{port}");
        config.database = fleet::Source::Given(Box::new(Settings::clone(settings).hosts(host)));
    })
    .await;
    let owner = Database::connect(Settings::from_url(fleet.database.url()).unwrap()).await.unwrap();
    let hold = owner.begin().await.unwrap();
    hold.batch_execute("LOCK TABLE escalation_policies IN SHARE MODE").await.unwrap();
    let device = fleet.device.clone();
    let asking = tokio::spawn(async move {
        ask(&device, "POST", "/customer/escalation-policies", Some(policy("one"))).await
    });
    let waits = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()
                 AND wait_event_type = 'Lock' AND query LIKE '%public.escalation_policies%'";
    service::until("the write waits", async || fleet.number(waits).await == 1).await;
    let commit = Fault::on_message(Direction::ToServer, b'Q', "COMMIT", When::AnswerDropped);
    if finds_out {
        wire.set_once(commit);
    } else {
        wire.set(commit);
        wire.add(Fault::on_message(Direction::ToServer, b'P', "pg_xact_status", When::Before));
    }
    hold.rollback().await;
    let answer = asking.await.unwrap();
    assert!(wire.struck() >= 1, "the answer was lost");
    assert_eq!(fleet.number("SELECT count(*) AS n FROM escalation_policies").await, 1);
    assert_eq!(fleet.number("SELECT count(*) AS n FROM escalation_levels").await, 3);
    answer
}

#[tokio::test]
async fn and_a_lost_commit_is_found_out_or_told_as_unknown() {
    let answer = with_a_lost_commit(true).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let answer = with_a_lost_commit(false).await;
    assert_eq!((answer.status, &answer.body["outcome"]), (503, &"unknown".into()), "{answer:?}");
}

/// The library watches each request: none of them writes twice without a transaction around both.
#[tokio::test]
async fn and_no_request_writes_twice_outside_a_transaction() {
    let fleet = service::start_with(|config| {
        let fleet::Source::Given(settings) = &mut config.database else { panic!("the database is given") };
        **settings = settings.clone().write_audit(Enforcement::On);
    })
    .await;
    for (path, id, body) in [
        ("/customer/escalation-policies", "policy_id", policy("p")),
        ("/customer/oncall/schedules", "schedule_id", schedule("s")),
    ] {
        let made = ask(&fleet.device, "POST", path, Some(body.clone())).await;
        let own = format!("{path}/{}", made.body[id]);
        for (method, body, status) in [("PUT", Some(body), 200), ("DELETE", None, 204)] {
            assert_eq!(ask(&fleet.device, method, &own, body).await.status, status, "{method} {own}");
        }
    }
    let pools = &fleet.running.service().unwrap().pools;
    for (name, pool) in pools.all() {
        assert_eq!(pool.snapshot().statements.unwrapped_multi_writes, 0, "{name}");
    }
}
