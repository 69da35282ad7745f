//! A message comes in, by whatever protocol: one path from its bytes to what became of it.
//!
//! The order is from cheap to dear: how often its device sends, the message itself; only then is the database asked who the
//! device is, and only after all that is anything written. A protocol finds out who is named and what was shown, and
//! translates what comes back. What is refused for good, and would be refused again, is noted in quarantine.

use super::message;
use super::quarantine::Rejected;
use super::rate::buckets::BucketKey;
use super::rate::{self, RateLimited};
use super::reading::{self, Kind, Reading};
use super::refusal::{Contended, MessageRefusal, StoreRefusal};
use super::store::Fate;
use crate::credentials::TokenHash;
use crate::devices::admit::admit;
use crate::devices::refusal::AdmissionRefusal;
use crate::devices::{DeviceId, SiteId};
use crate::refusal::{NotDone, Refusal, RefusalKind};
use crate::service::{Service, Starting};
use crate::tenants::TenantId;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// A message as it came.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// Whose device it says it is from.
    pub tenant: &'a TenantId,
    /// Which device it says it is from.
    pub device: &'a DeviceId,
    /// What it showed to prove that.
    pub shown: &'a TokenHash,
    /// The message.
    pub body: &'a [u8],
}

/// A reading that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its number: the device's own, or the one that it was given.
    pub seq: i64,
    /// Whether it was stored before.
    pub is_duplicate: bool,
}

/// What became of a message.
#[derive(Debug)]
pub struct Taken {
    /// Whether its sender has proved to be who it says.
    pub is_proved: bool,
    /// Whether it is stored.
    pub result: Result<Accepted, NotDone<IngestRefusal>>,
}

/// Why a message is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IngestRefusal {
    /// The database has not been there since the service started.
    Starting(Starting),
    /// The message is wrong.
    Message(MessageRefusal),
    /// Its device sends too often.
    Rate(RateLimited),
    /// Its device may not send.
    Admission(AdmissionRefusal),
    /// It could not be stored.
    Store(StoreRefusal),
    /// Other work of the database was in the way.
    Contended(Contended),
}

impl IngestRefusal {
    fn of(&self) -> &dyn Refusal {
        match self {
            IngestRefusal::Starting(refusal) => refusal,
            IngestRefusal::Message(refusal) => refusal,
            IngestRefusal::Rate(refusal) => refusal,
            IngestRefusal::Admission(refusal) => refusal,
            IngestRefusal::Store(refusal) => refusal,
            IngestRefusal::Contended(refusal) => refusal,
        }
    }
}

impl Refusal for IngestRefusal {
    fn kind(&self) -> RefusalKind {
        self.of().kind()
    }

    fn code(&self) -> &'static str {
        self.of().code()
    }

    fn detail(&self) -> Cow<'static, str> {
        self.of().detail()
    }
}

/// The devices that were let in within one request, with their sites: its other messages of them need not ask again.
#[derive(Debug, Default)]
pub(super) struct Admitted {
    sites: Mutex<HashMap<BucketKey, SiteId>>,
    /// The messages were charged to their devices before.
    are_charged: bool,
}

impl Admitted {
    fn site(&self, Incoming { tenant, device, shown, .. }: Incoming<'_>) -> Option<SiteId> {
        self.sites
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&rate::key(tenant, device, shown))
            .cloned()
    }

    fn keep(&self, Incoming { tenant, device, shown, .. }: Incoming<'_>, site: &SiteId) {
        let mut known = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(rate::key(tenant, device, shown)).or_insert_with(|| site.clone());
    }
}

/// Takes a message in, and returns after the COMMIT that holds its reading, or that notes its heartbeat.
///
/// # Cancel safety
/// Dropped, it may be stored if it was being written by then, and its device may have been registered.
pub async fn take(service: &Service, incoming: Incoming<'_>, kind: Kind) -> Taken {
    take_known(service, incoming, kind, &Admitted::default()).await
}

/// The same for a message that was not taken because of something that passes: its device is not charged a second time.
pub(super) async fn take_again(service: &Service, incoming: Incoming<'_>, kind: Kind) -> Taken {
    take_known(service, incoming, kind, &Admitted { are_charged: true, ..Admitted::default() }).await
}

async fn take_known(service: &Service, incoming: Incoming<'_>, kind: Kind, known: &Admitted) -> Taken {
    let entered = enter(service, incoming, kind, known).await;
    store(service, incoming, kind, entered).await
}

/// How far a message has come before it is stored.
#[derive(Debug)]
pub(super) struct Entered {
    is_proved: bool,
    result: Result<Reading, NotDone<IngestRefusal>>,
}

/// The first half of the way, for one of several messages of a request: all that comes before its reading is stored.
pub(super) async fn enter(
    service: &Service,
    incoming: Incoming<'_>,
    kind: Kind,
    known: &Admitted,
) -> Entered {
    let mut is_proved = false;
    let result = steps(service, incoming, kind, known, &mut is_proved).await;
    Entered { is_proved, result }
}

/// The second half: stores it, or notes why it was not taken.
pub(super) async fn store(
    service: &Service,
    incoming: Incoming<'_>,
    kind: Kind,
    Entered { is_proved, result }: Entered,
) -> Taken {
    let result = match result {
        Ok(reading) => put(service, incoming.tenant, reading).await,
        Err(why) => Err(why),
    };
    let result = result.map_err(|why| without_contention(why, incoming.device));
    match &result {
        Ok(_) => service.quarantine().exists(incoming.tenant),
        Err(NotDone::Refused(refusal)) => note(service, incoming, kind, refusal, is_proved),
        // It is sent again.
        Err(NotDone::Failed(_) | NotDone::FailedForAll(_)) => {}
    }
    Taken { is_proved, result }
}

/// The same, where other work of the database was in the way as the refusal that it is for a device.
fn without_contention(why: NotDone<IngestRefusal>, device: &DeviceId) -> NotDone<IngestRefusal> {
    let contended = match &why {
        NotDone::Refused(_) => None,
        NotDone::Failed(error) => Contended::of(error).inspect(|_| {
            tracing::warn!("a message of device {device} was not taken: {error}");
        }),
        // The log has been told.
        NotDone::FailedForAll(error) => Contended::of(error),
    };
    contended.map_or(why, |refusal| NotDone::Refused(IngestRefusal::Contended(refusal)))
}

async fn put(
    service: &Service,
    tenant: &TenantId,
    reading: Reading,
) -> Result<Accepted, NotDone<IngestRefusal>> {
    let ready = service.ready().map_err(IngestRefusal::Starting)?;
    let seq = reading.seq;
    let stored = ready.writer.store(tenant.clone(), reading).await;
    let fate = stored.map_err(|why| why.map(IngestRefusal::Store))?;
    Ok(Accepted { seq, is_duplicate: fate == Fate::Duplicate })
}

fn note(service: &Service, incoming: Incoming<'_>, kind: Kind, refusal: &IngestRefusal, is_proved: bool) {
    let Incoming { tenant, device, body, .. } = incoming;
    let is_final = !matches!(
        refusal.kind(),
        RefusalKind::NotNow(_) | RefusalKind::Late | RefusalKind::Unsure | RefusalKind::OwnMistake
    );
    if is_final {
        let (reason, is_kept) =
            (refusal.code(), matches!(refusal, IngestRefusal::Store(StoreRefusal::Conflict)));
        let rejected = Rejected { tenant, device, kind, reason, body, is_proved, is_kept };
        service.quarantine().note(rejected, reading::time_of_arrival());
    }
}

async fn steps(
    service: &Service,
    incoming: Incoming<'_>,
    kind: Kind,
    known: &Admitted,
    is_proved: &mut bool,
) -> Result<Reading, NotDone<IngestRefusal>> {
    let Incoming { tenant, device, shown, body } = incoming;
    let now = reading::time_of_arrival();
    let is_charged = !known.are_charged
        && service.rate().charge_known(tenant, device, shown).map_err(|limited| {
            *is_proved = true;
            IngestRefusal::Rate(limited)
        })?;
    *is_proved = is_charged;
    let message = match kind {
        Kind::Telemetry => message::parse(body, now),
        Kind::Heartbeat => message::parse_heartbeat(body, now),
    };
    let message = message.map_err(IngestRefusal::Message)?;
    let ready = service.ready().map_err(IngestRefusal::Starting)?;
    let (db, said, may_register) = (&ready.pools.ingest, message.site.as_ref(), service.auto_provision());
    let admitted = match known.site(incoming) {
        Some(site) if said.is_none_or(|said| *said == site) => Ok(site),
        Some(_) => Err(AdmissionRefusal::SiteMismatch.into()),
        None => {
            let looked_up = ready.lookup.of(tenant, device).await;
            let record = looked_up.map_err(|why| why.map(IngestRefusal::Store))?;
            admit(db, tenant, device, record.as_ref(), shown, said, may_register).await
        }
    };
    // Every other refusal comes after the proof; of a failure of the database nothing is known.
    *is_proved = is_charged
        || match &admitted {
            Ok(_) => true,
            Err(NotDone::Refused(refusal)) => *refusal != AdmissionRefusal::NotProved,
            Err(_) => false,
        };
    let site = admitted.map_err(|why| why.map(IngestRefusal::Admission))?;
    known.keep(incoming, &site);
    if !is_charged && !known.are_charged {
        service.rate().charge_proved(tenant, device, shown).map_err(IngestRefusal::Rate)?;
    }
    Ok(match kind {
        Kind::Telemetry => Reading::of(message, device.clone(), site, now).map_err(IngestRefusal::Store)?,
        Kind::Heartbeat => Reading::heartbeat(message, device.clone(), site, now),
    })
}
