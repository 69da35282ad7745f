//! Why a token is not accepted.

use crate::refusal::{Proof, Refusal, RefusalKind};
use std::borrow::Cow;
use std::time::Duration;

/// Why the token of a person opens nothing. Of a token that was not made here it is said which part is wrong, since its maker has to
/// put that right; of one that was, it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRefusal {
    /// A token of this service's own that is no tenant's.
    NotAccepted,
    /// It is longer than any that is read.
    TooLong,
    /// It is no signed token in the compact form, or its header is not one.
    Malformed,
    /// Its `typ` says that it is for something else.
    OtherKind,
    /// Its header demands what this service does not know.
    Critical,
    /// It is signed in a way that is not accepted here.
    Algorithm,
    /// No key is known by that name.
    KeyUnknown,
    /// The keys of the identity provider cannot be had at the moment; it is worth asking again after this long.
    KeysAway(Duration),
    /// The signature is not that of the key.
    Signature,
    /// A claim is missing, or is not of its form.
    Claim(&'static str),
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYet,
    /// It is good for longer than any may be.
    LivesTooLong,
    /// It comes from another issuer.
    Issuer,
    /// It is meant for another service.
    Audience,
    /// It was revoked.
    Revoked,
    /// It names no tenant, or more than one.
    NoTenant,
    /// It names no tenant that has this service at the moment.
    TenantUnknown,
    /// It is an operator's, and this is a tenant's.
    OfOperator,
}

impl Refusal for TokenRefusal {
    fn kind(&self) -> RefusalKind {
        match self {
            TokenRefusal::KeysAway(after) => RefusalKind::NotNow(*after),
            TokenRefusal::NoTenant | TokenRefusal::TenantUnknown | TokenRefusal::OfOperator => {
                RefusalKind::Forbidden
            }
            _ => RefusalKind::NotProved(Proof::Bearer),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            TokenRefusal::NotAccepted => "TOKEN_INVALID",
            TokenRefusal::TooLong => "TOKEN_TOO_LONG",
            TokenRefusal::Malformed => "TOKEN_MALFORMED",
            TokenRefusal::OtherKind => "TOKEN_OF_OTHER_KIND",
            TokenRefusal::Critical => "TOKEN_CRITICAL_HEADER",
            TokenRefusal::Algorithm => "TOKEN_ALGORITHM",
            TokenRefusal::KeyUnknown => "TOKEN_KEY_UNKNOWN",
            TokenRefusal::KeysAway(_) => "TOKEN_KEYS_AWAY",
            TokenRefusal::Signature => "TOKEN_SIGNATURE",
            TokenRefusal::Claim(_) => "TOKEN_CLAIM",
            TokenRefusal::Expired => "TOKEN_EXPIRED",
            TokenRefusal::NotYet => "TOKEN_NOT_YET",
            TokenRefusal::LivesTooLong => "TOKEN_LIVES_TOO_LONG",
            TokenRefusal::Issuer => "TOKEN_ISSUER",
            TokenRefusal::Audience => "TOKEN_AUDIENCE",
            TokenRefusal::Revoked => "TOKEN_REVOKED",
            TokenRefusal::NoTenant => "TOKEN_TENANT_MISSING",
            TokenRefusal::TenantUnknown => "TOKEN_TENANT_UNKNOWN",
            TokenRefusal::OfOperator => "TOKEN_OF_OPERATOR",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            TokenRefusal::NotAccepted => "this token is not accepted".into(),
            TokenRefusal::TooLong => "the token is longer than 8192 bytes".into(),
            TokenRefusal::Malformed => "this is no signed token in the compact form (RFC 7519)".into(),
            TokenRefusal::OtherKind => "the header typ says that the token is for something else".into(),
            TokenRefusal::Critical => "the token's header has crit, of which nothing is known here".into(),
            TokenRefusal::Algorithm => "the token's alg is not accepted here".into(),
            TokenRefusal::KeyUnknown => "no key is known by the token's kid and alg".into(),
            TokenRefusal::KeysAway(_) => {
                "the keys of the identity provider cannot be fetched at the moment".into()
            }
            TokenRefusal::Signature => "the token's signature is wrong".into(),
            TokenRefusal::Claim(name) => {
                format!("the token's claim {name} is missing or does not have its form").into()
            }
            TokenRefusal::Expired => "the token has expired".into(),
            TokenRefusal::NotYet => "the token is not valid yet".into(),
            TokenRefusal::LivesTooLong => "the token is valid for longer than is accepted here".into(),
            TokenRefusal::Issuer => "the token is of another issuer".into(),
            TokenRefusal::Audience => "the token is meant for another audience".into(),
            TokenRefusal::Revoked => "the token was revoked".into(),
            TokenRefusal::NoTenant => "the token names no tenant, or more than one".into(),
            TokenRefusal::TenantUnknown => "the token's tenant is not served here".into(),
            TokenRefusal::OfOperator => "this token is an operator's and opens no tenant's data".into(),
        }
    }
}

/// The caller is known, and may not do this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PermissionMissing(pub &'static str);

impl Refusal for PermissionMissing {
    fn kind(&self) -> RefusalKind {
        RefusalKind::Forbidden
    }

    fn code(&self) -> &'static str {
        "PERMISSION_REQUIRED"
    }

    fn detail(&self) -> Cow<'static, str> {
        format!("Permission required: {}", self.0).into()
    }
}
