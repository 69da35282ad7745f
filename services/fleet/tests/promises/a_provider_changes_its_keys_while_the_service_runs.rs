//! An identity provider changes its keys, is slow, is away or answers what it should not: a new key is found within the cooldown,
//! keys that are known go on, and no number of tokens makes the service ask more often.

use crate::asking::all_at_once;
use crate::identity::{Answer, Provider, Signer, believes, fleet_with, keys};
use crate::service::{self, until};
use jsonwebtoken::Algorithm;
use serde_json::json;
use std::time::{Duration, Instant};

const PATH: &str = "/customer/devices";

#[tokio::test]
async fn and_one_fetch_serves_all_who_wait() {
    let first = Signer::new("first", Algorithm::EdDSA);
    let (fleet, provider) = fleet_with(&[&first]).await;
    let asks = (0..40).map(|_| {
        let (device, token) = (fleet.device.clone(), first.token(json!({})));
        async move { device.get_as(PATH, Some(&token)).await }
    });
    for answer in all_at_once(asks).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(provider.asked(), 1);

    // Made-up names of keys fetch nothing within the cooldown, and are told apart from a provider that is away.
    let made_up = Signer::new("made up", Algorithm::EdDSA);
    for _ in 0..20 {
        let answer = fleet.device.get_as(PATH, Some(&made_up.token(json!({})))).await;
        answer.refused(401, "TOKEN_KEY_UNKNOWN");
    }
    let before = provider.asked();
    assert!(before <= 2, "{before}");

    // The provider turns to another key: it is found, by one more look. The one before goes with it.
    let second = Signer::new("second", Algorithm::RS256);
    provider.set(keys(&[&second]));
    let token = second.token(json!({}));
    until("the new key is found", async || fleet.device.get_as(PATH, Some(&token)).await.status == 200).await;
    assert_eq!(provider.asked(), before + 1);
    fleet.device.get_as(PATH, Some(&first.token(json!({})))).await.refused(401, "TOKEN_KEY_UNKNOWN");
}

#[tokio::test]
async fn and_known_keys_go_on_while_it_is_away() {
    let known = Signer::new("known", Algorithm::EdDSA);
    let (fleet, provider) = fleet_with(&[&known]).await;
    assert_eq!(fleet.device.get_as(PATH, Some(&known.token(json!({})))).await.status, 200);
    provider.leave();
    let unknown = Signer::new("unknown", Algorithm::EdDSA);
    let token = unknown.token(json!({}));
    // Whether this key is a good one cannot be known once a look has failed.
    until("a look has failed", async || fleet.device.get_as(PATH, Some(&token)).await.status == 503).await;
    let answer = fleet.device.get_as(PATH, Some(&token)).await;
    answer.refused(503, "TOKEN_KEYS_AWAY");
    // The cooldown at the most, and some of its own so that not all come back together.
    assert!(answer.retry_after.is_some_and(|after| (1..=20).contains(&after)), "{answer:?}");
    assert_eq!(fleet.device.get_as(PATH, Some(&known.token(json!({})))).await.status, 200);
    assert_eq!(fleet.device.get(PATH).await.status, 200, "those of the service's own need no provider");
}

#[tokio::test]
async fn and_what_it_should_not_answer_is_not_taken() {
    let signer = Signer::new("a", Algorithm::EdDSA);
    let elsewhere = Provider::with(&[&signer]).await;
    let redirect = format!("302 Found\r\nLocation: {}", elsewhere.url);
    for answer in [
        Answer::Status(redirect.leak()),
        Answer::Status("500 Internal Server Error"),
        Answer::Status("204 No Content"),
        Answer::Endless,
        Answer::Silence,
        Answer::Keys(json!({ "keys": [] })),
    ] {
        let provider = Provider::with(&[]).await;
        provider.set(answer);
        let fleet = service::start_with(|config| believes(config, &provider.url)).await;
        let began = Instant::now();
        let told = fleet.device.get_as(PATH, Some(&signer.token(json!({})))).await;
        told.refused(503, "TOKEN_KEYS_AWAY");
        assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
        assert_eq!(provider.asked(), 1);
        fleet.running.stop().await;
    }
    assert_eq!(elsewhere.asked(), 0, "no redirect is followed");
}
