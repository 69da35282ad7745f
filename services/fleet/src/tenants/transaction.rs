//! A tenant's transaction: the only value through which a tenant's rows can be reached.
//!
//! Row-level security compares each row with the setting `app.tenant_id`. A setting that belongs to the session would
//! stay behind for the next borrower of the connection, and one that is local to a transaction does nothing where no
//! transaction is open. So the two are one type here: a [`TenantTx`] is made from an open transaction, with the setting
//! made local to it before anything else runs, and there is no other way to make one. Both end together.

use super::TenantId;
use crate::audit::origin::Origin;
use plimsoll::{Call, Error, Isolation, Result, Transaction};
use std::future::Future;
use std::ops::Deref;

/// The tenant, and what decides over its rows whatever the login prefers (see [`crate::boot::session`]). One question, since
/// one has to be asked anyway; it answers whether foreign keys and triggers are in force.
///
/// Where a person's request asks for it, it also names the tenant as who acts, the person where the token named one, the address and the request, for the triggers that
/// record what is written (see [`crate::audit`]); elsewhere these are empty.
///
/// Who has turned `synchronous_commit` off would be told "stored" of rows that a crash takes; what is stronger is kept.
const BECOME: &str = "
    SELECT pg_catalog.set_config('app.tenant_id', $1, true),
           pg_catalog.set_config('search_path', 'public,pg_temp', true),
           pg_catalog.set_config('row_security', 'on', true),
           pg_catalog.set_config('synchronous_commit', login.durable, true),
           login.whole,
           pg_catalog.set_config('app.actor', $2, true),
           pg_catalog.set_config('app.client', $3, true),
           pg_catalog.set_config('app.request_id', $4, true),
           pg_catalog.set_config('app.person', $5, true)
    FROM (SELECT CASE pg_catalog.current_setting('synchronous_commit')
                 WHEN 'off' THEN 'local' ELSE pg_catalog.current_setting('synchronous_commit') END AS durable,
                 pg_catalog.current_setting('session_replication_role') = 'origin' AS whole) AS login";

/// The work here is written for this one, whatever the login's default is.
const ISOLATION: Isolation = Isolation::ReadCommitted;

/// An open transaction that sees one tenant's rows and no others.
pub struct TenantTx {
    transaction: Transaction,
    tenant: TenantId,
}

impl TenantTx {
    async fn open(transaction: Transaction, tenant: TenantId) -> Result<Self> {
        let origin = Origin::current();
        let actor = if origin.is_some() { tenant.as_str() } else { "" };
        let Origin { client, request_id, person } = origin.unwrap_or_default();
        let [client, request_id, person] = [client, request_id, person].map(Option::unwrap_or_default);
        let row =
            transaction.query_one(BECOME, &[&tenant.as_str(), &actor, &client, &request_id, &person]).await?;
        if !row.try_get::<_, bool>(4)? {
            return Err(Error::abort(
                "session_replication_role is not origin for this login, and so no foreign key would be looked at: a \
                 superuser has to say ALTER ROLE .. RESET session_replication_role (or ALTER DATABASE)",
            ));
        }
        Ok(TenantTx { transaction, tenant })
    }

    /// Whose it is. Statements name the tenant as well: it leads every key.
    #[must_use]
    pub fn tenant(&self) -> &str {
        self.tenant.as_str()
    }
}

impl Deref for TenantTx {
    type Target = Transaction;

    fn deref(&self) -> &Transaction {
        &self.transaction
    }
}

/// Runs a transaction of this tenant; `call` says its name and what it asks for. Runs once.
///
/// # Errors
/// As [`Call::transaction`].
///
/// # Cancel safety
/// As [`Call::transaction`].
pub fn once<'a, T, F, Fut>(
    call: Call<'a>,
    tenant: &TenantId,
    work: F,
) -> impl Future<Output = Result<T>> + Send + use<'a, T, F, Fut>
where
    T: Send,
    F: FnOnce(TenantTx) -> Fut + Send,
    Fut: Future<Output = Result<T>> + Send,
{
    let tenant = tenant.clone();
    call.isolation(ISOLATION)
        .transaction(move |tx| async move { work(TenantTx::open(tx, tenant).await?).await })
}

/// Runs a transaction of this tenant, and again when it was rolled back for certain.
///
/// # Errors
/// As [`Call::retrying`].
///
/// # Cancel safety
/// As [`Call::retrying`].
pub fn retrying<'a, T, F, Fut>(
    call: Call<'a>,
    tenant: &TenantId,
    work: F,
) -> impl Future<Output = Result<T>> + Send + use<'a, T, F, Fut>
where
    T: Send,
    F: Fn(TenantTx) -> Fut + Send + Sync,
    Fut: Future<Output = Result<T>> + Send,
{
    let tenant = tenant.clone();
    async move {
        let (work, tenant) = (&work, &tenant);
        call.isolation(ISOLATION)
            .retrying(move |tx| async move { work(TenantTx::open(tx, tenant.clone()).await?).await })
            .await
    }
}
