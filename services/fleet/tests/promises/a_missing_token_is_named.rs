//! Who shows no token is told which header is missing, and how it would be right; a token that proves nothing is told
//! apart from one that is not there.

use crate::service::{self, Answer};

const BEARER: &str = "missing header Authorization: Bearer <token>";
const PROVISION: &str = "missing header X-Provision-Token: <token>";

const OF_PEOPLE: [&str; 2] = ["/api/v1/customer/devices", "/customer/devices"];

const OF_OPERATORS: [&str; 4] = [
    "/operator/system/health",
    "/api/v1/operator/system/health",
    "/operator/system/capacity",
    "/api/v1/operator/system/capacity",
];

fn challenged(answer: &Answer, scheme: &str, realm: &str) {
    let said = answer.challenge.as_deref().unwrap_or_default();
    assert!(said.starts_with(&format!("{scheme} realm=\"{realm}\"")), "{answer:?}");
}

/// What is no token at all.
const MALFORMED: [&str; 4] = ["Basic dXNlcjpwYXNz", "Bearer", "Bearer ", "token"];

#[tokio::test]
async fn on_every_path_that_asks_for_one() {
    let fleet = service::start().await;
    let device = &fleet.device;
    for path in OF_PEOPLE {
        let answer = device.get_as(path, None).await;
        answer.refused(401, "TOKEN_MISSING");
        assert_eq!(answer.body["title"], BEARER, "{path}");
        challenged(&answer, "Bearer", "fleet");

        let answer = device.get_as(path, Some("test.wrong")).await;
        answer.refused(401, "TOKEN_INVALID");
        challenged(&answer, "Bearer", "fleet");

        for value in MALFORMED {
            let request = device.http.get(format!("{}{path}", device.url)).header("Authorization", value);
            let answer = Answer::of(request.send().await.unwrap()).await;
            answer.refused(401, "TOKEN_INVALID");
            assert!(answer.body["title"].as_str().unwrap().contains("Bearer <token>"), "{value}: {answer:?}");
        }
    }
    for path in ["/ingest/v1/tenant/test/device/d1/telemetry", "/ingest/tenant/test/device/d1/telemetry"] {
        let answer = device.send_to(path, None, r#"{"t": 1}"#).await;
        answer.refused(401, "TOKEN_MISSING");
        assert_eq!(answer.body["title"], PROVISION, "{path}");
        challenged(&answer, "X-Provision-Token", "fleet");
        let answer = device.send_to(path, Some("wrong"), r#"{"t": 1}"#).await;
        answer.refused(401, "TOKEN_INVALID");
        challenged(&answer, "X-Provision-Token", "fleet");
    }
    assert_eq!(fleet.readings().await, 0);
}

#[tokio::test]
async fn to_operators_too() {
    let fleet = service::start().await;
    let device = &fleet.device;
    for path in OF_OPERATORS {
        let answer = device.get_as(path, None).await;
        answer.refused(401, "OPERATOR_TOKEN_MISSING");
        assert!(answer.body["advice"].as_str().unwrap().contains("Bearer <token>"), "{answer:?}");
        challenged(&answer, "Bearer", "operators");

        let answer = device.get_as(path, Some("test.wrong")).await;
        answer.refused(401, "OPERATOR_TOKEN_INVALID");
        challenged(&answer, "Bearer", "operators");

        for value in MALFORMED {
            let request = device.http.get(format!("{}{path}", device.url)).header("Authorization", value);
            let answer = Answer::of(request.send().await.unwrap()).await;
            answer.refused(401, "OPERATOR_TOKEN_INVALID");
            assert!(answer.body["advice"].as_str().unwrap().contains("Bearer <token>"), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn one_plane_does_not_open_the_other() {
    let fleet = service::start().await;
    let device = &fleet.device;
    let of_tenant = device.get_as("/operator/system/health", Some(&device.token)).await;
    of_tenant.refused(401, "OPERATOR_TOKEN_INVALID");
    device.get_as("/customer/devices", Some(&device.operator)).await.refused(401, "TOKEN_INVALID");
    assert_eq!(device.get_as("/operator/system/health", Some(&device.operator)).await.status, 200);
}

#[tokio::test]
async fn without_an_operators_token_nobody_is_one() {
    let said = "a token of the operator";
    let fleet = service::start_with(|config| config.operator_token = Some(said.into())).await;
    let own = fleet.device.operator.clone();
    let refused = fleet.device.get_as("/operator/system/health", Some(&own)).await;
    refused.refused(401, "OPERATOR_TOKEN_INVALID");
    assert_eq!(fleet.device.get_as("/operator/system/health", Some(said)).await.status, 200);

    let mut config = service::config(&fleet.database.url(), fleet.folder.path());
    config.demo = false;
    let running = fleet::start(config).await.unwrap();
    running.ready().await.unwrap();
    let device = service::Device { url: running.url(), ..fleet.device.clone() };
    let answer = device.get_as("/operator/system/health", Some(&own)).await;
    answer.refused(401, "OPERATOR_TOKEN_INVALID");
    running.stop().await;
}

#[tokio::test]
async fn an_operators_token_that_can_be_guessed_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = service::config("postgresql://a:b@127.0.0.1:1/c", folder.path());
    config.operator_token = Some("fifteen-letters".into());
    let error = fleet::start(config).await.err().expect("it can be guessed").to_string();
    assert!(error.contains("OPERATOR_TOKEN") && error.contains("15") && error.contains("16"), "{error}");
    assert!(!error.contains("letters"), "{error}");
}
