//! Rules in SQL.
//!
//! A rule that is changed in what it looks at, turned off or deleted closes its open alerts: nothing would find out any more
//! whether what they are about is over.

use super::closing;
use super::refusal::RuleRefusal;
use super::rule::RuleDraft;
use crate::instant::StoredInstant;
use crate::tenants::TenantTx;
use plimsoll::Result;
use plimsoll::tokio_postgres::Row;
use plimsoll::tokio_postgres::types::ToSql;

/// The most rules of a tenant.
const MOST: i64 = 200;

/// Its own columns in the order of [`rule`].
macro_rules! columns {
    () => {
        "rule_id, name, kind, metric_name, operator, threshold::text, duration_seconds, severity, site_ids, enabled,
         escalation_policy_id, created_at, updated_at"
    };
}

const COUNT: &str = "SELECT count(*) FROM public.alert_rules WHERE tenant_id = $1";

const INSERT: &str = concat!(
    "INSERT INTO public.alert_rules (tenant_id, name, kind, metric_name, operator, threshold, duration_seconds, severity,
                                     site_ids, enabled, escalation_policy_id)
     VALUES ($1, $2, $3, $4, $5, $6::text::numeric, $7, $8, $9, $10, $11) RETURNING ",
    columns!()
);

/// Whether what it looks at becomes another; the row is kept from others until the end.
const IS_OTHER: &str = "
    SELECT (kind, metric_name, operator, threshold, duration_seconds, site_ids) IS DISTINCT FROM
           ($3::text, $4::text, $5::text, $6::text::numeric, $7::integer, $8::text[]) OR (enabled AND NOT $9)
    FROM public.alert_rules WHERE tenant_id = $1 AND rule_id = $2 FOR UPDATE";

const UPDATE: &str = concat!(
    "UPDATE public.alert_rules
     SET name = $2, kind = $3, metric_name = $4, operator = $5, threshold = $6::text::numeric, duration_seconds = $7,
         severity = $8, site_ids = $9, enabled = $10, escalation_policy_id = $11, updated_at = now()
     WHERE tenant_id = $1 AND rule_id = $12 RETURNING ",
    columns!()
);

const FORGET: &str = "DELETE FROM public.alert_rule_state WHERE tenant_id = $1 AND rule_id = $2";

const GET: &str =
    concat!("SELECT ", columns!(), " FROM public.alert_rules WHERE tenant_id = $1 AND rule_id = $2");

const PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM public.alert_rules WHERE tenant_id = $1 AND rule_id > $2 ORDER BY rule_id LIMIT $3"
);

const DELETE: &str = "DELETE FROM public.alert_rules WHERE tenant_id = $1 AND rule_id = $2";

/// A rule as it is stored.
#[derive(Clone, Debug)]
pub struct StoredRule {
    /// Its number.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// What it looks at.
    pub kind: String,
    /// The metric.
    pub metric: Option<String>,
    /// How it is beyond the limit.
    pub operator: Option<String>,
    /// The limit, as decimal text.
    pub threshold: Option<String>,
    /// How long it has to be so, in seconds.
    pub duration: i32,
    /// How bad it is, as a number.
    pub severity: i32,
    /// Of which sites; empty for all.
    pub sites: Vec<String>,
    /// Whether it is looked at.
    pub enabled: bool,
    /// The policy that its alerts follow.
    pub policy: Option<i64>,
    /// Since when it is there.
    pub created_at: StoredInstant,
    /// When it was last changed.
    pub updated_at: StoredInstant,
}

/// The parts of a limit, as columns.
fn limit(draft: &RuleDraft) -> (Option<&str>, Option<&str>, Option<&str>) {
    match &draft.limit {
        Some((metric, operator, threshold)) => (Some(metric), Some(operator), Some(threshold)),
        None => (None, None, None),
    }
}

/// Writes a new rule.
///
/// # Errors
/// [`RuleRefusal::TooMany`]; and as any statement's: a policy that is not there breaks a reference.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn create(tx: &TenantTx, draft: &RuleDraft) -> Result<Result<StoredRule, RuleRefusal>> {
    // Two that count at once would both find room.
    tx.advisory_lock(("alert rules", tx.tenant())).await?;
    if tx.query_one(COUNT, &[&tx.tenant()]).await?.try_get::<_, i64>(0)? >= MOST {
        return Ok(Err(RuleRefusal::TooMany));
    }
    let (metric, operator, threshold) = limit(draft);
    let (kind, severity) = (draft.kind.as_str(), draft.severity.number());
    let values: [&(dyn ToSql + Sync); 11] = [
        &tx.tenant(),
        &draft.name,
        &kind,
        &metric,
        &operator,
        &threshold,
        &draft.duration,
        &severity,
        &draft.sites,
        &draft.enabled,
        &draft.policy,
    ];
    rule(&tx.query_one(INSERT, &values).await?).map(Ok)
}

/// Writes a rule anew; nothing if there is no such rule. What it is called, how bad it is and which policy follows may change
/// while its alerts are open.
///
/// # Errors
/// As any statement's; a policy that is not there breaks a reference.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn update(tx: &TenantTx, id: i64, draft: &RuleDraft) -> Result<Option<StoredRule>> {
    let (metric, operator, threshold) = limit(draft);
    let (kind, severity) = (draft.kind.as_str(), draft.severity.number());
    let values: [&(dyn ToSql + Sync); 9] = [
        &tx.tenant(),
        &id,
        &kind,
        &metric,
        &operator,
        &threshold,
        &draft.duration,
        &draft.sites,
        &draft.enabled,
    ];
    let Some(row) = tx.query_opt(IS_OTHER, &values).await? else { return Ok(None) };
    if row.try_get(0)? {
        tx.execute(FORGET, &[&tx.tenant(), &id]).await?;
        closing::all_of_rule(tx, id, "the rule was changed or turned off").await?;
    }
    let values: [&(dyn ToSql + Sync); 12] = [
        &tx.tenant(),
        &draft.name,
        &kind,
        &metric,
        &operator,
        &threshold,
        &draft.duration,
        &severity,
        &draft.sites,
        &draft.enabled,
        &draft.policy,
        &id,
    ];
    tx.query_opt(UPDATE, &values).await?.as_ref().map(rule).transpose()
}

/// The rule of this number.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn get(tx: &TenantTx, id: i64) -> Result<Option<StoredRule>> {
    tx.query_opt(GET, &[&tx.tenant(), &id]).await?.as_ref().map(rule).transpose()
}

/// Up to `limit` rules whose numbers come after `after`, in order.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn page(tx: &TenantTx, after: i64, limit: i64) -> Result<Vec<StoredRule>> {
    tx.query(PAGE, &[&tx.tenant(), &after, &limit]).await?.iter().map(rule).collect()
}

/// Deletes a rule, closes its alerts, and gives how many rules that were.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn delete(tx: &TenantTx, id: i64) -> Result<u64> {
    let deleted = tx.execute(DELETE, &[&tx.tenant(), &id]).await?;
    if deleted > 0 {
        closing::all_of_rule(tx, id, "the rule was deleted").await?;
    }
    Ok(deleted)
}

fn rule(row: &Row) -> Result<StoredRule> {
    Ok(StoredRule {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        kind: row.try_get(2)?,
        metric: row.try_get(3)?,
        operator: row.try_get(4)?,
        threshold: row.try_get(5)?,
        duration: row.try_get(6)?,
        severity: row.try_get(7)?,
        sites: row.try_get(8)?,
        enabled: row.try_get(9)?,
        policy: row.try_get(10)?,
        created_at: row.try_get(11)?,
        updated_at: row.try_get(12)?,
    })
}
