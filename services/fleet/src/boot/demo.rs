//! The tenant of the first hour: so that a reading can be sent a minute after the service was first started.
//!
//! Its secrets are random, since a well-known default is the first thing that is tried on a service that was put on a
//! network by mistake. They are kept in a file that only its owner reads, and so stay the same from start to start;
//! the database holds only their hashes.

use crate::boot::private_file;
use crate::credentials::{TokenHash, new_token};
use crate::identity::development;
use crate::tenants::{TenantId, TenantTx, transaction};
use plimsoll::{Database, Error, Result};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::Path;

/// The tenant's name.
pub const TENANT: &str = "test";

const FILE: &str = "dev-credentials.json";

/// What the first hour needs to be remembered.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// What devices show at first: the header X-Provision-Token.
    pub provisioning_key: String,
    /// What people show: `Authorization: Bearer`.
    pub access_token: String,
    /// What operators show: `Authorization: Bearer`.
    #[serde(default)]
    pub operator_token: String,
    /// The private key of signed tokens, in PKCS#8.
    #[serde(default)]
    pub jwt_key: String,
    /// The port of the service's own PostgreSQL, so that it is found there the next time too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres_port: Option<u16>,
}

impl Credentials {
    /// Those in the folder; new ones where there are none.
    ///
    /// # Errors
    /// When the file can neither be read nor written, or holds something else.
    pub fn of_folder(folder: &Path) -> io::Result<Self> {
        match fs::read(folder.join(FILE)) {
            Ok(text) => {
                let mut kept: Self = serde_json::from_slice(&text).map_err(|problem| {
                    let file = folder.join(FILE);
                    io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!("{} cannot be read ({problem}): correct or delete it", file.display()),
                    )
                })?;
                // A file from before there were operators, or signed tokens.
                let is_older = kept.operator_token.is_empty() || kept.jwt_key.is_empty();
                if kept.operator_token.is_empty() {
                    kept.operator_token = new_token().map_err(io::Error::other)?;
                }
                if kept.jwt_key.is_empty() {
                    kept.jwt_key = development::new_key().map_err(io::Error::other)?;
                }
                if is_older {
                    kept.keep(folder)?;
                }
                Ok(kept)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let new = Credentials {
                    provisioning_key: new_token().map_err(io::Error::other)?,
                    access_token: format!("{TENANT}.{}", new_token().map_err(io::Error::other)?),
                    operator_token: new_token().map_err(io::Error::other)?,
                    jwt_key: development::new_key().map_err(io::Error::other)?,
                    postgres_port: None,
                };
                new.keep(folder)?;
                Ok(new)
            }
            Err(error) => Err(error),
        }
    }

    /// What people of the made-up tenant show, in development: the same secret under the other tenant's name.
    #[cfg(feature = "dev")]
    #[must_use]
    pub fn made_up_token(&self) -> String {
        let secret =
            self.access_token.split_once('.').map_or(self.access_token.as_str(), |(_, secret)| secret);
        format!("{}.{secret}", crate::play::TENANT)
    }

    /// Writes them down, for the owner's eyes only; whole or not at all.
    ///
    /// # Errors
    /// As any writing.
    pub fn keep(&self, folder: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        private_file::write(&folder.join(FILE), &text)
    }
}

/// Makes the tenant, its site, its subscription and its secrets, as far as they are not there.
///
/// # Errors
/// As any transaction's.
///
/// # Cancel safety
/// All or nothing.
pub async fn seed(owner: &Database, credentials: &Credentials) -> Result<()> {
    let work = async |tx: TenantTx| seed_tenant(&tx, credentials, &credentials.access_token).await;
    transaction::retrying(owner.named("seed the first tenant"), &id(TENANT)?, work).await
}

/// The same for the made-up devices of the start page, which have a tenant of their own and show the same key; and what their
/// console shows.
#[cfg(feature = "dev")]
pub(crate) async fn seed_made_up(owner: &Database, credentials: &Credentials) -> Result<()> {
    let token = credentials.made_up_token();
    let work = async |tx: TenantTx| {
        seed_tenant(&tx, credentials, &token).await?;
        crate::play::scene::set(&tx).await
    };
    transaction::retrying(owner.named("seed the made-up tenant"), &id(crate::play::TENANT)?, work).await
}

fn id(tenant: &str) -> Result<TenantId> {
    TenantId::parse(tenant).ok_or_else(|| Error::abort("the demo tenant's name is none"))
}

async fn seed_tenant(tx: &TenantTx, credentials: &Credentials, token: &str) -> Result<()> {
    let (key, token) = (TokenHash::of(&credentials.provisioning_key).hex(), TokenHash::of(token).hex());
    tx.advisory_lock(("seed", tx.tenant())).await?;
    tx.execute(
        "INSERT INTO public.tenants (tenant_id, name, provision_key_hash) VALUES ($1, 'The first tenant', $2)
         ON CONFLICT (tenant_id) DO UPDATE SET provision_key_hash = excluded.provision_key_hash",
        &[&tx.tenant(), &key],
    )
    .await?;
    tx.execute(
        "INSERT INTO public.sites (tenant_id, site_id, name) VALUES ($1, 'default', 'The default site')
         ON CONFLICT DO NOTHING",
        &[&tx.tenant()],
    )
    .await?;
    tx.execute(
        "INSERT INTO public.subscriptions (tenant_id, subscription_id, subscription_type, device_limit, term_end,
                                    description, created_by)
         SELECT $1, to_char(now() AT TIME ZONE 'UTC', '\"SUB-\"YYYYMMDD\"-00001\"'), 'MAIN', 1000, now() + make_interval(years => 10),
                'for the first hour', 'demo'
         WHERE NOT EXISTS (SELECT FROM public.subscriptions WHERE tenant_id = $1)",
        &[&tx.tenant()],
    )
    .await?;
    tx.execute(
        "INSERT INTO public.tenant_access_tokens (tenant_id, token_hash, label) VALUES ($1, $2, 'demo')
         ON CONFLICT DO NOTHING",
        &[&tx.tenant(), &token],
    )
    .await
    .map(drop)
}
