//! What is on record about the devices whose messages have just come: asked for many of a tenant in one statement.
//!
//! A transaction for each message that only asks who its device is would cost as much as storing it. So those that come while
//! the database is being asked wait for the next question, which is about all of them ([`desk`](super::desk)). Nothing is kept:
//! a question begins after the messages that it is asked for have come, and so a device that was revoked before, or whose tenant
//! was suspended, is not let in.

use super::desk::{Clerk, Desk, MARGIN, NoPlace, QUEUE};
use super::refusal::StoreRefusal;
use crate::devices::admission::Record;
use crate::devices::{DeviceId, store};
use crate::refusal::NotDone;
use crate::tenants::{TenantId, TenantTx, transaction};
use plimsoll::deadline::{self, Deadline};
use plimsoll::{Database, Error};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout_at;

/// The most devices of one question.
const MOST: usize = 500;

/// One that waits to hear about a device.
struct Asking {
    device: DeviceId,
    /// When its request ends.
    end: Deadline,
    tell: oneshot::Sender<Result<Option<Record>, Arc<Error>>>,
}

/// The handle of the task that asks.
pub struct Lookup {
    desk: Arc<Desk<Asking>>,
    clerk: Clerk,
    within: Duration,
}

impl Lookup {
    /// Starts the task. A question has as long as the longest of those have who wait for it; one without a deadline has this
    /// long. It ends with [`Lookup::stop`], or when its handle is dropped.
    #[must_use]
    pub fn start(db: Database, within: Duration) -> Self {
        let desk = Desk::new(QUEUE);
        let work = move |tenant, asking| ask(db.clone(), tenant, asking);
        Lookup { clerk: Clerk::start(Arc::clone(&desk), || MOST, work), desk, within }
    }

    /// What is on record about this device and its tenant, read after this was called; nothing where the tenant does not exist.
    ///
    /// # Errors
    /// Why it could not be asked, and what the database failed with.
    ///
    /// # Cancel safety
    /// Only reads.
    pub async fn of(
        &self,
        tenant: &TenantId,
        device: &DeviceId,
    ) -> Result<Option<Record>, NotDone<StoreRefusal>> {
        let end = deadline::current().unwrap_or_else(|| Deadline::after(self.within));
        let (tell, told) = oneshot::channel();
        let (_place, gone) = self
            .desk
            .enter(tenant.clone(), Asking { device: device.clone(), end, tell })
            .map_err(|why| match why {
                NoPlace::Full => StoreRefusal::QueueFull,
                NoPlace::Closed => StoreRefusal::Stopping,
            })?;
        // The one that has to go hears of it by that.
        drop(gone);
        let until = end.instant().checked_sub(MARGIN).unwrap_or_else(|| end.instant());
        match timeout_at(until, told).await {
            Ok(Ok(told)) => told.map_err(NotDone::FailedForAll),
            Ok(Err(_)) => Err(StoreRefusal::QueueFull.into()),
            Err(_) => Err(StoreRefusal::NotInTime.into()),
        }
    }

    /// Takes nothing more, asks about those that wait, and ends.
    ///
    /// # Cancel safety
    /// Dropped, the task goes on to its end by itself.
    pub async fn stop(&self) {
        self.clerk.stop().await;
    }
}

/// Asks about the devices of one tenant, and tells each that waits.
async fn ask(db: Database, tenant: TenantId, mut asking: Vec<Asking>) {
    asking.retain(|one| !one.tell.is_closed());
    let Some(end) = asking.iter().map(|one| one.end).max() else { return };
    let devices: BTreeSet<&str> = asking.iter().map(|one| one.device.as_str()).collect();
    let devices: Vec<&str> = devices.into_iter().collect();
    let call = db.named("look devices up").read_only();
    let read = async |tx: TenantTx| store::records(&tx, &devices).await;
    match deadline::until(end, transaction::retrying(call, &tenant, read)).await {
        Ok(records) => {
            for Asking { device, tell, .. } in asking {
                // One that has left does not need it.
                let _ = tell.send(Ok(records.of(&device)));
            }
        }
        Err(error) => {
            tracing::warn!("{} devices of tenant {tenant} could not be looked up: {error}", devices.len());
            let error = Arc::new(error);
            for Asking { tell, .. } in asking {
                let _ = tell.send(Err(Arc::clone(&error)));
            }
        }
    }
}
