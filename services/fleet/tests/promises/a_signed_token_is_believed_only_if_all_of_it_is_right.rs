//! A token that an identity provider has signed opens what is its tenant's; one in which anything is wrong opens nothing, and its
//! client is told what. Neither is in the log.

use crate::identity::{self, AUDIENCE, Answer, ISSUER, Provider, Signer, believes, fleet_with, seconds};
use crate::log::Log;
use crate::service;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

const PATH: &str = "/customer/devices";

/// Header and claims as they are, with this as the signature.
fn unsigned(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

#[tokio::test]
async fn of_three_kinds_of_keys() {
    let signers = [
        Signer::new("rsa", Algorithm::RS256),
        Signer::new("ed", Algorithm::EdDSA),
        Signer::new("ec", Algorithm::ES256),
    ];
    let (log, _guard) = Log::everything("trace");
    let (fleet, provider) = fleet_with(&signers.each_ref()).await;
    for signer in &signers {
        for change in [
            json!({}),
            json!({ "aud": ["other", AUDIENCE] }),
            json!({ "organization": null, "tenant_id": "test" }),
            // The clocks of two machines are not the same.
            json!({ "exp": seconds() - 50, "iat": seconds() - 100 }),
            json!({ "nbf": seconds() + 50 }),
        ] {
            let token = signer.token(change.clone());
            let answer = fleet.device.get_as(PATH, Some(&token)).await;
            assert_eq!(answer.status, 200, "{} {change}: {answer:?}", signer.id);
            assert!(!log.text().contains(&token));
        }
        // Another key of the same kind, by the same name.
        let forged = Signer::new(signer.id, signer.header().alg).token(json!({}));
        fleet.device.get_as(PATH, Some(&forged)).await.refused(401, "TOKEN_SIGNATURE");
        assert!(!log.text().contains(&forged));
    }
    assert_eq!(provider.asked(), 1, "one look at the keys serves all of them");
}

#[tokio::test]
async fn or_is_refused_by_what_is_wrong() {
    let ed = Signer::new("ed", Algorithm::EdDSA);
    let rsa = Signer::new("rsa", Algorithm::RS256);
    let (fleet, _provider) = fleet_with(&[&ed, &rsa]).await;
    fleet
        .database
        .execute("INSERT INTO tenants (tenant_id, name, status) VALUES ('gone', 'g', 'SUSPENDED')")
        .await
        .unwrap();
    let now = seconds();
    for (change, status, code) in [
        (json!({ "exp": null }), 401, "TOKEN_CLAIM"),
        (json!({ "exp": "tomorrow" }), 401, "TOKEN_MALFORMED"),
        (json!({ "exp": now - 70, "iat": now - 100 }), 401, "TOKEN_EXPIRED"),
        (json!({ "nbf": now + 70 }), 401, "TOKEN_NOT_YET"),
        (json!({ "iat": now + 70, "exp": now + 80 }), 401, "TOKEN_NOT_YET"),
        (json!({ "iat": null }), 401, "TOKEN_CLAIM"),
        (json!({ "exp": now + 90_000 }), 401, "TOKEN_LIVES_TOO_LONG"),
        (json!({ "sub": null }), 401, "TOKEN_CLAIM"),
        (json!({ "iss": "https://other.example" }), 401, "TOKEN_ISSUER"),
        (json!({ "iss": [ISSUER, "https://other.example"] }), 401, "TOKEN_ISSUER"),
        (json!({ "iss": null }), 401, "TOKEN_CLAIM"),
        (json!({ "aud": "other" }), 401, "TOKEN_AUDIENCE"),
        (json!({ "aud": [] }), 401, "TOKEN_AUDIENCE"),
        (json!({ "aud": null }), 401, "TOKEN_CLAIM"),
        (json!({ "organization": null }), 403, "TOKEN_TENANT_MISSING"),
        (json!({ "organization": "" }), 403, "TOKEN_TENANT_MISSING"),
        (json!({ "organization": "", "tenant_id": "test" }), 403, "TOKEN_TENANT_MISSING"),
        (json!({ "organization": ["test", "other"] }), 403, "TOKEN_TENANT_MISSING"),
        (json!({ "organization": "nowhere" }), 403, "TOKEN_TENANT_UNKNOWN"),
        (json!({ "organization": "gone" }), 403, "TOKEN_TENANT_UNKNOWN"),
    ] {
        for signer in [&ed, &rsa] {
            let answer = fleet.device.get_as(PATH, Some(&signer.token(change.clone()))).await;
            assert_eq!((answer.status, answer.code()), (status, code), "{change}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn or_by_what_its_header_demands() {
    let ed = Signer::new("ed", Algorithm::EdDSA);
    let rsa = Signer::new("rsa", Algorithm::RS256);
    let (fleet, _provider) = fleet_with(&[&ed, &rsa]).await;
    let good = identity::claims(json!({}));
    let signature = ed.token(json!({})).rsplit('.').next().unwrap().to_owned();
    for (header, signature, code) in [
        (json!({ "alg": "none" }), "", "TOKEN_ALGORITHM"),
        (json!({ "alg": "NONE", "kid": "ed" }), "", "TOKEN_ALGORITHM"),
        (json!({ "alg": "EdDSA", "kid": "ed" }), "", "TOKEN_SIGNATURE"),
        (json!({ "alg": "EdDSA", "kid": "ed" }), &signature, "TOKEN_SIGNATURE"),
        (json!({ "alg": "RS256", "kid": "ed" }), &signature, "TOKEN_KEY_UNKNOWN"),
        (json!({ "alg": "EdDSA", "kid": "other" }), &signature, "TOKEN_KEY_UNKNOWN"),
        (json!({ "alg": "EdDSA", "kid": "ed", "crit": ["exp"] }), &signature, "TOKEN_CRITICAL_HEADER"),
        (json!({ "alg": "EdDSA", "kid": "ed", "typ": "logout+jwt" }), &signature, "TOKEN_OF_OTHER_KIND"),
        // Whoever sends a key along would be believed by his own.
        (json!({ "alg": "EdDSA", "jwk": ed.jwk(), "kid": "x" }), &signature, "TOKEN_KEY_UNKNOWN"),
    ] {
        let answer = fleet.device.get_as(PATH, Some(&unsigned(&header, &good, signature))).await;
        assert_eq!((answer.status, answer.code()), (401, code), "{header}: {answer:?}");
    }
    // Signed by the right key, and demanding what is not known here.
    let critical = Header { crit: Some(vec!["b64".to_owned()]), ..ed.header() };
    let answer = fleet.device.get_as(PATH, Some(&ed.token_as(&critical, json!({})))).await;
    answer.refused(401, "TOKEN_CRITICAL_HEADER");
    // The public key as the secret of an HMAC: everyone has it.
    for secret in [rsa.jwk()["n"].as_str().unwrap().as_bytes(), rsa.jwk().to_string().as_bytes()] {
        let header = Header { kid: Some("rsa".to_owned()), ..Header::new(Algorithm::HS256) };
        let token = jsonwebtoken::encode(&header, &good, &EncodingKey::from_secret(secret).unwrap()).unwrap();
        fleet.device.get_as(PATH, Some(&token)).await.refused(401, "TOKEN_ALGORITHM");
    }
    // Without a name there is one key of its algorithm here.
    let unnamed = Header { kid: None, ..ed.header() };
    assert_eq!(fleet.device.get_as(PATH, Some(&ed.token_as(&unnamed, json!({})))).await.status, 200);
}

#[tokio::test]
async fn or_by_its_form() {
    let ed = Signer::new("ed", Algorithm::EdDSA);
    let (fleet, _provider) = fleet_with(&[&ed]).await;
    let padded = ed.token(json!({ "padding": "x".repeat(9000) }));
    fleet.device.get_as(PATH, Some(&padded)).await.refused(401, "TOKEN_TOO_LONG");
    let large = ed.token(json!({ "padding": "x".repeat(4000) }));
    assert_eq!(fleet.device.get_as(PATH, Some(&large)).await.status, 200);
    for rubbish in ["..", "a.b.c", "e30.e30.e30", "eyJhbGciOiJFZERTQSJ9..", "...."] {
        assert_eq!(fleet.device.get_as(PATH, Some(rubbish)).await.status, 401, "{rubbish}");
    }
    let token = ed.token(json!({}));
    for changed in [format!("{token}="), format!("{token}A"), format!("{token}.e30"), token[1..].to_owned()] {
        assert_eq!(fleet.device.get_as(PATH, Some(&changed)).await.status, 401, "{changed}");
    }
    // Those of the service's own go on as before.
    assert_eq!(fleet.device.get(PATH).await.status, 200);
}

#[tokio::test]
async fn with_a_secret_only_where_one_was_said() {
    const SECRET: &str = "a secret of more than thirty-two bytes";
    let sign = |secret: &str| {
        let key = EncodingKey::from_secret(secret.as_bytes()).unwrap();
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &identity::claims(json!({})), &key).unwrap()
    };
    let fleet = service::start_with(|config| {
        config.identity.hs256_key = Some(SECRET.into());
        config.identity.names = Some((ISSUER.to_owned(), AUDIENCE.to_owned()));
    })
    .await;
    assert_eq!(fleet.device.get_as(PATH, Some(&sign(SECRET))).await.status, 200);
    fleet
        .device
        .get_as(PATH, Some(&sign("another secret of thirty-two bytes")))
        .await
        .refused(401, "TOKEN_SIGNATURE");
    let ed = Signer::new("ed", Algorithm::EdDSA);
    fleet.device.get_as(PATH, Some(&ed.token(json!({})))).await.refused(401, "TOKEN_KEY_UNKNOWN");
}

#[tokio::test]
async fn by_a_key_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let [rsa, ed, ec] = [Algorithm::RS256, Algorithm::EdDSA, Algorithm::ES256].map(|of| Signer::new("a", of));
    let set = json!({ "keys": [ed.jwk()] }).to_string();
    for (name, text, signer) in [
        ("rsa.pem", rsa.pem.clone(), &rsa),
        ("ed.pem", ed.pem.clone(), &ed),
        ("ec.pem", ec.pem.clone(), &ec),
        ("keys.json", set, &ed),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        let fleet = service::start_with(|config| {
            config.identity.key_file = Some(file);
            config.identity.names = Some((ISSUER.to_owned(), AUDIENCE.to_owned()));
        })
        .await;
        assert_eq!(fleet.device.get_as(PATH, Some(&signer.token(json!({})))).await.status, 200, "{name}");
        let other = Signer::new("a", signer.header().alg).token(json!({}));
        fleet.device.get_as(PATH, Some(&other)).await.refused(401, "TOKEN_SIGNATURE");
    }
    for (name, text) in
        [("no.pem", "x"), ("private.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----")]
    {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        let mut config = service::config("postgresql://a:b@127.0.0.1:1/c", folder.path());
        config.identity.key_file = Some(file);
        config.identity.names = Some((ISSUER.to_owned(), AUDIENCE.to_owned()));
        let error = fleet::start(config).await.err().expect("it is no key").to_string();
        assert!(error.contains("FLEET_JWT_KEY") && error.contains(name), "{error}");
    }
}

#[tokio::test]
async fn and_a_set_of_keys_never_holds_a_secret() {
    let ed = Signer::new("ed", Algorithm::EdDSA);
    let provider = Provider::with(&[&ed]).await;
    let secret = "a secret that a provider shows to everyone";
    let oct = json!({ "kty": "oct", "kid": "s", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(secret) });
    provider.set(Answer::Keys(json!({ "keys": [oct, ed.jwk()] })));
    let fleet = service::start_with(|config| believes(config, &provider.url)).await;
    let header = Header { kid: Some("s".to_owned()), ..Header::new(Algorithm::HS256) };
    let key = EncodingKey::from_secret(secret.as_bytes()).unwrap();
    let token = jsonwebtoken::encode(&header, &identity::claims(json!({})), &key).unwrap();
    fleet.device.get_as(PATH, Some(&token)).await.refused(401, "TOKEN_ALGORITHM");
    assert_eq!(fleet.device.get_as(PATH, Some(&ed.token(json!({})))).await.status, 200);
}
