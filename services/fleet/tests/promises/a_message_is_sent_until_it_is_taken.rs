//! A message is tried until its receiver has taken it, or until it is given up with its reason. It is sent at least once: a
//! sender that is killed before it has written down the answer is followed by another try with the same key. Two senders never
//! try one message at the same time.

use crate::alerts::{cause, open};
use crate::deliveries::{self, let_leases_end, listed, quick, until_there_are, webhook};
use crate::process::Process;
use crate::receiver::{Receiver, Reply};
use crate::service::{self, Fleet, until};
use fleet::alerts::Severity;
use plimsoll_embedded::test_server;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

async fn told(fleet: &Fleet, reply: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Receiver {
    let receiver = Receiver::start(reply).await;
    webhook(fleet, &receiver.url()).await;
    open(fleet, "test", &cause("f", Severity::High)).await;
    receiver
}

fn outcomes(message: &Value) -> Vec<String> {
    let log = message["log"].as_array().unwrap();
    log.iter()
        .map(|one| format!("{} {}", one["outcome"].as_str().unwrap_or("-"), one["status_code"]))
        .collect()
}

#[tokio::test]
async fn after_errors_with_the_same_key() {
    let fleet = deliveries::start().await;
    let receiver = told(&fleet, |number| Reply::Status([500, 404, 200][number.min(2)], "")).await;
    until_there_are(&fleet, 1, "SENT").await;
    let received = receiver.received();
    assert_eq!(received.len(), 3);
    assert_eq!(received.iter().map(|one| one.key()).collect::<BTreeSet<_>>().len(), 1);
    assert_eq!(received.iter().map(|one| &one.body).collect::<BTreeSet<_>>().len(), 1);
    let message = &listed(&fleet, "").await[0];
    assert_eq!(outcomes(message), ["RETRY 500", "RETRY 404", "SENT 200"]);
    assert_eq!((&message["attempts"], &message["last_error"]), (&3.into(), &Value::Null));
}

#[tokio::test]
async fn or_given_up_with_its_reason() {
    let fleet = deliveries::start().await;
    let receiver = told(&fleet, |_| Reply::Status(503, "")).await;
    until_there_are(&fleet, 1, "DEAD").await;
    assert_eq!(receiver.received().len(), 4);
    let message = &listed(&fleet, "?status=DEAD").await[0];
    assert_eq!(message["last_error"], "it answered 503; that was try 4 of 4");
    assert_eq!(outcomes(message), ["RETRY 503", "RETRY 503", "RETRY 503", "DEAD 503"]);
    assert!(message["finished_at"].is_string() && message["next_attempt_at"].is_null());
}

/// A receiver that hangs, one that floods, and one that is not there, each within its time.
#[tokio::test]
async fn whatever_the_receiver_does() {
    for (reply, why) in
        [(Reply::Silence, "no answer within 2000 ms"), (Reply::Flood, "did not answer as HTTP servers do")]
    {
        let fleet = deliveries::start().await;
        let began = Instant::now();
        let receiver =
            told(&fleet, move |number| if number == 0 { reply.clone() } else { Reply::Status(200, "") })
                .await;
        until_there_are(&fleet, 1, "SENT").await;
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        assert_eq!(receiver.received().len(), 2);
        let message = listed(&fleet, "").await[0].clone();
        assert!(message["log"][0]["error"].as_str().unwrap().contains(why), "{message}");
        assert!(
            !message.to_string().contains("hidden"),
            "what is secret in an address is not repeated: {message}"
        );
    }
}

#[tokio::test]
async fn not_before_the_time_that_it_asks_for() {
    let fleet = deliveries::start().await;
    let receiver = told(&fleet, |_| Reply::Status(429, "Retry-After: 300\r\n")).await;
    let waits = "SELECT count(*) AS n FROM delivery_jobs WHERE attempts = 1 AND claim IS NULL
                 AND next_run_at BETWEEN now() + interval '250 s' AND now() + interval '301 s'";
    until("it waits as long as it was asked to", async || fleet.number(waits).await == 1).await;
    assert_eq!(receiver.received().len(), 1);
}

/// Killed after the receiver has it and before that is written down.
#[tokio::test]
async fn by_another_sender_after_the_first_was_killed() {
    let database = test_server::database().await.unwrap();
    let receiver =
        Receiver::start(|number| if number == 0 { Reply::Silence } else { Reply::Status(200, "") }).await;
    let variables = [("FLEET_WEBHOOK_ALLOW", "127.0.0.0/8")];
    let mut process = Process::start(&database.url(), &variables).await;
    let insert = format!(
        "INSERT INTO integrations (tenant_id, name, type, config) VALUES ('test', 'i', 'webhook', '{{\"url\": \"{}\"}}');
         INSERT INTO fleet_alert (tenant_id, fingerprint, alert_type, summary, severity)
         VALUES ('test', 'f', 'NO_HEARTBEAT', 's', 4);
         INSERT INTO delivery_jobs (tenant_id, alert_id, event, route_id, integration_id, channel, payload)
         SELECT 'test', id, 'OPEN', gen_random_uuid(), integration_id, 'webhook', '{{}}' FROM integrations, fleet_alert",
        receiver.url()
    );
    database.execute(&insert).await.unwrap();
    until("the receiver has it", async || receiver.received().len() == 1).await;
    process.child.kill().await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let mut config = service::config(&database.url(), folder.path());
    config.delivery = quick();
    let second = fleet::start(config).await.unwrap();
    second.ready().await.unwrap();
    // Its lease is not over yet.
    let held = "SELECT count(*) AS n FROM delivery_jobs WHERE claim IS NOT NULL AND next_run_at > now()";
    assert_eq!(service::number(&database, held).await, 1);
    database.execute("UPDATE delivery_jobs SET next_run_at = now()").await.unwrap();
    until("it is sent again", async || {
        service::number(&database, "SELECT count(*) AS n FROM delivery_jobs WHERE status = 'SENT'").await == 1
    })
    .await;
    let received = receiver.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].key(), received[1].key());
    // The try that was cut off stays in the log without an end.
    let cut = "SELECT count(*) AS n FROM delivery_attempts WHERE attempt = 1 AND finished_at IS NULL AND outcome IS NULL";
    assert_eq!(service::number(&database, cut).await, 1);
    second.stop().await;
}

/// A message whose sender ends at each try ends too.
#[tokio::test]
async fn but_not_for_ever_if_no_try_comes_to_an_end() {
    let fleet = deliveries::start().await;
    let receiver = Receiver::start(|_| Reply::Silence).await;
    webhook(&fleet, &receiver.url()).await;
    open(&fleet, "test", &cause("f", Severity::High)).await;
    until("it is being tried", async || !receiver.received().is_empty()).await;
    fleet.database.execute("UPDATE delivery_jobs SET attempts = 4, claim = gen_random_uuid()").await.unwrap();
    let_leases_end(&fleet).await;
    until_there_are(&fleet, 1, "DEAD").await;
    let message = listed(&fleet, "").await[0].clone();
    assert!(message["last_error"].as_str().unwrap().contains("did not come to an end"), "{message}");
}

#[tokio::test]
async fn by_one_sender_at_a_time() {
    let first = deliveries::start().await;
    let mut config = service::config(&first.database.url(), first.folder.path());
    config.delivery = quick();
    let second = fleet::start(config).await.unwrap();
    second.ready().await.unwrap();
    let receiver = Receiver::start(|_| Reply::Slow(Duration::from_millis(50), 200)).await;
    webhook(&first, &receiver.url()).await;
    for number in 0..60 {
        open(&first, "test", &cause(&format!("f{number}"), Severity::High)).await;
    }
    // Four more pairs of hands than the two that look by themselves.
    let ready = [first.running.service().unwrap(), second.service().unwrap()];
    let end = Instant::now() + service::PATIENCE;
    while first.number("SELECT count(*) AS n FROM delivery_jobs WHERE status = 'SENT'").await < 60 {
        assert!(Instant::now() < end);
        let looks = ready.iter().flat_map(|ready| [0, 1].map(|_| ready.sender.once(&ready.pools.ops_worker)));
        for look in futures_util::future::join_all(looks).await {
            look.unwrap();
        }
    }
    let received = receiver.received();
    assert_eq!((received.len(), receiver.most_open()), (60, 1), "each once");
    assert_eq!(received.iter().map(|one| one.key()).collect::<BTreeSet<_>>().len(), 60);
    second.stop().await;
}

/// What is being sent when the service stops is waited for, and written down.
#[tokio::test]
async fn and_a_stop_waits_for_what_is_being_sent() {
    let fleet = deliveries::start().await;
    let receiver = told(&fleet, |_| Reply::Slow(Duration::from_secs(1), 200)).await;
    until("it is being sent", async || receiver.received().len() == 1).await;
    fleet.running.stop().await;
    let sent = "SELECT count(*) AS n FROM delivery_jobs WHERE status = 'SENT'";
    assert_eq!(service::number(&fleet.database, sent).await, 1);
}

/// Receivers of one tenant that do not answer leave hands for the others.
#[tokio::test]
async fn and_a_tenant_whose_receivers_hang_holds_no_other_up() {
    let fleet = deliveries::start().await;
    crate::asking::other_tenant(&fleet).await;
    let hanging = Receiver::start(|_| Reply::Silence).await;
    webhook(&fleet, &hanging.url()).await;
    for number in 0..80 {
        open(&fleet, "test", &cause(&format!("f{number}"), Severity::High)).await;
    }
    until("its hands are full", async || hanging.received().len() >= 8).await;
    let quick = Receiver::start(|_| Reply::Status(200, "")).await;
    let sql = format!(
        "INSERT INTO integrations (tenant_id, name, type, config) VALUES ('other', 'i', 'webhook', '{{\"url\": \"{}\"}}');
         INSERT INTO integration_routes (tenant_id, integration_id, name, severities)
         SELECT 'other', integration_id, 'r', '{{high}}' FROM integrations WHERE tenant_id = 'other'",
        quick.url()
    );
    fleet.database.execute(&sql).await.unwrap();
    let began = Instant::now();
    open(&fleet, "other", &cause("f", Severity::High)).await;
    until("the other tenant's is sent", async || quick.received().len() == 1).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let under_way = "SELECT count(*) AS n FROM delivery_jobs WHERE tenant_id = 'test' AND claim IS NOT NULL";
    assert!(fleet.number(under_way).await <= 8);
}
