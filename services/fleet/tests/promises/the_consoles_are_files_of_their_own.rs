//! The consoles are drawn by files of the service alone, which hold no data and let no foreign script run, and an unchanged one
//! is not sent twice. The token of the first tenant is given to this machine's user in development, and to nobody elsewhere.

use crate::breaking::Breakable;
use crate::service::{self, Answer};
use reqwest::StatusCode;
use serde_json::json;
use std::collections::BTreeSet;

/// What a file asks for by a path of its own.
fn asked(content: &str) -> Vec<String> {
    let quoted = content.split('"').filter(|word| !word.contains([' ', '\n', '<', '#', '$', '{']));
    let files = quoted.filter(|word| [".js", ".css", ".svg"].iter().any(|end| word.ends_with(end)));
    files.map(str::to_owned).collect()
}

#[tokio::test]
async fn with_a_policy_on_each() {
    let fleet = service::start().await;
    let http = &fleet.device.http;
    let base = reqwest::Url::parse(&fleet.device.url).unwrap();
    let mut seen = BTreeSet::new();
    let mut open = vec![base.join("console").unwrap(), base.join("console/operator").unwrap()];
    while let Some(url) = open.pop() {
        if !seen.insert(url.clone()) {
            continue;
        }
        let answer = http.get(url.clone()).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{url}");
        let header = |name: &str| {
            answer
                .headers()
                .get(name)
                .unwrap_or_else(|| panic!("{name} of {url}"))
                .to_str()
                .unwrap()
                .to_owned()
        };
        let policy = header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'; script-src 'self'") && !policy.contains("unsafe"),
            "{url}: {policy}"
        );
        assert_eq!(header("x-content-type-options"), "nosniff", "{url}");
        let tag = header("etag");
        let again = http.get(url.clone()).header("If-None-Match", &tag).send().await.unwrap();
        assert_eq!((again.status(), again.content_length()), (StatusCode::NOT_MODIFIED, Some(0)), "{url}");
        let content = answer.text().await.unwrap();
        if url.path().starts_with("/console") {
            for outside in
                ["https://", "innerHTML", "outerHTML", "insertAdjacentHTML", "style=", "onclick=\"", "eval("]
            {
                assert!(!content.contains(outside), "{outside} in {url}");
            }
            open.extend(asked(&content).iter().map(|path| url.join(path).unwrap()));
        }
    }
    assert!(seen.len() > 25, "{seen:?}");
}

#[tokio::test]
async fn and_one_way_to_each() {
    let fleet = service::start().await;
    let follows_none =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    for (path, to) in [("/console/", "../console"), ("/console/operator/", "../operator")] {
        let answer = follows_none.get(format!("{}{path}", fleet.device.url)).send().await.unwrap();
        assert_eq!(answer.status(), 308, "{path}");
        assert_eq!(answer.headers()["location"], to, "{path}");
        let followed = reqwest::get(format!("{}{path}", fleet.device.url)).await.unwrap();
        assert_eq!(followed.status(), 200, "{path}");
        assert_eq!(followed.url().path(), path.trim_end_matches('/'));
    }
    let front = reqwest::get(format!("{}/", fleet.device.url)).await.unwrap().text().await.unwrap();
    assert!(
        front.contains("href=\"console\"") && front.contains("href=\"console/operator\""),
        "the start page leads there"
    );
    // What a page is drawn from is not to be had by another name.
    fleet.device.get("/console/index.html").await.refused(404, "NOT_FOUND");
    fleet.device.get("/console/..%2fmod.rs").await.refused(404, "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_no_token_on_any() {
    let fleet = service::start().await;
    let told = fleet.device.get_as("/console/open-tenants", None).await;
    assert_eq!((told.status, &told.body), (200, &json!({ "tenants": [] })), "{told:?}");
    let told = fleet.device.get_as("/console/open-tenants", Some(&fleet.device.operator)).await;
    assert_eq!(told.body, json!({ "tenants": [] }), "{told:?}");

    let fleet = Breakable::start().await;
    let told = fleet.device.get_as("/console/open-tenants", None).await;
    let open = told.body["tenants"].as_array().unwrap();
    let names: Vec<_> = open.iter().map(|one| one["tenant"].as_str().unwrap()).collect();
    assert_eq!(names, ["made-up", "test"], "the one with devices first");
    for one in open {
        let seen = fleet.device.get_as("/customer/overview", one["token"].as_str()).await;
        assert_eq!(seen.body["tenant"], one["tenant"], "its token opens it");
    }
    let asks = |name: &'static str, value: &'static str| {
        let ask =
            fleet.device.http.get(format!("{}/console/open-tenants", fleet.device.url)).header(name, value);
        async move { Answer::of(ask.send().await.unwrap()).await }
    };
    asks("X-Forwarded-For", "192.0.2.1").await.refused(403, "OPERATOR_FOREIGN_REQUEST");
    asks("Sec-Fetch-Site", "cross-site").await.refused(403, "OPERATOR_FOREIGN_REQUEST");
    asks("Host", "elsewhere.example").await.refused(403, "OPERATOR_FOREIGN_REQUEST");
    fleet.running.stop().await;
}
