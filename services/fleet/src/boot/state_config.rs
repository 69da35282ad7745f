//! What was said about when a device is there.
//!
//! | variable | default | what it says |
//! |---|---|---|
//! | `FLEET_DEVICE_ONLINE` | `30s` | a device is ONLINE for so long after it was heard of |
//! | `FLEET_DEVICE_STALE` | `15min` | and STALE for so long; then it is OFFLINE |
//! | `FLEET_DEVICE_POLL` | `5s` | how often it is noted which devices have changed their state |

use crate::boot::config::{ConfigError, time};
use crate::devices::state::{StateLimits, StateSettings};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Nothing finer is kept than a second, and no partition of readings older than thirty days.
const LIMITS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30 * 86_400);
const POLLS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

pub(crate) fn read(said: impl Fn(&str) -> Option<String>) -> Result<StateSettings, ConfigError> {
    let usual = StateSettings::default();
    let one = |variable, range: RangeInclusive<Duration>, allowed, otherwise| {
        let Some(found) = time(variable, said(variable))? else { return Ok(otherwise) };
        if range.contains(&found) {
            return Ok(found);
        }
        Err(ConfigError::Value { variable, value: said(variable).unwrap_or_default(), allowed })
    };
    let online = one("FLEET_DEVICE_ONLINE", LIMITS, "1s to 720h", usual.limits.online)?;
    let stale = one("FLEET_DEVICE_STALE", LIMITS, "1s to 720h", usual.limits.stale)?;
    let poll = one("FLEET_DEVICE_POLL", POLLS, "1s to 1h", usual.poll)?;
    if stale <= online {
        let value = said("FLEET_DEVICE_STALE").unwrap_or_else(|| "15min".to_owned());
        let allowed = "longer than FLEET_DEVICE_ONLINE";
        return Err(ConfigError::Value { variable: "FLEET_DEVICE_STALE", value, allowed });
    }
    Ok(StateSettings { limits: StateLimits { online, stale }, poll })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(said: &[(&str, &str)]) -> Result<StateSettings, String> {
        let value = |name: &str| said.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned());
        read(value).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_said_is_the_default() {
        assert_eq!(of(&[]).unwrap(), StateSettings::default());
        let said = of(&[("FLEET_DEVICE_ONLINE", "2min"), ("FLEET_DEVICE_POLL", "1s")]).unwrap();
        assert_eq!(said.limits, StateLimits { online: Duration::from_secs(120), ..StateLimits::default() });
        assert_eq!(said.poll, Duration::from_secs(1));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (name, value) in [
            ("FLEET_DEVICE_ONLINE", "0s"),
            ("FLEET_DEVICE_ONLINE", "30"),
            ("FLEET_DEVICE_STALE", "721h"),
            ("FLEET_DEVICE_POLL", "500ms"),
            // No longer than a device may be ONLINE.
            ("FLEET_DEVICE_STALE", "30s"),
        ] {
            let error = of(&[(name, value)]).unwrap_err();
            assert!(error.contains(name) && error.contains(value), "{error}");
        }
        // The other of the two was said.
        assert!(of(&[("FLEET_DEVICE_ONLINE", "20min")]).unwrap_err().contains("FLEET_DEVICE_STALE"));
    }
}
