//! A token that is revoked at one instance is refused by the others within a second: a tenant's from the next request on, since the
//! database is asked with each, and an operator's as soon as the others have heard of it. Where nothing is heard, it is found
//! all the same, after the time for which the list is good.

use crate::asking::Ask;
use crate::identity::{Signer, fleet_with, seconds};
use crate::service::{self, Device, Fleet, until};
use jsonwebtoken::Algorithm;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const HEALTH: &str = "/operator/system/health";
const DEVICES: &str = "/customer/devices";
const SECOND: Duration = Duration::from_secs(1);

/// A fleet of two instances on one database.
struct Two {
    signer: Signer,
    one: Fleet,
    other: Device,
    _other: fleet::Running,
    _provider: crate::identity::Provider,
}

impl Two {
    async fn start() -> Two {
        let signer = Signer::new("a", Algorithm::EdDSA);
        let (one, provider) = fleet_with(&[&signer]).await;
        let mut config = service::config(&one.database.url(), one.folder.path());
        crate::identity::believes(&mut config, &provider.url);
        let running = fleet::start(config).await.unwrap();
        running.ready().await.unwrap();
        let other = Device { url: running.url(), ..one.device.clone() };
        Two { signer, one, other, _other: running, _provider: provider }
    }

    async fn revoke(&self, body: Value) -> service::Answer {
        Ask::new(&self.one, Method::POST, "/api/v1/operator/revocations")
            .token(&self.one.device.operator)
            .body(body.to_string())
            .send()
            .await
    }

    /// Once each instance has its list.
    async fn knows_operators(&self) {
        let token = self.operator("someone", "j0");
        for device in [&self.one.device, &self.other] {
            until("the list is there", async || device.get_as(HEALTH, Some(&token)).await.status == 200)
                .await;
        }
    }

    /// A token that was made a while ago.
    fn operator(&self, subject: &str, id: &str) -> String {
        let roles = ["operator"];
        self.signer.token(json!({ "sub": subject, "jti": id, "roles": roles, "iat": seconds() - 30 }))
    }

    fn tenant(&self, subject: &str, id: &str) -> String {
        self.signer.token(json!({ "sub": subject, "jti": id, "iat": seconds() - 30 }))
    }
}

#[tokio::test]
async fn a_tenants_from_the_next_request_on() {
    let two = Two::start().await;
    let statuses = async |token: &str| {
        let mut statuses = Vec::new();
        for device in [&two.other, &two.one.device] {
            statuses.push(device.get_as(DEVICES, Some(token)).await.status);
        }
        statuses
    };
    let (first, second, ben) = (two.tenant("anna", "j1"), two.tenant("anna", "j2"), two.tenant("ben", "j3"));
    for token in [&first, &second, &ben] {
        assert_eq!(statuses(token).await, [200, 200]);
    }
    assert_eq!(two.revoke(json!({ "tenant_id": "test", "jti": "j1" })).await.status, 204);
    two.other.get_as(DEVICES, Some(&first)).await.refused(401, "TOKEN_REVOKED");
    assert_eq!((statuses(&first).await, statuses(&second).await), (vec![401, 401], vec![200, 200]));

    assert_eq!(two.revoke(json!({ "tenant_id": "test", "sub": "anna" })).await.status, 204);
    assert_eq!((statuses(&second).await, statuses(&ben).await), (vec![401, 401], vec![200, 200]));
    // What she is given from now on counts.
    until("a later one counts", async || {
        statuses(&two.signer.token(json!({ "sub": "anna" }))).await == [200, 200]
    })
    .await;

    assert_eq!(two.revoke(json!({ "tenant_id": "test", "all": true })).await.status, 204);
    assert_eq!(statuses(&ben).await, [401, 401]);
    // Another tenant's list has no part in it, nor one of operators.
    let rows = "SELECT count(*) AS n FROM token_revocations WHERE tenant_id = 'test'";
    assert_eq!(two.one.number(rows).await, 3);

    let own = two.one.device.token.clone();
    assert_eq!(statuses(&own).await, [200, 200]);
    assert_eq!(two.revoke(json!({ "tenant_id": "test", "access_token": "demo" })).await.status, 204);
    two.other.get_as(DEVICES, Some(&own)).await.refused(401, "TOKEN_INVALID");
    assert_eq!(statuses(&own).await, [401, 401]);
}

#[tokio::test]
async fn an_operators_within_a_second() {
    let two = Two::start().await;
    two.knows_operators().await;
    let (first, second, otto) =
        (two.operator("olga", "j1"), two.operator("olga", "j2"), two.operator("otto", "j3"));
    let is_refused = async |token: &str| {
        let answer = two.other.get_as(HEALTH, Some(token)).await;
        assert!(answer.status == 200 || answer.code() == "TOKEN_REVOKED", "{answer:?}");
        answer.status == 401
    };
    for (body, revoked, counts) in [
        (json!({ "jti": "j1" }), &first, Some(&second)),
        (json!({ "sub": "olga" }), &second, Some(&otto)),
        (json!({ "all": true }), &otto, None),
    ] {
        assert!(!is_refused(revoked).await);
        assert_eq!(two.revoke(body.clone()).await.status, 204, "{body}");
        let began = Instant::now();
        until("the other instance has heard of it", async || is_refused(revoked).await).await;
        assert!(began.elapsed() < SECOND, "{body}: {:?}", began.elapsed());
        if let Some(counts) = counts {
            assert!(!is_refused(counts).await, "{body}");
        }
    }
    // A tenant's token of the same name is another one.
    assert_eq!(two.other.get_as(DEVICES, Some(&two.tenant("olga", "j1"))).await.status, 200);
}

#[tokio::test]
async fn and_by_the_end_of_its_time_where_nothing_is_heard() {
    let two = Two::start().await;
    two.knows_operators().await;
    let token = two.operator("olga", "j1");
    two.one
        .database
        .execute("ALTER TABLE token_revocations DISABLE TRIGGER token_revocations_told")
        .await
        .unwrap();
    assert_eq!(two.revoke(json!({ "sub": "olga" })).await.status, 204);
    let began = Instant::now();
    until("it is found", async || two.other.get_as(HEALTH, Some(&token)).await.status == 401).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn and_only_what_makes_sense_is_revoked() {
    let two = Two::start().await;
    for (body, status, code) in [
        (json!({}), 400, "BAD_REVOCATION"),
        (json!({ "jti": "a", "sub": "b" }), 400, "BAD_REVOCATION"),
        (json!({ "tenant_id": "test", "all": false }), 400, "BAD_REVOCATION"),
        (json!({ "access_token": "demo" }), 400, "BAD_REVOCATION"),
        (json!({ "tenant_id": "", "jti": "a" }), 400, "BAD_REVOCATION"),
        (json!({ "tenant_id": "test", "jti": "" }), 400, "BAD_REVOCATION"),
        (json!({ "tenant_id": "test", "sub": "x".repeat(256) }), 400, "BAD_REVOCATION"),
        (json!({ "tenant_id": "test", "jit": "a" }), 400, "BAD_BODY"),
        (json!({ "tenant_id": "nowhere", "jti": "a" }), 404, "NOT_FOUND"),
        (json!({ "tenant_id": "test", "access_token": "none" }), 404, "NOT_FOUND"),
    ] {
        let answer = two.revoke(body.clone()).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{body}: {answer:?}");
    }
    assert_eq!(two.one.number("SELECT count(*) AS n FROM token_revocations").await, 0);
}
