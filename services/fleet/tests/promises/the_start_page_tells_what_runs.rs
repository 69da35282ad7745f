//! `/` is a page that tells a newcomer what runs and how to use it. It lets no foreign script run, tells numbers to operators
//! only, and has buttons that break the database nowhere but in development.

use crate::breaking::Breakable;
use crate::service::{self, Answer, Fleet};

const FILES: [&str; 3] = ["/", "/front/front.css", "/front/main.js"];

async fn text(url: &str) -> (u16, String, String) {
    let answer = reqwest::get(url).await.unwrap();
    let policy = answer.headers().get("content-security-policy");
    let policy = policy.map(|policy| policy.to_str().unwrap().to_owned()).unwrap_or_default();
    (answer.status().as_u16(), policy, answer.text().await.unwrap())
}

#[tokio::test]
async fn by_files_of_its_own_and_no_others() {
    let fleet = service::start().await;
    for path in FILES {
        let (status, policy, content) = text(&format!("{}{path}", fleet.device.url)).await;
        assert_eq!(status, 200, "{path}");
        assert!(policy.contains("default-src 'none'; script-src 'self'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        for outside in ["https://", "http://", "innerHTML", "style=", "onclick="] {
            assert!(!content.contains(outside), "{outside} in {path}");
        }
        // What it asks for is there.
        for quoted in
            content.split('"').filter(|word| word.starts_with("/plimsoll/") || word.starts_with("plimsoll/"))
        {
            let (status, ..) =
                text(&format!("{}/{}", fleet.device.url, quoted.trim_start_matches('/'))).await;
            assert_eq!(status, 200, "{quoted} of {path}");
        }
    }
}

async fn has_no_buttons(fleet: &Fleet) {
    let device = &fleet.device;
    for path in FILES {
        let (_, _, content) = text(&format!("{}{path}", device.url)).await;
        for word in ["freeze", "Freeze", "/faults/"] {
            assert!(!content.contains(word), "{word} in {path}");
        }
    }
    device.get_as("/front/play.js", None).await.refused(404, "NOT_FOUND");
    for action in ["freeze", "slow", "kill", "cut", "end"] {
        let press = device.http.post(format!("{}/faults/{action}", device.url));
        let press = press.header("X-Plimsoll-Action", action).bearer_auth(&device.operator);
        Answer::of(press.send().await.unwrap()).await.refused(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn with_no_button_where_the_database_is_somebody_elses() {
    let fleet = service::start().await;
    has_no_buttons(&fleet).await;
    let device = &fleet.device;
    device.get_as("/stream", None).await.refused(401, "OPERATOR_TOKEN_MISSING");
    device.get_as("/stream", Some(&device.token)).await.refused(401, "OPERATOR_TOKEN_INVALID");
    let stream = device.http.get(format!("{}/stream", device.url)).bearer_auth(&device.operator);
    let mut stream = stream.send().await.unwrap();
    let mut line = Vec::new();
    while !line.contains(&b'\n') {
        line.extend(stream.chunk().await.unwrap().unwrap());
    }
    let line = line.split(|byte| *byte == b'\n').next().unwrap();
    let view: serde_json::Value = serde_json::from_slice(line).unwrap();
    assert_eq!((&view["schema_version"], &view["service"]), (&1.into(), &"fleet".into()), "{view}");
    assert!(view["play"].is_null(), "{view}");
    assert!(view["device_key"].is_null(), "a key of a tenant is on it in development only: {view}");
    assert!(view["database"].as_str().unwrap().chars().next().unwrap().is_ascii_digit(), "{view}");
    assert!(view["verdict"]["sentence"].as_str().unwrap().ends_with('.'), "{view}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_the_buttons_of_development_are_pressed_by_no_foreign_page() {
    let fleet = Breakable::start().await;
    let device = &fleet.device;
    let (status, policy, _) = text(&format!("{}/front/play.js", device.url)).await;
    assert_eq!((status, policy.contains("script-src 'self'")), (200, true));
    let url = format!("{}/faults/freeze", device.url);
    let press = || device.http.post(&url);
    let refused = async |request: reqwest::RequestBuilder| {
        Answer::of(request.send().await.unwrap()).await.refused(403, "OPERATOR_FOREIGN_REQUEST");
    };
    refused(press()).await;
    refused(press().header("X-Plimsoll-Action", "freeze").header("Origin", "http://elsewhere.example")).await;
    refused(press().header("X-Plimsoll-Action", "freeze").header("X-Forwarded-For", "192.0.2.1")).await;
    refused(press().header("X-Plimsoll-Action", "freeze").header("Host", "elsewhere.example")).await;
    let wrong = press().header("X-Plimsoll-Action", "freeze").bearer_auth("not the operator's token");
    Answer::of(wrong.send().await.unwrap()).await.refused(401, "OPERATOR_TOKEN_INVALID");
    fleet.press("melt").await.refused(404, "FAULT_UNKNOWN");
    let view = fleet.watch().await.next().await;
    assert!(view["play"]["breakage"].is_null(), "nothing was broken: {view}");
    assert_eq!(view["device_key"], device.key.as_str(), "so that the command on it works");

    // This machine's user needs no token for looking either, and nobody else gets in.
    assert_eq!(device.get_as("/operator/system/health", None).await.status, 200);
    let forwarded = device.http.get(format!("{}/operator/system/health", device.url));
    let forwarded = forwarded.header("X-Forwarded-For", "192.0.2.1").send().await.unwrap();
    assert_eq!(forwarded.status(), 403);
    fleet.running.stop().await;
}
