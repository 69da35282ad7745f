//! Who is asking: from the bearer token to the tenant.
//!
//! A token is `<tenant>.<secret>`; the tenant it names decides under which tenant its hash is looked up, and never what
//! it may see. Signed tokens of an identity provider will come in by the same door: whatever the token is,
//! [`tenant_of`] gives the tenant that was proved, and no handler reads it from anywhere else.

use super::{TenantId, TenantTx, transaction};
use crate::credentials::TokenHash;
use crate::refusal::{NotDone, Proof, Refusal, RefusalKind};
use plimsoll::Database;
use std::borrow::Cow;

const HASHES: &str =
    "SELECT k.token_hash FROM public.tenant_access_tokens k JOIN public.tenants t USING (tenant_id)
     WHERE k.tenant_id = $1 AND k.revoked_at IS NULL AND t.status = 'ACTIVE'";

/// The token is no tenant's. It is not said which part of it was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenRefused;

impl Refusal for TokenRefused {
    fn kind(&self) -> RefusalKind {
        RefusalKind::NotProved(Proof::Bearer)
    }

    fn code(&self) -> &'static str {
        "TOKEN_INVALID"
    }

    fn detail(&self) -> Cow<'static, str> {
        "this token is not accepted".into()
    }
}

/// The tenant whose token this is.
///
/// # Errors
/// [`TokenRefused`] with one that is no tenant's, and what the database failed with.
///
/// # Cancel safety
/// Only reads.
pub async fn tenant_of(db: &Database, token: &str) -> Result<TenantId, NotDone<TokenRefused>> {
    let named = token.rsplit_once('.').and_then(|(tenant, _)| TenantId::parse(tenant));
    let tenant = named.ok_or(TokenRefused)?;
    let call = db.named("check access token").read_only();
    let rows =
        transaction::retrying(call, &tenant, async |tx: TenantTx| tx.query(HASHES, &[&tx.tenant()]).await);
    let shown = TokenHash::of(token);
    let mut known = false;
    for row in rows.await? {
        known |= shown.is(row.try_get(0).map_err(plimsoll::Error::from)?);
    }
    if known { Ok(tenant) } else { Err(TokenRefused.into()) }
}
