//! A schedule as people write it: what may be left out, what it then is, and what cannot be.
//!
//! Hour 0 and day 0 (Sunday) are values like any other; only what is not there at all has a default.

use super::refusal::ScheduleRefusal;
use super::rotation::{Layer, Rotation};
use crate::delivery::address::{self, Networks, Target};
use crate::text;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use std::collections::BTreeSet;

/// The most layers of a schedule.
const MOST_LAYERS: usize = 20;
/// The most responders of a layer.
const MOST_RESPONDERS: usize = 100;
/// The longest name, in characters.
const NAME: usize = 200;
/// The longest description, in characters.
const SENTENCE: usize = 1000;
/// A Sunday. Rotations that do not say from when they count all count from here.
const EPOCH: Date = Date::constant(1970, 1, 4);

/// A schedule as it is sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleBody {
    name: String,
    description: Option<String>,
    timezone: Option<String>,
    layers: Option<Vec<LayerBody>>,
}

/// A layer as it is sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerBody {
    layer_order: Option<i32>,
    rotation: Option<String>,
    shift_duration_hours: Option<i32>,
    handoff_day: Option<i16>,
    handoff_hour: Option<i16>,
    starts_on: Option<String>,
    responders: Vec<String>,
}

/// A schedule that can be stored.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The name of its time zone.
    pub timezone: String,
    /// Its layers; none where nothing was said of them, which is not the same as an empty list.
    pub layers: Option<Vec<Layer>>,
}

/// Somebody who stands in, as it is sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverrideBody {
    layer_order: Option<i32>,
    responder: String,
    start: String,
    end: String,
    reason: Option<String>,
}

/// Somebody who stands in, as it can be stored.
#[derive(Clone, Debug)]
pub struct OverrideDraft {
    /// For which layer; for the whole schedule without.
    pub layer: Option<i32>,
    /// Who.
    pub responder: String,
    /// From this moment on.
    pub start: Timestamp,
    /// Until before this one.
    pub end: Timestamp,
    /// Why.
    pub reason: Option<String>,
}

fn invalid(why: &'static str) -> ScheduleRefusal {
    ScheduleRefusal::Invalid(why)
}

/// A sentence that may be left out.
fn sentence(said: Option<String>) -> Result<Option<String>, ScheduleRefusal> {
    let refused = || invalid("description and reason have 1 to 1000 characters, or are left out");
    said.map(|said| text::line(&said, SENTENCE).ok_or_else(refused)).transpose()
}

/// A name, an address for mail, or one of a webhook, to which a message can be sent.
fn responder(said: &str, networks: &Networks) -> Result<String, ScheduleRefusal> {
    let name = text::line(said, NAME).ok_or_else(|| invalid("a responder has 1 to 200 characters"))?;
    if address::is_meant_as_webhook(&name) {
        Target::parse(&name, networks).map_err(ScheduleRefusal::Responder)?;
    }
    Ok(name)
}

impl ScheduleBody {
    /// The same, checked; `networks` are those that a responder's webhook may lead to beside the public ones.
    ///
    /// # Errors
    /// What cannot be.
    pub fn checked(self, networks: &Networks) -> Result<Draft, ScheduleRefusal> {
        let name = text::line(&self.name, NAME).ok_or_else(|| invalid("name has 1 to 200 characters"))?;
        let timezone = self.timezone.unwrap_or_else(|| "UTC".to_owned());
        TimeZone::get(&timezone).map_err(|_| ScheduleRefusal::UnknownZone)?;
        let layers = self.layers.map(|layers| checked_layers(layers, networks)).transpose()?;
        Ok(Draft { name, description: sentence(self.description)?, timezone, layers })
    }
}

fn checked_layers(layers: Vec<LayerBody>, networks: &Networks) -> Result<Vec<Layer>, ScheduleRefusal> {
    if layers.len() > MOST_LAYERS {
        return Err(invalid("a schedule has at most 20 layers"));
    }
    let mut orders = BTreeSet::new();
    let layers: Result<Vec<Layer>, _> =
        (0..).zip(layers).map(|(place, layer)| layer.checked(place, networks)).collect();
    let mut layers = layers?;
    if !layers.iter().all(|layer| orders.insert(layer.order)) {
        return Err(invalid("two layers have the same layer_order"));
    }
    layers.sort_by_key(|layer| layer.order);
    Ok(layers)
}

impl LayerBody {
    fn checked(self, place: i32, networks: &Networks) -> Result<Layer, ScheduleRefusal> {
        let within = |value: i32, most: i32, why| {
            if (0..=most).contains(&value) { Ok(value) } else { Err(invalid(why)) }
        };
        let order = within(self.layer_order.unwrap_or(place), 100, "layer_order is a number from 0 to 100")?;
        let rotation = Rotation::parse(self.rotation.as_deref().unwrap_or(Rotation::Weekly.as_str()))
            .ok_or_else(|| invalid("rotation is daily, weekly or custom"))?;
        let shift_hours = self.shift_duration_hours.unwrap_or(168);
        if !(1..=8784).contains(&shift_hours) {
            return Err(invalid("shift_duration_hours is a number from 1 to 8784"));
        }
        let handoff_day = self.handoff_day.unwrap_or(1);
        within(handoff_day.into(), 6, "handoff_day is a number from 0 (Sunday) to 6 (Saturday)")?;
        let handoff_hour = self.handoff_hour.unwrap_or(9);
        within(handoff_hour.into(), 23, "handoff_hour is a number from 0 to 23")?;
        let starts_on = match self.starts_on {
            Some(day) => day.parse().ok().filter(|day| (1970..=9000).contains(&Date::year(*day))),
            None => Some(EPOCH),
        };
        let starts_on = starts_on.ok_or_else(|| invalid("starts_on is a day such as 2026-01-05"))?;
        if self.responders.len() > MOST_RESPONDERS {
            return Err(invalid("a layer has at most 100 responders"));
        }
        let responders =
            self.responders.iter().map(|one| responder(one, networks)).collect::<Result<_, _>>()?;
        Ok(Layer { order, rotation, shift_hours, handoff_day, handoff_hour, starts_on, responders })
    }
}

impl OverrideBody {
    /// The same, checked; `networks` are those that a responder's webhook may lead to beside the public ones.
    ///
    /// # Errors
    /// What cannot be.
    pub fn checked(self, networks: &Networks) -> Result<OverrideDraft, ScheduleRefusal> {
        let (Some(start), Some(end)) = (moment(&self.start), moment(&self.end)) else {
            return Err(invalid("start and end are times such as 2026-01-05T09:00:00Z"));
        };
        if start >= end {
            return Err(invalid("start lies before end"));
        }
        if self.layer_order.is_some_and(|order| !(0..=100).contains(&order)) {
            return Err(invalid("layer_order is a number from 0 to 100"));
        }
        let responder = responder(&self.responder, networks)?;
        Ok(OverrideDraft { layer: self.layer_order, responder, start, end, reason: sentence(self.reason)? })
    }
}

/// A moment with its offset, in the years that the database and people have in common, in whole microseconds.
#[must_use]
pub fn moment(text: &str) -> Option<Timestamp> {
    let time: Timestamp = text.parse().ok()?;
    let year = time.to_zoned(TimeZone::UTC).year();
    let time = Timestamp::from_microsecond(time.as_microsecond()).ok()?;
    (1970..=9000).contains(&year).then_some(time)
}
