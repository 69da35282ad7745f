//! How often a device may send: a bucket of tokens for each, of which every message takes one.
//!
//! A stranger can neither fill the table of buckets nor empty a device's own: a bucket is made only for a device that has shown
//! its proof, and it is found only by that proof. A message whose device has a bucket is counted before the database is asked
//! anything; any other is counted once the registry has let it in.

pub mod buckets;

use crate::credentials::TokenHash;
use crate::devices::DeviceId;
use crate::refusal::{Refusal, RefusalKind};
use crate::tenants::TenantId;
use buckets::{BucketKey, BucketSettings, Buckets, Verdict};
use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The device has sent as often as it may; it may send again after this long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimited(pub Duration);

impl Refusal for RateLimited {
    fn kind(&self) -> RefusalKind {
        RefusalKind::TooOften(self.0)
    }

    fn code(&self) -> &'static str {
        "RATE_LIMITED"
    }

    fn detail(&self) -> Cow<'static, str> {
        "the device sends more often than it may; this message is not stored: send it again after the time in Retry-After".into()
    }
}

/// The buckets of this instance, under its monotonic clock.
#[derive(Debug)]
pub struct RateLimiter {
    buckets: Mutex<Buckets>,
    began: Instant,
}

impl RateLimiter {
    /// Without any bucket.
    #[must_use]
    pub fn new(settings: BucketSettings) -> Self {
        RateLimiter { buckets: Mutex::new(Buckets::new(settings)), began: Instant::now() }
    }

    /// Charges a device that is known by this proof. Whether it was; nothing is made of one that is not.
    ///
    /// # Errors
    /// When it has sent as often as it may.
    pub(crate) fn charge_known(
        &self,
        tenant: &TenantId,
        device: &DeviceId,
        shown: &TokenHash,
    ) -> Result<bool, RateLimited> {
        let key = key(tenant, device, shown);
        let (verdict, cleaned) = {
            let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
            let now = self.began.elapsed();
            (buckets.check_known(&key, now), buckets.sweep(now))
        };
        if let Some(n) = cleaned {
            tracing::info!("Cleaned up {n} stale token buckets");
        }
        match verdict {
            None => Ok(false),
            Some(verdict) => told(verdict).map(|()| true),
        }
    }

    /// Charges a device that has just proved who it is, and makes its bucket.
    ///
    /// # Errors
    /// As [`RateLimiter::charge_known`].
    pub(crate) fn charge_proved(
        &self,
        tenant: &TenantId,
        device: &DeviceId,
        shown: &TokenHash,
    ) -> Result<(), RateLimited> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        told(buckets.check(key(tenant, device, shown), self.began.elapsed()))
    }

    /// How many devices have a bucket.
    #[must_use]
    pub fn buckets(&self) -> usize {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// What a device that has shown this is found by.
pub(super) fn key(tenant: &TenantId, device: &DeviceId, shown: &TokenHash) -> BucketKey {
    BucketKey { tenant: tenant.clone(), device: device.clone(), proof: shown.bytes() }
}

fn told(verdict: Verdict) -> Result<(), RateLimited> {
    match verdict {
        Verdict::Passes => Ok(()),
        Verdict::Refused(after) => Err(RateLimited(after)),
    }
}
