//! Devices from a CSV file: a transaction for each row, so that a row that fails leaves the others alone, and a report that
//! says of each what became of it. The secret of each new device is in the report and nowhere else.
//!
//! A row without `device_id` is registered under its name, where that can be an id: the same file sent twice then tells of
//! devices that exist, and makes none a second time.

use super::draft::{self, Details, Draft};
use super::register::{Created, create};
use super::registry_refusal::RegistryRefusal;
use super::{DeviceId, SiteId};
use crate::refusal::NotDone;
use crate::subscriptions::store::Actor;
use crate::tenants::TenantId;
use csv::{ByteRecord, ReaderBuilder};
use plimsoll::{Database, Fault};
use serde_json::{Map, Value};
use std::time::{Duration, Instant};

/// The largest file, in bytes.
pub const LARGEST: usize = 1 << 20;

/// The most rows of a file, without its head.
pub const MOST_ROWS: usize = 500;

/// The columns that there can be; those of the first two have to be.
const COLUMNS: [&str; 10] = [
    "name",
    "device_type",
    "device_id",
    "site_id",
    "subscription_id",
    "tags",
    "model",
    "manufacturer",
    "serial",
    "notes",
];

/// A row of the file: its number, and the device that it names.
#[derive(Debug)]
pub struct CsvRow {
    /// Its number as a spreadsheet shows it: the head is 1.
    pub number: usize,
    /// What it asks for, or why that cannot be.
    pub draft: Result<Draft, RegistryRefusal>,
}

/// What became of a row.
#[derive(Debug)]
pub struct RowResult {
    /// Its number; the head is 1.
    pub number: usize,
    /// The device that it names, where it names one.
    pub device: Option<DeviceId>,
    /// The new device with its secret, or why there is none.
    pub done: Result<Created, NotDone<RegistryRefusal>>,
}

/// Reads a file.
///
/// # Errors
/// When the file as a whole cannot be used: no head, a column that is none, one that is missing, too many rows. A row that
/// cannot be used is one of those that are given.
pub fn parse(file: &[u8]) -> Result<Vec<CsvRow>, RegistryRefusal> {
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let mut reader = ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(file);
    let columns = columns(reader.byte_headers().map_err(|error| unreadable(&error))?)?;
    let mut rows = Vec::new();
    for record in reader.byte_records() {
        let record = record.map_err(|error| unreadable(&error))?;
        if rows.len() == MOST_ROWS {
            return Err(RegistryRefusal::BadCsv(
                format!("a file has at most {MOST_ROWS} rows: send it in parts").into(),
            ));
        }
        rows.push(CsvRow { number: rows.len() + 2, draft: draft_of(&columns, &record) });
    }
    if rows.is_empty() {
        return Err(RegistryRefusal::BadCsv("the file has no row below its head".into()));
    }
    Ok(rows)
}

/// Which column stands where.
fn columns(head: &ByteRecord) -> Result<Vec<&'static str>, RegistryRefusal> {
    let mut found = Vec::with_capacity(head.len());
    for name in head {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let known = COLUMNS.into_iter().find(|column| *column == name);
        match known {
            Some(column) if !found.contains(&column) => found.push(column),
            _ => {
                let columns = COLUMNS.join(", ");
                return Err(RegistryRefusal::BadCsv(
                    format!("the first line names each column once, of: {columns}").into(),
                ));
            }
        }
    }
    if ["name", "device_type"].iter().all(|needed| found.contains(needed)) {
        return Ok(found);
    }
    Err(RegistryRefusal::BadCsv("the first line names at least the columns name and device_type".into()))
}

fn draft_of(columns: &[&'static str], record: &ByteRecord) -> Result<Draft, RegistryRefusal> {
    if record.len() != columns.len() {
        let (has, wanted) = (record.len(), columns.len());
        return Err(draft::bad(format!("the row has {has} fields, and the head has {wanted}")));
    }
    let mut texts = Map::new();
    for (column, field) in columns.iter().zip(record) {
        let text = std::str::from_utf8(field).map_err(|_| draft::bad(format!("{column} is not UTF-8")))?;
        // What is empty is not said.
        if !text.is_empty() {
            texts.insert((*column).to_owned(), Value::from(text));
        }
    }
    let mut take = |column: &str| match texts.remove(column) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let (id, site, subscription) = (take("device_id"), take("site_id"), take("subscription_id"));
    let tags = take("tags").unwrap_or_default();
    let name = texts.get("name").and_then(Value::as_str).ok_or_else(|| draft::bad("name is empty"))?;
    if !texts.contains_key("device_type") {
        return Err(draft::bad("device_type is empty"));
    }
    let device = match &id {
        Some(id) => draft::device_id(id)?,
        None => DeviceId::parse(name)
            .filter(|id| !id.is_reserved())
            .ok_or_else(|| draft::bad("the name cannot be the device's id: give it a device_id"))?,
    };
    Ok(Draft {
        device,
        site: site.map_or_else(|| Ok(SiteId::default_site()), |site| draft::site_id(&site))?,
        subscription: draft::subscription_id(subscription)?,
        tags: draft::tags(
            tags.split([';', '|']).map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()),
        )?,
        details: Details::of(texts)?,
    })
}

fn unreadable(error: &csv::Error) -> RegistryRefusal {
    let byte = error.position().map_or(0, csv::Position::byte);
    RegistryRefusal::BadCsv(format!("the file cannot be read as CSV from byte {byte} on").into())
}

/// Registers what the rows ask for, one after the other, each in a transaction of its own. No row is begun once `within` has
/// passed, nor after the database was away; those are told as not tried, since what has been done must be answered.
///
/// # Cancel safety
/// Dropped, some of the rows have been registered, and nobody was told their secrets: their tokens have to be rotated.
pub async fn import(
    db: &Database,
    tenant: &TenantId,
    rows: Vec<CsvRow>,
    within: Duration,
    actor: &Actor,
) -> Vec<RowResult> {
    let began = Instant::now();
    let mut results = Vec::with_capacity(rows.len());
    let mut is_away = false;
    for CsvRow { number, draft } in rows {
        let draft = match draft {
            Ok(draft) => draft,
            Err(refusal) => {
                results.push(RowResult { number, device: None, done: Err(refusal.into()) });
                continue;
            }
        };
        let done = if is_away || began.elapsed() >= within {
            Err(RegistryRefusal::NotTried.into())
        } else {
            create(db, tenant, &draft, "import", actor).await
        };
        is_away |= matches!(&done, Err(NotDone::Failed(error)) if stops_the_rest(error.fault()));
        results.push(RowResult { number, device: Some(draft.device), done });
    }
    results
}

/// Whether the next row would fail alike.
fn stops_the_rest(fault: Fault) -> bool {
    fault.is_connectivity()
        || matches!(fault, Fault::PoolExhausted | Fault::DeadlinePassed | Fault::ReadOnlyServer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(file: &str) -> Vec<CsvRow> {
        parse(file.as_bytes()).unwrap()
    }

    #[test]
    fn a_row_is_a_device() {
        let file =
            "\u{feff}Name,device_type,device_id,tags\r\n\"Pump, left\",pump,p1,a; b|a\r\nvalve-2,valve,,\r\n";
        let read = rows(file);
        let first = read[0].draft.as_ref().unwrap();
        assert_eq!((first.device.as_str(), &first.tags[..]), ("p1", &["a".to_owned(), "b".to_owned()][..]));
        let details: Value = serde_json::from_str(&first.details.json()).unwrap();
        assert_eq!(details, serde_json::json!({"device_type": "pump", "name": "Pump, left"}));
        let second = read[1].draft.as_ref().unwrap();
        assert_eq!((second.device.as_str(), second.site.as_str()), ("valve-2", "default"));
        assert_eq!((read[0].number, read[1].number), (2, 3));
    }

    #[test]
    fn a_bad_row_spoils_no_other() {
        let read = rows("name,device_type\na b,t\nok,t\nshort\n,t\nx,\n");
        let good: Vec<bool> = read.iter().map(|row| row.draft.is_ok()).collect();
        assert_eq!(good, [false, true, false, false, false]);
    }

    #[test]
    fn a_bad_file_is_refused_whole() {
        for file in [
            "",
            "name\nx\n",
            "name,device_type\n",
            "name,device_type,colour\na,b,c\n",
            "name,name,device_type\n",
        ] {
            assert!(parse(file.as_bytes()).is_err(), "{file:?}");
        }
        let many = |count: usize| format!("name,device_type\n{}", "d,t\n".repeat(count));
        assert_eq!(parse(many(500).as_bytes()).unwrap().len(), 500);
        assert!(parse(many(501).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
            let mut with_head = b"name,device_type,device_id\n".to_vec();
            with_head.extend(bytes);
            let _ = parse(&with_head);
        }
    }
}
