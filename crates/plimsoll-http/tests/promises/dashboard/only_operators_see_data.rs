//! The page may be loaded by everybody and holds nothing; what is shown on it is only sent to an operator.

use super::{Lines, Scene, TOKEN, operators, serve};
use crate::client::get;
use axum::Router;
use plimsoll_http::{DashboardOptions, dashboard};

#[tokio::test]
async fn the_page_is_open_and_empty_and_its_policy_is_strict() {
    let scene = Scene::start(DashboardOptions::default().service("secret service")).await;
    let page = get(scene.at, "/plimsoll/index.html", &[]).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(!page.body.contains("secret service") && !page.body.contains("main.rs"));
    let policy = page.header("content-security-policy");
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("x-frame-options"), "DENY");
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    let tag = page.header("etag").to_owned();
    let again = get(scene.at, "/plimsoll/index.html", &[("if-none-match", &tag)]).await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    scene.end().await;
}

#[tokio::test]
async fn it_is_found_nested_in_two_ways_and_on_a_port_of_its_own() {
    let scene = Scene::start(DashboardOptions::default()).await;
    let page = get(scene.at, "/plimsoll", &[]).await;
    assert_eq!((page.status, page.header("location")), (307, "plimsoll/index.html"));
    let of = || dashboard(&scene.databases, &operators(), DashboardOptions::default());
    let (at, stop) = serve(Router::new().nest_service("/deep/place", of())).await;
    assert_eq!(get(at, "/deep/place", &[]).await.header("location"), "place/index.html");
    assert!(get(at, "/deep/place/", &[]).await.body.starts_with("<!doctype html>"));
    stop.stop();
    let (at, stop) = serve(of()).await;
    assert!(get(at, "/", &[]).await.body.starts_with("<!doctype html>"));
    stop.stop();
    scene.end().await;
}

#[tokio::test]
async fn the_stream_is_for_those_with_a_token() {
    let scene = Scene::start(DashboardOptions::default()).await;
    for (token, code) in
        [(None, "OPERATOR_TOKEN_MISSING"), (Some("some-other-token-0123"), "OPERATOR_TOKEN_INVALID")]
    {
        let refused = Lines::asked(scene.at, "/plimsoll/stream", token).await;
        assert_eq!(refused.status(), 401, "{token:?}");
        let told = refused.whole().await;
        assert_eq!(told["code"], code);
        assert!(told.get("databases").is_none() && told.get("history").is_none(), "{told}");
    }
    let in_url = Lines::asked(scene.at, &format!("/plimsoll/stream?token={TOKEN}"), None).await;
    assert_eq!(in_url.status(), 401, "a token in a URL is none");
    let mut lines = Lines::of(scene.at, "/plimsoll/stream").await;
    assert_eq!(lines.header("cache-control"), "no-store");
    assert_eq!(lines.next().await.unwrap()["operator"], "anna");
    scene.end().await;
}

#[tokio::test]
async fn on_a_development_machine_it_is_open_to_that_machine_only() {
    let at = ([127, 0, 0, 1], 80).into();
    let open = operators().or_anyone_here(at);
    let scene = Scene::start_with(DashboardOptions::default(), &open, |settings| settings).await;
    let mut here = Lines::asked(scene.at, "/plimsoll/stream", None).await;
    assert_eq!((here.status(), here.next().await.unwrap()["operator"].as_str()), (200, Some("local")));
    let foreign = get(scene.at, "/plimsoll/stream", &[]).await;
    assert_eq!(foreign.status, 403, "its Host is a name that resolves to loopback");
    scene.end().await;
}
