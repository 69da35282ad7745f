//! In development anyone at the machine can break the service's own database from its page. Whatever is pressed, no reading that
//! was acknowledged is lost or doubled, and the page tells what is the matter and that it is over.

use crate::breaking::{Breakable, Stream};
use fleet::boot::demo::Credentials;
use plimsoll::{Database, Settings};
use serde_json::Value;
use std::time::{Duration, Instant};

fn number(view: &Value, field: &str) -> u64 {
    view["play"][field].as_u64().unwrap()
}

fn is_settled(view: &Value) -> bool {
    view["play"]["breakage"].is_null()
        && view["verdict"]["matter"] == "healthy"
        && number(view, "sending_again") == 0
}

/// The devices send, and what they were told agrees with the table.
async fn flows(stream: &mut Stream) -> u64 {
    let (view, _) =
        stream.until("readings flow", |view| is_settled(view) && number(view, "acknowledged") >= 10).await;
    number(&view, "acknowledged")
}

/// Waits for the end, and for readings after it that were counted in the table.
async fn nothing_is_lost(stream: &mut Stream, before: u64) {
    let (view, _) = stream
        .until("it goes on", |view| is_settled(view) && number(view, "acknowledged") >= before + 40)
        .await;
    let tally = ["lost", "doubled"].map(|field| number(&view, field));
    assert_eq!(tally, [0, 0], "{view}");
    assert_eq!(number(&view, "stored"), number(&view, "acknowledged"), "{view}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_it_is_frozen() {
    let fleet = Breakable::start().await;
    let mut stream = fleet.watch().await;
    let before = flows(&mut stream).await;
    let pressed = Instant::now();
    let answer = fleet.press("freeze").await;
    assert_eq!((answer.status, &answer.body["lasts_ms"]), (200, &8000.into()), "{answer:?}");
    let (view, _) = stream.until("the sentence is bad", |view| view["verdict"]["level"] == "trouble").await;
    let took = pressed.elapsed();
    println!("bad {took:?} after the freeze");
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(view["verdict"]["matter"], "frozen", "{view}");
    assert_eq!(view["play"]["breakage"]["name"], "freeze", "{view}");
    // One at a time.
    fleet.press("kill").await.refused(409, "FAULT_UNDER_WAY");
    // It ends by itself.
    nothing_is_lost(&mut stream, before).await;
    assert!(pressed.elapsed() >= Duration::from_secs(8));
    fleet.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_it_is_slow_and_the_button_is_pressed_again() {
    let fleet = Breakable::start().await;
    let mut stream = fleet.watch().await;
    let before = flows(&mut stream).await;
    assert_eq!(fleet.press("slow").await.status, 200);
    let took = |view: &Value| view["took_ms"].as_u64().unwrap();
    stream.until("readings take long", |view| took(view) >= 750).await;
    let ended = Instant::now();
    assert_eq!(fleet.press("end").await.body["is_done"], true);
    stream.until("it is over", |view| view["play"]["breakage"].is_null()).await;
    assert!(ended.elapsed() < Duration::from_secs(3), "{:?}", ended.elapsed());
    assert_eq!(fleet.press("end").await.body["is_done"], false, "there is nothing to end");
    stream.until("they are as fast as before", |view| took(view) < 500).await;
    nothing_is_lost(&mut stream, before).await;
    fleet.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_it_is_killed() {
    let fleet = Breakable::start().await;
    let mut stream = fleet.watch().await;
    let before = flows(&mut stream).await;
    assert_eq!(fleet.press("kill").await.status, 200);
    stream.until("the sentence is bad", |view| view["verdict"]["level"] == "trouble").await;
    nothing_is_lost(&mut stream, before).await;
    fleet.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_its_wires_are_cut() {
    let fleet = Breakable::start().await;
    let mut stream = fleet.watch().await;
    let before = flows(&mut stream).await;
    assert_eq!(fleet.press("cut").await.status, 200);
    stream.until("the sentence is bad", |view| view["verdict"]["matter"] == "refused").await;
    nothing_is_lost(&mut stream, before).await;
    fleet.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_a_stop_in_the_middle_ends_in_time() {
    for action in ["freeze", "kill"] {
        let fleet = Breakable::start().await;
        let mut stream = fleet.watch().await;
        flows(&mut stream).await;
        assert_eq!(fleet.press(action).await.status, 200);
        let began = Instant::now();
        fleet.running.stop().await;
        assert!(began.elapsed() < Duration::from_secs(15), "{action}: {:?}", began.elapsed());
    }
}

/// As an outsider who meddles with the table: the superuser, whom nothing forbids it.
async fn meddle(fleet: &Breakable, sql: &str) {
    let kept = std::fs::read_to_string(fleet.folder.path().join("postgres/plimsoll.credentials")).unwrap();
    let (user, password) = kept.trim_end().split_once('\n').unwrap();
    let port = Credentials::of_folder(fleet.folder.path()).unwrap().postgres_port.unwrap();
    let settings =
        Settings::default().hosts(format!("127.0.0.1:{port}")).user(user).password(password).dbname("fleet");
    let owner = Database::connect(settings).await.unwrap();
    assert_eq!(owner.execute(sql, &[]).await.unwrap(), 1, "{sql}");
    owner.close().await;
}

/// The account would tell of a loss: it is no row of zeroes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_what_someone_else_takes_away_or_adds_is_told() {
    let fleet = Breakable::start().await;
    let mut stream = fleet.watch().await;
    // So many that each device has some.
    let (view, _) =
        stream.until("readings flow", |view| is_settled(view) && number(view, "stored") >= 80).await;
    assert_eq!(["lost", "doubled"].map(|field| number(&view, field)), [0, 0]);
    let one = "tenant_id = 'made-up' AND (device_id, time) = (SELECT device_id, min(time) FROM telemetry \
               WHERE tenant_id = 'made-up' AND device_id = 'made-up-NUMBER' GROUP BY device_id)";
    meddle(&fleet, &format!("DELETE FROM telemetry WHERE {}", one.replace("NUMBER", "1"))).await;
    stream.until("a loss is told", |view| number(view, "lost") == 1 && number(view, "doubled") == 0).await;
    let twice = format!(
        "INSERT INTO telemetry SELECT tenant_id, device_id, time + interval '1 ms', seq, site_id, msg_type, metrics \
         FROM telemetry WHERE {}",
        one.replace("NUMBER", "2")
    );
    meddle(&fleet, &twice).await;
    stream.until("a double is told", |view| number(view, "lost") == 1 && number(view, "doubled") == 1).await;
    fleet.running.stop().await;
}
