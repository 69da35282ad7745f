//! Messages are written where they become true: in the transaction that opens, acknowledges or closes an alert, or takes a step
//! of an escalation. Both are there, or neither is.

use super::address::is_meant_as_webhook;
use super::matching::{About, Route, takes};
use crate::alerts::alert::AlertStatus;
use crate::alerts::store::Stored;
use crate::alerts::{routes, store};
use crate::tenants::TenantTx;
use plimsoll::Result;
use plimsoll::tokio_postgres::Row;
use plimsoll::tokio_postgres::types::ToSql;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ROUTES: &str = "
    SELECT r.route_id::text, r.integration_id::text, i.type, r.priority, r.severities, r.alert_types, r.site_ids,
           r.device_prefixes, r.deliver_on
    FROM public.integration_routes r JOIN public.integrations i USING (tenant_id, integration_id)
    WHERE r.tenant_id = $1 AND r.enabled AND i.enabled AND i.type IN ('webhook', 'email') AND $2 = ANY (r.deliver_on)
    ORDER BY r.priority, r.route_id";

/// What is there already was written by the same event.
const BY_ROUTE: &str = "
    INSERT INTO public.delivery_jobs (tenant_id, event, alert_id, payload, route_id, integration_id, channel, priority)
    SELECT $1, $2, r.alert, r.payload::jsonb, r.route::uuid, r.integration::uuid, r.channel, r.priority
    FROM unnest($3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::integer[])
         AS r (alert, payload, route, integration, channel, priority)
    ON CONFLICT (tenant_id, alert_id, route_id, event) DO NOTHING";

/// A page of an escalation goes before what routes tell.
const BY_STEP: &str = "
    INSERT INTO public.delivery_jobs (tenant_id, event, priority, alert_id, outbox_id, channel, target, payload)
    SELECT $1, 'ESCALATED', 0, s.alert, s.step, s.channel, s.target, s.payload::jsonb
    FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[])
         AS s (alert, step, channel, target, payload)
    ON CONFLICT (tenant_id, outbox_id, channel, target) DO NOTHING";

/// Where a route goes.
struct Way {
    id: String,
    integration: String,
    channel: String,
    priority: i32,
    route: Route,
}

/// Writes a message for each route that each of these alerts takes, all of which have just come into this state, and gives how
/// many messages those are.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn of_alerts(tx: &TenantTx, event: AlertStatus, alerts: &[Stored]) -> Result<u64> {
    let event = event.as_str();
    let rows = tx.query(ROUTES, &[&tx.tenant(), &event]).await?;
    let ways = rows.iter().map(way).collect::<Result<Vec<Way>>>()?;
    let (mut ids, mut payloads, mut routes) = (Vec::new(), Vec::new(), Vec::new());
    let (mut integrations, mut channels, mut priorities) = (Vec::new(), Vec::new(), Vec::new());
    for alert in alerts {
        let about = about(alert, event);
        for way in ways.iter().filter(|way| takes(&way.route, &about)) {
            ids.push(alert.id);
            payloads.push(payload(tx, event, alert).to_string());
            routes.push(way.id.as_str());
            integrations.push(way.integration.as_str());
            channels.push(way.channel.as_str());
            priorities.push(way.priority);
        }
    }
    if ids.is_empty() {
        return Ok(0);
    }
    let values: [&(dyn ToSql + Sync); 8] =
        [&tx.tenant(), &event, &ids, &payloads, &routes, &integrations, &channels, &priorities];
    tx.execute(BY_ROUTE, &values).await
}

fn about<'a>(alert: &'a Stored, event: &'a str) -> About<'a> {
    let (site, device) = (alert.site.as_deref(), alert.device.as_deref());
    About { severity: alert.severity, kind: &alert.kind, site, device, event }
}

fn way(row: &Row) -> Result<Way> {
    let route = Route {
        severities: row.try_get(4)?,
        alert_types: row.try_get(5)?,
        site_ids: row.try_get(6)?,
        device_prefixes: row.try_get(7)?,
        deliver_on: row.try_get(8)?,
    };
    Ok(Way {
        id: row.try_get(0)?,
        integration: row.try_get(1)?,
        channel: row.try_get(2)?,
        priority: row.try_get(3)?,
        route,
    })
}

/// A step of an escalation that is to be told.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its row of the outbox.
    pub id: i64,
    /// The alert.
    pub alert: i64,
    /// The level of the policy.
    pub level: i32,
    /// An address for mail.
    pub email: Option<String>,
    /// An address to which it is posted.
    pub webhook: Option<String>,
    /// Who is on call: an address for mail, or one to which it is posted.
    pub responder: Option<String>,
}

impl Step {
    /// Each place where it is told. A responder who is no address stays a message, which ends dead with the reason: so it is seen
    /// that the one who is on call was not told.
    fn places(&self) -> Vec<(&'static str, &str)> {
        let of_person = |who: &'_ str| if is_meant_as_webhook(who) { "webhook" } else { "email" };
        let mut places: Vec<(&'static str, &str)> = Vec::new();
        places.extend(self.email.as_deref().map(|mail| ("email", mail)));
        places.extend(self.webhook.as_deref().map(|address| ("webhook", address)));
        places.extend(self.responder.as_deref().map(|who| (of_person(who), who)));
        places
    }
}

/// Writes the messages of these steps, and gives how many those are.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn of_steps(tx: &TenantTx, steps: &[Step]) -> Result<u64> {
    let ids: Vec<i64> = steps.iter().map(|step| step.alert).collect();
    let known: BTreeMap<i64, Stored> =
        store::of_ids(tx, &ids).await?.into_iter().map(|alert| (alert.id, alert)).collect();
    let (mut alerts, mut of, mut channels, mut targets, mut payloads) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for step in steps {
        let Some(alert) = known.get(&step.alert) else { continue };
        let mut payload = payload(tx, "ESCALATED", alert);
        if let Some(fields) = payload.as_object_mut() {
            fields.insert("level".to_owned(), step.level.into());
            fields.insert("responder".to_owned(), step.responder.clone().into());
        }
        for (channel, target) in step.places() {
            alerts.push(step.alert);
            of.push(step.id);
            channels.push(channel);
            targets.push(target);
            payloads.push(payload.to_string());
        }
    }
    if alerts.is_empty() {
        return Ok(0);
    }
    let values: [&(dyn ToSql + Sync); 6] = [&tx.tenant(), &alerts, &of, &channels, &targets, &payloads];
    tx.execute(BY_STEP, &values).await
}

/// What a message says: the alert as it is at this moment.
fn payload(tx: &TenantTx, event: &str, alert: &Stored) -> Value {
    json!({ "event": event, "tenant_id": tx.tenant(), "alert": routes::alert(alert) })
}
