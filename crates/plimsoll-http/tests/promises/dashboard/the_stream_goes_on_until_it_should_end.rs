//! A reader gets the last minutes at once and then a view a second, through every layer, for as long as it stays; it ends with
//! its reader, its database and the service.

use super::{Lines, Scene, operators, serve};
use crate::client::get;
use crate::service::{PATIENCE, until};
use axum::Router;
use plimsoll_http::{DashboardOptions, Databases, MarkKind, Marks, Options, dashboard, layers};
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn it_begins_with_what_was_and_moves_with_the_work() {
    let marks = Marks::default();
    let options = DashboardOptions::default().service("fleet").version("1.4.2").marks(&marks);
    let scene = Scene::start(options).await;
    marks.add(MarkKind::Fault, "a fault that was played");
    // Some seconds are recorded before any reader comes.
    tokio::time::sleep(Duration::from_millis(2_200)).await;
    let mut lines = Lines::of(scene.at, "/plimsoll/stream").await;
    let greeting = lines.next().await.unwrap();
    let told = |name: &str| greeting[name].clone();
    assert_eq!(
        (told("schema_version"), told("type"), told("database")),
        (json!(1), json!("greeting"), json!("main"))
    );
    assert_eq!(
        (told("service"), told("version"), told("is_read_only")),
        (json!("fleet"), json!("1.4.2"), json!(false))
    );
    let history = &greeting["history"];
    let points = history["at"].as_array().unwrap().len();
    assert!((2..=4).contains(&points), "{history}");
    for column in history.as_object().unwrap().values() {
        assert_eq!(column.as_array().unwrap().len(), points, "{history}");
    }
    let texts: Vec<_> =
        greeting["marks"].as_array().unwrap().iter().map(|mark| mark["text"].clone()).collect();
    assert_eq!(texts, ["fleet 1.4.2 started", "a fault that was played"]);

    let (db, began) = (scene.db.clone(), Instant::now());
    let work = tokio::spawn(async move {
        while began.elapsed() < PATIENCE {
            let _ = db.named("count").query("SELECT 41 + 1", &[]).await;
            let _ = db.named("fails").query("SELECT 1 / 0", &[]).await;
        }
    });
    let view = lines.until("numbers move", |view| view["point"]["errors"].as_f64() > Some(1.0)).await;
    work.abort();
    assert_eq!((&view["schema_version"], &view["type"]), (&json!(1), &json!("view")));
    let point = &view["point"];
    assert!(point["statements"].as_f64() > point["errors"].as_f64(), "{point}");
    assert!(point["server"][2].as_f64() > Some(0.0) && point["calls"].as_f64() > Some(0.0), "{point}");
    let whole = lines.until("the lists come", |view| !view["lists"].is_null()).await;
    let kinds = whole["lists"]["statements"].as_array().unwrap();
    let failing =
        kinds.iter().find(|kind| kind["query_template"] == "select ? / ?").expect("it is among the first");
    assert!(failing["error_count"].as_u64() > Some(0), "{failing}");
    scene.end().await;
}

#[tokio::test]
async fn a_view_has_the_shape_that_its_version_says() {
    let scene = Scene::start(DashboardOptions::default()).await;
    let lease = scene.db.named("holds it").acquire().await.unwrap();
    lease.query("SELECT 'a secret'", &[]).await.unwrap();
    let mut lines = Lines::of(scene.at, "/plimsoll/stream?database=main").await;
    let greeting = lines.next().await.unwrap();
    let view = lines.until("the lease is shown", |view| view["lease_count"] == 1).await;
    let shape = json!({
        "greeting": keys(&greeting),
        "history": keys(&greeting["history"]),
        "view": keys(&view),
        "verdict": keys(&view["verdict"]),
        "pool": keys(&view["pool"]),
        "breaker": keys(&view["breaker"]),
        "retries": keys(&view["retries"]),
        "totals": keys(&view["totals"]),
        "lease": keys(&view["leases"][0]),
        "wait_events": keys(&view["wait_events"]),
    });
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("../../golden/dashboard_stream.json")).unwrap();
    assert_eq!(shape, golden, "{}", serde_json::to_string_pretty(&shape).unwrap());
    let text = view.to_string();
    assert!(text.contains("\\\"holds it\\\" (the_stream_goes_on") && !text.contains("a secret"), "{text}");
    drop(lease);
    scene.end().await;
}

fn keys(value: &serde_json::Value) -> Vec<String> {
    value.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default()
}

#[tokio::test]
async fn layers_with_a_deadline_do_not_end_it() {
    let scene = Scene::start(DashboardOptions::default()).await;
    let options = Options::default().deadline(Duration::from_millis(300));
    let router: Router = Router::new()
        .nest("/plimsoll", dashboard(&scene.databases, &operators(), DashboardOptions::default()))
        .layer(layers(&scene.db, options));
    let (at, stop) = serve(router).await;
    let mut lines = Lines::of(at, "/plimsoll/stream").await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(1_500) {
        assert!(lines.next().await.is_some(), "it ended after {:?}", began.elapsed());
    }
    stop.stop();
    scene.end().await;
}

#[tokio::test]
async fn it_does_not_delay_a_stop() {
    let scene = Scene::start(DashboardOptions::default()).await;
    let mut lines = Lines::of(scene.at, "/plimsoll/stream").await;
    assert!(lines.next().await.is_some() && lines.next().await.is_some());
    let began = Instant::now();
    scene.stop.stop();
    while lines.next().await.is_some() {}
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    scene.end().await;
}

#[tokio::test]
async fn a_database_may_come_later_and_one_that_is_not_there_is_told() {
    let scene = Scene::start(DashboardOptions::default()).await;
    let later = Databases::new();
    let router: Router = dashboard(&later, &operators(), DashboardOptions::default());
    let (at, stop) = serve(router).await;
    let mut lines = Lines::of(at, "/stream").await;
    let greeting = lines.next().await.unwrap();
    assert_eq!((&greeting["database"], &greeting["verdict"]["matter"]), (&json!(null), &json!("starting")));
    assert_eq!(lines.next().await, None, "the page asks again");
    later.add("late", &scene.db);
    let mut lines = Lines::of(at, "/stream").await;
    assert_eq!(lines.next().await.unwrap()["database"], "late");
    assert_eq!(
        lines.until("a view comes", |view| view["type"] == "view").await["databases"][0]["name"],
        "late"
    );
    let none = Lines::asked(at, "/stream?database=other", Some(super::TOKEN)).await;
    assert_eq!(none.status(), 404);
    stop.stop();
    scene.end().await;
}

#[tokio::test]
async fn one_reader_too_many_is_told_when_to_come_back() {
    let scene = Scene::start(DashboardOptions::default().readers(2)).await;
    let (first, second) =
        (Lines::of(scene.at, "/plimsoll/stream").await, Lines::of(scene.at, "/plimsoll/stream").await);
    let bearer = format!("Bearer {}", super::TOKEN);
    let refused = get(scene.at, "/plimsoll/stream", &[("authorization", &bearer)]).await;
    assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("DASHBOARD_FULL")));
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    drop(first);
    until("a place is free", async || {
        Lines::asked(scene.at, "/plimsoll/stream", Some(super::TOKEN)).await.status() == 200
    })
    .await;
    drop(second);
    scene.end().await;
}

#[test]
fn one_that_is_made_outside_a_runtime_begins_with_its_first_reader() {
    let router: Router = dashboard(&Databases::new(), &operators(), DashboardOptions::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let scene = Scene::start(DashboardOptions::default()).await;
        let (at, stop) = serve(router).await;
        assert_eq!(Lines::of(at, "/stream").await.next().await.unwrap()["verdict"]["matter"], "starting");
        stop.stop();
        let databases = scene.databases.clone();
        let made =
            std::thread::spawn(move || dashboard(&databases, &operators(), DashboardOptions::default()));
        let (at, stop) = serve(made.join().unwrap()).await;
        let mut lines = Lines::of(at, "/stream").await;
        lines.until("points come", |view| !view["point"].is_null()).await;
        stop.stop();
        scene.end().await;
    });
}
