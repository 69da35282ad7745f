//! A webhook that an escalation goes to is judged when it is written, by the rule that those of integrations are judged by, and its
//! messages are signed as theirs are: one that could not be sent is told to who writes it, and not hours later to no one.

use crate::alerts::{cause, open};
use crate::asking::ask;
use crate::deliveries::{self, SECRET, until_there_are};
use crate::receiver::{Received, Receiver, Reply};
use crate::service::{self, Fleet};
use fleet::alerts::Severity;
use fleet::delivery::signature;
use fleet::escalation::tick;
use jiff::Timestamp;
use serde_json::{Value, json};

const POLICIES: &str = "/customer/escalation-policies";
const SCHEDULES: &str = "/customer/oncall/schedules";

/// What no message would be sent to.
const BAD: [&str; 8] = [
    "http://example.com/alerts",
    "HTTP://example.com/alerts",
    "https://10.0.0.1/",
    "https://[::1]/",
    "https://2130706433/",
    "https://169.254.169.254/latest",
    "https://example.com:22/",
    "https://a:b@example.com/",
];

fn policy(webhook: &str) -> Value {
    json!({ "name": "p", "is_default": true, "levels": [{ "notify_webhook": webhook }] })
}

fn schedule(responder: &str) -> Value {
    json!({ "name": "s", "layers": [{ "responders": [responder] }] })
}

fn stand_in(responder: &str) -> Value {
    json!({ "responder": responder, "start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z" })
}

/// The sentence by which an integration with this address is refused.
async fn refusal_of_integration(fleet: &Fleet, url: &str) -> String {
    let body = json!({ "name": "i", "type": "webhook", "config": { "url": url } });
    let answer = ask(&fleet.device, "POST", "/customer/integrations", Some(body)).await;
    answer.refused(400, "INVALID_INTEGRATION");
    answer.body["title"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn when_it_is_written() {
    let fleet = service::start().await;
    let made = ask(&fleet.device, "POST", POLICIES, Some(policy("https://example.com/alerts"))).await;
    assert_eq!(made.status, 201, "{made:?}");
    let own_policy = format!("{POLICIES}/{}", made.body["policy_id"]);
    let made = ask(&fleet.device, "POST", SCHEDULES, Some(schedule("ann"))).await;
    let own_schedule = format!("{SCHEDULES}/{}", made.body["schedule_id"]);
    for url in BAD {
        let why = refusal_of_integration(&fleet, url).await;
        let said = ask(&fleet.device, "POST", POLICIES, Some(policy(url))).await;
        said.refused(400, "INVALID_POLICY");
        let sentence = said.body["title"].as_str().unwrap();
        assert!(sentence.contains("notify_webhook") && sentence.contains(&why), "{sentence} of {why}");
        ask(&fleet.device, "PUT", &own_policy, Some(policy(url))).await.refused(400, "INVALID_POLICY");
        for (method, path, body) in [
            ("POST", SCHEDULES.to_owned(), schedule(url)),
            ("PUT", own_schedule.clone(), schedule(url)),
            ("POST", format!("{own_schedule}/overrides"), stand_in(url)),
        ] {
            let said = ask(&fleet.device, method, &path, Some(body)).await;
            said.refused(400, "INVALID_SCHEDULE");
            assert!(said.body["title"].as_str().unwrap().contains(&why), "{said:?}");
        }
    }
    // Of what was refused nothing was written.
    assert_eq!(fleet.number("SELECT count(*) AS n FROM escalation_policies").await, 1);
    let kept =
        "SELECT count(*) AS n FROM escalation_levels WHERE notify_webhook = 'https://example.com/alerts'";
    assert_eq!(fleet.number(kept).await, 1);
    assert_eq!(fleet.number("SELECT count(*) AS n FROM oncall_layers WHERE responders = '{ann}'").await, 1);
    // Names, mail and webhooks that can be reached are responders.
    for responder in ["ann", "ann@example.com", "https://example.com/ann", "HTTPS://example.com:8443/ann"] {
        let made = ask(&fleet.device, "PUT", &own_schedule, Some(schedule(responder))).await;
        assert_eq!(made.status, 200, "{responder}: {made:?}");
    }
}

#[tokio::test]
async fn and_what_was_named_for_development_is_taken() {
    let fleet = deliveries::start().await;
    let made = ask(&fleet.device, "POST", POLICIES, Some(policy("http://127.0.0.1:9/alerts"))).await;
    assert_eq!(made.status, 201, "{made:?}");
    ask(&fleet.device, "POST", POLICIES, Some(policy("http://10.0.0.1/")))
        .await
        .refused(400, "INVALID_POLICY");
}

fn is_signed(received: &Received) -> bool {
    let Some(signed) = received.headers.get(signature::HEADER) else { return false };
    let time = signed.strip_prefix("t=").and_then(|rest| rest.split(',').next()).unwrap();
    let time = Timestamp::from_second(time.parse().unwrap()).unwrap();
    assert_eq!(*signed, signature::of(SECRET, time, &received.body));
    true
}

/// The next step is told, to the level's webhook and to who is on call.
async fn told(fleet: &Fleet, receiver: &Receiver, sent: usize) -> Vec<Received> {
    open(fleet, "test", &cause(&sent.to_string(), Severity::High)).await;
    let worker = fleet.running.service().unwrap().pools.ops_worker.clone();
    assert_eq!(tick::once(&worker).await.unwrap().told, 1);
    until_there_are(fleet, i64::try_from(sent).unwrap() + 2, "SENT").await;
    receiver.received().split_off(sent)
}

#[tokio::test]
async fn and_every_page_of_it_is_signed() {
    let fleet = deliveries::start().await;
    let receiver = Receiver::start(|_| Reply::Status(200, "")).await;
    let on_call = format!("http://{}/ann", receiver.addr);
    let made = ask(&fleet.device, "POST", SCHEDULES, Some(schedule(&on_call))).await;
    let level = json!({ "notify_webhook": receiver.url(), "oncall_schedule_id": made.body["schedule_id"] });
    let body = json!({ "name": "p", "is_default": true, "webhook_secret": SECRET, "levels": [level] });
    let made = ask(&fleet.device, "POST", POLICIES, Some(body)).await;
    assert_eq!((made.status, &made.body["webhook_secret"]), (201, &"********".into()), "{made:?}");
    let own = format!("{POLICIES}/{}", made.body["policy_id"]);
    let pages = told(&fleet, &receiver, 0).await;
    assert_eq!(pages.iter().filter(|page| is_signed(page)).count(), 2, "the level's and the responder's");

    // What is read and written back keeps it.
    let mut read = ask(&fleet.device, "GET", &own, None).await.body;
    assert!(!read.to_string().contains(SECRET), "{read}");
    for field in ["policy_id", "created_at", "updated_at"] {
        read.as_object_mut().unwrap().remove(field);
    }
    for body in [read, json!({ "name": "p" })] {
        let kept = ask(&fleet.device, "PUT", &own, Some(body)).await;
        assert_eq!((kept.status, &kept.body["webhook_secret"]), (200, &"********".into()), "{kept:?}");
    }
    assert!(told(&fleet, &receiver, 2).await.iter().all(is_signed));

    for short in ["short", "0123456789abcde\n"] {
        let body = json!({ "name": "p", "webhook_secret": short });
        ask(&fleet.device, "PUT", &own, Some(body)).await.refused(400, "INVALID_POLICY");
    }
    let gone = ask(&fleet.device, "PUT", &own, Some(json!({ "name": "p", "webhook_secret": "" }))).await;
    assert_eq!((gone.status, &gone.body["webhook_secret"]), (200, &Value::Null), "{gone:?}");
    let pages = told(&fleet, &receiver, 4).await;
    assert_eq!(pages.iter().filter(|page| is_signed(page)).count(), 0, "and then none is");
}
