//! What was said about how readings are taken in.
//!
//! | variable | default | what it says |
//! |---|---|---|
//! | `FLEET_RATE_LIMIT_RPS` | `5` | messages a second of one device, on average |
//! | `FLEET_RATE_LIMIT_BURST` | `20` | messages of one device at once |
//! | `BUCKET_TTL_SECONDS` | `3600` | how long is remembered how often a device sent that sends no more |
//! | `BUCKET_CLEANUP_INTERVAL` | `300` | how many seconds lie between two times at which what is too old is forgotten |
//! | `STORE_REJECTS` | on | keeps messages that are refused for good, beside counting them; one in conflict with a stored reading is kept always |

use crate::boot::config::{ConfigError, switch};
use crate::ingest::rate::buckets::BucketSettings;
use std::time::Duration;

const WHOLE: &str = "a whole number from 1 to 1000000";
const SECONDS: &str = "a whole number of seconds from 1 to 86400";

/// How readings are taken in.
#[derive(Clone, Debug)]
pub struct IngestConfig {
    /// How often a device may send.
    pub rate: BucketSettings,
    /// Whether messages that are refused are kept, beside being counted.
    pub store_rejects: bool,
}

impl Default for IngestConfig {
    fn default() -> Self {
        IngestConfig { rate: BucketSettings::default(), store_rejects: true }
    }
}

impl IngestConfig {
    pub(crate) fn read(said: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut rate = BucketSettings::default();
        let number = |variable, allowed, most| number(variable, said(variable), allowed, most);
        if let Some(rps) = number("FLEET_RATE_LIMIT_RPS", WHOLE, 1_000_000)? {
            rate.rate = f64::from(rps);
        }
        if let Some(burst) = number("FLEET_RATE_LIMIT_BURST", WHOLE, 1_000_000)? {
            rate.burst = f64::from(burst);
        }
        if let Some(seconds) = number("BUCKET_TTL_SECONDS", SECONDS, 86_400)? {
            rate.ttl = Duration::from_secs(seconds.into());
        }
        if let Some(seconds) = number("BUCKET_CLEANUP_INTERVAL", SECONDS, 86_400)? {
            rate.cleanup = Duration::from_secs(seconds.into());
        }
        let store_rejects = switch("STORE_REJECTS", said("STORE_REJECTS"), true)?;
        Ok(IngestConfig { rate, store_rejects })
    }
}

fn number(
    variable: &'static str,
    said: Option<String>,
    allowed: &'static str,
    most: u32,
) -> Result<Option<u32>, ConfigError> {
    let Some(value) = said else { return Ok(None) };
    match value.trim().parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(Some(number)),
        _ => Err(ConfigError::Value { variable, value, allowed }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &'static str, value: &'static str) -> Result<IngestConfig, String> {
        IngestConfig::read(|asked| (asked == name).then(|| value.to_owned()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_said_is_the_default() {
        assert_eq!(IngestConfig::read(|_| None).unwrap().rate, BucketSettings::default());
        assert_eq!(read("FLEET_RATE_LIMIT_RPS", "10").unwrap().rate.rate.to_string(), "10");
        assert_eq!(read("FLEET_RATE_LIMIT_BURST", " 50 ").unwrap().rate.burst.to_string(), "50");
        assert_eq!(read("BUCKET_TTL_SECONDS", "60").unwrap().rate.ttl, Duration::from_secs(60));
        assert!(IngestConfig::read(|_| None).unwrap().store_rejects);
        assert!(!read("STORE_REJECTS", "off").unwrap().store_rejects);
        assert_eq!(read("BUCKET_CLEANUP_INTERVAL", "1").unwrap().rate.cleanup, Duration::from_secs(1));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for name in [
            "FLEET_RATE_LIMIT_RPS",
            "FLEET_RATE_LIMIT_BURST",
            "BUCKET_TTL_SECONDS",
            "BUCKET_CLEANUP_INTERVAL",
        ] {
            for value in ["0", "-1", "1.5", "many", "99999999"] {
                let error = read(name, value).unwrap_err();
                assert!(error.contains(name) && error.contains(value), "{error}");
            }
        }
    }
}
