//! Pages ask each second whether the database is there: the answer comes from memory, at once, to anyone and without a line in
//! the log, and says a word and since when. It costs the database one small question at a time, whatever the number of pages.

use crate::breaking::Breakable;
use crate::log::Log;
use crate::service::{self, Fleet};
use reqwest::StatusCode;
use std::time::{Duration, Instant};

const PULSE: &str = "/console/pulse";
const ASKED: &str = "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'fleet-system' AND datname = current_database()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_one_word() {
    let fleet = Breakable::start().await;
    let device = &fleet.device;
    let word = async || device.get_as(PULSE, None).await.body["database"].as_str().unwrap().to_owned();
    service::until("it is well", async || word().await == "well").await;
    let before = device.get_as(PULSE, None).await.body["since"].as_u64().unwrap();
    fleet.press("freeze").await;
    let began = Instant::now();
    service::until("it is away", async || {
        let asked = Instant::now();
        let word = word().await;
        assert!(asked.elapsed() < Duration::from_millis(500), "{:?} to an answer", asked.elapsed());
        word == "away"
    })
    .await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let away = device.get_as(PULSE, None).await;
    assert!(away.body["since"].as_u64().unwrap() > before, "{away:?}");
    assert_eq!(away.body.as_object().unwrap().len(), 3, "it says no more than that: {away:?}");
    fleet.press("end").await;
    let ended = Instant::now();
    service::until("it is well again", async || word().await == "well").await;
    assert!(ended.elapsed() < Duration::from_secs(2), "{:?}", ended.elapsed());
    fleet.running.stop().await;
}

#[tokio::test]
async fn and_not_again_while_it_is_the_same() {
    let fleet = service::start().await;
    let url = format!("{}{PULSE}", fleet.device.url);
    let well = async || fleet.device.get_as(PULSE, None).await.body["database"] == "well";
    service::until("it is well", well).await;
    let first = fleet.device.http.get(&url).send().await.unwrap();
    assert_eq!(first.headers()["cache-control"], "no-store");
    let tag = first.headers()["etag"].clone();
    let again = fleet.device.http.get(&url).header("If-None-Match", tag).send().await.unwrap();
    assert_eq!((again.status(), again.content_length()), (StatusCode::NOT_MODIFIED, Some(0)));
    let other = fleet.device.http.get(&url).header("If-None-Match", "\"other\"").send().await.unwrap();
    assert_eq!(other.status(), StatusCode::OK);
}

async fn questions(fleet: &Fleet) -> u64 {
    let statements = fleet.running.service().unwrap().pools.system.monitor().top_statements(100);
    statements
        .iter()
        .filter(|one| one.query_template.to_lowercase() == "select ?")
        .map(|one| one.execution_count)
        .sum()
}

#[tokio::test]
async fn at_the_cost_of_one_page() {
    let (log, _guard) = Log::start();
    let fleet = service::start().await;
    let began = Instant::now();
    let before = questions(&fleet).await;
    while began.elapsed() < Duration::from_secs(2) {
        let asks = (0..50).map(|_| fleet.device.get_as(PULSE, None));
        for answer in futures_util::future::join_all(asks).await {
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
    let asked = questions(&fleet).await - before;
    let most = 2 + began.elapsed().as_millis() / 400;
    assert!(
        (1..=most).contains(&u128::from(asked)),
        "{asked} questions of thousands of pulses, at most {most}"
    );
    assert!(fleet.number(ASKED).await <= 2, "on one connection");
    assert_eq!(fleet.device.get("/customer/overview").await.status, 200);
    let lines = async |route: &str| log.lines(&["plimsoll::access", route]).len();
    service::until("others are logged", async || lines("/customer/overview").await == 1).await;
    assert_eq!(lines("/console/pulse").await, 0, "it is not worth a line");
}
