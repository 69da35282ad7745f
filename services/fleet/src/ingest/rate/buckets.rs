//! Token buckets. Pure: the time is an argument, counted from any moment by a clock that does not go back.
//!
//! A new bucket is full, and its first message is charged like every other. It refills by the rate up to the burst; a message
//! needs a whole token and takes it, or is refused and takes nothing.
//!
//! The table is bounded: it has a cap, and a tenant has a quota of it; beyond either, the bucket that was asked the longest ago
//! goes, of the tenant if that is over its quota. A bucket that was not asked for its time to live goes at the next sweep. Sweeps
//! happen within checks, a few buckets a check, so that no message waits for a large one.

use crate::devices::DeviceId;
use crate::tenants::TenantId;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// How many buckets a check sweeps away at most.
const STEP: usize = 256;

/// What a bucket is found by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BucketKey {
    /// Whose device.
    pub tenant: TenantId,
    /// Which.
    pub device: DeviceId,
    /// The hash of what it showed.
    pub proof: [u8; 32],
}

/// How buckets behave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BucketSettings {
    /// Tokens a second.
    pub rate: f64,
    /// What a bucket holds.
    pub burst: f64,
    /// How long a bucket stays that is not asked.
    pub ttl: Duration,
    /// How long between sweeps.
    pub cleanup: Duration,
    /// The most buckets.
    pub most: usize,
    /// The most buckets of one tenant.
    pub most_of_tenant: usize,
}

impl Default for BucketSettings {
    fn default() -> Self {
        BucketSettings {
            rate: 5.0,
            burst: 20.0,
            ttl: Duration::from_secs(3600),
            cleanup: Duration::from_secs(300),
            most: 100_000,
            most_of_tenant: 50_000,
        }
    }
}

/// What is decided about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes.
    Passes,
    /// It does not, and one would after this long.
    Refused(Duration),
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    last_update: Duration,
    last_access: Duration,
    /// Its place in the order of accesses.
    stamp: u64,
}

/// The keys in the order in which they were last asked.
type Order = BTreeMap<u64, Arc<BucketKey>>;

/// The table of buckets.
#[derive(Debug)]
pub struct Buckets {
    settings: BucketSettings,
    buckets: HashMap<Arc<BucketKey>, Bucket>,
    order: Order,
    of_tenant: HashMap<TenantId, Order>,
    next: u64,
    last_sweep: Duration,
    /// What the sweep that goes on has taken so far.
    sweeping: Option<usize>,
}

impl Buckets {
    /// An empty one.
    #[must_use]
    pub fn new(settings: BucketSettings) -> Self {
        Buckets {
            settings,
            buckets: HashMap::new(),
            order: Order::new(),
            of_tenant: HashMap::new(),
            next: 0,
            last_sweep: Duration::ZERO,
            sweeping: None,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// Charges a bucket that is there; makes none.
    pub fn check_known(&mut self, key: &BucketKey, now: Duration) -> Option<Verdict> {
        let (key, bucket) = self.buckets.get_key_value(key)?;
        let (key, mut bucket) = (Arc::clone(key), *bucket);
        let verdict = charge(&mut bucket, &self.settings, now);
        self.keep(key, bucket);
        Some(verdict)
    }

    /// Charges a bucket, which is made full if it is not there.
    pub fn check(&mut self, key: BucketKey, now: Duration) -> Verdict {
        if let Some(verdict) = self.check_known(&key, now) {
            return verdict;
        }
        self.make_room(&key.tenant);
        let tokens = self.settings.burst;
        let mut bucket = Bucket { tokens, last_update: now, last_access: now, stamp: self.next };
        let verdict = charge(&mut bucket, &self.settings, now);
        self.keep(Arc::new(key), bucket);
        verdict
    }

    /// Takes away some of those that were not asked for long, if it is time for that. When a sweep is through: how many it took,
    /// if any.
    pub fn sweep(&mut self, now: Duration) -> Option<usize> {
        if self.sweeping.is_none() && now.saturating_sub(self.last_sweep) < self.settings.cleanup {
            return None;
        }
        let mut taken = self.sweeping.take().unwrap_or_default();
        for _ in 0..STEP {
            let oldest = self.order.first_key_value().map(|(_, key)| Arc::clone(key));
            let is_stale = |key: &Arc<BucketKey>| {
                let asked = self.buckets.get(key).map(|bucket| bucket.last_access);
                asked.is_some_and(|asked| now.saturating_sub(asked) > self.settings.ttl)
            };
            let Some(stale) = oldest.filter(is_stale) else {
                self.last_sweep = now;
                return Some(taken).filter(|taken| *taken > 0);
            };
            self.drop_bucket(&stale);
            taken += 1;
        }
        self.sweeping = Some(taken);
        None
    }

    /// Keeps a bucket as the one that was asked last.
    fn keep(&mut self, key: Arc<BucketKey>, mut bucket: Bucket) {
        self.order.remove(&bucket.stamp);
        let of_tenant = self.of_tenant.entry(key.tenant.clone()).or_default();
        of_tenant.remove(&bucket.stamp);
        bucket.stamp = self.next;
        self.next += 1;
        of_tenant.insert(bucket.stamp, Arc::clone(&key));
        self.order.insert(bucket.stamp, Arc::clone(&key));
        self.buckets.insert(key, bucket);
    }

    fn make_room(&mut self, tenant: &TenantId) {
        let own = self.of_tenant.get(tenant).filter(|own| own.len() >= self.settings.most_of_tenant.max(1));
        let all = Some(&self.order).filter(|all| all.len() >= self.settings.most.max(1));
        let oldest = own.or(all).and_then(|order| order.first_key_value()).map(|(_, key)| Arc::clone(key));
        if let Some(oldest) = oldest {
            self.drop_bucket(&oldest);
        }
    }

    fn drop_bucket(&mut self, key: &Arc<BucketKey>) {
        let Some(bucket) = self.buckets.remove(key) else { return };
        self.order.remove(&bucket.stamp);
        if let Some(order) = self.of_tenant.get_mut(&key.tenant) {
            order.remove(&bucket.stamp);
            if order.is_empty() {
                self.of_tenant.remove(&key.tenant);
            }
        }
    }
}

fn charge(bucket: &mut Bucket, settings: &BucketSettings, now: Duration) -> Verdict {
    let elapsed = now.saturating_sub(bucket.last_update).as_secs_f64();
    bucket.tokens = elapsed.mul_add(settings.rate, bucket.tokens).min(settings.burst);
    bucket.last_update = bucket.last_update.max(now);
    bucket.last_access = bucket.last_update;
    if bucket.tokens >= 1.0 {
        bucket.tokens -= 1.0;
        return Verdict::Passes;
    }
    let after = (1.0 - bucket.tokens) / settings.rate;
    Verdict::Refused(Duration::try_from_secs_f64(after).unwrap_or(settings.ttl))
}

#[cfg(test)]
mod tests;
