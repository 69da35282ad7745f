//! What the service was told of the identity provider.
//!
//! | variable | default | what it says |
//! |---|---|---|
//! | `FLEET_JWKS_URL` | none | where the provider's keys are: `https://`, or `http://` on loopback |
//! | `FLEET_JWT_KEY` | none | a file with a public key in PEM, or a JWK Set |
//! | `FLEET_JWT_HS256_SECRET` | none | a secret of at least 32 bytes; without it no HS256 is accepted |
//! | `FLEET_JWT_ISSUER` | none | the claim `iss` of every token; needed with any of the three above |
//! | `FLEET_JWT_AUDIENCE` | none | one of the claim `aud` of every token; needed with any of the three above |
//! | `FLEET_JWT_LIFE` | `24h` | tokens that are good for longer, from `iat` to `exp`, are refused |

use crate::boot::config::ConfigError;
use plimsoll::secret::Secret;
use plimsoll::settings::Limit;
use reqwest::Url;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

const DEFAULT_LIFE: Duration = Duration::from_secs(24 * 3600);

const SHORTEST_SECRET: usize = 32;

/// Which signed tokens are accepted.
#[derive(Clone, Debug)]
pub struct IdentityConfig {
    /// Where the provider's keys are.
    pub jwks_url: Option<Url>,
    /// A file with a public key.
    pub key_file: Option<PathBuf>,
    /// The secret for HS256.
    pub hs256_key: Option<Secret>,
    /// The issuer and the audience that every token must name.
    pub names: Option<(String, String)>,
    /// Tokens that are good for longer are refused.
    pub longest_life: Duration,
}

impl Default for IdentityConfig {
    fn default() -> Self {
        IdentityConfig {
            jwks_url: None,
            key_file: None,
            hs256_key: None,
            names: None,
            longest_life: DEFAULT_LIFE,
        }
    }
}

impl IdentityConfig {
    /// Whether a key was named.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        self.jwks_url.is_some() || self.key_file.is_some() || self.hs256_key.is_some()
    }

    /// What the variables say.
    ///
    /// # Errors
    /// Which cannot be used, and why.
    pub fn read(said: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let names = said("FLEET_JWT_ISSUER").zip(said("FLEET_JWT_AUDIENCE"));
        let read = IdentityConfig {
            jwks_url: said("FLEET_JWKS_URL").map(jwks_url).transpose()?,
            key_file: said("FLEET_JWT_KEY").map(PathBuf::from),
            hs256_key: said("FLEET_JWT_HS256_SECRET").map(secret).transpose()?,
            names,
            longest_life: said("FLEET_JWT_LIFE").map_or(Ok(DEFAULT_LIFE), life)?,
        };
        // A provider signs tokens for other services with the same keys: whose they are must be said.
        if read.has_keys() && read.names.is_none() {
            let (variable, said) = match said("FLEET_JWT_ISSUER") {
                None => ("FLEET_JWT_ISSUER", String::new()),
                Some(_) => ("FLEET_JWT_AUDIENCE", String::new()),
            };
            let allowed = "what every token must name, where FLEET_JWKS_URL, FLEET_JWT_KEY or FLEET_JWT_HS256_SECRET is set";
            return Err(ConfigError::Value { variable, value: said, allowed });
        }
        Ok(read)
    }
}

fn jwks_url(value: String) -> Result<Url, ConfigError> {
    let is_loopback = |url: &Url| {
        let host =
            url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    };
    let url =
        Url::parse(value.trim()).ok().filter(|url| url.username().is_empty() && url.password().is_none());
    let safe = url.filter(|url| match url.scheme() {
        "https" => url.has_host(),
        "http" => is_loopback(url),
        _ => false,
    });
    // What was said may hold a password, and would be in the log.
    let allowed = "https:// and an address without a login, or http:// on loopback";
    safe.ok_or(ConfigError::Value {
        variable: "FLEET_JWKS_URL",
        value: "another address".to_owned(),
        allowed,
    })
}

fn secret(value: String) -> Result<Secret, ConfigError> {
    let length = value.len();
    if length >= SHORTEST_SECRET {
        return Ok(Secret::from(value));
    }
    let allowed = "at least 32 bytes that no one can guess, such as those of `openssl rand -hex 32`";
    let value = format!("a text of {length} bytes");
    Err(ConfigError::Value { variable: "FLEET_JWT_HS256_SECRET", value, allowed })
}

fn life(value: String) -> Result<Duration, ConfigError> {
    match Limit::parse(&value) {
        Some(Limit::After(life))
            if (Duration::from_secs(60)..=Duration::from_secs(30 * 86_400)).contains(&life) =>
        {
            Ok(life)
        }
        _ => Err(ConfigError::Value { variable: "FLEET_JWT_LIFE", value, allowed: "1min to 720h" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(said: &[(&str, &str)]) -> Result<IdentityConfig, String> {
        let find =
            |name: &str| said.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        IdentityConfig::read(find).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_come_by_a_safe_way_only() {
        let with =
            |url| read(&[("FLEET_JWKS_URL", url), ("FLEET_JWT_ISSUER", "i"), ("FLEET_JWT_AUDIENCE", "a")]);
        for good in
            ["https://id.example/keys", "http://127.0.0.1:1/k", "http://localhost/k", "http://[::1]:8/k"]
        {
            assert!(with(good).is_ok(), "{good}");
        }
        for bad in [
            "http://id.example/keys",
            "http://127.0.0.1.evil.example/k",
            "https://user:pass@id.example/keys",
            "file:///etc/passwd",
            "ftp://id.example",
            "id.example/keys",
        ] {
            let error = with(bad).unwrap_err();
            assert!(error.contains("FLEET_JWKS_URL") && !error.contains("pass@"), "{bad}: {error}");
        }
    }

    #[test]
    fn whose_tokens_they_are_must_be_said() {
        let url = ("FLEET_JWKS_URL", "https://id.example/keys");
        assert!(read(&[url]).unwrap_err().contains("FLEET_JWT_ISSUER"));
        assert!(read(&[url, ("FLEET_JWT_ISSUER", "i")]).unwrap_err().contains("FLEET_JWT_AUDIENCE"));
        assert!(!read(&[]).unwrap().has_keys());
        let weak = read(&[("FLEET_JWT_HS256_SECRET", "correct horse")]).unwrap_err();
        assert!(weak.contains("13 bytes") && !weak.contains("horse"), "{weak}");
        assert!(read(&[("FLEET_JWT_LIFE", "5s")]).is_err() && read(&[("FLEET_JWT_LIFE", "1h")]).is_ok());
    }
}
