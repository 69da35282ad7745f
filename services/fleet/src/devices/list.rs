//! Devices as they are shown: one, or a page of those that pass a filter. Tags come with their device in the same row, so a
//! page is one statement however many devices it has.

use super::draft::{bad, check_text};
use super::registry_refusal::RegistryRefusal;
use super::state::{DeviceState, StateLimits, state_sql};
use super::{DeviceId, DeviceStatus, draft};
use crate::instant::StoredInstant;
use crate::tenants::TenantTx;
use plimsoll::tokio_postgres::Row;
use plimsoll::{Error, Result};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// The columns of a [`Shown`], in its order. `$2` and `$3` are the limits of the states.
macro_rules! shown {
    ($($rest:expr),+) => {
        concat!(
            "SELECT d.device_id, d.site_id, d.status, d.subscription_id, d.name, d.device_type, d.model,
                    d.manufacturer, d.serial, d.notes, d.created_at, d.updated_at, d.decommissioned_at,
                    ARRAY(SELECT t.tag FROM public.device_tags t
                          WHERE t.tenant_id = d.tenant_id AND t.device_id = d.device_id ORDER BY t.tag),
                    s.last_seen_at, ",
            state_sql!("s", "$2", "$3"),
            " FROM public.device_registry d
             LEFT JOIN public.device_state s ON s.tenant_id = d.tenant_id AND s.device_id = d.device_id
             WHERE d.tenant_id = $1 AND d.status <> 'DELETED' AND ",
            $($rest),+
        )
    };
}

const ONE: &str = shown!("d.device_id = $4");

/// The newest by the time of its measurement.
const LAST_READING: &str = "
    SELECT time, seq, metrics::text FROM public.telemetry WHERE tenant_id = $1 AND device_id = $2
    ORDER BY time DESC, seq DESC LIMIT 1";

const PAGE: &str = shown!(
    "d.device_id > $4
     AND ($6::text IS NULL OR d.status = $6)
     AND ($7::text IS NULL OR d.site_id = $7)
     AND (cardinality($8::text[]) = 0
          OR (SELECT count(*) FROM public.device_tags t
              WHERE t.tenant_id = d.tenant_id AND t.device_id = d.device_id AND t.tag = ANY($8))
             = cardinality($8))
     AND ($9::text IS NULL OR strpos(lower(d.device_id || ' ' || coalesce(d.name, '')), lower($9)) > 0)
     AND ($10::text IS NULL OR $10 = ",
    state_sql!("s", "$2", "$3"),
    ") ORDER BY d.device_id LIMIT $5"
);

const SUMMARY: &str = concat!(
    "SELECT count(*), count(*) FILTER (WHERE state = 'ONLINE'), count(*) FILTER (WHERE state = 'STALE'),
            count(*) FILTER (WHERE state = 'OFFLINE')
     FROM (SELECT ",
    state_sql!("s", "$2", "$3"),
    " AS state FROM public.device_registry d
       LEFT JOIN public.device_state s ON s.tenant_id = d.tenant_id AND s.device_id = d.device_id
       WHERE d.tenant_id = $1 AND d.status <> 'DELETED') AS devices"
);

/// Which devices are asked for. What is not said lets all of them pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    status: Option<DeviceStatus>,
    state: Option<DeviceState>,
    site: Option<String>,
    tags: Vec<String>,
    search: Option<String>,
}

impl Filter {
    /// The filter of a query: `status` (of the registry; a word of `state` counts as that), `state`, `site_id`, `search` (in the id and the name, in any case), and `tag`, which may be
    /// said several times, or `tags` with commas between them; a device has to have all of them.
    ///
    /// # Errors
    /// For a value that cannot be one, and for a name that is none: a filter that is passed over gives devices that were not
    /// asked for.
    pub fn of(query: Vec<(String, String)>) -> std::result::Result<Self, RegistryRefusal> {
        let (mut filter, mut tags) = (Filter::default(), Vec::new());
        for (name, value) in query {
            match name.as_str() {
                // A page's own; read elsewhere.
                "limit" | "after" => {}
                "tag" => tags.push(value),
                "tags" => tags.extend(value.split(',').map(|tag| tag.trim().to_owned())),
                "state" if filter.state.is_none() => filter.state = Some(state(&value)?),
                "status" if filter.state.is_none() && DeviceState::parse(&value).is_some() => {
                    filter.state = DeviceState::parse(&value);
                }
                "status" if filter.status.is_none() => filter.status = Some(status(&value)?),
                "site_id" if filter.site.is_none() => {
                    filter.site = Some(draft::site_id(&value)?.as_str().to_owned());
                }
                "search" if filter.search.is_none() => {
                    check_text("search", &value, 200)?;
                    filter.search = Some(value);
                }
                "status" | "state" | "site_id" | "search" => return Err(bad("a filter is said once")),
                _ => {
                    return Err(bad(
                        "the filters are status, state, site_id, tag, tags and search; limit and after are the page's",
                    ));
                }
            }
        }
        filter.tags = draft::tags(tags)?;
        Ok(filter)
    }

    /// As a cursor is signed with it.
    #[must_use]
    pub fn signed(&self) -> String {
        let (status, state) = (self.status.map(DeviceStatus::as_str), self.state.map(DeviceState::as_str));
        json!([status, state, self.site, self.tags, self.search]).to_string()
    }
}

fn status(text: &str) -> std::result::Result<DeviceStatus, RegistryRefusal> {
    DeviceStatus::parse(text)
        .filter(|status| *status != DeviceStatus::Deleted)
        .ok_or_else(|| {
            bad("status is PENDING, ACTIVE, INACTIVE, SUSPENDED or REVOKED, or one of ONLINE, STALE and OFFLINE, said once")
        })
}

fn state(text: &str) -> std::result::Result<DeviceState, RegistryRefusal> {
    DeviceState::parse(text).ok_or_else(|| bad("state is ONLINE, STALE or OFFLINE"))
}

/// A device as it is shown.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its id.
    pub device_id: String,
    site_id: String,
    status: String,
    subscription_id: Option<String>,
    texts: [Option<String>; 6],
    created_at: StoredInstant,
    updated_at: StoredInstant,
    decommissioned_at: Option<StoredInstant>,
    tags: Vec<String>,
    last_seen_at: Option<StoredInstant>,
    state: String,
}

impl Shown {
    /// As JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let [name, device_type, model, manufacturer, serial, notes] = &self.texts;
        json!({
            "device_id": self.device_id,
            "site_id": self.site_id,
            "status": self.status,
            "subscription_id": self.subscription_id,
            "name": name,
            "device_type": device_type,
            "model": model,
            "manufacturer": manufacturer,
            "serial": serial,
            "notes": notes,
            "tags": self.tags,
            "created_at": self.created_at.to_string(),
            "updated_at": self.updated_at.to_string(),
            "decommissioned_at": self.decommissioned_at.map(|time| time.to_string()),
            "state": self.state,
            "last_seen_at": self.last_seen_at.map(|time| time.to_string()),
        })
    }

    fn of(row: &Row) -> Result<Self> {
        let text = |place: usize| row.try_get::<_, Option<String>>(place);
        Ok(Shown {
            device_id: row.try_get(0)?,
            site_id: row.try_get(1)?,
            status: row.try_get(2)?,
            subscription_id: row.try_get(3)?,
            texts: [text(4)?, text(5)?, text(6)?, text(7)?, text(8)?, text(9)?],
            created_at: row.try_get(10)?,
            updated_at: row.try_get(11)?,
            decommissioned_at: row.try_get(12)?,
            tags: row.try_get(13)?,
            last_seen_at: row.try_get(14)?,
            state: row.try_get(15)?,
        })
    }
}

/// A device, if it is there.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn one(tx: &TenantTx, device: &DeviceId, limits: StateLimits) -> Result<Option<Shown>> {
    let [online, stale] = limits.sql_values();
    let row = tx.query_opt(ONE, &[&tx.tenant(), &online, &stale, &device.as_str()]).await?;
    row.as_ref().map(Shown::of).transpose()
}

/// The newest reading of a device; what it says is as the device wrote it.
#[derive(Debug, Serialize)]
pub struct LastReading {
    ts: String,
    seq: i64,
    metrics: Box<RawValue>,
}

/// The newest reading of a device, if there is one.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn last_reading(tx: &TenantTx, device: &DeviceId) -> Result<Option<LastReading>> {
    let Some(row) = tx.query_opt(LAST_READING, &[&tx.tenant(), &device.as_str()]).await? else {
        return Ok(None);
    };
    let metrics = RawValue::from_string(row.try_get(2)?)
        .map_err(|problem| Error::abort(format!("a stored reading is no JSON: {problem}")))?;
    let ts: StoredInstant = row.try_get(0)?;
    Ok(Some(LastReading { ts: ts.to_string(), seq: row.try_get(1)?, metrics }))
}

/// How many devices there are, and how many of them are in each state, in the order of [`DeviceState::ALL`].
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn summary(tx: &TenantTx, limits: StateLimits) -> Result<(i64, [i64; 3])> {
    let [online, stale] = limits.sql_values();
    let row = tx.query_one(SUMMARY, &[&tx.tenant(), &online, &stale]).await?;
    Ok((row.try_get(0)?, [row.try_get(1)?, row.try_get(2)?, row.try_get(3)?]))
}

/// Up to `limit` devices that pass the filter and whose ids come after `after`, in order.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn page(
    tx: &TenantTx,
    filter: &Filter,
    after: &str,
    limit: i64,
    limits: StateLimits,
) -> Result<Vec<Shown>> {
    let [online, stale] = limits.sql_values();
    let (status, state) = (filter.status.map(DeviceStatus::as_str), filter.state.map(DeviceState::as_str));
    let Filter { site, tags, search, .. } = filter;
    let values: [&(dyn plimsoll::tokio_postgres::types::ToSql + Sync); 10] =
        [&tx.tenant(), &online, &stale, &after, &limit, &status, site, tags, search, &state];
    tx.query(PAGE, &values).await?.iter().map(Shown::of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &[(&str, &str)]) -> std::result::Result<Filter, RegistryRefusal> {
        Filter::of(query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_filter_is_known_and_said_once() {
        assert_eq!(of(&[("limit", "1"), ("after", "x")]).unwrap(), Filter::default());
        let both = of(&[("tags", "b, a"), ("tag", "c"), ("tag", "a")]).unwrap();
        assert_eq!(both.tags, ["a", "b", "c"]);
        let both = of(&[("status", "STALE"), ("status", "ACTIVE")]).unwrap();
        assert_eq!((both.state, both.status), (Some(DeviceState::Stale), Some(DeviceStatus::Active)));
        assert_eq!(of(&[("state", "STALE")]).unwrap(), of(&[("status", "STALE")]).unwrap());
        for wrong in [
            &[("status", "DELETED")][..],
            &[("status", "active")],
            &[("site_id", "")],
            &[("search", "\u{0}")],
            &[("tags", "a,,b")],
            &[("offset", "5")],
            &[("search", "a"), ("search", "b")],
            &[("state", "ACTIVE")],
            &[("state", "STALE"), ("status", "ONLINE")],
            &[("status", "ONLINE"), ("state", "STALE")],
            &[("status", "ONLINE"), ("status", "STALE")],
            &[("status", "ACTIVE"), ("status", "ACTIVE")],
        ] {
            assert!(of(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn cursors_of_other_filters_are_others() {
        let signed = |query: &[(&str, &str)]| of(query).unwrap().signed();
        let all = [
            signed(&[]),
            signed(&[("search", "a")]),
            signed(&[("tag", "a")]),
            signed(&[("site_id", "a")]),
            signed(&[("state", "STALE")]),
            signed(&[("status", "ACTIVE")]),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
