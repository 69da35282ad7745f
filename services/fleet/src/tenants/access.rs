//! Who is asking: from the bearer token to the tenant.
//!
//! A token is `<tenant>.<secret>`; the tenant it names decides under which tenant its hash is looked up, and never what
//! it may see. Signed tokens of an identity provider will come in by the same door: whatever the token is,
//! [`tenant_of`] gives the tenant that was proved, and no handler reads it from anywhere else.

use super::{TenantId, TenantTx, transaction};
use crate::credentials::TokenHash;
use crate::http::problem::{Problem, Proof, Reply};
use axum::http::{HeaderMap, header};
use plimsoll::Database;

const HASHES: &str =
    "SELECT k.token_hash FROM public.tenant_access_tokens k JOIN public.tenants t USING (tenant_id)
     WHERE k.tenant_id = $1 AND k.revoked_at IS NULL AND t.status = 'ACTIVE'";

const LONGEST: usize = 512;

/// The tenant whose token the request shows.
///
/// # Errors
/// 401 without a token, and with one that is nobody's: it is not said which part of it was wrong.
///
/// # Cancel safety
/// Only reads.
pub async fn tenant_of(db: &Database, headers: &HeaderMap) -> Reply<TenantId> {
    let token = bearer(headers)?;
    let refused = || Problem::token_invalid(Proof::Bearer, "this token is not accepted");
    let tenant =
        token.rsplit_once('.').and_then(|(tenant, _)| TenantId::parse(tenant)).ok_or_else(refused)?;
    let call = db.named("check access token").read_only();
    let rows =
        transaction::retrying(call, &tenant, async |tx: TenantTx| tx.query(HASHES, &[&tx.tenant()]).await);
    let shown = TokenHash::of(token);
    let mut known = false;
    for row in rows.await? {
        known |= shown.is(row.try_get(0).map_err(plimsoll::Error::from)?);
    }
    if known { Ok(tenant) } else { Err(refused()) }
}

/// The token of `Authorization: Bearer <token>`.
///
/// # Errors
/// 401 with what is missing.
pub fn bearer(headers: &HeaderMap) -> Reply<&str> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(Problem::token_missing(Proof::Bearer));
    };
    let token = value.to_str().ok().and_then(|value| {
        let (scheme, token) = value.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let refused = || {
        let detail = "the header Authorization does not have the form Bearer <token>";
        Problem::token_invalid(Proof::Bearer, detail)
    };
    token.filter(|token| (1..=LONGEST).contains(&token.len())).ok_or_else(refused)
}
