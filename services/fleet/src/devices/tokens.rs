//! The tokens of a device: one counts at a time. A new one takes the place of the old one in a single transaction, so at
//! no time do two count, and at no time none that anybody knows.
//!
//! The hash that counts is in the registry, where a message is checked; the table of tokens keeps what was given when, and
//! its unique index keeps two from counting. When the token that counts is revoked, the registry gets a hash that no token
//! has, and not NULL: a device without a hash may be spoken for by the tenant's key, and a revoked one may not.

use super::registry_refusal::RegistryRefusal;
use super::{DeviceId, DeviceStatus};
use crate::affected::{NothingThere, any, exactly};
use crate::credentials::{TokenHash, new_token};
use crate::instant::StoredInstant;
use crate::refusal::NotDone;
use crate::tenants::{TenantId, TenantTx, transaction};
use plimsoll::{Database, Error, Result};

const LOCK: &str = "
    SELECT status FROM public.device_registry
    WHERE tenant_id = $1 AND device_id = $2 AND status <> 'DELETED' FOR UPDATE";

const REVOKE_ALL: &str = "
    UPDATE public.device_api_tokens SET revoked_at = clock_timestamp()
    WHERE tenant_id = $1 AND device_id = $2 AND revoked_at IS NULL";

const INSERT: &str = "
    INSERT INTO public.device_api_tokens (tenant_id, device_id, token_hash, label, created_at)
    VALUES ($1, $2, $3, $4, clock_timestamp()) RETURNING token_id::text, client_id";

const COUNTS: &str = "
    UPDATE public.device_registry SET provision_token_hash = $3, updated_at = now()
    WHERE tenant_id = $1 AND device_id = $2";

const REVOKE: &str = "
    UPDATE public.device_api_tokens SET revoked_at = clock_timestamp()
    WHERE tenant_id = $1 AND device_id = $2 AND token_id = $3::text::uuid AND revoked_at IS NULL
    RETURNING token_hash";

const COUNTS_NO_MORE: &str = "
    UPDATE public.device_registry SET provision_token_hash = $4, updated_at = now()
    WHERE tenant_id = $1 AND device_id = $2 AND provision_token_hash = $3";

const LIST: &str = "
    SELECT t.token_id::text, t.client_id, t.label, t.created_at, t.revoked_at
    FROM public.device_registry d
    LEFT JOIN public.device_api_tokens t ON t.tenant_id = d.tenant_id AND t.device_id = d.device_id
    WHERE d.tenant_id = $1 AND d.device_id = $2 AND d.status <> 'DELETED'
    ORDER BY t.created_at DESC, t.token_id LIMIT 100";

/// A new token. This is the only time that it is told.
#[derive(Debug)]
pub struct Rotated {
    /// Which row it is.
    pub token_id: String,
    /// By which name it is known.
    pub client_id: String,
    /// The token.
    pub token: String,
}

enum Turned {
    Done(String, String),
    NotThere,
    NotInUse,
}

/// Gives a device a new token, and revokes those that it had.
///
/// # Errors
/// Why not, and what the database failed with; the old token counts on then, unless the outcome is unknown.
///
/// # Cancel safety
/// All or nothing.
pub async fn rotate(
    db: &Database,
    tenant: &TenantId,
    device: &DeviceId,
    label: &str,
) -> std::result::Result<Rotated, NotDone<RegistryRefusal>> {
    let token = new_secret()?;
    let hash = TokenHash::of(&token).hex();
    let call = db.named("rotate token").resolvable();
    let work = async |tx: TenantTx| turn(&tx, device.as_str(), &hash, label).await;
    match transaction::retrying(call, tenant, work).await? {
        Turned::Done(token_id, client_id) => Ok(Rotated { token_id, client_id, token }),
        Turned::NotThere => Err(RegistryRefusal::DeviceNotFound.into()),
        Turned::NotInUse => Err(RegistryRefusal::NotInUse.into()),
    }
}

async fn turn(tx: &TenantTx, device: &str, hash: &str, label: &str) -> Result<Turned> {
    let Some(row) = tx.query_opt(LOCK, &[&tx.tenant(), &device]).await? else { return Ok(Turned::NotThere) };
    if matches!(DeviceStatus::parse(row.try_get(0)?), Some(DeviceStatus::Inactive | DeviceStatus::Revoked)) {
        return Ok(Turned::NotInUse);
    }
    tx.execute(REVOKE_ALL, &[&tx.tenant(), &device]).await?;
    let row = tx.query_one(INSERT, &[&tx.tenant(), &device, &hash, &label]).await?;
    exactly(1, tx.execute(COUNTS, &[&tx.tenant(), &device, &hash]).await?, "giving a device its token")?;
    Ok(Turned::Done(row.try_get(0)?, row.try_get(1)?))
}

/// Revokes one token. A device that has no other is let in by none until it is given one.
///
/// # Errors
/// [`NothingThere`] for a token that the device does not have or that was revoked, and what the database failed with.
///
/// # Cancel safety
/// All or nothing.
pub async fn revoke(
    db: &Database,
    tenant: &TenantId,
    device: &DeviceId,
    token_id: &str,
) -> std::result::Result<(), NotDone<NothingThere>> {
    if !is_uuid(token_id) {
        return Err(NothingThere.into());
    }
    let of_none = TokenHash::of(&new_secret()?).hex();
    let call = db.named("revoke token").resolvable();
    let work = async |tx: TenantTx| take_away(&tx, device.as_str(), token_id, &of_none).await;
    Ok(any(transaction::retrying(call, tenant, work).await?)?)
}

/// How many tokens were revoked.
async fn take_away(tx: &TenantTx, device: &str, token_id: &str, of_none: &str) -> Result<u64> {
    // The registry's row first, as everywhere; a token of a device that is gone is none any more.
    if tx.query_opt(LOCK, &[&tx.tenant(), &device]).await?.is_none() {
        return Ok(0);
    }
    let Some(row) = tx.query_opt(REVOKE, &[&tx.tenant(), &device, &token_id]).await? else { return Ok(0) };
    let hash: &str = row.try_get(0)?;
    tx.execute(COUNTS_NO_MORE, &[&tx.tenant(), &device, &hash, &of_none]).await?;
    Ok(1)
}

/// A token as it is listed, without its secret, which the service does not know.
#[derive(Debug)]
pub struct Token {
    /// Which row it is.
    pub token_id: String,
    /// By which name it is known.
    pub client_id: String,
    /// Who gave it.
    pub label: String,
    /// Since when.
    pub created_at: StoredInstant,
    /// Until when, if it does not count any more.
    pub revoked_at: Option<StoredInstant>,
}

/// The latest hundred tokens of a device, the newest first.
///
/// # Errors
/// [`RegistryRefusal::DeviceNotFound`], and what the database failed with.
///
/// # Cancel safety
/// Only reads.
pub async fn list(
    db: &Database,
    tenant: &TenantId,
    device: &DeviceId,
) -> std::result::Result<Vec<Token>, NotDone<RegistryRefusal>> {
    let call = db.named("list tokens").read_only();
    let read = async |tx: TenantTx| tx.query(LIST, &[&tx.tenant(), &device.as_str()]).await;
    let rows = transaction::retrying(call, tenant, read).await?;
    if rows.is_empty() {
        return Err(RegistryRefusal::DeviceNotFound.into());
    }
    let mut tokens = Vec::with_capacity(rows.len());
    for row in &rows {
        // A device without tokens is one row of nothing.
        if let Some(token_id) = row.try_get(0).map_err(Error::from)? {
            tokens.push(token(row, token_id)?);
        }
    }
    Ok(tokens)
}

fn token(row: &plimsoll::tokio_postgres::Row, token_id: String) -> Result<Token> {
    Ok(Token {
        token_id,
        client_id: row.try_get(1)?,
        label: row.try_get(2)?,
        created_at: row.try_get(3)?,
        revoked_at: row.try_get(4)?,
    })
}

fn new_secret() -> Result<String> {
    new_token().map_err(|problem| Error::abort(problem.to_string()))
}

/// 8-4-4-4-12 hex digits: what the table writes.
fn is_uuid(text: &str) -> bool {
    let is_digit = |(place, byte): (usize, u8)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(is_digit)
}
