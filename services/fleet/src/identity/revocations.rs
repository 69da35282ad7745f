//! Signed tokens that are accepted no more, though their time is not over.
//!
//! Of a tenant's tokens the database is asked with each request, in the same question that asks for the tenant
//! ([`crate::tenants::access`]): what was revoked by any instance counts from the next request on. Those of operators are judged
//! from a list that each instance keeps. It is read when such a token is shown, if the list is older than [`TTL`] or another
//! instance has told of a change (LISTEN); the [`TTL`] holds also where nothing can be heard, such as behind a transaction pooler.
//! While the database is away the last list counts for [`GOOD_FOR`]; then, and before the first one, no signed token of an operator
//! is accepted, and those who are on call show the service's own.

use super::claims::Claims;
use super::provider::Identity;
use crate::affected::NothingThere;
use crate::refusal::{NotDone, Refusal, RefusalKind};
use crate::tenants::{TenantId, TenantTx, transaction};
use plimsoll::{Database, Error, Result, Transaction};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::watch;

const CHANNEL: &str = "token_revocations";

/// A list that is older is read anew.
pub(crate) const TTL: Duration = Duration::from_secs(5);

/// An operator waits no longer for the list, and for so long after it could not be read no one asks again.
const WAIT: Duration = Duration::from_secs(1);

/// While the database is away, the last list counts for so long.
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
pub(crate) struct OperatorRevocations(Arc<Inner>);

#[derive(Default)]
struct Inner {
    known: RwLock<Known>,
    /// Held by the one who reads; who waits for it has what was read.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    list: Option<List>,
    /// How often a change was heard of.
    heard: u64,
    /// When the list was asked for last, whatever came of it.
    tried_at: Option<Instant>,
}

struct List {
    read_at: Instant,
    /// As it was when the list was asked for.
    heard: u64,
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
    /// The database was not asked lately, or has told of a change that could not be read yet.
    NotKnown,
}

impl OperatorRevocations {
    /// Whether this token was revoked, at this time.
    pub(crate) fn judge(&self, claims: &Claims, now: Instant) -> Revoked {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        let is_good = |list: &&List| {
            list.heard == known.heard && now.saturating_duration_since(list.read_at) <= GOOD_FOR
        };
        let Some(list) = known.list.as_ref().filter(is_good) else { return Revoked::NotKnown };
        let by_id = claims.id.as_ref().is_some_and(|id| list.tokens.contains(id));
        let not_before = list.subjects.get(&claims.subject).copied().unwrap_or_default().max(list.everyone);
        if by_id || claims.issued_at < not_before { Revoked::Yes } else { Revoked::No }
    }

    /// Reads the list anew if it is older than [`TTL`] or a change was heard of. It is waited for [`WAIT`] and no longer: then what is
    /// known decides.
    ///
    /// # Cancel safety
    /// Dropped, the list is as it was.
    pub(crate) async fn refresh(&self, db: &Database) {
        let read = async {
            let _one = self.0.reading.lock().await;
            if let Some(heard) = self.begin(Instant::now())
                && let Err(error) = self.read(db, heard).await
            {
                tracing::warn!("the revoked tokens of operators cannot be read: {error}");
            }
        };
        // What it could not do in time the next request tries again.
        let _ = tokio::time::timeout(WAIT, read).await;
    }

    /// Whether the list is to be read at this time; if so, how often a change was heard of until now.
    fn begin(&self, now: Instant) -> Option<u64> {
        let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
        let since = |then: Instant| now.saturating_duration_since(then);
        let is_fresh = |list: &List| list.heard == known.heard && since(list.read_at) < TTL;
        let has_failed = known.tried_at.is_some_and(|tried| since(tried) < WAIT)
            && known.list.as_ref().is_none_or(|list| Some(list.read_at) < known.tried_at);
        if known.list.as_ref().is_some_and(is_fresh) || has_failed {
            return None;
        }
        known.tried_at = Some(now);
        Some(known.heard)
    }

    /// Reads them all.
    async fn read(&self, db: &Database, heard: u64) -> Result<()> {
        let read_at = Instant::now();
        let work = async |tx: Transaction| {
            tx.query_one(BECOME, &[]).await?;
            tx.query(LIST, &[]).await
        };
        let rows = db.named("revoked tokens of operators").read_only().retrying(work).await?;
        if i64::try_from(rows.len()).unwrap_or(i64::MAX) > MOST {
            return Err(Error::abort("there are more than 10,000 revocations of operators' tokens"));
        }
        let (tokens, subjects) = (HashSet::new(), HashMap::new());
        let mut list = List { read_at, heard, tokens, subjects, everyone: 0.0 };
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
        self.0.known.write().unwrap_or_else(PoisonError::into_inner).list = Some(list);
        Ok(())
    }

    fn has_changed(&self) {
        let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
        known.heard = known.heard.wrapping_add(1);
    }
}

/// Hears of changes until `stop` is raised; a background task of the service. It reads nothing itself.
pub(crate) async fn hear(identity: Identity, db: Database, mut stop: watch::Receiver<bool>) {
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => {}
        () = keep_hearing(identity.revoked(), &db) => {}
    }
}

/// Ends when the pool is closed.
async fn keep_hearing(revoked: &OperatorRevocations, db: &Database) {
    let mut is_told = false;
    loop {
        let error = match listen(revoked, db).await {
            Ok(()) => return,
            Err(error) => error,
        };
        // Behind a transaction pooler it fails each time.
        if !is_told {
            is_told = true;
            tracing::info!(
                "what other instances revoke is not heard, and looked for every {TTL:?} instead: {error}"
            );
        }
        tokio::time::sleep(LISTEN_AGAIN).await;
    }
}

async fn listen(revoked: &OperatorRevocations, db: &Database) -> Result<()> {
    let mut listener = db.listen([CHANNEL]).await?;
    // A gap is a change as well: what was told in it was not heard.
    while listener.recv().await?.is_some() {
        revoked.has_changed();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        let raw =
            serde_json::json!({ "sub": "olga", "iat": 100, "exp": 200, "iss": "i", "roles": ["operator"] });
        Claims::of(serde_json::from_value(raw).unwrap(), 150.0, Duration::from_secs(1000)).unwrap()
    }

    fn list(read_at: Instant, heard: u64, everyone: f64) -> List {
        List { read_at, heard, tokens: HashSet::new(), subjects: HashMap::new(), everyone }
    }

    #[test]
    fn a_list_counts_while_it_is_known_to_be_right() {
        let (revoked, now) = (OperatorRevocations::default(), Instant::now());
        assert_eq!(revoked.judge(&claims(), now), Revoked::NotKnown, "none was read");
        assert_eq!(revoked.begin(now), Some(0));
        assert_eq!(revoked.begin(now), None, "who failed just now does not try again");
        assert_eq!(revoked.begin(now + WAIT), Some(0));
        revoked.0.known.write().unwrap().list = Some(list(now + WAIT, 0, 0.0));
        let at = |after: Duration| revoked.judge(&claims(), now + WAIT + after);
        assert_eq!((at(TTL), at(GOOD_FOR)), (Revoked::No, Revoked::No));
        assert_eq!(at(GOOD_FOR + WAIT), Revoked::NotKnown);
        assert_eq!(revoked.begin(now + WAIT * 2), None, "it is fresh");
        revoked.has_changed();
        assert_eq!(at(WAIT), Revoked::NotKnown, "a change was heard of that was not read");
        assert_eq!(revoked.begin(now + WAIT * 2), Some(1));
        revoked.0.known.write().unwrap().list = Some(list(now + WAIT * 2, 1, 101.0));
        assert_eq!(at(WAIT), Revoked::Yes);
        assert_eq!(revoked.begin(now + WAIT * 2 + TTL), Some(1), "it is old");
    }
}
