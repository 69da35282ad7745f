//! Five times as many readings come as can be written: what is written stays at the capacity, the rest is refused early and
//! honestly, a quiet tenant beside the loud one is served as if it were alone, and it is over as soon as the load is.

use crate::service::{self, Answer, Device, Fleet};
use plimsoll_embedded::test_server::TestDatabase;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Messages of one request of the loud tenant.
const AT_ONCE: i64 = 100;
/// In seconds; `make soak` says a longer one by the variable PLIMSOLL_SECONDS.
const SPAN: u64 = 6;
const THIRDS: usize = 3;

/// A row costs twenty milliseconds, whatever else the machine does.
const SLOW: &str = "
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.02); RETURN new; END';
    CREATE TRIGGER slow BEFORE INSERT ON telemetry FOR EACH ROW EXECUTE FUNCTION slow()";

const QUIET: &str = "
    INSERT INTO tenants (tenant_id, name, provision_key_hash) VALUES ('quiet', 'q', encode(sha256('key'), 'hex'));
    INSERT INTO sites (tenant_id, site_id, name) VALUES ('quiet', 'default', 'd');
    INSERT INTO subscriptions (tenant_id, subscription_id, subscription_type, device_limit, term_end)
    VALUES ('quiet', 'SUB-20250101-00001', 'MAIN', 5, now() + interval '1 year')";

fn span() -> Duration {
    let said = std::env::var("PLIMSOLL_SECONDS").ok().map(|text| text.parse().unwrap());
    Duration::from_secs(said.unwrap_or(SPAN))
}

/// What each reading of the loud tenant was told, by its number.
type Fates = BTreeMap<i64, Value>;

fn hour() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:00:00Z").to_string()
}

/// Sends readings with the numbers from this one on.
async fn send_batch(device: Device, first: i64) -> Fates {
    let ts = hour();
    let one = |seq: i64| json!({ "tenant_id": "test", "device_id": format!("d{}", seq % 4), "ts": ts, "seq": seq, "metrics": { "t": 1 } });
    let messages: Vec<Value> = (first..first + AT_ONCE).map(one).collect();
    let body = json!({ "messages": messages }).to_string();
    let answer = device.send_to("/ingest/v1/batch", Some(&device.key), body).await;
    let of = |index: i64| match answer.body["results"].get(usize::try_from(index).unwrap()) {
        Some(result) => result.clone(),
        None => answer.body.clone(),
    };
    (0..AT_ONCE).map(|index| (first + index, of(index))).collect()
}

async fn send_quiet(device: Device, seq: i64) -> Answer {
    let body = format!(r#"{{"ts":"{}","seq":{seq},"metrics":{{"t":1}}}}"#, hour());
    device.send_to("/ingest/v1/tenant/quiet/device/q1/telemetry", Some("key"), body).await
}

fn is_accepted(fate: &Value) -> bool {
    fate["status"] == "accepted"
}

/// Readings a second, when as many wait as keep every lane busy.
async fn capacity(fleet: &Fleet) -> f64 {
    let mut best: f64 = 0.0;
    let mut next = 1_000_000;
    // The first rounds find the size of a batch; in any round, other work of the machine may be in the way.
    for _ in 0..4 {
        let began = Instant::now();
        let mut sending = JoinSet::new();
        for _ in 0..2 {
            sending.spawn(send_batch(fleet.device.clone(), next));
            next += AT_ONCE;
        }
        let accepted =
            sending.join_all().await.iter().flat_map(Fates::values).filter(|fate| is_accepted(fate)).count();
        let rate = f64::from(u32::try_from(accepted).unwrap()) / began.elapsed().as_secs_f64();
        best = best.max(rate);
    }
    best
}

/// The numbers that are stored of the loud tenant, with the seconds from `start` to their transaction.
async fn stored(database: &TestDatabase, start: &str) -> BTreeMap<i64, f64> {
    let sql = format!(
        "SELECT seq::text AS n, extract(epoch FROM stored_at - '{start}'::timestamptz)::text AS at
         FROM telemetry WHERE tenant_id = 'test' AND seq BETWEEN 0 AND 999999"
    );
    let rows = database.execute(&sql).await.unwrap();
    rows.iter().map(|row| (row["n"].parse().unwrap(), row["at"].parse().unwrap())).collect()
}

/// Sends at this rate for the whole span, whatever comes back.
async fn overload(fleet: &Fleet, rate: f64) -> (Fates, Vec<Answer>, Duration) {
    let (mut loud, mut quiet) = (JoinSet::new(), JoinSet::new());
    let began = Instant::now();
    let (mut next, mut of_quiet) = (0, 0);
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    while began.elapsed() < span() {
        ticks.tick().await;
        let due = began.elapsed().as_secs_f64();
        while f64::from(i32::try_from(next).unwrap()) < due * rate {
            loud.spawn(send_batch(fleet.device.clone(), next));
            next += AT_ONCE;
        }
        while f64::from(i32::try_from(of_quiet).unwrap()) < due * 10.0 {
            quiet.spawn(send_quiet(fleet.device.clone(), of_quiet));
            of_quiet += 1;
        }
    }
    // The load is over now; how long until a reading is served as before?
    let ended = Instant::now();
    service::until("a reading is served at once again", async || {
        let sent = Instant::now();
        let answer = fleet.device.send("d1", r#"{"t": 1}"#).await;
        answer.status == 202 && sent.elapsed() < Duration::from_millis(500)
    })
    .await;
    let recovered = ended.elapsed();
    let fates = loud.join_all().await.into_iter().flatten().collect();
    (fates, quiet.join_all().await, recovered)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_tells_the_truth_about_each() {
    let fleet = service::start().await;
    fleet.database.execute(QUIET).await.unwrap();
    for device in 0..4 {
        fleet.device.send(&format!("d{device}"), r#"{"t": 0}"#).await.accepted();
    }
    send_quiet(fleet.device.clone(), 1_000).await.accepted();
    fleet.database.execute(SLOW).await.unwrap();
    let capacity = capacity(&fleet).await;
    assert!(capacity > 50.0, "{capacity} readings a second");

    let start = fleet.database.execute("SELECT clock_timestamp()::text AS n").await.unwrap()[0]["n"].clone();
    let (fates, of_quiet, recovered) = overload(&fleet, 5.0 * capacity).await;
    let stored = stored(&fleet.database, &start).await;

    // Nothing is told that is not so.
    let accepted: BTreeSet<i64> =
        fates.iter().filter(|(_, fate)| is_accepted(fate)).map(|(seq, _)| *seq).collect();
    for (seq, fate) in &fates {
        match (is_accepted(fate), fate["reason"].as_str().or_else(|| fate["code"].as_str())) {
            (true, _) => assert!(stored.contains_key(seq), "{seq} was acknowledged and is not stored"),
            (_, Some("QUEUE_FULL" | "NOT_IN_TIME")) => {
                assert!(!stored.contains_key(seq), "{seq} was told not stored, and is: {fate}");
            }
            _ => assert_eq!(fate["outcome"], "unknown", "{fate}"),
        }
    }
    assert!(accepted.len() * 2 < fates.len(), "it was more than could be written");

    // The loud tenant has what the quiet one leaves.
    let share = |third: usize| {
        let third = f64::from(u32::try_from(third).unwrap());
        let length = span().as_secs_f64() / 3.0;
        let in_third = |at: f64| at >= third * length && at < (third + 1.0) * length;
        let count = stored.iter().filter(|(seq, at)| accepted.contains(seq) && in_third(**at)).count();
        (f64::from(u32::try_from(count).unwrap()) / length + 10.0) / capacity
    };
    let shares: Vec<f64> = (0..THIRDS).map(share).collect();
    assert!(recovered < Duration::from_secs(3), "{recovered:?} after the load");
    assert!(shares.iter().all(|share| *share >= 0.8), "of the capacity of {capacity:.0}/s: {shares:.2?}");

    let served = of_quiet.iter().filter(|answer| answer.status == 202).count();
    println!(
        "capacity {capacity:.0}/s; of it in each third {shares:.2?}; quiet {served} of {}; back after {recovered:.2?}",
        of_quiet.len()
    );
    assert!(served * 10 >= of_quiet.len() * 9, "{served} of {} of the quiet tenant", of_quiet.len());
}
