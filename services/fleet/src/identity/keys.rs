//! Keys that verify signatures.
//!
//! A key is for one algorithm, whatever a token says: a public RSA key that is taken as the secret of an HMAC is known to
//! everyone. So a set of keys that came over the network never holds a secret, and the algorithm is found out from the key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use std::fmt;

/// A provider has a few keys; beyond these none is looked at.
const MOST: usize = 100;

/// Keys, by their names.
#[derive(Clone, Default)]
pub(crate) struct KeySet(Vec<Key>);

#[derive(Clone)]
struct Key {
    /// Without one it is for every token of its algorithm.
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Nothing here can be used as a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadKeys(&'static str);

impl KeySet {
    /// The keys of a JWK Set. One that is for something else, or of a kind that is not known here, is passed over.
    pub(crate) fn of_jwks(text: &[u8]) -> Result<Self, BadKeys> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(text).map_err(|_| BadKeys("it is not a JWK Set (RFC 7517)"))?;
        let keys = set.keys.into_iter().take(MOST);
        let keys: Vec<_> = keys.filter_map(|key| of_jwk(&serde_json::from_value(key).ok()?)).collect();
        if keys.is_empty() {
            Err(BadKeys("it holds no public key for RS256, ES256 or EdDSA"))
        } else {
            Ok(KeySet(keys))
        }
    }

    /// A public key as a PEM file holds it, or a JWK Set.
    pub(crate) fn of_file(text: &[u8]) -> Result<Self, BadKeys> {
        if text.trim_ascii_start().starts_with(b"{") {
            return KeySet::of_jwks(text);
        }
        if String::from_utf8_lossy(text).contains("PRIVATE KEY") {
            return Err(BadKeys("it holds a private key; the service needs the public one only"));
        }
        let kinds = [
            (Algorithm::RS256, DecodingKey::from_rsa_pem(text)),
            (Algorithm::ES256, DecodingKey::from_ec_pem(text)),
            (Algorithm::EdDSA, DecodingKey::from_ed_pem(text)),
        ];
        let found = kinds.into_iter().find_map(|(algorithm, key)| Some((algorithm, key.ok()?)));
        // As a JWK it is looked at as those of a provider are.
        let jwk = found.and_then(|(algorithm, key)| Jwk::from_decoding_key(&key, Some(algorithm)).ok());
        let key = jwk.as_ref().and_then(of_jwk);
        Ok(KeySet(vec![key.ok_or(BadKeys("it holds no public key in PEM for RS256, ES256 or EdDSA"))?]))
    }

    /// A secret that the issuer has too, for HS256.
    pub(crate) fn of_secret(secret: &[u8]) -> Result<Self, BadKeys> {
        let key = DecodingKey::from_secret(secret).map_err(|_| BadKeys("the secret is empty"))?;
        Ok(KeySet(vec![Key { id: None, algorithm: Algorithm::HS256, key }]))
    }

    /// A single public key of this name.
    pub(crate) fn of_one(id: &str, jwk: &Jwk) -> Result<Self, BadKeys> {
        let key = of_jwk(jwk).ok_or(BadKeys("it is no public key for RS256, ES256 or EdDSA"))?;
        Ok(KeySet(vec![Key { id: Some(id.to_owned()), ..key }]))
    }

    /// These and those.
    pub(crate) fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The key of a token that names it so. A token that names none is only verified where there is a single one to do it.
    pub(crate) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&DecodingKey> {
        let mut fit = self.0.iter().filter(|key| key.algorithm == algorithm);
        let found = match id {
            Some(id) => {
                let named = fit.clone().find(|key| key.id.as_deref() == Some(id));
                named.or_else(|| fit.find(|key| key.id.is_none()))
            }
            None => fit.next().filter(|_| fit.next().is_none()),
        };
        found.map(|key| &key.key)
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| (&key.id, key.algorithm))).finish()
    }
}

fn of_jwk(jwk: &Jwk) -> Option<Key> {
    let common = &jwk.common;
    let is_for_signatures = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature));
    let verifies = common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(key) if is_long(&key.n) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        _ => return None,
    };
    let said = common.key_algorithm.is_none_or(|said| said == KeyAlgorithm::from(algorithm));
    let key = DecodingKey::from_jwk(jwk).ok()?;
    let id = common.key_id.clone();
    (is_for_signatures && verifies && said).then_some(Key { id, algorithm, key })
}

/// RSA keys of fewer than 2048 bits verify nothing here.
fn is_long(modulus: &str) -> bool {
    URL_SAFE_NO_PAD.decode(modulus).is_ok_and(|bytes| bytes.len() >= 256)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn set(keys: Value) -> Result<KeySet, BadKeys> {
        KeySet::of_jwks(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn only_what_verifies_is_a_key() {
        let good =
            json!({ "kty": "OKP", "crv": "Ed25519", "x": X, "kid": "a", "use": "sig", "alg": "EdDSA" });
        let keys = set(json!([good])).unwrap();
        assert!(keys.find(Some("a"), Algorithm::EdDSA).is_some());
        for (id, algorithm) in [("a", Algorithm::HS256), ("a", Algorithm::RS256), ("b", Algorithm::EdDSA)] {
            assert!(keys.find(Some(id), algorithm).is_none(), "{id} {algorithm:?}");
        }
        for (name, value) in
            [("use", "enc"), ("alg", "RS256"), ("crv", "X25519"), ("kty", "oct"), ("kty", "?")]
        {
            let mut other = good.clone();
            other[name] = value.into();
            assert!(set(json!([other])).is_err(), "{name} {value}");
            // Those beside it are good all the same.
            assert!(set(json!([other, 7, good])).is_ok());
        }
        assert!(set(json!([{ "kty": "oct", "k": "c2VjcmV0", "kid": "a", "alg": "HS256" }])).is_err());
        let rsa = |bytes: usize| json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode(vec![0xbf; bytes]), "e": "AQAB" });
        assert!(set(json!([rsa(256)])).is_ok() && set(json!([rsa(128)])).is_err());
        for bad in ["", "{}", "[]", "{\"keys\": 1}", "<html>"] {
            assert!(KeySet::of_jwks(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn without_a_name_there_must_be_a_single_one() {
        let key = |id: &str| json!({ "kty": "OKP", "crv": "Ed25519", "x": X, "kid": id });
        assert!(set(json!([key("a")])).unwrap().find(None, Algorithm::EdDSA).is_some());
        assert!(set(json!([key("a"), key("b")])).unwrap().find(None, Algorithm::EdDSA).is_none());
    }
}
