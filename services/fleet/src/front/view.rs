//! What the page is told, four times a second.

use super::FrontInput;
use crate::boot::demo::TENANT;
use crate::boot::router::VERSION;
use crate::service::Ready;
use plimsoll_http::{Level, Matter, Verdict, verdict};
use serde::Serialize;
use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

/// Raised with every change of the form.
const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
pub(super) struct View<'a> {
    schema_version: u32,
    service: &'static str,
    version: &'static str,
    /// The version of PostgreSQL, once it was reached.
    database: Option<&'a str>,
    /// When the service was started, in milliseconds since 1970.
    started: u64,
    /// Now, by the same clock.
    now: u64,
    /// Readings that were stored since the start, and in the last seconds.
    stored: u64,
    a_second: f64,
    /// How long the newest readings took to be committed, in milliseconds.
    took_ms: u64,
    verdict: Said,
    /// What a reading is sent with, where there is a tenant for the first hour.
    tenant: Option<&'static str>,
    device_key: Option<&'a str>,
    #[cfg(feature = "dev")]
    play: Option<crate::play::PlayView>,
}

/// Whether the service's database is well.
#[derive(Serialize)]
struct Said {
    level: Level,
    matter: Matter,
    sentence: Cow<'static, str>,
    /// In milliseconds since 1970.
    since: Option<u64>,
}

impl<'a> View<'a> {
    pub(super) fn of(given: &'a FrontInput, started: SystemTime, stored: u64, a_second: f64) -> Self {
        let ready = given.service.is_ready();
        View {
            schema_version: SCHEMA_VERSION,
            service: "fleet",
            version: VERSION,
            database: ready.map(|ready| ready.server_version.as_str()),
            started: in_ms(started),
            now: in_ms(SystemTime::now()),
            stored,
            a_second,
            took_ms: ready
                .map_or(0, |ready| u64::try_from(ready.writer.took().as_millis()).unwrap_or(u64::MAX)),
            verdict: ready.map_or_else(Said::starting, Said::of),
            tenant: given.device_key.as_ref().map(|_| TENANT),
            device_key: given.device_key.as_deref(),
            #[cfg(feature = "dev")]
            play: given.play.as_ref().map(|play| play.view()),
        }
    }
}

impl Said {
    fn starting() -> Self {
        Said {
            level: Level::Notice,
            matter: Matter::Starting,
            sentence: "The service is starting: it has not reached its database yet.".into(),
            since: None,
        }
    }

    /// The worst of what is said of its pools. Where they are equally well, that one counts through which the readings go.
    fn of(ready: &Ready) -> Self {
        let pools = &ready.pools;
        let mut worst = verdict(&pools.ingest);
        for pool in [&pools.ui, &pools.ops_worker, &pools.system] {
            let other = verdict(pool);
            if other.level > worst.level {
                worst = other;
            }
        }
        let Verdict { level, matter, sentence, since, .. } = worst;
        Said { level, matter, sentence, since: since.map(|since| in_ms(since.0)) }
    }
}

fn in_ms(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
