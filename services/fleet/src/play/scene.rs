//! What the made-up tenant has beside its devices, so that its console shows a fleet at work: sites, rules that open alerts, and
//! who is on call. It is made once; what its reader changes or deletes of it afterwards stays so, as long as any of it is there.

use super::fleet::SITES;
use crate::alert_rules::rule::RuleBody;
use crate::alert_rules::store as rules;
use crate::delivery::address::Networks;
use crate::escalation::policy::PolicyBody;
use crate::escalation::store as policies;
use crate::oncall::schedule::ScheduleBody;
use crate::oncall::store as schedules;
use crate::refusal::Refusal;
use crate::simulate::values::TOO_HOT;
use crate::tenants::TenantTx;
use plimsoll::{Error, Result};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const SITE: &str =
    "INSERT INTO public.sites (tenant_id, site_id, name) VALUES ($1, $2, $2) ON CONFLICT DO NOTHING";

const IS_SET: &str = "
    SELECT EXISTS (SELECT FROM public.alert_rules WHERE tenant_id = $1)
        OR EXISTS (SELECT FROM public.oncall_schedules WHERE tenant_id = $1)
        OR EXISTS (SELECT FROM public.escalation_policies WHERE tenant_id = $1)";

/// Makes it, if nothing of it is there.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// It goes with the transaction.
pub(crate) async fn set(tx: &TenantTx) -> Result<()> {
    for site in SITES {
        tx.execute(SITE, &[&tx.tenant(), &site]).await?;
    }
    if tx.query_one(IS_SET, &[&tx.tenant()]).await?.try_get(0)? {
        return Ok(());
    }
    // No webhook is among them.
    let none = Networks::default();
    let schedule = read::<ScheduleBody>(json!({
        "name": "Plant watch", "description": "made for the first hour",
        "layers": [
            { "layer_order": 0, "rotation": "daily", "handoff_hour": 8, "responders": ["ada@plant.example", "grace@plant.example", "hedy@plant.example"] },
            { "layer_order": 1, "rotation": "weekly", "responders": ["margaret@plant.example", "radia@plant.example"] },
        ],
    }))?;
    let schedule = schedules::create(tx, &schedule.checked(&none).map_err(wrong)?).await?;
    let policy = read::<PolicyBody>(json!({
        "name": "Who is told", "description": "made for the first hour", "is_default": true,
        "levels": [{ "delay_minutes": 5, "oncall_schedule_id": schedule }],
    }))?;
    policies::create(tx, &policy.checked(&none).map_err(wrong)?).await?;
    for rule in [
        json!({ "name": "Too hot", "metric_name": "temperature", "operator": "GT", "threshold": TOO_HOT, "severity": 4 }),
        json!({ "name": "Silent for a minute", "kind": "NO_HEARTBEAT", "duration_seconds": 60, "severity": 3 }),
    ] {
        let rule = read::<RuleBody>(rule)?.checked().map_err(wrong)?;
        rules::create(tx, &rule).await?.map_err(wrong)?;
    }
    Ok(())
}

fn read<T: DeserializeOwned>(said: Value) -> Result<T> {
    // By way of a text: a threshold is read as it is written.
    serde_json::from_str(&said.to_string()).map_err(|error| Error::abort(error.to_string()))
}

fn wrong(why: impl Refusal) -> Error {
    Error::abort(format!("the made-up tenant: {}", why.detail()))
}
