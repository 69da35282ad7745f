//! An escalation policy as people write it: what may be left out, what it then is, and what cannot be.

use super::refusal::PolicyRefusal;
use crate::delivery::address::{Networks, Target};
use crate::delivery::secret_change::SecretChange;
use crate::text;
use serde::Deserialize;
use std::collections::BTreeSet;

/// The most levels of a policy.
const MOST_LEVELS: i32 = 5;
/// The longest time that a level has, in minutes: a week.
const LONGEST: i32 = 10_080;

/// A policy as it is sent.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyBody {
    name: String,
    description: Option<String>,
    is_default: Option<bool>,
    webhook_secret: Option<String>,
    levels: Option<Vec<LevelBody>>,
}

/// A level as it is sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelBody {
    level_number: Option<i32>,
    delay_minutes: Option<i32>,
    notify_email: Option<String>,
    notify_webhook: Option<String>,
    oncall_schedule_id: Option<i64>,
}

/// A policy that can be stored.
#[derive(Clone)]
pub struct Draft {
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whether it becomes the tenant's default, or is it no more; none where nothing was said of that.
    pub is_default: Option<bool>,
    /// What its webhooks are signed with.
    pub secret: SecretChange,
    /// Its levels; none where nothing was said of them, which is not the same as an empty list.
    pub levels: Option<Vec<Level>>,
}

/// Who is told at one level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// Its place, 1 to 5.
    pub number: i32,
    /// How long it has before the next one is told, in minutes.
    pub delay_minutes: i32,
    /// An address for mail.
    pub email: Option<String>,
    /// An address to which it is posted.
    pub webhook: Option<String>,
    /// The schedule that says who is told.
    pub schedule: Option<i64>,
}

fn invalid(why: &'static str) -> PolicyRefusal {
    PolicyRefusal::Invalid(why)
}

impl PolicyBody {
    /// The same, checked; `networks` are those that a webhook may reach beside the public ones.
    ///
    /// # Errors
    /// What cannot be.
    pub fn checked(self, networks: &Networks) -> Result<Draft, PolicyRefusal> {
        let name = text::line(&self.name, 200).ok_or_else(|| invalid("name has 1 to 200 characters"))?;
        let refused = || invalid("description has 1 to 1000 characters, or is left out");
        let description =
            self.description.map(|said| text::line(&said, 1000).ok_or_else(refused)).transpose()?;
        let secret = SecretChange::said(self.webhook_secret)
            .ok_or_else(|| invalid("webhook_secret has 16 to 256 characters, or none to take it away"))?;
        let levels = self.levels.map(|levels| checked_levels(levels, networks)).transpose()?;
        Ok(Draft { name, description, is_default: self.is_default, secret, levels })
    }
}

fn checked_levels(levels: Vec<LevelBody>, networks: &Networks) -> Result<Vec<Level>, PolicyRefusal> {
    let mut numbers = BTreeSet::new();
    let levels: Result<Vec<Level>, _> =
        (1..).zip(levels).map(|(place, level)| level.checked(place, networks)).collect();
    let mut levels = levels?;
    if !levels.iter().all(|level| numbers.insert(level.number)) {
        return Err(invalid("two levels have the same level_number"));
    }
    levels.sort_by_key(|level| level.number);
    Ok(levels)
}

impl LevelBody {
    fn checked(self, place: i32, networks: &Networks) -> Result<Level, PolicyRefusal> {
        let number = self.level_number.unwrap_or(place);
        if !(1..=MOST_LEVELS).contains(&number) {
            return Err(invalid("a policy has at most 5 levels, and level_number is a number from 1 to 5"));
        }
        let delay_minutes = self.delay_minutes.unwrap_or(15);
        if !(0..=LONGEST).contains(&delay_minutes) {
            return Err(invalid("delay_minutes is a number from 0 to 10080, which is a week"));
        }
        let is_mail =
            |said: &String| text::line(said, 254).is_some_and(|one| one.contains('@') && !one.contains(' '));
        if self.notify_email.as_ref().is_some_and(|said| !is_mail(said)) {
            return Err(invalid("notify_email is an address such as team@example.com"));
        }
        if let Some(said) = &self.notify_webhook {
            Target::parse(said, networks).map_err(PolicyRefusal::Webhook)?;
        }
        let (email, webhook, schedule) = (self.notify_email, self.notify_webhook, self.oncall_schedule_id);
        Ok(Level { number, delay_minutes, email, webhook, schedule })
    }
}
