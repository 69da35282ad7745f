//! Subscriptions as operators make and change them: the rules, and the SQL.
//!
//! An add-on belongs to a main subscription of the same tenant, and shares its term; no other kind has a parent. A trial is in the
//! state TRIAL. The number within the day is given under the lock of the tenant's row, so two that are made at once have two. A limit is
//! never lower than the devices that count, which is looked at under the subscription's lock, as everywhere.

use super::filter::invalid;
use super::lists::Listed;
use super::{OperatorRefusal, OperatorTx};
use crate::affected::exactly;
use crate::instant::StoredInstant;
use crate::subscriptions::subscription::{self, SubscriptionStatus, SubscriptionType};
use crate::tenants::TenantId;
use crate::text;
use plimsoll::tokio_postgres::Row;
use plimsoll::tokio_postgres::types::ToSql;
use plimsoll::{Error, Result};
use serde::Deserialize;
use serde_json::{Value, json};

/// The most devices of a subscription.
const MOST_DEVICES: i32 = 10_000_000;
/// The longest term, in days.
const LONGEST_TERM: i32 = 3_650;
/// The usual term, in days.
const USUAL_TERM: i32 = 365;

macro_rules! shown {
    ($rest:literal) => {
        concat!(
            "SELECT tenant_id, subscription_id, subscription_type, parent_id, status, device_limit, active_device_count,
                    plan_id, description, term_start, term_end, grace_end
             FROM public.subscriptions WHERE ",
            $rest
        )
    };
}

const ONE: &str = shown!("tenant_id = $1 AND subscription_id = $2");

const PAGE: &str = shown!(
    "(tenant_id, subscription_id) > ($1, $2) AND ($3::text IS NULL OR tenant_id = $3)
     AND ($4::text IS NULL OR status = $4) AND ($5::text IS NULL OR subscription_type = $5)
     ORDER BY tenant_id, subscription_id LIMIT $6"
);

const TENANT: &str = "SELECT status FROM public.tenants WHERE tenant_id = $1 FOR NO KEY UPDATE";

const PARENT: &str = "
    SELECT subscription_type, status, term_end > now() FROM public.subscriptions
    WHERE tenant_id = $1 AND subscription_id = $2 FOR UPDATE";

/// The number after the greatest of the day.
const NEXT_ID: &str = "
    SELECT d.prefix || lpad((coalesce(max(right(s.subscription_id, 5)::integer), 0) + 1)::text, 5, '0'),
           coalesce(max(right(s.subscription_id, 5)::integer), 0) < 99999
    FROM (SELECT to_char(now() AT TIME ZONE 'UTC', '\"SUB-\"YYYYMMDD\"-\"') AS prefix) d
    LEFT JOIN public.subscriptions s ON s.tenant_id = $1 AND starts_with(s.subscription_id, d.prefix)
    GROUP BY d.prefix";

const INSERT: &str = "
    INSERT INTO public.subscriptions (tenant_id, subscription_id, subscription_type, parent_id, device_limit, term_end, status,
                                      plan_id, description, created_by)
    VALUES ($1, $2, $3, $4, $5,
            coalesce((SELECT p.term_end FROM public.subscriptions p WHERE p.tenant_id = $1 AND p.subscription_id = $4),
                     now() + make_interval(days => $6)),
            $7, $8, $9, $10)";

const HELD: &str = "
    SELECT status, device_limit, active_device_count, term_end > now() FROM public.subscriptions
    WHERE tenant_id = $1 AND subscription_id = $2 FOR UPDATE";

const UPDATE: &str = "
    UPDATE public.subscriptions
    SET device_limit = $3, status = $4, grace_end = CASE WHEN $4 = 'ACTIVE' THEN NULL ELSE grace_end END, updated_at = now()
    WHERE tenant_id = $1 AND subscription_id = $2";

const EVENT: &str = "
    INSERT INTO public.subscription_event_log (tenant_id, subscription_id, event_type, actor_type, actor_id, details)
    VALUES ($1, $2, $3, 'operator', $4, $5::text::jsonb)";

type Done<T> = Result<std::result::Result<T, OperatorRefusal>>;

/// A new subscription as it is sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewSubscription {
    tenant_id: String,
    #[serde(rename = "type")]
    kind: String,
    parent_id: Option<String>,
    device_limit: i32,
    term_days: Option<i32>,
    plan_id: Option<String>,
    description: Option<String>,
}

/// A new subscription that can be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Whose it is.
    pub tenant: TenantId,
    kind: SubscriptionType,
    parent: Option<String>,
    device_limit: i32,
    term_days: i32,
    plan: Option<String>,
    description: Option<String>,
}

impl NewSubscription {
    /// The draft.
    ///
    /// # Errors
    /// For a field that cannot be, and for a parent of what has none.
    pub fn checked(self) -> std::result::Result<Draft, OperatorRefusal> {
        let tenant = TenantId::parse(&self.tenant_id).ok_or(OperatorRefusal::TenantNotFound)?;
        let kind = SubscriptionType::parse(&self.kind)
            .ok_or_else(|| invalid("type is MAIN, ADDON, TRIAL or TEMPORARY"))?;
        let is_addon = kind == SubscriptionType::Addon;
        match &self.parent_id {
            None if is_addon => {
                return Err(OperatorRefusal::BadParent("an add-on names its main subscription as parent_id"));
            }
            Some(_) if !is_addon => {
                return Err(OperatorRefusal::BadParent("only an add-on has a parent_id"));
            }
            Some(parent) if !subscription::is_id(parent) => {
                return Err(OperatorRefusal::BadParent("parent_id names no subscription of this tenant"));
            }
            _ => {}
        }
        if is_addon && self.term_days.is_some() {
            return Err(invalid("an add-on has the term of its main subscription, and no term_days"));
        }
        let term_days = self.term_days.unwrap_or(USUAL_TERM);
        if !(1..=LONGEST_TERM).contains(&term_days) {
            return Err(invalid(format!("term_days is 1 to {LONGEST_TERM}")));
        }
        Ok(Draft {
            tenant,
            kind,
            parent: self.parent_id,
            device_limit: limit(self.device_limit)?,
            term_days,
            plan: line("plan_id", self.plan_id, 200)?,
            description: line("description", self.description, 1_000)?,
        })
    }
}

/// A change of a subscription as it is sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionChange {
    device_limit: Option<i32>,
    status: Option<String>,
}

/// A change that can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    device_limit: Option<i32>,
    status: Option<SubscriptionStatus>,
}

impl SubscriptionChange {
    /// The change. A grace and a trial have their own ends, so no one is put into them.
    ///
    /// # Errors
    /// For what cannot be, and for nothing.
    pub fn checked(self) -> std::result::Result<Change, OperatorRefusal> {
        use SubscriptionStatus::{Active, Expired, Suspended};
        let known = |said: String| {
            let status =
                SubscriptionStatus::parse(&said).filter(|s| matches!(s, Active | Suspended | Expired));
            status.ok_or_else(|| invalid("status is ACTIVE, SUSPENDED or EXPIRED"))
        };
        let change = Change {
            device_limit: self.device_limit.map(limit).transpose()?,
            status: self.status.map(known).transpose()?,
        };
        if change.device_limit.is_none() && change.status.is_none() {
            return Err(invalid("the body names nothing that is to be changed: device_limit, status"));
        }
        Ok(change)
    }
}

fn limit(said: i32) -> std::result::Result<i32, OperatorRefusal> {
    let is_one = (0..=MOST_DEVICES).contains(&said);
    is_one.then_some(said).ok_or_else(|| invalid(format!("device_limit is 0 to {MOST_DEVICES}")))
}

fn line(
    name: &str,
    said: Option<String>,
    most: usize,
) -> std::result::Result<Option<String>, OperatorRefusal> {
    let wrong = || invalid(format!("{name} has 1 to {most} characters, and no control characters"));
    said.map(|said| text::line(&said, most).ok_or_else(wrong)).transpose()
}

/// Makes a subscription, and shows it.
///
/// # Errors
/// As any statement's; the transaction has to be given up then.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn create(tx: &OperatorTx, draft: &Draft) -> Done<Value> {
    let tenant = draft.tenant.as_str();
    match tx.query_opt(TENANT, &[&tenant]).await?.map(|row| row.try_get::<_, String>(0)).transpose()? {
        None => return Ok(Err(OperatorRefusal::TenantNotFound)),
        Some(status) if status == "DELETED" => return Ok(Err(OperatorRefusal::TenantDeleted)),
        Some(_) => {}
    }
    if let Some(parent) = &draft.parent
        && let Err(refusal) = check_parent(tx, tenant, parent).await?
    {
        return Ok(Err(refusal));
    }
    // The tenant's row is locked, so no other takes the same number.
    let row = tx.query_one(NEXT_ID, &[&tenant]).await?;
    if !row.try_get::<_, bool>(1)? {
        return Ok(Err(OperatorRefusal::TooManyToday));
    }
    let id: String = row.try_get(0)?;
    let status = match draft.kind {
        SubscriptionType::Trial => SubscriptionStatus::Trial,
        _ => SubscriptionStatus::Active,
    };
    let (kind, status, by) = (draft.kind.as_str(), status.as_str(), tx.operator());
    let values: [&(dyn ToSql + Sync); 10] = [
        &tenant,
        &id,
        &kind,
        &draft.parent,
        &draft.device_limit,
        &draft.term_days,
        &status,
        &draft.plan,
        &draft.description,
        &by,
    ];
    exactly(1, tx.execute(INSERT, &values).await?, "making a subscription")?;
    event(tx, tenant, &id, "CREATED", json!({ "type": kind, "device_limit": draft.device_limit })).await?;
    tx.made(&id);
    one(tx, tenant, &id).await
}

async fn check_parent(tx: &OperatorTx, tenant: &str, parent: &str) -> Done<()> {
    let Some(row) = tx.query_opt(PARENT, &[&tenant, &parent]).await? else {
        return Ok(Err(OperatorRefusal::BadParent("parent_id names no subscription of this tenant")));
    };
    let (kind, status, has_time): (&str, &str, bool) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    if kind != "MAIN" {
        return Ok(Err(OperatorRefusal::BadParent("parent_id names a subscription that is not a main one")));
    }
    if status != "ACTIVE" || !has_time {
        return Ok(Err(OperatorRefusal::BadParent("parent_id names a subscription that is not in force")));
    }
    Ok(Ok(()))
}

/// Changes the limit or the state of a subscription, and shows it as it is then.
///
/// # Errors
/// As any statement's; the transaction has to be given up then.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn change(tx: &OperatorTx, tenant: &str, id: &str, change: &Change) -> Done<Value> {
    let Some(row) = tx.query_opt(HELD, &[&tenant, &id]).await? else {
        return Ok(Err(OperatorRefusal::SubscriptionNotFound));
    };
    let (status, held, count): (String, i32, i32) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let limit = change.device_limit.unwrap_or(held);
    if change.device_limit.is_some() && limit < count {
        return Ok(Err(OperatorRefusal::LimitBelowCount { count }));
    }
    let next = change.status.map_or(status.clone(), |next| next.as_str().to_owned());
    if change.status == Some(SubscriptionStatus::Active) && !row.try_get::<_, bool>(3)? {
        return Ok(Err(OperatorRefusal::TermOver));
    }
    let changed = tx.execute(UPDATE, &[&tenant, &id, &limit, &next]).await?;
    exactly(1, changed, "changing a subscription")?;
    if limit != held {
        event(tx, tenant, id, "LIMIT_CHANGED", json!({ "from": held, "to": limit })).await?;
    }
    if next != status {
        let kind = match change.status {
            Some(SubscriptionStatus::Suspended) => "STATUS_SUSPENDED",
            Some(SubscriptionStatus::Expired) => "STATUS_EXPIRED",
            _ => "STATUS_ACTIVE",
        };
        event(tx, tenant, id, kind, json!({ "from": status, "to": next })).await?;
    }
    one(tx, tenant, id).await
}

/// Up to `limit` subscriptions behind this place, by their tenants and ids.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn page(
    tx: &OperatorTx,
    tenant: Option<&str>,
    status: Option<&str>,
    kind: Option<&str>,
    after: &(String, String),
    limit: i64,
) -> Result<Vec<Listed<(String, String)>>> {
    let values: [&(dyn ToSql + Sync); 6] = [&after.0, &after.1, &tenant, &status, &kind, &limit];
    let rows = tx.query(PAGE, &values).await?;
    let listed = |row: &Row| Ok(Listed { key: (row.try_get(0)?, row.try_get(1)?), json: shown(row)? });
    rows.iter().map(listed).collect()
}

async fn one(tx: &OperatorTx, tenant: &str, id: &str) -> Done<Value> {
    let row = tx.query_opt(ONE, &[&tenant, &id]).await?;
    let row = row.ok_or_else(|| Error::abort("a subscription that was written is not there"))?;
    shown(&row).map(Ok)
}

async fn event(tx: &OperatorTx, tenant: &str, id: &str, kind: &str, details: Value) -> Result<()> {
    let (by, details) = (tx.operator(), details.to_string());
    let written = tx.execute(EVENT, &[&tenant, &id, &kind, &by, &details]).await?;
    exactly(1, written, "writing an event down")
}

fn shown(row: &Row) -> Result<Value> {
    let time = |place: usize| row.try_get::<_, Option<StoredInstant>>(place);
    let text = |place: usize| row.try_get::<_, Option<String>>(place);
    Ok(json!({
        "tenant_id": text(0)?,
        "subscription_id": text(1)?,
        "type": text(2)?,
        "parent_id": text(3)?,
        "status": text(4)?,
        "device_limit": row.try_get::<_, i32>(5)?,
        "active_device_count": row.try_get::<_, i32>(6)?,
        "plan_id": text(7)?,
        "description": text(8)?,
        "term_start": time(9)?.map(|time| time.to_string()),
        "term_end": time(10)?.map(|time| time.to_string()),
        "grace_end": time(11)?.map(|time| time.to_string()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(json: Value) -> std::result::Result<Draft, OperatorRefusal> {
        serde_json::from_value::<NewSubscription>(json).unwrap().checked()
    }

    #[test]
    fn only_an_addon_has_a_parent_and_it_has_one() {
        let parent = "SUB-20250101-00001";
        for kind in ["MAIN", "TRIAL", "TEMPORARY"] {
            assert!(new(json!({"tenant_id": "t", "type": kind, "device_limit": 1})).is_ok());
            let with = json!({"tenant_id": "t", "type": kind, "device_limit": 1, "parent_id": parent});
            assert!(matches!(new(with), Err(OperatorRefusal::BadParent(_))), "{kind}");
        }
        let addon = |parent: Value| {
            new(json!({"tenant_id": "t", "type": "ADDON", "device_limit": 1, "parent_id": parent}))
        };
        assert!(addon(json!(parent)).is_ok());
        for wrong in [json!(null), json!(""), json!("SUB-1")] {
            assert!(matches!(addon(wrong), Err(OperatorRefusal::BadParent(_))));
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for wrong in [
            json!({"tenant_id": "t", "type": "FREE", "device_limit": 1}),
            json!({"tenant_id": "t", "type": "MAIN", "device_limit": -1}),
            json!({"tenant_id": "t", "type": "MAIN", "device_limit": 1, "term_days": 0}),
            json!({"tenant_id": "t", "type": "MAIN", "device_limit": 1, "plan_id": "a\u{0}"}),
            json!({"tenant_id": "t", "type": "ADDON", "device_limit": 1, "term_days": 5,
                   "parent_id": "SUB-20250101-00001"}),
        ] {
            assert!(new(wrong.clone()).is_err(), "{wrong}");
        }
        let change = |text: &str| serde_json::from_str::<SubscriptionChange>(text).unwrap().checked();
        for wrong in ["{}", r#"{"status":"GRACE"}"#, r#"{"status":"TRIAL"}"#, r#"{"device_limit":-1}"#] {
            assert!(change(wrong).is_err(), "{wrong}");
        }
        assert!(change(r#"{"status":"SUSPENDED","device_limit":5}"#).is_ok());
    }
}
