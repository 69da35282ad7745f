//! An operator's transaction: the only value through which the rows of all tenants can be reached, and never without a record.

use crate::affected::exactly;
use crate::audit::origin::Origin;
use crate::refusal::{NotDone, Refusal};
use plimsoll::tokio_postgres::types::ToSql;
use plimsoll::{Call, Error, Isolation, Result, Transaction};
use serde_json::Value;
use std::future::Future;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

/// The role, the person, and what decides over rows whatever the login prefers; as `tenants::transaction` has it for a tenant.
const BECOME: &str = "
    SELECT pg_catalog.set_config('role', 'fleet_operator', true),
           pg_catalog.set_config('app.operator', $1, true),
           pg_catalog.set_config('app.tenant_id', '', true),
           pg_catalog.set_config('search_path', 'public,pg_temp', true),
           pg_catalog.set_config('row_security', 'on', true),
           pg_catalog.set_config('synchronous_commit', login.durable, true),
           login.whole
    FROM (SELECT CASE pg_catalog.current_setting('synchronous_commit')
                 WHEN 'off' THEN 'local' ELSE pg_catalog.current_setting('synchronous_commit') END AS durable,
                 pg_catalog.current_setting('session_replication_role') = 'origin' AS whole) AS login";

const RECORD: &str = "
    INSERT INTO public.audit_log (tenant_id, actor_type, actor_id, action, object_type, object_id, outcome, reason, client,
                                  request_id, details)
    VALUES ($1, 'operator', $2, $3, $4, $5, $6, $7, $8, $9, $10::text::jsonb)";

/// The longest name of a person that is recorded, in characters.
const LONGEST: usize = 200;

/// What an operator is about to do, as it is recorded.
#[derive(Clone, Debug)]
pub struct Access {
    operator: String,
    action: &'static str,
    object_type: &'static str,
    object_id: Option<String>,
    tenant: Option<String>,
    details: Value,
}

impl Access {
    /// This person does this with things of this kind, of all tenants.
    #[must_use]
    pub fn new(operator: &str, action: &'static str, object_type: &'static str) -> Self {
        Access {
            operator: operator.chars().take(LONGEST).collect(),
            action,
            object_type,
            object_id: None,
            tenant: None,
            details: Value::Object(serde_json::Map::new()),
        }
    }

    /// With what is this tenant's.
    #[must_use]
    pub fn of_tenant(self, tenant: Option<&str>) -> Self {
        Access { tenant: tenant.map(str::to_owned), ..self }
    }

    /// With the one that has this id.
    #[must_use]
    pub fn with(self, id: &str) -> Self {
        Access { object_id: Some(id.to_owned()), ..self }
    }

    /// What else there is to say.
    #[must_use]
    pub fn details(self, details: Value) -> Self {
        Access { details, ..self }
    }
}

/// An open transaction that sees and changes what operators may, of all tenants. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct OperatorTx {
    transaction: Arc<Transaction>,
    operator: Arc<str>,
    made: Arc<Mutex<Option<String>>>,
}

impl OperatorTx {
    async fn open(transaction: Transaction, operator: &str) -> Result<Self> {
        let row = transaction.query_one(BECOME, &[&operator]).await?;
        if !row.try_get::<_, bool>(6)? {
            return Err(Error::abort(
                "session_replication_role is not origin for this login, and so no foreign key would be looked at: a \
                 superuser has to say ALTER ROLE .. RESET session_replication_role (or ALTER DATABASE)",
            ));
        }
        Ok(OperatorTx { transaction: Arc::new(transaction), operator: operator.into(), made: Arc::default() })
    }

    /// Who it is.
    #[must_use]
    pub fn operator(&self) -> &str {
        &self.operator
    }

    /// The record names what was made here, whose id was not known before.
    pub fn made(&self, id: &str) {
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) = Some(id.to_owned());
    }

    async fn record(&self, access: &Access, refused: Option<&str>) -> Result<()> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let object = made.or_else(|| access.object_id.clone());
        let outcome = if refused.is_none() { "DONE" } else { "REFUSED" };
        let Origin { client, request_id, .. } = Origin::current().unwrap_or_default();
        let details = access.details.to_string();
        let values: [&(dyn ToSql + Sync); 10] = [
            &access.tenant,
            &access.operator,
            &access.action,
            &access.object_type,
            &object,
            &outcome,
            &refused,
            &client,
            &request_id,
            &details,
        ];
        exactly(1, self.execute(RECORD, &values).await?, "recording an operator's access")
    }
}

impl Deref for OperatorTx {
    type Target = Transaction;

    fn deref(&self) -> &Transaction {
        &self.transaction
    }
}

/// Runs an operator's transaction, and again when it was rolled back for certain. What it did, or with which code it refused, is
/// recorded in it; so work that refuses has to do so before it writes.
///
/// # Errors
/// The refusal, which is on record; and what the database failed with, after which nothing is, unless the outcome is unknown.
///
/// # Cancel safety
/// As [`Call::retrying`].
pub async fn audited<T, R, F, Fut>(
    call: Call<'_>,
    access: &Access,
    work: F,
) -> std::result::Result<T, NotDone<R>>
where
    T: Send,
    R: Refusal + Send,
    F: Fn(OperatorTx) -> Fut + Send + Sync,
    Fut: Future<Output = Result<std::result::Result<T, R>>> + Send,
{
    let work = &work;
    let run = move |tx: Transaction| async move {
        let tx = OperatorTx::open(tx, &access.operator).await?;
        let done = work(tx.clone()).await?;
        tx.record(access, done.as_ref().err().map(Refusal::code)).await?;
        Ok(done)
    };
    Ok(call.isolation(Isolation::ReadCommitted).retrying(run).await??)
}
