//! A device hears what became of its reading, and of none other: 202 says that this content is stored, now or before
//! (`"duplicate": true`); 409 says that its device, time and number are taken by another content, and that its own is kept in
//! quarantine. Within one batch, between batches and between instances.

use crate::service::{self, Answer, Device, Fleet};
use serde_json::Value;
use tokio::task::JoinSet;

fn reading(ts: &str, seq: i64, metrics: &str) -> String {
    format!(r#"{{"ts":"{ts}","seq":{seq},"metrics":{metrics}}}"#)
}

async fn quarantined(fleet: &Fleet) -> i64 {
    fleet.number("SELECT count(*) AS n FROM quarantine_events WHERE reason = 'READING_CONFLICT'").await
}

#[tokio::test]
async fn a_repetition_is_told_by_its_content() {
    let fleet = service::start().await;
    let ts = service::now().to_string();
    let first = fleet.device.send("d1", reading(&ts, 7, r#"{"a":1,"b":2.5,"on":true}"#)).await.accepted();
    assert_eq!(first.get("duplicate"), None, "{first}");
    // In another order, and the same number written otherwise.
    for same in
        [r#"{"a":1,"b":2.5,"on":true}"#, r#"{"on":true,"b":2.5,"a":1}"#, r#"{"a":1.0,"b":2.50,"on":true}"#]
    {
        let told = fleet.device.send("d1", reading(&ts, 7, same)).await.accepted();
        assert_eq!(told["duplicate"], true, "{same}: {told}");
    }
    for other in [
        r#"{"a":2,"b":2.5,"on":true}"#,
        r#"{"a":1,"b":2.5}"#,
        r#"{"a":1,"b":2.5,"on":true,"c":0}"#,
        r#"{"t":9}"#,
    ] {
        fleet.device.send("d1", reading(&ts, 7, other)).await.refused(409, "READING_CONFLICT");
    }
    assert_eq!((fleet.readings().await, quarantined(&fleet).await), (1, 4));
    // What was refused is there to be looked at, and what was stored is as it was.
    let kept = "SELECT count(*) AS n FROM quarantine_events WHERE device_id = 'd1' AND event_ts IS NOT NULL
                AND payload::jsonb = '{\"seq\":7,\"metrics\":{\"t\":9}}'";
    let stored = "SELECT count(*) AS n FROM telemetry WHERE metrics = '{\"a\":1,\"b\":2.5,\"on\":true}'";
    assert_eq!((fleet.number(kept).await, fleet.number(stored).await), (1, 1));
}

/// Without a number, the time alone says which reading it is.
#[tokio::test]
async fn two_contents_of_one_time_are_a_conflict() {
    let fleet = service::start().await;
    let ts = service::now();
    let of = |metrics: &str| format!(r#"{{"ts":"{ts}","metrics":{metrics}}}"#);
    fleet.device.send("d1", of(r#"{"t":1}"#)).await.accepted();
    fleet.device.send("d1", of(r#"{"humidity":40}"#)).await.refused(409, "READING_CONFLICT");
    assert_eq!(fleet.readings().await, 1);
}

/// A number comes back as it was sent, or it is refused; 20 decimals do not change in silence.
#[tokio::test]
async fn a_number_is_stored_as_it_was_sent_or_refused() {
    let fleet = service::start().await;
    for (seq, sent) in
        ["21.30000000000000071054", "0.1", "18446744073709551615", "5e-324"].into_iter().enumerate()
    {
        let body = format!(r#"{{"seq":{seq},"metrics":{{"t":{sent}}}}}"#);
        fleet.device.send("d1", body).await.accepted();
        let is_same = format!(
            "SELECT count(*) AS n FROM telemetry WHERE seq = {seq} AND (metrics->>'t')::numeric = {sent}::numeric"
        );
        assert_eq!(fleet.number(&is_same).await, 1, "{sent}");
    }
    for refused in ["0.12345678901234567891", "1e400", "123456789012345678901"] {
        let body = format!(r#"{{"metrics":{{"t":{refused}}}}}"#);
        fleet.device.send("d1", body).await.refused(400, "METRIC_VALUE_INVALID");
    }
    assert_eq!(fleet.readings().await, 4);
}

/// What each of those that share an identity was told, against what is stored.
async fn check(fleet: &Fleet, seq: i64, answers: Vec<(i64, Answer)>) {
    let sql = format!("SELECT (metrics->>'t') AS n FROM telemetry WHERE seq = {seq}");
    let stored = fleet.number(&sql).await;
    let (mut new, mut duplicates, mut conflicts) = (0, 0, 0);
    for (value, answer) in answers {
        match answer.status {
            202 => {
                assert_eq!(value, stored, "told that {value} is stored: {answer:?}");
                if answer.accepted().get("duplicate") == Some(&Value::Bool(true)) {
                    duplicates += 1;
                } else {
                    new += 1;
                }
            }
            _ => {
                assert_ne!(value, stored, "refused, and stored");
                answer.refused(409, "READING_CONFLICT");
                conflicts += 1;
            }
        }
    }
    assert_eq!((new, duplicates, conflicts), (1, 9, 20), "of reading {seq}");
}

/// Sends thirty readings of each identity at once, ten of each content, by turns to these.
fn send_all(devices: &[Device], seqs: &[i64]) -> JoinSet<(i64, i64, Answer)> {
    let ts = service::now().to_string();
    let mut sending = JoinSet::new();
    for n in 0..30 {
        for seq in seqs.iter().copied() {
            let value = i64::try_from(n % 3).unwrap();
            let (device, body) =
                (devices[n / 3 % devices.len()].clone(), reading(&ts, seq, &format!("{{\"t\":{value}}}")));
            sending.spawn(async move { (seq, value, device.send("d1", body).await) });
        }
    }
    sending
}

async fn check_all(fleet: &Fleet, seqs: &[i64], sending: JoinSet<(i64, i64, Answer)>) {
    let answers = sending.join_all().await;
    let many = answers.len();
    let mut seen = 0;
    let mut rest = answers;
    for seq in seqs {
        let (own, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(|(of, _, _)| of == seq);
        rest = others;
        seen += own.len();
        check(fleet, *seq, own.into_iter().map(|(_, value, answer)| (value, answer)).collect()).await;
    }
    assert_eq!(seen, many);
}

#[tokio::test]
async fn within_one_batch() {
    let fleet = service::start().await;
    fleet.device.send("d1", r#"{"t": 0}"#).await.accepted();
    // Every lane is held by a reading, and so all that comes after goes into one batch.
    let hold = fleet.hold_writes().await;
    let mut first = JoinSet::new();
    for n in 1..=4 {
        let device = fleet.device.clone();
        first.spawn(async move { device.send("d1", r#"{"t": 0}"#).await });
        fleet.until_writes_wait(n).await;
    }
    let sending = send_all(std::slice::from_ref(&fleet.device), &[7]);
    let waiting = async || fleet.running.service().unwrap().writer.waiting() == 34;
    service::until("all of them wait", waiting).await;
    hold.rollback().await;
    for answer in first.join_all().await {
        answer.accepted();
    }
    check_all(&fleet, &[7], sending).await;
    assert_eq!(quarantined(&fleet).await, 20);
}

#[tokio::test]
async fn between_batches_and_instances() {
    let fleet = service::start().await;
    fleet.device.send("d1", r#"{"t": 0}"#).await.accepted();
    let folder = tempfile::tempdir().unwrap();
    let mut config = service::config(&fleet.database.url(), folder.path());
    config.demo = false;
    let other = fleet::start(config).await.unwrap();
    other.ready().await.unwrap();
    let devices = [fleet.device.clone(), Device { url: other.url(), ..fleet.device.clone() }];
    let seqs: Vec<i64> = (100..108).collect();
    let sending = send_all(&devices, &seqs);
    check_all(&fleet, &seqs, sending).await;
    assert_eq!(quarantined(&fleet).await, 20 * 8);
}
