//! Signed tokens that are accepted no more, though their time is not over.
//!
//! Of a tenant's tokens the database is asked with each request, in the same question that asks for the tenant
//! ([`crate::tenants::access`]): what was revoked by any instance counts from the next request on. Those of operators are judged
//! without the database, from a list that each instance keeps. It is read anew when another instance tells of a change (LISTEN),
//! and every [`TTL`] in any case, which holds also where nothing can be heard, such as behind a transaction pooler. While the
//! database is away the last list counts for [`GOOD_FOR`]; then, and before the first one, no signed token of an operator is
//! accepted, and those who are on call show the service's own.

use super::claims::Claims;
use super::provider::Identity;
use crate::affected::NothingThere;
use crate::refusal::{NotDone, Refusal, RefusalKind};
use crate::tenants::{TenantId, TenantTx, transaction};
use plimsoll::listen::{Listener, Message};
use plimsoll::{Database, Error, Result, Transaction};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::watch;

const CHANNEL: &str = "token_revocations";

/// The list is never older while the database answers.
pub(crate) const TTL: Duration = Duration::from_secs(5);

/// While it does not, the last list counts for so long.
const GOOD_FOR: Duration = Duration::from_secs(900);

/// After listening has failed, it is tried again.
const LISTEN_AGAIN: Duration = Duration::from_secs(60);

/// There are no more for operators: each instance holds all of them.
const MOST: i64 = 10_000;

/// For this transaction, the policy lets the rows of operators be seen.
const BECOME: &str = "
    SELECT pg_catalog.set_config('app.work', 'operator revocations', true),
           pg_catalog.set_config('row_security', 'on', true)";

const LIST: &str = "
    SELECT jti, subject, extract(epoch FROM not_before)::float8 FROM public.token_revocations
    WHERE tenant_id IS NULL AND until > now() ORDER BY revocation_id DESC LIMIT 10001";

/// One statement, so that there is nothing between forgetting what is over and adding.
const ADD_OPERATORS: &str = "
    WITH forgotten AS (DELETE FROM public.token_revocations WHERE tenant_id IS NULL AND until <= now())
    INSERT INTO public.token_revocations (jti, subject, not_before, until, created_by)
    SELECT $1, $2, clock_timestamp(), clock_timestamp() + make_interval(secs => $3), $4
    WHERE (SELECT count(*) FROM public.token_revocations WHERE tenant_id IS NULL AND until > now()) < $5";

const ADD: &str = "
    WITH forgotten AS (DELETE FROM public.token_revocations WHERE tenant_id = $1 AND until <= now())
    INSERT INTO public.token_revocations (tenant_id, jti, subject, not_before, until, created_by)
    SELECT tenant_id, $2, $3, clock_timestamp(), clock_timestamp() + make_interval(secs => $4), $5
    FROM public.tenants WHERE tenant_id = $1";

const END_ACCESS_TOKENS: &str = "
    UPDATE public.tenant_access_tokens SET revoked_at = clock_timestamp()
    WHERE tenant_id = $1 AND label = $2 AND revoked_at IS NULL";

/// What is revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The token of this `jti`.
    Token(String),
    /// What this person was given until now.
    Subject(String),
    /// What anyone was given until now.
    Everyone,
    /// The tokens of the service's own that have this label.
    AccessTokens(String),
}

/// Why it was not revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RevocationRefusal {
    /// There is no such tenant, or no such token.
    NothingThere,
    /// There is no room for another.
    TooMany,
}

impl Refusal for RevocationRefusal {
    fn kind(&self) -> RefusalKind {
        match self {
            RevocationRefusal::NothingThere => NothingThere.kind(),
            RevocationRefusal::TooMany => RefusalKind::Conflict,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            RevocationRefusal::NothingThere => NothingThere.code(),
            RevocationRefusal::TooMany => "TOO_MANY_REVOCATIONS",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            RevocationRefusal::NothingThere => NothingThere.detail(),
            RevocationRefusal::TooMany => {
                "10,000 revocations of operators' tokens are in force: revoke by sub, or all of them".into()
            }
        }
    }
}

/// Revokes, for as long as any token may live. Without a tenant it is about operators.
///
/// # Errors
/// [`RevocationRefusal`], and as any transaction's.
///
/// # Cancel safety
/// All or nothing.
pub(crate) async fn revoke(
    db: &Database,
    tenant: Option<&TenantId>,
    what: &What,
    by: &str,
    longest_life: f64,
) -> std::result::Result<(), NotDone<RevocationRefusal>> {
    let (token, subject) = match what {
        What::Token(token) => (Some(token.as_str()), None),
        What::Subject(subject) => (None, Some(subject.as_str())),
        What::Everyone | What::AccessTokens(_) => (None, None),
    };
    let call = db.named("revoke tokens").resolvable();
    let Some(tenant) = tenant else {
        let work = async |tx: Transaction| {
            tx.query_one(BECOME, &[]).await?;
            tx.execute(ADD_OPERATORS, &[&token, &subject, &longest_life, &by, &MOST]).await
        };
        let added = call.retrying(work).await?;
        return if added > 0 { Ok(()) } else { Err(RevocationRefusal::TooMany.into()) };
    };
    let work = async |tx: TenantTx| match what {
        What::AccessTokens(label) => tx.execute(END_ACCESS_TOKENS, &[&tx.tenant(), label]).await,
        _ => tx.execute(ADD, &[&tx.tenant(), &token, &subject, &longest_life, &by]).await,
    };
    let changed = transaction::retrying(call, tenant, work).await?;
    if changed > 0 { Ok(()) } else { Err(RevocationRefusal::NothingThere.into()) }
}

/// What is known of the revoked tokens of operators. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct OperatorRevocations(Arc<RwLock<Option<List>>>);

struct List {
    read_at: Instant,
    tokens: HashSet<String>,
    /// Before when what they were given does not count, in seconds.
    subjects: HashMap<String, f64>,
    everyone: f64,
}

/// Whether a token was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Revoked {
    Yes,
    No,
    /// The database was not asked lately.
    NotKnown,
}

impl OperatorRevocations {
    /// Whether this token was revoked, at this time.
    pub(crate) fn judge(&self, claims: &Claims, now: Instant) -> Revoked {
        let list = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let good = |list: &&List| now.saturating_duration_since(list.read_at) <= GOOD_FOR;
        let Some(list) = list.as_ref().filter(good) else { return Revoked::NotKnown };
        let by_id = claims.id.as_ref().is_some_and(|id| list.tokens.contains(id));
        let not_before = list.subjects.get(&claims.subject).copied().unwrap_or_default().max(list.everyone);
        if by_id || claims.issued_at < not_before { Revoked::Yes } else { Revoked::No }
    }

    /// Reads them all.
    async fn read(&self, db: &Database) -> Result<()> {
        let read_at = Instant::now();
        let work = async |tx: Transaction| {
            tx.query_one(BECOME, &[]).await?;
            tx.query(LIST, &[]).await
        };
        let rows = db.named("revoked tokens of operators").read_only().retrying(work).await?;
        if i64::try_from(rows.len()).unwrap_or(i64::MAX) > MOST {
            return Err(Error::abort("there are more than 10,000 revocations of operators' tokens"));
        }
        let mut list = List { read_at, tokens: HashSet::new(), subjects: HashMap::new(), everyone: 0.0 };
        for row in rows {
            let (token, subject, not_before): (Option<String>, Option<String>, f64) =
                (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            match (token, subject) {
                (Some(token), _) => {
                    list.tokens.insert(token);
                }
                (None, Some(subject)) => {
                    let known = list.subjects.entry(subject).or_default();
                    *known = known.max(not_before);
                }
                (None, None) => list.everyone = list.everyone.max(not_before),
            }
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(list);
        Ok(())
    }
}

/// Keeps the list until `stop` is raised; a background task of the service.
pub(crate) async fn keep(identity: Identity, db: Database, mut stop: watch::Receiver<bool>) {
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => {}
        () = keep_reading(identity.revoked(), &db) => {}
    }
}

/// Ends when the pool is closed.
async fn keep_reading(revoked: &OperatorRevocations, db: &Database) {
    let mut listener = None;
    let mut listen_at = Instant::now();
    let mut fails = false;
    loop {
        if listener.is_none() && Instant::now() >= listen_at {
            listen_at = Instant::now() + LISTEN_AGAIN;
            match db.listen([CHANNEL]).await {
                Ok(new) => listener = Some(new),
                Err(error) => tracing::info!(
                    "what other instances revoke is not heard, and looked for every {TTL:?} instead: {error}"
                ),
            }
        }
        let read = revoked.read(db).await;
        match &read {
            Err(error) if !fails => tracing::warn!("the revoked tokens of operators cannot be read: {error}"),
            _ => {}
        }
        fails = read.is_err();
        tokio::select! {
            () = tokio::time::sleep(TTL) => {}
            heard = next(listener.as_mut()) => match heard {
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(error) => {
                    tracing::info!("what other instances revoke is not heard any more: {error}");
                    listener = None;
                }
            },
        }
    }
}

async fn next(listener: Option<&mut Listener>) -> Result<Option<Message>> {
    match listener {
        Some(listener) => listener.recv().await,
        None => std::future::pending().await,
    }
}
