//! Who shows no token is told which header is missing, and how it would be right; a token that proves nothing is told
//! apart from one that is not there.

use crate::service::{self, Answer};

const BEARER: &str = "missing header Authorization: Bearer <token>";
const PROVISION: &str = "missing header X-Provision-Token: <token>";

const OF_PEOPLE: [&str; 6] = [
    "/api/v1/customer/devices",
    "/customer/devices",
    "/operator/system/health",
    "/api/v1/operator/system/health",
    "/operator/system/capacity",
    "/api/v1/operator/system/capacity",
];

fn challenged(answer: &Answer, scheme: &str) {
    let said = answer.challenge.as_deref().unwrap_or_default();
    assert!(said.starts_with(&format!("{scheme} realm=\"fleet\"")), "{answer:?}");
}

#[tokio::test]
async fn on_every_path_that_asks_for_one() {
    let fleet = service::start().await;
    let device = &fleet.device;
    for path in OF_PEOPLE {
        let answer = device.get_as(path, None).await;
        answer.refused(401, "TOKEN_MISSING");
        assert_eq!(answer.body["detail"], BEARER, "{path}");
        challenged(&answer, "Bearer");

        let answer = device.get_as(path, Some("test.wrong")).await;
        answer.refused(401, "TOKEN_INVALID");
        challenged(&answer, "Bearer");

        for value in ["Basic dXNlcjpwYXNz", "Bearer", "Bearer ", "token"] {
            let request = device.http.get(format!("{}{path}", device.url)).header("Authorization", value);
            let answer = Answer::of(request.send().await.unwrap()).await;
            answer.refused(401, "TOKEN_INVALID");
            assert!(
                answer.body["detail"].as_str().unwrap().contains("Bearer <token>"),
                "{value}: {answer:?}"
            );
        }
    }
    for path in ["/ingest/v1/tenant/test/device/d1/telemetry", "/ingest/tenant/test/device/d1/telemetry"] {
        let answer = device.send_to(path, None, r#"{"t": 1}"#).await;
        answer.refused(401, "TOKEN_MISSING");
        assert_eq!(answer.body["detail"], PROVISION, "{path}");
        challenged(&answer, "X-Provision-Token");
        let answer = device.send_to(path, Some("wrong"), r#"{"t": 1}"#).await;
        answer.refused(401, "TOKEN_INVALID");
        challenged(&answer, "X-Provision-Token");
    }
    assert_eq!(fleet.readings().await, 0);
}

#[tokio::test]
async fn one_plane_does_not_open_the_other() {
    let fleet = service::start().await;
    let device = &fleet.device;
    device.get_as("/operator/system/health", Some(&device.token)).await.refused(401, "TOKEN_INVALID");
    device.get_as("/customer/devices", Some(&device.operator)).await.refused(401, "TOKEN_INVALID");
    assert_eq!(device.get_as("/operator/system/health", Some(&device.operator)).await.status, 200);
}

#[tokio::test]
async fn without_an_operators_token_nobody_is_one() {
    let fleet = service::start_with(|config| config.operator_token = Some("said".into())).await;
    let own = fleet.device.operator.clone();
    fleet.device.get_as("/operator/system/health", Some(&own)).await.refused(401, "TOKEN_INVALID");
    assert_eq!(fleet.device.get_as("/operator/system/health", Some("said")).await.status, 200);

    let mut config = service::config(&fleet.database.url(), fleet.folder.path());
    config.demo = false;
    let running = fleet::start(config).await.unwrap();
    running.ready().await.unwrap();
    let device = service::Device { url: running.url(), ..fleet.device.clone() };
    let answer = device.get_as("/operator/system/health", Some(&own)).await;
    answer.refused(401, "TOKEN_INVALID");
    assert!(answer.body["detail"].as_str().unwrap().contains("OPERATOR_TOKEN"), "{answer:?}");
}
