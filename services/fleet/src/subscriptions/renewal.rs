//! What a renewal asks for, and what is to be done about it. The rules, without a database.
//!
//! A subscription that is in force for more than 30 days is not renewed again: the same request sent twice is a success both
//! times, and the second one changes nothing. That is right for a repeat and wrong for somebody who wants another limit in the
//! middle of the term; the two look alike. A request that has an `Idempotency-Key` says which it is, since a repeat has the key
//! of the first. So with a key what it asks for is done, once, and without one the answer names what was not done.

use super::refusal::SubscriptionRefusal;
use super::subscription::{self, SubscriptionStatus, SubscriptionType};
use crate::credentials::TokenHash;
use crate::devices::DeviceId;
use crate::text;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeSet;

const USUAL_DAYS: i32 = 365;
const MOST_DAYS: i32 = 3660;
const MOST_DEVICES: usize = 10_000;
const HIGHEST_LIMIT: i32 = 10_000_000;

/// The body of the request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewBody {
    subscription_id: String,
    #[serde(default)]
    plan_id: Option<String>,
    #[serde(default)]
    term_days: Option<i32>,
    #[serde(default)]
    new_device_limit: Option<i32>,
    #[serde(default)]
    devices_to_deactivate: Vec<String>,
}

/// A renewal that can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// Of which subscription.
    pub subscription: String,
    /// The plan from now on.
    pub plan: Option<String>,
    /// For how long, where that is said.
    pub days: Option<i32>,
    /// How many devices from now on.
    pub limit: Option<i32>,
    /// Which devices are put aside, each once, in order.
    pub devices: Vec<String>,
}

impl Renewal {
    /// That of a body.
    ///
    /// # Errors
    /// For what cannot be.
    pub fn of(body: RenewBody) -> Result<Self, SubscriptionRefusal> {
        let bad = |why| Err(SubscriptionRefusal::BadField(why));
        if !subscription::is_id(&body.subscription_id) {
            return Err(SubscriptionRefusal::NotFound);
        }
        if body.plan_id.as_ref().is_some_and(|plan| text::line(plan, 200).is_none()) {
            return bad("plan_id has 1 to 200 characters");
        }
        if !body.term_days.is_none_or(|days| (1..=MOST_DAYS).contains(&days)) {
            return bad("term_days is a whole number from 1 to 3660");
        }
        if !body.new_device_limit.is_none_or(|limit| (0..=HIGHEST_LIMIT).contains(&limit)) {
            return bad("new_device_limit is a whole number from 0 to 10000000");
        }
        if body.devices_to_deactivate.len() > MOST_DEVICES {
            return bad("devices_to_deactivate names at most 10000 devices");
        }
        if body.devices_to_deactivate.iter().any(|device| DeviceId::parse(device).is_none()) {
            return bad("devices_to_deactivate names devices by their ids");
        }
        let devices: BTreeSet<String> = body.devices_to_deactivate.into_iter().collect();
        Ok(Renewal {
            subscription: body.subscription_id,
            plan: body.plan_id,
            days: body.term_days,
            limit: body.new_device_limit,
            devices: devices.into_iter().collect(),
        })
    }

    /// Tells one request from another.
    #[must_use]
    pub fn hash(&self) -> String {
        let all = json!([self.subscription, self.plan, self.days, self.limit, self.devices]);
        TokenHash::of(&all.to_string()).hex()
    }
}

/// A subscription as it stands, its row locked.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its kind.
    pub kind: SubscriptionType,
    /// Its state.
    pub status: SubscriptionStatus,
    /// Whether its term ends more than 30 days from now.
    pub ends_late: bool,
    /// How many devices it may have.
    pub limit: i32,
    /// How many it has.
    pub count: i32,
    /// Its plan.
    pub plan: Option<String>,
    /// Those of the named devices that count against it.
    pub counted: BTreeSet<String>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: it is in force. Those of the request's wishes that stay undone are named.
    AlreadyActive(Vec<&'static str>),
    /// The term is made longer by so many days, if any, and the rest is done.
    Renew {
        /// How many.
        days: i32,
    },
}

/// Decides about a renewal; `has_key` says that the request has an `Idempotency-Key` that was not seen before.
///
/// # Errors
/// For what would leave the count wrong.
pub fn decide(held: &Held, asked: &Renewal, has_key: bool) -> Result<Verdict, SubscriptionRefusal> {
    let days = if held.status == SubscriptionStatus::Active && held.ends_late {
        let wishes = wishes(held, asked);
        if !has_key || wishes.is_empty() {
            return Ok(Verdict::AlreadyActive(wishes));
        }
        asked.days.unwrap_or(0)
    } else {
        asked.days.unwrap_or(USUAL_DAYS)
    };
    if held.kind == SubscriptionType::Addon && days > 0 {
        return Err(SubscriptionRefusal::FollowsItsParent);
    }
    let foreign: Vec<String> =
        asked.devices.iter().filter(|device| !held.counted.contains(*device)).cloned().collect();
    if !foreign.is_empty() {
        return Err(SubscriptionRefusal::ForeignDevices(foreign));
    }
    let gone = i64::try_from(asked.devices.len()).unwrap_or(i64::MAX);
    let remaining = i64::from(held.count).saturating_sub(gone).max(0);
    match asked.limit.map(i64::from) {
        Some(limit) if limit < remaining => Err(SubscriptionRefusal::LimitTooLow { remaining, limit }),
        _ => Ok(Verdict::Renew { days }),
    }
}

/// What the request wants to be otherwise than it is.
fn wishes(held: &Held, asked: &Renewal) -> Vec<&'static str> {
    let plan = asked.plan.is_some() && asked.plan != held.plan;
    let limit = asked.limit.is_some_and(|limit| limit != held.limit);
    let devices = asked.devices.iter().any(|device| held.counted.contains(device));
    let all = [(plan, "plan_id"), (limit, "new_device_limit"), (devices, "devices_to_deactivate")];
    all.into_iter().filter(|(is_wanted, _)| *is_wanted).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(change: impl FnOnce(&mut Renewal)) -> Renewal {
        let subscription = "SUB-20250101-00001".to_owned();
        let mut asked = Renewal { subscription, plan: None, days: None, limit: None, devices: Vec::new() };
        change(&mut asked);
        asked
    }

    fn held(status: SubscriptionStatus, ends_late: bool) -> Held {
        let counted = ["a", "b"].map(str::to_owned).into();
        Held { kind: SubscriptionType::Main, status, ends_late, limit: 5, count: 3, plan: None, counted }
    }

    const ACTIVE: SubscriptionStatus = SubscriptionStatus::Active;

    #[test]
    fn only_one_that_is_in_force_for_long_is_left_alone() {
        let plain = asked(|_| {});
        assert_eq!(decide(&held(ACTIVE, true), &plain, false), Ok(Verdict::AlreadyActive(vec![])));
        assert_eq!(decide(&held(ACTIVE, true), &plain, true), Ok(Verdict::AlreadyActive(vec![])));
        assert_eq!(decide(&held(ACTIVE, false), &plain, false), Ok(Verdict::Renew { days: 365 }));
        for status in SubscriptionStatus::ALL.into_iter().filter(|status| *status != ACTIVE) {
            assert_eq!(decide(&held(status, true), &plain, false), Ok(Verdict::Renew { days: 365 }));
        }
    }

    #[test]
    fn a_key_tells_a_change_from_a_repeat() {
        let larger = asked(|asked| asked.limit = Some(9));
        let active = held(ACTIVE, true);
        assert_eq!(decide(&active, &larger, false), Ok(Verdict::AlreadyActive(vec!["new_device_limit"])));
        assert_eq!(decide(&active, &larger, true), Ok(Verdict::Renew { days: 0 }));
        let same = asked(|asked| asked.limit = Some(5));
        assert_eq!(decide(&active, &same, true), Ok(Verdict::AlreadyActive(vec![])));
    }

    #[test]
    fn the_count_stays_right() {
        let due = held(ACTIVE, false);
        let foreign = asked(|asked| asked.devices = vec!["a".to_owned(), "z".to_owned()]);
        assert_eq!(
            decide(&due, &foreign, false),
            Err(SubscriptionRefusal::ForeignDevices(vec!["z".to_owned()]))
        );
        let low = |limit| {
            asked(|asked| {
                asked.devices = vec!["a".to_owned()];
                asked.limit = Some(limit);
            })
        };
        assert_eq!(
            decide(&due, &low(1), false),
            Err(SubscriptionRefusal::LimitTooLow { remaining: 2, limit: 1 })
        );
        assert_eq!(decide(&due, &low(2), false), Ok(Verdict::Renew { days: 365 }));
        let addon = Held { kind: SubscriptionType::Addon, ..due };
        assert_eq!(decide(&addon, &asked(|_| {}), false), Err(SubscriptionRefusal::FollowsItsParent));
    }
}
