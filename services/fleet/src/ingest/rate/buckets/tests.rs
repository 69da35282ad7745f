//! The rules of the buckets, and a plain simulation that they are compared with.

use super::*;
use proptest::prelude::*;

fn key(tenant: &str, device: usize) -> BucketKey {
    let device = DeviceId::parse(&format!("d{device}")).unwrap();
    BucketKey { tenant: TenantId::parse(tenant).unwrap(), device, proof: [0; 32] }
}

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn passed(buckets: &mut Buckets, device: usize, now: Duration, times: usize) -> usize {
    (0..times).filter(|_| buckets.check(key("t", device), now) == Verdict::Passes).count()
}

#[test]
fn a_new_bucket_is_full_and_the_first_message_is_charged() {
    let mut buckets = Buckets::new(BucketSettings::default());
    assert_eq!(passed(&mut buckets, 1, at(0), 25), 20);
    assert_eq!(buckets.check(key("t", 1), at(0)), Verdict::Refused(at(200)), "a fifth of a second for one");
    assert_eq!(passed(&mut buckets, 1, at(199), 1), 0);
    assert_eq!(passed(&mut buckets, 1, at(200), 2), 1);
    assert_eq!(passed(&mut buckets, 1, at(3_600_000), 25), 20, "never more than the burst");
    assert_eq!(passed(&mut buckets, 2, at(0), 1), 1, "another device has its own");
}

#[test]
fn a_clock_that_stands_or_goes_back_gives_nothing_away() {
    let mut buckets = Buckets::new(BucketSettings::default());
    assert_eq!(passed(&mut buckets, 1, at(60_000), 25), 20);
    assert_eq!(passed(&mut buckets, 1, at(0), 25), 0);
    assert_eq!(passed(&mut buckets, 1, at(60_000), 25), 0);
}

#[test]
fn an_unknown_proof_makes_no_bucket_and_empties_none() {
    let mut buckets = Buckets::new(BucketSettings::default());
    assert_eq!(passed(&mut buckets, 1, at(0), 1), 1);
    let forged = BucketKey { proof: [1; 32], ..key("t", 1) };
    for _ in 0..100 {
        assert_eq!(buckets.check_known(&forged, at(0)), None);
    }
    assert_eq!((buckets.len(), passed(&mut buckets, 1, at(0), 25)), (1, 19));
}

#[test]
fn those_that_were_not_asked_for_long_are_swept_away_and_counted() {
    let mut buckets = Buckets::new(BucketSettings::default());
    for device in 0..1_000 {
        buckets.check(key("t", device), at(0));
    }
    assert_eq!((buckets.sweep(at(299_999)), buckets.len()), (None, 1_000), "not yet");
    assert_eq!((buckets.sweep(at(3_600_000)), buckets.len()), (None, 1_000), "as old as they may be");
    buckets.check(key("t", 7), at(3_600_001));
    let late = at(3_900_000);
    let mut told = Vec::new();
    for _ in 0..5 {
        told.extend(buckets.sweep(late));
    }
    assert_eq!((told, buckets.len()), (vec![999], 1), "in steps, and told once");
    assert_eq!(buckets.sweep(late + at(299_999)), None, "not again before its time");
}

#[test]
fn the_table_is_capped_and_a_tenant_has_a_quota_of_it() {
    let settings = BucketSettings { most: 100, most_of_tenant: 60, ..BucketSettings::default() };
    let mut buckets = Buckets::new(settings);
    for device in 0..50 {
        buckets.check(key("quiet", device), at(0));
    }
    for device in 0..10_000 {
        buckets.check(key("loud", device), at(1));
        assert!(buckets.len() <= 100);
    }
    let held = |buckets: &Buckets, tenant: &str| {
        buckets.of_tenant.get(&TenantId::parse(tenant).unwrap()).map_or(0, BTreeMap::len)
    };
    assert_eq!((held(&buckets, "loud"), held(&buckets, "quiet")), (60, 40));
    assert!(buckets.check_known(&key("quiet", 49), at(2)).is_some(), "those asked last stay");
    assert!(buckets.check_known(&key("quiet", 0), at(2)).is_none(), "the oldest went");
}

/// A bucket as a device's log would show it: what passed, and when, and nothing else.
#[derive(Default)]
struct Simulated {
    tokens: f64,
    seen: Option<u64>,
}

impl Simulated {
    /// Whether a message passes; where a token is whole but for the last bits either answer is right, and it passes as it did.
    fn check(&mut self, settings: &BucketSettings, millis: u64, passed: bool) -> bool {
        // A millisecond at a time.
        match self.seen {
            None => self.tokens = settings.burst,
            Some(before) => {
                for _ in before..millis {
                    self.tokens = (self.tokens + settings.rate / 1000.0).min(settings.burst);
                }
            }
        }
        self.seen = Some(millis);
        let passes = if (self.tokens - 1.0).abs() < 1e-6 { passed } else { self.tokens > 1.0 };
        if passes {
            self.tokens -= 1.0;
        }
        passes
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A rate of a quarter, a half or a whole power of two keeps both sums exact enough to be compared.
    #[test]
    fn it_decides_as_a_plain_simulation(
        rate in 1u32..64, burst in 1u32..30, steps in prop::collection::vec((0usize..3, 0u64..700), 1..150),
    ) {
        let settings = BucketSettings { rate: f64::from(rate) * 0.3, burst: f64::from(burst), ..BucketSettings::default() };
        let mut buckets = Buckets::new(settings);
        let mut simulated: [Simulated; 3] = Default::default();
        let mut millis = 0;
        for (device, pause) in steps {
            millis += pause;
            let passed = buckets.check(key("t", device), at(millis)) == Verdict::Passes;
            let expected = simulated[device].check(&settings, millis, passed);
            prop_assert_eq!(passed, expected, "device {} at {} ms", device, millis);
        }
    }

    /// In any span, no more pass than the burst and what the rate gives.
    #[test]
    fn no_span_has_more_than_its_share(pauses in prop::collection::vec(0u64..400, 1..200)) {
        let settings = BucketSettings::default();
        let mut buckets = Buckets::new(settings);
        let (mut millis, mut passed) = (0u64, Vec::new());
        for pause in pauses {
            millis += pause;
            if buckets.check(key("t", 1), at(millis)) == Verdict::Passes { passed.push(millis) }
        }
        for (first, from) in passed.iter().enumerate() {
            for (last, to) in passed.iter().enumerate().skip(first) {
                let share = settings.burst + Duration::from_millis(to - from).as_secs_f64() * settings.rate;
                prop_assert!(f64::from(u32::try_from(last - first + 1).unwrap()) <= share + 1e-6);
            }
        }
    }

    /// What Retry-After would say is enough, and not much more than that.
    #[test]
    fn the_time_that_is_told_is_the_right_one(sent in 1usize..60, rate in 1u32..50) {
        let settings = BucketSettings { rate: f64::from(rate), ..BucketSettings::default() };
        let mut buckets = Buckets::new(settings);
        for _ in 0..sent {
            if let Verdict::Refused(after) = buckets.check(key("t", 1), at(0)) {
                let later = after + Duration::from_micros(1);
                let sooner = after.saturating_sub(Duration::from_micros(10));
                let mut early = Buckets::new(settings);
                let mut late = Buckets::new(settings);
                for _ in 0..20 { early.check(key("t", 1), at(0)); late.check(key("t", 1), at(0)); }
                prop_assert!(early.check(key("t", 1), sooner) != Verdict::Passes);
                prop_assert_eq!(late.check(key("t", 1), later), Verdict::Passes);
            }
        }
    }
}
