//! The way of one message: from the broker, through [`intake`], to what its device is told; and then the broker is told that
//! it is done.
//!
//! What passes (the database is away, the queue is full, it is not known whether it was stored) is tried again here, with
//! growing pauses and for as long as the connection stands; meanwhile the message is still the broker's. So a message is
//! stored at least once; one that says when it was measured, exactly once. What would go wrong again whatever is tried (a
//! mistake of this service) is given up after a few times, since it would keep its place in the window for ever.

use super::connection::Line;
use super::payload::{self, Called, NotRead};
use super::refusal::EntryRefusal;
use super::standing::{Count, Standing};
use super::told::Told;
use super::topic::{self, Topic};
use crate::credentials::TokenHash;
use crate::devices::DeviceId;
use crate::ingest::intake::{self, Incoming, IngestRefusal, Taken};
use crate::ingest::reading::{self, Kind};
use crate::ingest::refusal::MessageRefusal;
use crate::refusal::{NotDone, Refusal, RefusalKind};
use crate::service::Service;
use crate::tenants::TenantId;
use plimsoll::{Error, Fault, deadline};
use rumqttc::v5::mqttbytes::v5::Publish;
use std::borrow::Cow;
use std::time::Duration;
use tokio::sync::watch;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// So often is tried what may go wrong each time.
const TRIES: u32 = 5;

/// How much of a topic is told to the log.
const SHOWN: usize = 100;

/// What every message on its way needs.
pub(super) struct Hall {
    pub(super) service: Service,
    /// Raised when the service stops.
    pub(super) stop: watch::Receiver<bool>,
    /// How long one try may take.
    pub(super) within: Duration,
}

/// A message that was let in as far as it could be without the database.
struct Named {
    tenant: TenantId,
    device: DeviceId,
    kind: Kind,
    shown: TokenHash,
    body: String,
    called: Called,
}

/// What is to be done after a try.
enum Next {
    /// Tell it, and be done.
    Tell(Told),
    /// Try again, for this reason.
    Again(String),
    /// The same, but not for ever.
    AgainSometimes(String),
}

impl Hall {
    fn standing(&self) -> &Standing {
        self.service.mqtt()
    }

    /// Takes a message on its way, to its end or to that of its connection.
    pub(super) async fn take(&self, line: &Line, publish: &Publish) {
        let _under_way = self.standing().one_more();
        self.standing().add(Count::Received);
        let is_done = match topic::parse(&publish.topic) {
            Topic::Own => true,
            Topic::Malformed(tenant) => {
                self.refuse_unread(tenant.as_ref(), "BAD_TOPIC_FORMAT");
                tracing::warn!(
                    "a message on a topic of another form was not taken: {}",
                    shown(&publish.topic)
                );
                true
            }
            Topic::UnknownType(tenant, device) => {
                let called = Called::default();
                self.refuse(line, &tenant, &device, &EntryRefusal::UnknownType, None, &called).await;
                true
            }
            Topic::Reading(tenant, device, kind) => self.reading(line, tenant, device, kind, publish).await,
        };
        if is_done {
            line.acknowledge(publish).await;
        }
    }

    /// Whether it is done with.
    async fn reading(
        &self,
        line: &Line,
        tenant: TenantId,
        device: DeviceId,
        kind: Kind,
        publish: &Publish,
    ) -> bool {
        let (why, reason, called) = match payload::read(&publish.payload, &tenant, &device, kind) {
            Ok((payload, called)) => {
                let (shown, body) = (payload.shown, payload.body);
                let named = Named { tenant, device, kind, shown, body, called };
                return self.named(line, &named).await;
            }
            Err(NotRead::Json(error)) => {
                self.standing().add(Count::InvalidJson);
                let (bytes, topic) = (publish.payload.len(), shown(&publish.topic));
                tracing::warn!("Invalid JSON in MQTT message: {error} ({bytes} bytes on {topic})");
                (MessageRefusal::NotJson.into(), None, Called::default())
            }
            Err(NotRead::Encoding(error)) => {
                self.standing().add(Count::InvalidEncoding);
                let (bytes, topic) = (publish.payload.len(), shown(&publish.topic));
                tracing::warn!("Invalid encoding in MQTT message: {error} ({bytes} bytes on {topic})");
                (MessageRefusal::NotJson.into(), Some("INVALID_ENCODING"), Called::default())
            }
            Err(NotRead::Refused(why, called)) => (why, None, called),
        };
        self.refuse(line, &tenant, &device, &why, reason, &called).await;
        true
    }

    /// Refuses what could not be asked about: nothing in it is proved. It is counted under its code, or under this reason.
    async fn refuse(
        &self,
        line: &Line,
        tenant: &TenantId,
        device: &DeviceId,
        why: &EntryRefusal,
        reason: Option<&'static str>,
        called: &Called,
    ) {
        self.refuse_unread(Some(tenant), reason.unwrap_or(why.code()));
        line.tell(topic::of_acks(tenant, device), Told::refused(why).json(called)).await;
    }

    fn refuse_unread(&self, tenant: Option<&TenantId>, reason: &'static str) {
        self.standing().add(Count::Refused);
        self.service.quarantine().count(tenant, reason, reading::time_of_arrival());
    }

    /// Whether it is done with; if not, its connection or the service ended before.
    async fn named(&self, line: &Line, named: &Named) -> bool {
        let mut tries = 0;
        let told = loop {
            tries += 1;
            let why = match self.attempt(named, tries > 1).await {
                Next::Tell(told) => break told,
                Next::AgainSometimes(why) if tries >= TRIES => {
                    tracing::error!(
                        "a message of device {} was given up after {tries} tries: {why}",
                        named.device
                    );
                    break given_up();
                }
                Next::Again(why) | Next::AgainSometimes(why) => why,
            };
            let _waits = self.standing().one_more_waits();
            if self.standing().is_news() {
                tracing::warn!("messages from the broker cannot be stored now, and are tried again: {why}");
            }
            if !self.pause(line, tries).await {
                return false;
            }
            self.standing().add(Count::TriedAgain);
        };
        match &told {
            Told::Stored { .. } => {
                self.standing().add(Count::Stored);
                if self.standing().is_over() {
                    tracing::info!("messages from the broker are stored again");
                }
            }
            Told::Refused { .. } => self.standing().add(Count::Refused),
        }
        line.tell(topic::of_acks(&named.tenant, &named.device), told.json(&named.called)).await;
        true
    }

    async fn attempt(&self, named: &Named, is_again: bool) -> Next {
        let Named { tenant, device, kind, shown, body, .. } = named;
        let incoming = Incoming { tenant, device, shown, body: body.as_bytes() };
        let taken = deadline::within(self.within, async {
            match is_again {
                false => intake::take(&self.service, incoming, *kind).await,
                true => intake::take_again(&self.service, incoming, *kind).await,
            }
        });
        next(taken.await)
    }

    /// Whether it is worth trying again by then: the connection stands, and the service does not stop.
    async fn pause(&self, line: &Line, tries: u32) -> bool {
        let longest = FIRST_PAUSE.saturating_mul(1 << tries.min(8)).min(LONGEST_PAUSE);
        // What failed together does not come back together.
        let pause = longest.mul_f64(0.5 + 0.5 * fastrand::f64());
        let mut stop = self.stop.clone();
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            () = line.ended() => false,
            _ = stop.wait_for(|stop| *stop) => false,
        }
    }
}

fn next(taken: Taken) -> Next {
    match taken.result {
        Ok(accepted) => Next::Tell(Told::Stored { seq: accepted.seq, is_duplicate: accepted.is_duplicate }),
        Err(NotDone::Refused(why)) => of_refusal(&why),
        Err(NotDone::Failed(error)) => of_failure(&error),
        Err(NotDone::FailedForAll(error)) => of_failure(&error),
    }
}

fn of_refusal(why: &IngestRefusal) -> Next {
    let reason = || format!("{}: {}", why.code(), why.detail());
    match why.kind() {
        // That it may have been stored already does not hinder: to store it at least once is what is promised here.
        RefusalKind::NotNow(_) | RefusalKind::Late | RefusalKind::Unsure => Next::Again(reason()),
        RefusalKind::OwnMistake => Next::AgainSometimes(reason()),
        RefusalKind::Malformed
        | RefusalKind::TooLarge
        | RefusalKind::NotProved(_)
        | RefusalKind::Forbidden
        | RefusalKind::NotFound
        | RefusalKind::Conflict
        | RefusalKind::TooOften(_) => Next::Tell(Told::refused(why)),
    }
}

fn of_failure(error: &Error) -> Next {
    let is_about_the_work = matches!(
        error.fault(),
        Fault::Constraint
            | Fault::Data
            | Fault::Conversion
            | Fault::BadStatement
            | Fault::Usage
            | Fault::Privilege
    );
    match is_about_the_work {
        true => Next::AgainSometimes(error.to_string()),
        false => Next::Again(error.to_string()),
    }
}

fn given_up() -> Told {
    Told::Refused {
        code: "INTERNAL",
        detail: Cow::Borrowed("the service could not store it; its log has the rest"),
        again: Some(Duration::from_secs(60)),
    }
}

/// A topic as the log shows it: one line, and not long.
fn shown(topic: &[u8]) -> String {
    let text = String::from_utf8_lossy(topic.get(..SHOWN).unwrap_or(topic));
    let more = if topic.len() > SHOWN { ".." } else { "" };
    format!("\"{}{more}\"", text.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_shown_on_one_short_line() {
        assert_eq!(shown(b"tenant/a\nERROR x"), r#""tenant/a\nERROR x""#);
        assert_eq!(shown(&[b'x'; 500]).len(), SHOWN + 4);
        assert_eq!(shown(b"\xff\x1b[2J"), "\"\u{fffd}\\u{1b}[2J\"");
    }
}
