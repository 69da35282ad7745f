//! A signed token of an operator opens what is the operators', by the name in it, and no tenant's data; a tenant's opens no more
//! than that tenant's data, whatever roles it has. An operator who may only look does not act.

use crate::asking::Ask;
use crate::identity::{Signer, fleet_with};
use crate::log::Log;
use crate::service::{self, until};
use fleet::identity::development;
use jsonwebtoken::Algorithm;
use reqwest::Method;
use serde_json::json;

const HEALTH: &str = "/operator/system/health";
const DEVICES: &str = "/customer/devices";

#[tokio::test]
async fn and_never_the_other() {
    let (log, _guard) = Log::start();
    let signer = Signer::new("a", Algorithm::EdDSA);
    let (fleet, _provider) = fleet_with(&[&signer]).await;
    let operator = signer.token(json!({ "sub": "olga", "roles": ["operator"], "organization": null }));
    // Which tokens were revoked is known a moment after the start.
    until("the list is there", async || fleet.device.get_as(HEALTH, Some(&operator)).await.status == 200)
        .await;
    for path in [HEALTH, "/api/v1/operator/system/capacity", "/plimsoll/stream"] {
        assert_eq!(
            fleet.device.get_as(path, Some(&signer.token(json!({})))).await.code(),
            "OPERATOR_TOKEN_INVALID"
        );
    }
    // Whatever else it says.
    for roles in [json!(["operator"]), json!(["operator-admin", "tenant-admin"])] {
        let token = signer.token(json!({ "roles": roles }));
        fleet.device.get_as(DEVICES, Some(&token)).await.refused(403, "TOKEN_OF_OPERATOR");
    }
    for (change, code) in [
        (json!({ "exp": 1, "iat": 0 }), "TOKEN_EXPIRED"),
        (json!({ "aud": "other" }), "TOKEN_AUDIENCE"),
        (json!({ "sub": null }), "TOKEN_CLAIM"),
    ] {
        let mut change = change;
        change["roles"] = json!(["operator-admin"]);
        let answer = fleet.device.get_as(HEALTH, Some(&signer.token(change))).await;
        answer.refused(401, code);
        assert!(answer.challenge.as_deref().unwrap_or_default().contains("operators"), "{answer:?}");
    }

    let act = |token: &str| {
        Ask::new(&fleet, Method::POST, "/operator/revocations")
            .token(token)
            .header("x-plimsoll-action", "revoke")
            .body(json!({ "tenant_id": "test", "jti": "j1" }).to_string())
            .send()
    };
    act(&operator).await.refused(403, "OPERATOR_ONLY_LOOKS");
    let admin = signer.token(json!({ "sub": "otto", "roles": ["operator-admin"] }));
    assert_eq!(act(&admin).await.status, 204);
    until("it is logged", async || !log.lines(&["tokens were revoked", "otto"]).is_empty()).await;
    assert_eq!(
        fleet.number("SELECT count(*) AS n FROM token_revocations WHERE created_by = 'otto'").await,
        1
    );
    act(&signer.token(json!({}))).await.refused(401, "OPERATOR_TOKEN_INVALID");
    act(&fleet.device.token).await.refused(401, "OPERATOR_TOKEN_INVALID");
}

#[tokio::test]
async fn and_so_do_those_of_the_first_hour() {
    let fleet = service::start().await;
    let tokens = development::tokens(&fleet.reached.demo.clone().unwrap()).unwrap();
    assert_eq!(fleet.device.get_as(DEVICES, Some(&tokens.tenant)).await.status, 200);
    fleet.device.get_as(DEVICES, Some(&tokens.operator)).await.refused(403, "TOKEN_OF_OPERATOR");
    until("the list is there", async || {
        fleet.device.get_as(HEALTH, Some(&tokens.operator)).await.status == 200
    })
    .await;
    fleet.device.get_as(HEALTH, Some(&tokens.tenant)).await.refused(401, "OPERATOR_TOKEN_INVALID");
    // The key is this folder's own.
    let mut others = fleet.reached.demo.clone().unwrap();
    others.jwt_key = development::new_key().unwrap();
    let forged = development::tokens(&others).unwrap();
    fleet.device.get_as(DEVICES, Some(&forged.tenant)).await.refused(401, "TOKEN_SIGNATURE");
    fleet.device.get_as(HEALTH, Some(&forged.operator)).await.refused(401, "TOKEN_SIGNATURE");
}

#[tokio::test]
async fn and_where_a_provider_was_named_the_first_hour_has_none() {
    let signer = Signer::new("a", Algorithm::EdDSA);
    let (fleet, _provider) = fleet_with(&[&signer]).await;
    let tokens = development::tokens(&fleet.reached.demo.clone().unwrap()).unwrap();
    fleet.device.get_as(DEVICES, Some(&tokens.tenant)).await.refused(401, "TOKEN_KEY_UNKNOWN");
}
