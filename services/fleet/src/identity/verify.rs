//! Whether a signed token is to be believed.

use super::claims::{Claims, Raw, SKEW};
use super::keys::KeySet;
use super::refusal::TokenRefusal;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;
use serde_json::Value;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Longer tokens are not read, in bytes.
pub(crate) const LONGEST: usize = 8192;

/// The longest name of a key, in bytes.
const LONGEST_NAME: usize = 255;

/// What every token has to say.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) longest_life: Duration,
}

/// What a token's header says of the key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Header {
    pub(crate) algorithm: Algorithm,
    pub(crate) key: Option<String>,
}

/// Whether this has the form of a signed token: three parts. The tokens that this service makes itself have two.
pub(crate) fn is_signed(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// The header of a token that is not believed yet.
pub(crate) fn header(token: &str) -> Result<Header, TokenRefusal> {
    #[derive(Deserialize)]
    struct Said {
        alg: String,
        kid: Option<String>,
        typ: Option<String>,
        crit: Option<Value>,
        b64: Option<Value>,
    }
    if token.len() > LONGEST {
        return Err(TokenRefusal::TooLong);
    }
    let first = token.split('.').next().unwrap_or_default();
    let text = URL_SAFE_NO_PAD.decode(first).map_err(|_| TokenRefusal::Malformed)?;
    let said: Said = serde_json::from_slice(&text).map_err(|_| TokenRefusal::Malformed)?;
    if said.crit.is_some() || said.b64.is_some() {
        return Err(TokenRefusal::Critical);
    }
    // Tokens for logging out, for proofs and for events are signed by the same issuer with the same keys.
    let kind = said.typ.as_deref().map(str::to_ascii_lowercase);
    let kind = kind.as_deref().map(|kind| kind.strip_prefix("application/").unwrap_or(kind));
    if !matches!(kind, None | Some("jwt" | "at+jwt")) {
        return Err(TokenRefusal::OtherKind);
    }
    let algorithm = match said.alg.as_str() {
        "RS256" => Algorithm::RS256,
        "ES256" => Algorithm::ES256,
        "EdDSA" => Algorithm::EdDSA,
        "HS256" => Algorithm::HS256,
        _ => return Err(TokenRefusal::Algorithm),
    };
    if said.kid.as_ref().is_some_and(|key| key.len() > LONGEST_NAME) {
        return Err(TokenRefusal::KeyUnknown);
    }
    Ok(Header { algorithm, key: said.kid })
}

/// What the token says, if its signature is that of one of these keys and its claims are in order. `None` if none of them is its key.
pub(crate) fn claims(
    token: &str,
    header: &Header,
    keys: &KeySet,
    rules: &Rules,
) -> Option<Result<Claims, TokenRefusal>> {
    let key = keys.find(header.key.as_deref(), header.algorithm)?;
    let mut validation = Validation::new(header.algorithm);
    validation.leeway = SKEW.as_secs();
    validation.validate_nbf = true;
    validation.set_issuer(&[&rules.issuer]);
    validation.set_audience(&[&rules.audience]);
    // What is not listed here is only looked at where a token has it.
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let read = jsonwebtoken::decode::<Raw>(token, key, &validation);
    Some(
        read.map_err(|error| refusal(&error))
            .and_then(|data| Claims::of(data.claims, now(), rules.longest_life)),
    )
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn refusal(error: &Error) -> TokenRefusal {
    match error.kind() {
        ErrorKind::InvalidSignature => TokenRefusal::Signature,
        ErrorKind::ExpiredSignature => TokenRefusal::Expired,
        ErrorKind::ImmatureSignature => TokenRefusal::NotYet,
        ErrorKind::InvalidIssuer => TokenRefusal::Issuer,
        ErrorKind::InvalidAudience => TokenRefusal::Audience,
        ErrorKind::MissingRequiredClaim(name) | ErrorKind::InvalidClaimFormat(name) => {
            TokenRefusal::Claim(match name.as_str() {
                "exp" => "exp",
                "nbf" => "nbf",
                "iss" => "iss",
                "aud" => "aud",
                _ => "sub",
            })
        }
        ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => TokenRefusal::Algorithm,
        _ => TokenRefusal::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::demo::Credentials;
    use crate::identity::development;
    use proptest::prelude::*;

    fn told(header: &str) -> Result<Header, TokenRefusal> {
        super::header(&format!("{}.e30.c2ln", URL_SAFE_NO_PAD.encode(header)))
    }

    #[test]
    fn a_header_that_means_something_else_is_refused() {
        for (header, refusal) in [
            (r#"{"alg":"none"}"#, TokenRefusal::Algorithm),
            (r#"{"alg":"None"}"#, TokenRefusal::Algorithm),
            (r#"{"alg":"HS512"}"#, TokenRefusal::Algorithm),
            (r#"{"alg":"PS256"}"#, TokenRefusal::Algorithm),
            (r#"{"alg":""}"#, TokenRefusal::Algorithm),
            (r#"{"alg":7}"#, TokenRefusal::Malformed),
            (r#"{"alg":"EdDSA","alg":"none"}"#, TokenRefusal::Malformed),
            (r#"{"typ":"JWT"}"#, TokenRefusal::Malformed),
            (r#"{"alg":"EdDSA","crit":["exp"]}"#, TokenRefusal::Critical),
            (r#"{"alg":"EdDSA","crit":["b64"],"b64":false}"#, TokenRefusal::Critical),
            (r#"{"alg":"EdDSA","b64":false}"#, TokenRefusal::Critical),
            (r#"{"alg":"EdDSA","typ":"logout+jwt"}"#, TokenRefusal::OtherKind),
            ("[]", TokenRefusal::Malformed),
            ("", TokenRefusal::Malformed),
        ] {
            assert_eq!(told(header), Err(refusal), "{header}");
        }
        let long = format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, "k".repeat(256));
        assert_eq!(told(&long), Err(TokenRefusal::KeyUnknown));
        assert_eq!(super::header(&"a".repeat(LONGEST + 1)), Err(TokenRefusal::TooLong));
        for header in [r#"{"alg":"EdDSA"}"#, r#"{"alg":"RS256","typ":"application/at+jwt","kid":"a"}"#] {
            assert!(told(header).is_ok(), "{header}");
        }
    }

    #[test]
    fn a_token_of_the_services_own_has_not_that_form() {
        for (token, is) in [("test.c2VjcmV0", false), ("a.b.c", true), ("", false), ("a.b.c.d", false)] {
            assert_eq!(is_signed(token), is, "{token}");
        }
    }

    /// A token of the first hour, and what judges it.
    fn signed() -> (String, KeySet, Rules) {
        let credentials = Credentials {
            provisioning_key: String::new(),
            access_token: String::new(),
            operator_token: String::new(),
            jwt_key: development::new_key().unwrap(),
            postgres_port: None,
        };
        let rules = Rules {
            issuer: development::ISSUER.to_owned(),
            audience: development::AUDIENCE.to_owned(),
            longest_life: development::LIFE,
        };
        (development::tokens(&credentials).unwrap().tenant, development::keys(&credentials).unwrap(), rules)
    }

    fn is_believed(token: &str, keys: &KeySet, rules: &Rules) -> bool {
        let judged = super::header(token).map(|header| claims(token, &header, keys, rules));
        matches!(judged, Ok(Some(Ok(_))))
    }

    #[test]
    fn with_any_one_byte_changed_it_is_refused() {
        let (token, keys, rules) = signed();
        assert!(is_believed(&token, &keys, &rules));
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ ";
        for at in 0..token.len() {
            for letter in letters.iter().filter(|letter| **letter != token.as_bytes()[at]) {
                let mut changed = token.clone().into_bytes();
                changed[at] = *letter;
                let changed = String::from_utf8(changed).unwrap();
                assert!(!is_believed(&changed, &keys, &rules), "byte {at} as {}", char::from(*letter));
            }
        }
        for cut in 0..token.len() {
            assert!(!is_believed(&token[..cut], &keys, &rules), "{cut} bytes of it");
        }
        for more in ["=", ".", "A", " ", "\n"] {
            assert!(!is_believed(&format!("{token}{more}"), &keys, &rules), "{more:?} after it");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_judged_and_not_believed(token in "\\PC{0,300}", parts in "[a-zA-Z0-9_-]{0,60}[.][a-zA-Z0-9_-]{0,90}[.][a-zA-Z0-9_-]{0,90}") {
            let (_, keys, rules) = signed();
            prop_assert!(!is_believed(&token, &keys, &rules));
            prop_assert!(!is_believed(&parts, &keys, &rules));
        }
    }
}
