//! What a signed token says, and what follows from it. Whether it is to be believed is [`verify`](super::verify)'s.

use super::refusal::TokenRefusal;
use super::roles::Role;
use crate::tenants::TenantId;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// The clocks of an issuer and of this machine may differ by so much.
pub(crate) const SKEW: Duration = Duration::from_secs(60);

/// Names of people and of tokens are no longer, in bytes.
const LONGEST_NAME: usize = 255;

/// The claims as they are written. The library has checked `exp`, `nbf`, `iss` and `aud` before they are looked at.
#[derive(Deserialize)]
pub(crate) struct Raw {
    sub: Option<Value>,
    jti: Option<Value>,
    iat: Option<f64>,
    exp: Option<f64>,
    /// One issuer: the library would take a list in which one is right.
    iss: Option<Value>,
    organization: Option<Value>,
    tenant_id: Option<Value>,
    roles: Option<Value>,
    realm_access: Option<Value>,
}

/// What is used of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Claims {
    /// Who.
    pub(crate) subject: String,
    /// The token's own name, where it has one.
    pub(crate) id: Option<String>,
    /// When it was made, in seconds.
    pub(crate) issued_at: f64,
    /// As it is named; missing, empty or ambiguous it is a refusal where a tenant is needed.
    tenant: Result<TenantId, TokenRefusal>,
    /// What the person may do.
    pub(crate) roles: Vec<Role>,
    /// Whether an operator's, and one who may act.
    pub(crate) operator: Option<MayAct>,
}

/// Whether an operator may act, or only look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MayAct(pub(crate) bool);

impl Claims {
    /// Reads them, at this time, which is in seconds.
    pub(crate) fn of(raw: Raw, now: f64, longest_life: Duration) -> Result<Self, TokenRefusal> {
        let name = |value: Option<Value>, claim| match value {
            Some(Value::String(name)) if is_name(&name) => Ok(name),
            _ => Err(TokenRefusal::Claim(claim)),
        };
        let id = raw.jti.map(|jti| name(Some(jti), "jti")).transpose()?;
        let finite = |number: Option<f64>| number.filter(|number| number.is_finite() && *number >= 0.0);
        let issued_at = finite(raw.iat).ok_or(TokenRefusal::Claim("iat"))?;
        let expires = finite(raw.exp).ok_or(TokenRefusal::Claim("exp"))?;
        if issued_at > now + SKEW.as_secs_f64() {
            return Err(TokenRefusal::NotYet);
        }
        if expires - issued_at > longest_life.as_secs_f64() {
            return Err(TokenRefusal::LivesTooLong);
        }
        if !matches!(raw.iss, Some(Value::String(_))) {
            return Err(TokenRefusal::Issuer);
        }
        let words = words(raw.roles.as_ref(), raw.realm_access.as_ref());
        let has = |word: &str| words.iter().any(|one| one.eq_ignore_ascii_case(word));
        let acts = has("operator-admin");
        Ok(Claims {
            subject: name(raw.sub, "sub")?,
            id,
            issued_at,
            tenant: tenant(raw.organization.as_ref(), raw.tenant_id.as_ref()),
            roles: words.iter().filter_map(|word| Role::parse(word)).collect(),
            operator: (acts || has("operator")).then_some(MayAct(acts)),
        })
    }

    /// The tenant whose person this is. An operator is no tenant's, whatever else the token says: the two planes are apart.
    pub(crate) fn tenant(&self) -> Result<&TenantId, TokenRefusal> {
        match self.operator {
            Some(_) => Err(TokenRefusal::OfOperator),
            None => self.tenant.as_ref().map_err(|refusal| *refusal),
        }
    }
}

/// What may be in a log, and in a table.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len()) && !name.chars().any(char::is_control)
}

/// `organization`, or where that is missing the older `tenant_id`. Two that differ name no one, and neither does a list of several.
fn tenant(organization: Option<&Value>, legacy: Option<&Value>) -> Result<TenantId, TokenRefusal> {
    let one = |value: &Value| {
        let name = match value {
            Value::String(name) => Some(name.as_str()),
            // Some providers write the organisations of a person as a list, or as an object by their names.
            Value::Array(names) => match &names[..] {
                [Value::String(name)] => Some(name.as_str()),
                _ => None,
            },
            Value::Object(names) if names.len() == 1 => names.keys().next().map(String::as_str),
            _ => None,
        };
        name.and_then(TenantId::parse).ok_or(TokenRefusal::NoTenant)
    };
    match (organization, legacy) {
        (None, None) => Err(TokenRefusal::NoTenant),
        (Some(value), None) | (None, Some(value)) => one(value),
        (Some(value), Some(legacy)) => {
            let (tenant, other) = (one(value)?, one(legacy)?);
            if tenant == other { Ok(tenant) } else { Err(TokenRefusal::NoTenant) }
        }
    }
}

/// `roles`, and those of `realm_access`, where Keycloak has them.
fn words<'a>(roles: Option<&'a Value>, realm_access: Option<&'a Value>) -> Vec<&'a str> {
    let of_realm = realm_access.and_then(|realm| realm.get("roles"));
    let lists = [roles, of_realm].into_iter().flatten().filter_map(Value::as_array);
    lists.flatten().filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(change: Value) -> Result<Claims, TokenRefusal> {
        let mut claims =
            json!({ "sub": "anna", "iat": 1000, "exp": 2000, "iss": "i", "organization": "acme" });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        Claims::of(serde_json::from_value(claims).unwrap(), 1500.0, Duration::from_secs(3600))
    }

    fn tenant_of(change: Value) -> Result<String, TokenRefusal> {
        of(change)?.tenant().map(|tenant| tenant.as_str().to_owned())
    }

    #[test]
    fn a_tenant_is_one_or_none() {
        for one in [
            json!({}),
            json!({ "organization": ["acme"] }),
            json!({ "organization": { "acme": { "id": 7 } } }),
            json!({ "organization": null, "tenant_id": "acme" }),
            json!({ "tenant_id": "acme" }),
        ] {
            assert_eq!(tenant_of(one.clone()).as_deref(), Ok("acme"), "{one}");
        }
        for none in [
            json!({ "organization": null }),
            json!({ "organization": "" }),
            json!({ "organization": " " }),
            json!({ "organization": "", "tenant_id": "acme" }),
            json!({ "organization": [] }),
            json!({ "organization": ["acme", "other"] }),
            json!({ "organization": { "acme": {}, "other": {} } }),
            json!({ "organization": 7 }),
            json!({ "organization": true }),
            json!({ "tenant_id": "other" }),
            json!({ "organization": "acme' OR true" }),
        ] {
            assert_eq!(tenant_of(none.clone()), Err(TokenRefusal::NoTenant), "{none}");
        }
    }

    #[test]
    fn the_planes_are_apart() {
        let both = of(json!({ "roles": ["operator", "full-admin"] })).unwrap();
        assert_eq!(both.tenant(), Err(TokenRefusal::OfOperator));
        assert_eq!(both.operator, Some(MayAct(false)));
        assert_eq!(of(json!({ "roles": ["operator-admin"] })).unwrap().operator, Some(MayAct(true)));
        for none in [json!({}), json!({ "roles": ["operators", 7] }), json!({ "roles": "operator" })] {
            assert_eq!(of(none).unwrap().operator, None);
        }
        let realm =
            of(json!({ "realm_access": { "roles": ["viewer"] }, "roles": ["Device Manager"] })).unwrap();
        assert_eq!(realm.roles, [Role::DeviceManager, Role::Viewer]);
    }

    #[test]
    fn what_is_needed_must_be_there_and_in_its_bounds() {
        for (change, refusal) in [
            (json!({ "sub": null }), TokenRefusal::Claim("sub")),
            (json!({ "sub": "" }), TokenRefusal::Claim("sub")),
            (json!({ "sub": "anna\nben" }), TokenRefusal::Claim("sub")),
            (json!({ "sub": 7 }), TokenRefusal::Claim("sub")),
            (json!({ "sub": "x".repeat(256) }), TokenRefusal::Claim("sub")),
            (json!({ "jti": "" }), TokenRefusal::Claim("jti")),
            (json!({ "iat": null }), TokenRefusal::Claim("iat")),
            (json!({ "iat": -1 }), TokenRefusal::Claim("iat")),
            (json!({ "iat": 1561 }), TokenRefusal::NotYet),
            (json!({ "exp": 4601 }), TokenRefusal::LivesTooLong),
            (json!({ "iss": ["i", "j"] }), TokenRefusal::Issuer),
        ] {
            assert_eq!(of(change.clone()), Err(refusal), "{change}");
        }
        assert!(of(json!({ "iat": 1560, "exp": 5160 })).is_ok());
    }
}
