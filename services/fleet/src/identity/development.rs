//! Where no identity provider was named, the first hour has a key of its own, and two tokens that are signed with it: of a person of
//! the first tenant, and of an operator.
//!
//! The private key is kept with the other secrets of the first hour, for its owner's eyes only. The tokens are made anew at each
//! start, and are good for a day.

use super::keys::KeySet;
use super::provider::IdentityError;
use crate::boot::demo::{Credentials, TENANT};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Who signs.
pub const ISSUER: &str = "fleet-development";

/// For whom.
pub const AUDIENCE: &str = "fleet";

/// How long its tokens are good.
pub(crate) const LIFE: Duration = Duration::from_secs(24 * 3600);

const KEY: &str = "development";

/// What stands before the 32 bytes of an Ed25519 key in PKCS#8 (RFC 8410).
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// Two tokens that this service accepts.
#[derive(Clone)]
pub struct Tokens {
    /// Of a person of the first tenant, who may do everything there.
    pub tenant: String,
    /// Of an operator who may act.
    pub operator: String,
}

/// A new private key, as it is kept.
///
/// # Errors
/// When the operating system has no random bytes to give.
pub fn new_key() -> Result<String, getrandom::Error> {
    let mut key = [0u8; PKCS8.len() + 32];
    let (head, secret) = key.split_at_mut(PKCS8.len());
    head.copy_from_slice(&PKCS8);
    getrandom::fill(secret)?;
    Ok(URL_SAFE_NO_PAD.encode(key))
}

/// Tokens that are good from now on, for a day.
///
/// # Errors
/// If the key cannot be read.
pub fn tokens(credentials: &Credentials) -> Result<Tokens, IdentityError> {
    let key = private(credentials)?;
    let sign = |claims: &Value| {
        let header = Header { kid: Some(KEY.to_owned()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, claims, &key).map_err(unusable)
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (until, roles) = (now + LIFE.as_secs(), ["tenant-admin"]);
    let common = json!({ "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": until });
    let with = |more: Value| match (common.clone(), more) {
        (Value::Object(mut claims), Value::Object(more)) => {
            claims.extend(more);
            Value::Object(claims)
        }
        (common, _) => common,
    };
    Ok(Tokens {
        tenant: sign(&with(json!({ "sub": "developer", "organization": TENANT, "roles": roles })))?,
        operator: sign(&with(json!({ "sub": "operator", "roles": ["operator-admin"] })))?,
    })
}

/// The public key of the first hour.
pub(crate) fn keys(credentials: &Credentials) -> Result<KeySet, IdentityError> {
    let jwk = Jwk::from_encoding_key(&private(credentials)?, Algorithm::EdDSA).map_err(unusable)?;
    KeySet::of_one(KEY, &jwk).map_err(|bad| IdentityError::Development(bad.to_string()))
}

fn private(credentials: &Credentials) -> Result<EncodingKey, IdentityError> {
    let key = URL_SAFE_NO_PAD.decode(&credentials.jwt_key);
    let key = key.map_err(|_| IdentityError::Development("it is not in base64url".to_owned()))?;
    Ok(EncodingKey::from_ed_der(&key))
}

/// What the library says of a key holds nothing of it.
fn unusable(error: jsonwebtoken::errors::Error) -> IdentityError {
    IdentityError::Development(error.to_string())
}
