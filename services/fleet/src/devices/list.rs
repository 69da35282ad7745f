//! Devices as they are shown: one, or a page of those that pass a filter. Tags come with their device in the same row, so a
//! page is one statement however many devices it has.

use super::draft::{bad, check_text};
use super::registry_refusal::RegistryRefusal;
use super::{DeviceId, DeviceStatus, draft};
use crate::instant::StoredInstant;
use crate::tenants::TenantTx;
use plimsoll::Result;
use plimsoll::tokio_postgres::Row;
use serde_json::{Value, json};

/// The columns of a [`Shown`], in its order.
macro_rules! shown {
    ($rest:literal) => {
        concat!(
            "SELECT d.device_id, d.site_id, d.status, d.subscription_id, d.name, d.device_type, d.model,
                    d.manufacturer, d.serial, d.notes, d.created_at, d.updated_at, d.decommissioned_at,
                    ARRAY(SELECT t.tag FROM public.device_tags t
                          WHERE t.tenant_id = d.tenant_id AND t.device_id = d.device_id ORDER BY t.tag)
             FROM public.device_registry d WHERE d.tenant_id = $1 AND d.status <> 'DELETED' AND ",
            $rest
        )
    };
}

const ONE: &str = shown!("d.device_id = $2");

const PAGE: &str = shown!(
    "d.device_id > $2
     AND ($4::text IS NULL OR d.status = $4)
     AND ($5::text IS NULL OR d.site_id = $5)
     AND (cardinality($6::text[]) = 0
          OR (SELECT count(*) FROM public.device_tags t
              WHERE t.tenant_id = d.tenant_id AND t.device_id = d.device_id AND t.tag = ANY($6))
             = cardinality($6))
     AND ($7::text IS NULL OR strpos(lower(d.device_id || ' ' || coalesce(d.name, '')), lower($7)) > 0)
     ORDER BY d.device_id LIMIT $3"
);

/// Which devices are asked for. What is not said lets all of them pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    status: Option<DeviceStatus>,
    site: Option<String>,
    tags: Vec<String>,
    search: Option<String>,
}

impl Filter {
    /// The filter of a query: `status`, `site_id`, `search` (in the id and the name, in any case), and `tag`, which may be
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
                "status" if filter.status.is_none() => filter.status = Some(status(&value)?),
                "site_id" if filter.site.is_none() => {
                    filter.site = Some(draft::site_id(&value)?.as_str().to_owned());
                }
                "search" if filter.search.is_none() => {
                    check_text("search", &value, 200)?;
                    filter.search = Some(value);
                }
                "status" | "site_id" | "search" => return Err(bad("a filter is said once")),
                _ => {
                    return Err(bad(
                        "the filters are status, site_id, tag, tags and search; limit and after are the page's",
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
        json!([self.status.map(DeviceStatus::as_str), self.site, self.tags, self.search]).to_string()
    }
}

fn status(text: &str) -> std::result::Result<DeviceStatus, RegistryRefusal> {
    DeviceStatus::parse(text)
        .filter(|status| *status != DeviceStatus::Deleted)
        .ok_or_else(|| bad("status is PENDING, ACTIVE, INACTIVE, SUSPENDED or REVOKED"))
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
pub async fn one(tx: &TenantTx, device: &DeviceId) -> Result<Option<Shown>> {
    let row = tx.query_opt(ONE, &[&tx.tenant(), &device.as_str()]).await?;
    row.as_ref().map(Shown::of).transpose()
}

/// Up to `limit` devices that pass the filter and whose ids come after `after`, in order.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn page(tx: &TenantTx, filter: &Filter, after: &str, limit: i64) -> Result<Vec<Shown>> {
    let status = filter.status.map(DeviceStatus::as_str);
    let values: [&(dyn plimsoll::tokio_postgres::types::ToSql + Sync); 7] =
        [&tx.tenant(), &after, &limit, &status, &filter.site, &filter.tags, &filter.search];
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
        for wrong in [
            &[("status", "DELETED")][..],
            &[("status", "active")],
            &[("site_id", "")],
            &[("search", "\u{0}")],
            &[("tags", "a,,b")],
            &[("offset", "5")],
            &[("search", "a"), ("search", "b")],
        ] {
            assert!(of(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn cursors_of_other_filters_are_others() {
        let signed = |query: &[(&str, &str)]| of(query).unwrap().signed();
        let all =
            [signed(&[]), signed(&[("search", "a")]), signed(&[("tag", "a")]), signed(&[("site_id", "a")])];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
