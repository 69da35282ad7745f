//! An action is done only for an operator who means it, on what was seen, and is logged with a name.

use super::{Lines, Scene, TOKEN};
use crate::log::Log;
use crate::service::until;
use plimsoll::{BreakerState, Fault};
use plimsoll_http::DashboardOptions;
use serde_json::json;

const MAIN: &str = r#"{"database": "main"}"#;

#[tokio::test]
async fn pause_isolate_and_resume_do_what_they_say() {
    let (log, _guard) = Log::start("plimsoll::operator=info");
    let scene = Scene::start(DashboardOptions::default()).await;
    let mut lines = Lines::of(scene.at, "/plimsoll/stream").await;
    let answer = scene.act("pause", MAIN).await;
    assert_eq!((answer.status, scene.db.is_paused()), (200, true), "{answer:?}");
    assert_eq!((&answer.json()["schema_version"], &answer.json()["is_done"]), (&json!(1), &json!(true)));
    let view = lines.until("it is shown", |view| view["verdict"]["matter"] == "paused").await;
    assert_eq!((&view["pool"]["is_paused"], &view["verdict"]["level"]), (&json!(true), &json!("notice")));
    assert_eq!(scene.act("pause", MAIN).await.json()["is_done"], false, "it was paused already");
    assert_eq!((scene.act("resume", MAIN).await.status, scene.db.is_paused()), (200, false));
    assert_eq!(scene.act("isolate", MAIN).await.status, 200);
    assert_eq!(scene.db.breaker().state, BreakerState::Isolated);
    lines.until("it is shown", |view| view["verdict"]["matter"] == "isolated").await;
    assert_eq!(scene.act("resume", MAIN).await.status, 200);
    assert_eq!(scene.db.breaker().state, BreakerState::Closed);
    let told =
        lines.until("it is marked", |view| view["marks"].as_array().is_some_and(|all| all.len() >= 6)).await;
    assert!(told["marks"].to_string().contains("isolate by anna: "), "{told}");
    let logged = log.at("plimsoll::operator");
    let fields: Vec<_> = logged.iter().map(|line| line["fields"].clone()).collect();
    let actions: Vec<_> = fields.iter().map(|field| field["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["pause", "pause", "resume", "isolate", "resume"]);
    assert!(
        fields.iter().all(|field| field["operator"] == "anna" && field["database"] == "main"),
        "{fields:?}"
    );
    scene.end().await;
}

#[tokio::test]
async fn a_statement_is_cancelled_if_it_is_still_the_one_that_was_seen() {
    let scene = Scene::start(DashboardOptions::default()).await;
    let mut lines = Lines::of(scene.at, "/plimsoll/stream").await;
    let db = scene.db.clone();
    let sleeping = tokio::spawn(async move { db.named("sleeper").query("SELECT pg_sleep(60)", &[]).await });
    // A statement is prepared first, which is another request.
    let is_seen =
        |lease: &serde_json::Value| lease["state"] == "active" && lease["held_ms"].as_u64() > Some(300);
    let view = lines.until("it is shown", |view| is_seen(&view["leases"][0])).await;
    let body = json!({"database": "main", "running": view["leases"][0]["running"]}).to_string();
    let answer = scene.act("cancel", &body).await;
    assert_eq!((answer.status, &answer.json()["is_done"]), (200, &json!(true)), "{answer:?}");
    assert_eq!(sleeping.await.unwrap().unwrap_err().fault(), Fault::CancelledByOther);
    let again = scene.act("cancel", &body).await;
    assert_eq!((again.status, &again.json()["is_done"]), (200, &json!(false)), "{again:?}");
    for running in ["", "1", "x-y-z"] {
        let body = json!({"database": "main", "running": running}).to_string();
        assert_eq!(scene.act("cancel", &body).await.status, 400, "{running}");
    }
    assert_eq!(scene.act("cancel", MAIN).await.status, 400);
    scene.end().await;
}

#[tokio::test]
async fn what_another_site_or_no_operator_sends_is_not_done() {
    let scene = Scene::start(DashboardOptions::default()).await;
    let bearer = ("authorization", format!("Bearer {TOKEN}"));
    let custom = ("x-plimsoll-action", "pause".to_owned());
    let origin = |origin: &str| ("origin", origin.to_owned());
    for (headers, status) in [
        (vec![], 401),
        (vec![custom.clone()], 401),
        (vec![("authorization", "Bearer another-token-0123".to_owned()), custom.clone()], 401),
        (vec![bearer.clone()], 403),
        (vec![bearer.clone(), custom.clone(), origin("https://evil.example")], 403),
        (vec![bearer.clone(), custom.clone(), origin("null")], 403),
    ] {
        let answer = scene.post("pause", &headers, MAIN).await;
        assert_eq!((answer.status, scene.db.is_paused()), (status, false), "{headers:?}");
    }
    let own = [bearer, custom, origin("http://x")];
    assert_eq!((scene.post("pause", &own, MAIN).await.status, scene.db.is_paused()), (200, true));
    scene.end().await;
}

#[tokio::test]
async fn a_bad_body_or_name_is_told_and_nothing_is_done() {
    let scene = Scene::start(DashboardOptions::default()).await;
    let long = format!(r#"{{"database": "{}"}}"#, "x".repeat(5_000));
    for (action, body, status) in [
        ("pause", "", 400),
        ("pause", "[]", 422),
        ("pause", r#"{"database": 1}"#, 422),
        ("pause", r#"{"database": "main", "force": true}"#, 422),
        ("pause", r#"{"database": "other"}"#, 404),
        ("pause", long.as_str(), 413),
        ("drop", MAIN, 404),
    ] {
        let answer = scene.act(action, body).await;
        assert_eq!(answer.status, status, "{action} {body}: {answer:?}");
        assert!(answer.header("content-type").starts_with("application/problem+json"), "{answer:?}");
        assert!(!scene.db.is_paused(), "{action} {body}");
    }
    scene.end().await;
}

#[tokio::test]
async fn where_it_is_read_only_nothing_is_done_and_that_is_logged_too() {
    let (log, _guard) = Log::start("plimsoll::operator=info");
    let scene = Scene::start(DashboardOptions::default().read_only()).await;
    let mut lines = Lines::of(scene.at, "/plimsoll/stream").await;
    assert_eq!(lines.next().await.unwrap()["is_read_only"], true);
    let answer = scene.act("pause", MAIN).await;
    assert_eq!((answer.status, &answer.json()["code"]), (403, &json!("ACTIONS_OFF")));
    assert!(!scene.db.is_paused());
    until("it is logged", async || !log.at("plimsoll::operator").is_empty()).await;
    let logged = &log.at("plimsoll::operator")[0]["fields"];
    assert_eq!((&logged["operator"], &logged["outcome"]), (&json!("anna"), &json!("refused")));
    scene.end().await;
}
