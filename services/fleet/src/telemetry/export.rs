//! A file of readings, as long as its range, in little memory and with little of the database.
//!
//! The file is read in parts of a thousand readings, each behind the last one of the part before, and each in a transaction of
//! its own. A part is read when the client has taken the one before: so a slow client makes the reading slow, and while it
//! takes its time there is no statement under way and no connection lent. One statement for the whole file would hold a
//! connection for as long as the client likes, and would be ended by the limits that every statement has. A client that
//! leaves drops the stream, and with it the part that is being read: its statement is stopped on the server.
//!
//! What comes in meanwhile behind the place that was reached is in the file; what comes in before it is not. No reading is in
//! it twice. A file that breaks off ends without its last chunk, so a client does not take it for whole.

use super::TelemetryRefusal;
use super::query::{Format, Range};
use super::store::{self, Place};
use crate::devices::DeviceId;
use crate::refusal::NotDone;
use crate::tenants::{TenantId, TenantTx, transaction};
use futures_util::{Stream, stream};
use plimsoll::{Database, Priority, Result};

/// The readings of a part.
const PART: i64 = 1_000;

/// The connections that all exports of this instance may have at a time.
const MOST_AT_ONCE: usize = 2;

/// What a file is made of.
pub struct Export {
    db: Database,
    tenant: TenantId,
    device: DeviceId,
    range: Range,
    format: Format,
    after: Option<Place>,
}

/// A part of a file, and what comes behind it.
pub struct Part {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The rest, where there may be one.
    pub rest: Option<Export>,
}

impl Export {
    /// Begins a file: its first part.
    ///
    /// # Errors
    /// [`TelemetryRefusal::DeviceNotFound`], and what the database failed with.
    ///
    /// # Cancel safety
    /// Only reads.
    pub async fn begin(
        db: &Database,
        tenant: &TenantId,
        device: DeviceId,
        range: Range,
        format: Format,
    ) -> std::result::Result<Part, NotDone<TelemetryRefusal>> {
        let (db, tenant) = (db.clone(), tenant.clone());
        let export = Export { db, tenant, device, range, format, after: None };
        match export.part(format.head()).await? {
            Some(part) => Ok(part),
            None => Err(TelemetryRefusal::DeviceNotFound.into()),
        }
    }

    /// The parts that come, each when it is asked for. The first error is the last item.
    pub fn parts(self) -> impl Stream<Item = Result<Vec<u8>>> + Send + 'static {
        stream::try_unfold(Some(self), |export| async {
            let Some(export) = export else { return Ok(None) };
            // A device that is deleted while its readings are read has no more of them.
            match export.part(Vec::new()).await {
                Ok(part) => Ok(part.map(|part| (part.bytes, part.rest))),
                Err(error) => {
                    tracing::warn!("a file of readings breaks off: {error}");
                    Err(error)
                }
            }
        })
    }

    /// The next part behind these bytes; none where the device is not there.
    async fn part(mut self, mut bytes: Vec<u8>) -> Result<Option<Part>> {
        let (device, range, after) = (&self.device, self.range, self.after);
        let call = self.db.named("export telemetry").read_only();
        let call = call.priority(Priority::Low).at_most(MOST_AT_ONCE);
        let read = async |tx: TenantTx| {
            if !store::has(&tx, device).await? {
                return Ok(None);
            }
            store::oldest_first(&tx, device, range, after, PART).await.map(Some)
        };
        let Some(readings) = transaction::retrying(call, &self.tenant, read).await? else { return Ok(None) };
        self.format.write(&readings, &mut bytes)?;
        let is_full = i64::try_from(readings.len()).is_ok_and(|count| count >= PART);
        let last = readings.last().filter(|_| is_full).map(store::Shown::place);
        let rest = last.map(|last| {
            self.after = Some(last);
            self
        });
        Ok(Some(Part { bytes, rest }))
    }
}
