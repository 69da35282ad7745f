//! What devices measure, and how they fare: values that look like those of a real fleet. Pure.
//!
//! Each device has a place that is a little warmer or colder than others, a curve over the day, and noise. Now and then some are
//! far too hot for a minute, and some fall silent for two, so that rules open alerts and close them, and states change. Which
//! ones follows from the time alone.

use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

/// Beyond this no device is that is well, and each is that is too hot: what a rule would ask for, in degrees Celsius.
pub const TOO_HOT: f64 = 30.0;

/// In so long a time each kind of trouble comes once ..
const ROUND: u64 = 180;
/// .. from second to second of it.
const HOT: std::ops::Range<u64> = 10..75;
const SILENT: std::ops::Range<u64> = 20..140;
/// Of so many devices one is in trouble of each kind.
const ONE_OF: usize = 50;
/// A fleet of fewer has no trouble: it would be most of it.
const FEWEST: usize = 4;

/// How a device fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// As it should.
    Well,
    /// It measures what is beyond [`TOO_HOT`].
    Hot,
    /// It measures nothing.
    Silent,
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Values {
    /// In degrees Celsius.
    pub temperature: f64,
    /// Relative, in percent.
    pub humidity: f64,
    /// In percent.
    pub battery: f64,
}

/// How a device of a fleet of so many fares, so long after the start.
#[must_use]
pub fn mood(device: usize, devices: usize, after: Duration) -> Mood {
    if devices < FEWEST {
        return Mood::Well;
    }
    let (round, second) = (after.as_secs() / ROUND, after.as_secs() % ROUND);
    // Another part of the fleet in each round. A prime, so that it is not the same few again and again.
    let first = usize::try_from(round.wrapping_mul(7_919) % u64::try_from(devices).unwrap_or(1)).unwrap_or(0);
    let place = (device + devices - first) % devices;
    let of_each = devices.div_ceil(ONE_OF);
    match () {
        () if place < of_each && HOT.contains(&second) => Mood::Hot,
        () if (of_each..2 * of_each).contains(&place) && SILENT.contains(&second) => Mood::Silent,
        () => Mood::Well,
    }
}

impl Values {
    /// What a device measures at this time; `noise` are two numbers from -1 to 1.
    #[must_use]
    pub fn at(device: usize, mood: Mood, now: Timestamp, noise: (f64, f64)) -> Self {
        let place = f64::from(u8::try_from(device * 37 % 31).unwrap_or(0)) / 10.0 - 1.5;
        let second = i32::try_from(now.as_second().rem_euclid(86_400)).unwrap_or(0);
        let day = f64::from(second) / 86_400.0;
        // It is warmest at about 15 hours, in the time of the equator's first hour.
        let curve = 3.0 * ((day - 0.375) * std::f64::consts::TAU).sin();
        let heat = if mood == Mood::Hot { 15.0 } else { 0.0 };
        let temperature = 21.0 + place + curve + heat + 0.3 * noise.0;
        let humidity = (52.0 - 1.5 * (temperature - 21.0) + noise.1).clamp(5.0, 95.0);
        let battery = 100.0 - 40.0 * day;
        Values { temperature: rounded(temperature), humidity: rounded(humidity), battery: rounded(battery) }
    }

    /// The envelope of a reading with these values.
    #[must_use]
    pub fn envelope(&self, made: Timestamp, seq: i64, site: Option<&str>) -> Value {
        let Values { temperature, humidity, battery } = self;
        let metrics = json!({ "temperature": temperature, "humidity": humidity, "battery": battery });
        let mut said = json!({ "version": "1", "ts": format!("{made:.6}"), "seq": seq, "metrics": metrics });
        if let (Some(site), Some(said)) = (site, said.as_object_mut()) {
            said.insert("site_id".to_owned(), site.into());
        }
        said
    }
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_rule_tells_the_hot_from_the_well(
            device in 0usize..100_000, second in 0i64..4_000_000_000, a in -1.0f64..=1.0, b in -1.0f64..=1.0,
        ) {
            let now = Timestamp::from_second(second).unwrap();
            let well = Values::at(device, Mood::Well, now, (a, b));
            prop_assert!((10.0..TOO_HOT - 2.0).contains(&well.temperature), "{well:?}");
            prop_assert!((0.0..=100.0).contains(&well.humidity) && (0.0..=100.0).contains(&well.battery));
            prop_assert!(Values::at(device, Mood::Hot, now, (a, b)).temperature > TOO_HOT);
        }

        #[test]
        fn most_of_a_fleet_is_well_at_any_time(devices in 4usize..500, after in 0u64..100_000) {
            let moods = (0..devices).map(|device| mood(device, devices, Duration::from_secs(after)));
            let (mut hot, mut silent) = (0, 0);
            for mood in moods {
                hot += usize::from(mood == Mood::Hot);
                silent += usize::from(mood == Mood::Silent);
            }
            let most = devices.div_ceil(ONE_OF);
            let second = after % ROUND;
            prop_assert_eq!(hot, if HOT.contains(&second) { most } else { 0 });
            prop_assert_eq!(silent, if SILENT.contains(&second) { most } else { 0 });
        }
    }

    #[test]
    fn a_small_fleet_has_no_trouble() {
        for device in 0..3 {
            assert!((0..400).all(|second| mood(device, 3, Duration::from_secs(second)) == Mood::Well));
        }
    }

    #[test]
    fn an_envelope_names_its_reading() {
        let values = Values { temperature: 21.5, humidity: 50.0, battery: 99.25 };
        let made = Timestamp::from_second(1_900_000_000).unwrap();
        let text = values.envelope(made, 7, Some("hall-1")).to_string();
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["metrics"]["temperature"], 21.5);
        assert_eq!((&read["ts"], &read["seq"]), (&json!("2030-03-17T17:46:40.000000Z"), &json!(7)));
        assert_eq!(read["site_id"], "hall-1");
        assert!(values.envelope(made, 7, None).get("site_id").is_none());
    }
}
