//! Who is asking: from the bearer token to the tenant, and to what the caller may do there.
//!
//! A token of this service's own is `<tenant>.<secret>`; the tenant it names decides under which tenant its hash is looked up, and
//! never what it may see. The signed token of an identity provider has three parts, and names the tenant in its claims
//! ([`crate::identity`]). Whatever the token is, [`known`] gives what was proved, and no handler reads it from anywhere else.
//!
//! Both are looked up in the database with each request, in one question: a tenant that was suspended, a token that was revoked
//! and a person whose tokens were are refused from the next request on, by every instance.

use super::{TenantId, TenantTx, transaction};
use crate::credentials::TokenHash;
use crate::identity::Identity;
use crate::identity::claims::Claims;
use crate::identity::refusal::TokenRefusal;
use crate::identity::roles::Role;
use crate::identity::verify::is_signed;
use crate::refusal::NotDone;
use plimsoll::Database;

/// The longest token of the service's own, in bytes.
const LONGEST: usize = 512;

const HASHES: &str =
    "SELECT k.token_hash, k.role FROM public.tenant_access_tokens k JOIN public.tenants t USING (tenant_id)
     WHERE k.tenant_id = $1 AND k.revoked_at IS NULL AND t.status = 'ACTIVE'";

const SIGNED: &str = "
    SELECT EXISTS (SELECT FROM public.tenants WHERE tenant_id = $1 AND status = 'ACTIVE'),
           EXISTS (SELECT FROM public.token_revocations r WHERE r.tenant_id = $1
                   AND CASE WHEN r.jti IS NOT NULL THEN r.jti = $2
                            ELSE coalesce(r.subject = $3, true) AND r.not_before > to_timestamp($4) END)";

/// What a token has proved.
pub(crate) struct Known {
    pub(crate) tenant: TenantId,
    /// The subject of a signed token. A token of the service's own names no person.
    pub(crate) person: Option<String>,
    pub(crate) roles: Vec<Role>,
}

/// The tenant whose person shows this token, and the roles.
///
/// # Errors
/// [`TokenRefusal`] with one that is no tenant's, and what the database failed with.
///
/// # Cancel safety
/// Only reads.
pub(crate) async fn known(
    identity: &Identity,
    db: &Database,
    token: &str,
) -> Result<Known, NotDone<TokenRefusal>> {
    if !is_signed(token) || !identity.is_on() {
        return of_own(db, token).await;
    }
    identity.prepare(token).await;
    of_signed(db, identity.claims(token)?).await
}

async fn of_own(db: &Database, token: &str) -> Result<Known, NotDone<TokenRefusal>> {
    let short = Some(token).filter(|token| token.len() <= LONGEST);
    let named =
        short.and_then(|token| token.rsplit_once('.')).and_then(|(tenant, _)| TenantId::parse(tenant));
    let tenant = named.ok_or(TokenRefusal::NotAccepted)?;
    let call = db.named("check access token").read_only();
    let rows =
        transaction::retrying(call, &tenant, async |tx: TenantTx| tx.query(HASHES, &[&tx.tenant()]).await);
    let shown = TokenHash::of(token);
    let mut role = None;
    for row in rows.await? {
        let (hash, word): (&str, &str) =
            (row.try_get(0).map_err(plimsoll::Error::from)?, row.try_get(1).map_err(plimsoll::Error::from)?);
        if shown.is(hash) {
            role = Role::parse(word);
        }
    }
    match role {
        Some(role) => Ok(Known { tenant, person: None, roles: vec![role] }),
        None => Err(TokenRefusal::NotAccepted.into()),
    }
}

async fn of_signed(db: &Database, claims: Claims) -> Result<Known, NotDone<TokenRefusal>> {
    let tenant = claims.tenant()?.clone();
    let call = db.named("check signed token").read_only();
    let (id, subject, issued_at) = (&claims.id, &claims.subject, claims.issued_at);
    let ask = async |tx: TenantTx| {
        let row = tx.query_one(SIGNED, &[&tx.tenant(), id, subject, &issued_at]).await?;
        Ok((row.try_get::<_, bool>(0)?, row.try_get::<_, bool>(1)?))
    };
    match transaction::retrying(call, &tenant, ask).await? {
        (true, false) => Ok(Known { tenant, person: Some(claims.subject), roles: claims.roles }),
        (true, true) => Err(TokenRefusal::Revoked.into()),
        (false, _) => Err(TokenRefusal::TenantUnknown.into()),
    }
}
