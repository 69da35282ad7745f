//! Which signed tokens this service accepts: what was said, the keys, and those of operators that were revoked.

use super::claims::Claims;
use super::config::IdentityConfig;
use super::jwks::Jwks;
use super::keys::{BadKeys, KeySet};
use super::refusal::TokenRefusal;
use super::revocations::OperatorRevocations;
use super::verify::{self, Header, Rules};
use super::{development, verify::is_signed};
use crate::boot::demo::Credentials;
use std::fs;
use std::sync::Arc;

/// What the service holds of it. Cheap to clone.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    /// None where no key was named.
    accepts: Option<Accepts>,
    revoked: OperatorRevocations,
}

struct Accepts {
    rules: Rules,
    /// Of this machine: from a file, from a secret, of the first hour.
    local: KeySet,
    /// Those of a provider.
    jwks: Option<Jwks>,
}

/// Why the service cannot start with what it was told of the identity provider.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The file with the public key.
    #[error("FLEET_JWT_KEY names {file}, which cannot be used: {why}")]
    File {
        /// Which.
        file: String,
        /// Why.
        why: String,
    },
    /// The key of the first hour.
    #[error("the key in dev-credentials.json cannot be used ({0}): correct or delete the file")]
    Development(String),
    /// A secret.
    #[error("FLEET_JWT_HS256_SECRET cannot be used: {0}")]
    Secret(#[from] BadKeys),
    /// What fetches keys.
    #[error("no keys can be fetched from FLEET_JWKS_URL: {0}")]
    Client(String),
}

impl Identity {
    /// What was said; without a key of any provider, that of the first hour where there is one.
    ///
    /// # Errors
    /// A key that cannot be used. Those of a provider are not fetched yet.
    pub fn new(config: &IdentityConfig, first_hour: Option<&Credentials>) -> Result<Self, IdentityError> {
        let accepts = match (&config.names, first_hour) {
            (Some((issuer, audience)), _) if config.has_keys() => Some(Accepts {
                rules: Rules {
                    issuer: issuer.clone(),
                    audience: audience.clone(),
                    longest_life: config.longest_life,
                },
                local: local_keys(config)?,
                jwks: config.jwks_url.clone().map(Jwks::new).transpose()?,
            }),
            (_, Some(credentials)) => Some(Accepts {
                rules: Rules {
                    issuer: development::ISSUER.to_owned(),
                    audience: development::AUDIENCE.to_owned(),
                    longest_life: development::LIFE,
                },
                local: development::keys(credentials)?,
                jwks: None,
            }),
            _ => None,
        };
        Ok(Identity(Arc::new(Inner { accepts, revoked: OperatorRevocations::default() })))
    }

    /// Whether the tokens of the first hour are accepted, since no provider was named.
    #[must_use]
    pub fn is_of_the_first_hour(&self) -> bool {
        self.0.accepts.as_ref().is_some_and(|accepts| accepts.rules.issuer == development::ISSUER)
    }

    /// Whether any signed token is accepted.
    pub(crate) fn is_on(&self) -> bool {
        self.0.accepts.is_some()
    }

    /// How long a token is good at the most, in seconds: what was revoked is remembered for as long.
    pub(crate) fn longest_life(&self) -> f64 {
        let life = self.0.accepts.as_ref().map_or(development::LIFE, |accepts| accepts.rules.longest_life);
        (life + super::claims::SKEW * 2).as_secs_f64()
    }

    /// Which tokens of operators were revoked.
    pub(crate) fn revoked(&self) -> &OperatorRevocations {
        &self.0.revoked
    }

    /// Makes sure that the key of this token is there, if the provider has it and can be reached. Does nothing for other tokens.
    ///
    /// # Cancel safety
    /// Dropped, a fetch that was begun ends by its own limit.
    pub(crate) async fn prepare(&self, token: &str) {
        let jwks = self.0.accepts.as_ref().and_then(|accepts| accepts.jwks.as_ref());
        let Some(jwks) = jwks.filter(|_| is_signed(token)) else { return };
        if let Ok(header) = verify::header(token) {
            jwks.prepare(|keys| header.is_in(keys)).await;
        }
    }

    /// What the token says, judged by the keys that are there; nothing is waited for.
    ///
    /// # Errors
    /// Why it is not to be believed.
    pub(crate) fn claims(&self, token: &str) -> Result<Claims, TokenRefusal> {
        let accepts = self.0.accepts.as_ref().ok_or(TokenRefusal::NotAccepted)?;
        let header = verify::header(token)?;
        let mut missing = TokenRefusal::KeyUnknown;
        if let Some(jwks) = &accepts.jwks {
            let (keys, refusal) = jwks.known();
            if let Some(judged) = verify::claims(token, &header, &keys, &accepts.rules) {
                return judged;
            }
            missing = refusal;
        }
        let local = verify::claims(token, &header, &accepts.local, &accepts.rules);
        // A secret that was not said makes HS256 an algorithm that is not accepted, and not one whose key is unknown.
        let is_secret = header.algorithm == jsonwebtoken::Algorithm::HS256;
        local.unwrap_or(Err(if is_secret { TokenRefusal::Algorithm } else { missing }))
    }
}

impl Header {
    fn is_in(&self, keys: &KeySet) -> bool {
        keys.find(self.key.as_deref(), self.algorithm).is_some()
    }
}

fn local_keys(config: &IdentityConfig) -> Result<KeySet, IdentityError> {
    let mut keys = KeySet::default();
    if let Some(file) = &config.key_file {
        let told = |why: String| IdentityError::File { file: file.display().to_string(), why };
        let text = fs::read(file).map_err(|error| told(error.to_string()))?;
        keys = keys.and(KeySet::of_file(&text).map_err(|bad| told(bad.to_string()))?);
    }
    if let Some(secret) = &config.hs256_key {
        keys = keys.and(KeySet::of_secret(secret.expose().as_bytes())?);
    }
    Ok(keys)
}
