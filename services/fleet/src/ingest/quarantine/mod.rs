//! What was not taken: counted by the minute, the tenant and the reason, and kept to be looked at.
//!
//! A refusal is noted in memory and written by a background task. So a request that is refused takes no connection for that,
//! least of all a second one while it holds one; and a thousand refusals of one reason are one row. What is noted is lost with
//! the process, up to a second of it. One kind is not noted but written before its device is told: a reading in conflict with
//! one that is stored (see [`store`](super::store)).
//!
//! - Only tenants are counted that a message has proved to exist; the rest are counted together, in memory alone. So a stranger
//!   cannot make rows by naming tenants.
//! - Only messages of senders that proved themselves are kept, so that a stranger cannot push them out.
//! - What waits to be written is bounded, and so is what is kept: see [`rows`].

pub mod rows;

use super::reading::Kind;
use crate::devices::DeviceId;
use crate::tenants::TenantId;
use jiff::Timestamp;
use plimsoll::{Database, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// The name of what must not be kept.
const SECRET: &[u8] = b"provision_token";

/// How often what was noted is written.
const EVERY: Duration = Duration::from_secs(1);

/// Messages of one tenant that wait to be written.
const MOST_OF_TENANT: usize = 100;

/// Messages that wait to be written, of all tenants.
const MOST: usize = 2_000;

/// A refusal, as it is noted.
#[derive(Clone, Copy, Debug)]
pub struct Rejected<'a> {
    /// Whose device the message said it is from.
    pub tenant: &'a TenantId,
    /// Which device.
    pub device: &'a DeviceId,
    /// What the message was for.
    pub kind: Kind,
    /// The code of the refusal.
    pub reason: &'static str,
    /// The message.
    pub body: &'a [u8],
    /// Whether its sender had proved to be who it says.
    pub is_proved: bool,
    /// Whether the message is kept already.
    pub is_kept: bool,
}

/// A message that is kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Which device it is from.
    pub device: DeviceId,
    /// What it was for.
    pub kind: Kind,
    /// Why it was not taken.
    pub reason: &'static str,
    /// When it came.
    pub at: Timestamp,
    /// The message, as far as it is text.
    pub payload: String,
}

/// What is to be written of one tenant.
#[derive(Debug, Default)]
pub struct Noted {
    /// How many, by the beginning of the minute in seconds and the reason.
    pub counts: BTreeMap<(i64, &'static str), u64>,
    /// The messages.
    pub kept: Vec<Kept>,
}

#[derive(Debug, Default)]
struct State {
    /// The tenants that a message has proved to exist.
    known: BTreeSet<TenantId>,
    noted: BTreeMap<TenantId, Noted>,
    /// Messages that wait.
    waiting: usize,
    strangers: u64,
    not_kept: u64,
}

/// What this instance has not taken.
#[derive(Debug)]
pub struct Quarantine {
    keeps_messages: bool,
    state: Mutex<State>,
}

impl Quarantine {
    /// Nothing is noted yet. Whether messages are kept, or only counted.
    #[must_use]
    pub fn new(keeps_messages: bool) -> Self {
        Quarantine { keeps_messages, state: Mutex::default() }
    }

    /// A message has proved that this tenant exists.
    pub(crate) fn exists(&self, tenant: &TenantId) {
        let mut state = self.state();
        if !state.known.contains(tenant) {
            state.known.insert(tenant.clone());
        }
    }

    /// Notes a message that was not taken.
    pub(crate) fn note(&self, rejected: Rejected<'_>, at: Timestamp) {
        let Rejected { tenant, device, kind, reason, body, is_proved, is_kept } = rejected;
        let mut state = self.state();
        if is_proved {
            state.known.insert(tenant.clone());
        } else if !state.known.contains(tenant) {
            state.strangers += 1;
            return;
        }
        let minute = at.as_second().div_euclid(60) * 60;
        let waiting = state.waiting;
        let noted = state.noted.entry(tenant.clone()).or_default();
        *noted.counts.entry((minute, reason)).or_default() += 1;
        if is_kept || !is_proved || !self.keeps_messages {
            return;
        }
        if noted.kept.len() < MOST_OF_TENANT && waiting < MOST {
            noted.kept.push(Kept { device: device.clone(), kind, reason, at, payload: text(body) });
            state.waiting += 1;
        } else {
            state.not_kept += 1;
        }
    }

    /// Counts a message of which no more is known than whose it says it is, if that.
    pub(crate) fn count(&self, tenant: Option<&TenantId>, reason: &'static str, at: Timestamp) {
        let mut state = self.state();
        match tenant.filter(|tenant| state.known.contains(*tenant)) {
            Some(tenant) => {
                let minute = at.as_second().div_euclid(60) * 60;
                let noted = state.noted.entry(tenant.clone()).or_default();
                *noted.counts.entry((minute, reason)).or_default() += 1;
            }
            None => state.strangers += 1,
        }
    }

    /// Messages that named a tenant which no message has proved to exist.
    #[must_use]
    pub fn strangers(&self) -> u64 {
        self.state().strangers
    }

    /// Messages that were counted and not kept, because too many waited.
    #[must_use]
    pub fn not_kept(&self) -> u64 {
        self.state().not_kept
    }

    /// Writes what was noted. What could not be written is written with the next.
    ///
    /// # Cancel safety
    /// Dropped, what was being written of one tenant, and of those behind it, may be lost.
    pub async fn write(&self, db: &Database) {
        let all = {
            let mut state = self.state();
            state.waiting = 0;
            std::mem::take(&mut state.noted)
        };
        for (tenant, noted) in all {
            let Err(error) = rows::write(db, &tenant, &noted).await else { continue };
            // Written twice, it would be counted twice.
            let is_lost = error.outcome() == Outcome::Unknown;
            let what = if is_lost { "may be lost" } else { "is tried again" };
            tracing::warn!("what was not taken of tenant {tenant} could not be written, and {what}: {error}");
            if !is_lost {
                self.note_again(tenant, noted);
            }
        }
    }

    fn note_again(&self, tenant: TenantId, noted: Noted) {
        let mut state = self.state();
        let waiting = state.waiting;
        let now = state.noted.entry(tenant).or_default();
        for (key, count) in noted.counts {
            *now.counts.entry(key).or_default() += count;
        }
        let room = MOST_OF_TENANT.saturating_sub(now.kept.len()).min(MOST.saturating_sub(waiting));
        let (all, kept) = (noted.kept.len(), noted.kept.len().min(room));
        now.kept.extend(noted.kept.into_iter().take(kept));
        state.waiting += kept;
        state.not_kept += u64::try_from(all - kept).unwrap_or_default();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The message as text that the server takes.
fn text(body: &[u8]) -> String {
    let body = body.get(..super::message::LARGEST).unwrap_or(body);
    if body.windows(SECRET.len()).any(|part| part == SECRET) {
        return "(a message that names a provision_token is not kept)".to_owned();
    }
    String::from_utf8_lossy(body).replace('\0', "\u{fffd}")
}

/// Writes every second what was noted, until `stop` is raised; a background task of the service. What is noted after that is
/// written by the last work of the stop.
pub(crate) async fn keep_writing(
    service: crate::service::Service,
    db: Database,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        service.quarantine().write(&db).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> TenantId {
        TenantId::parse(name).unwrap()
    }

    fn note(quarantine: &Quarantine, name: &str, reason: &'static str, is_proved: bool, second: i64) {
        let (tenant, device) = (tenant(name), DeviceId::parse("d1").unwrap());
        let rejected = Rejected {
            tenant: &tenant,
            device: &device,
            kind: Kind::Telemetry,
            reason,
            body: b"{\0",
            is_proved,
            is_kept: false,
        };
        quarantine.note(rejected, Timestamp::from_second(second).unwrap());
    }

    /// How many, by minute and reason.
    type Counts = Vec<((i64, &'static str), u64)>;

    fn noted(quarantine: &Quarantine) -> Vec<(String, Counts, usize)> {
        let state = quarantine.state();
        let of = |(tenant, noted): (&TenantId, &Noted)| {
            (tenant.to_string(), noted.counts.clone().into_iter().collect(), noted.kept.len())
        };
        state.noted.iter().map(of).collect()
    }

    #[test]
    fn refusals_are_counted_by_minute_and_reason() {
        let quarantine = Quarantine::new(true);
        for second in [0, 59, 60, 61] {
            note(&quarantine, "t", "A", true, second);
        }
        note(&quarantine, "t", "B", true, 61);
        let counts = vec![((0, "A"), 2), ((60, "A"), 2), ((60, "B"), 1)];
        assert_eq!(noted(&quarantine), [("t".to_owned(), counts, 5)]);
        assert_eq!(quarantine.state().noted[&tenant("t")].kept[0].payload, "{\u{fffd}");
    }

    #[test]
    fn a_stranger_makes_no_rows_and_keeps_nothing() {
        let quarantine = Quarantine::new(true);
        for n in 0..1_000 {
            note(&quarantine, &format!("forged{n}"), "A", false, 0);
        }
        assert_eq!((noted(&quarantine).len(), quarantine.strangers()), (0, 1_000));
        quarantine.exists(&tenant("t"));
        note(&quarantine, "t", "A", false, 0);
        assert_eq!(noted(&quarantine), [("t".to_owned(), vec![((0, "A"), 1)], 0)]);
    }

    #[test]
    fn what_waits_is_bounded_and_every_one_is_counted() {
        let quarantine = Quarantine::new(true);
        for _ in 0..500 {
            note(&quarantine, "t", "A", true, 0);
        }
        assert_eq!(noted(&quarantine), [("t".to_owned(), vec![((0, "A"), 500)], 100)]);
        assert_eq!(quarantine.not_kept(), 400);
        for n in 0..100 {
            for _ in 0..100 {
                note(&quarantine, &format!("t{n}"), "A", true, 0);
            }
        }
        let kept: usize = noted(&quarantine).iter().map(|(_, _, kept)| kept).sum();
        assert_eq!(kept, MOST);
    }

    #[test]
    fn where_messages_are_not_kept_they_are_counted() {
        let quarantine = Quarantine::new(false);
        note(&quarantine, "t", "A", true, 0);
        assert_eq!(noted(&quarantine), [("t".to_owned(), vec![((0, "A"), 1)], 0)]);
    }

    #[test]
    fn what_could_not_be_written_is_added_to_what_came_meanwhile() {
        let quarantine = Quarantine::new(true);
        for _ in 0..70 {
            note(&quarantine, "t", "A", true, 0);
        }
        let failed = {
            let mut state = quarantine.state();
            state.waiting = 0;
            state.noted.remove(&tenant("t")).unwrap()
        };
        for _ in 0..70 {
            note(&quarantine, "t", "A", true, 0);
        }
        quarantine.note_again(tenant("t"), failed);
        assert_eq!(noted(&quarantine), [("t".to_owned(), vec![((0, "A"), 140)], 100)]);
    }
}
