//! Who is on call at a moment: a rule, without a clock and without a database.
//!
//! # Shifts
//! A layer counts its shifts by the clock on the wall of its schedule's time zone: from the first handing over on, each
//! begins so many hours later on that clock. A shift begins at the first moment at which the clock shows its hour or a later
//! one. So nine in the morning stays nine in the morning over both changes of the clock (a shift then lasts an hour less or
//! more), an hour that the clock leaves out begins where it goes on, and one that it shows twice begins at its first time.
//! The count goes on over weeks and years and in both directions; it never begins anew with a week or a month.
//!
//! # Who
//! 1. The last made of the overrides that stand for the whole schedule now.
//! 2. Of the layers, by their order, the first that has a responder: the last made of the overrides that stand for it now, or
//!    the responder of its shift.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Span, Timestamp};

/// When a layer hands over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// Every day at the hour.
    Daily,
    /// Every week on the day at the hour.
    Weekly,
    /// Every so many hours, counted from a day and an hour.
    Custom,
}

impl Rotation {
    /// Every rotation; the table has the same list in a CHECK.
    pub const ALL: [Rotation; 3] = [Rotation::Daily, Rotation::Weekly, Rotation::Custom];

    /// As the database and the API write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Rotation::Daily => "daily",
            Rotation::Weekly => "weekly",
            Rotation::Custom => "custom",
        }
    }

    /// The rotation of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rotation| rotation.as_str() == text)
    }
}

/// A row of responders who follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its place among the layers, and its name.
    pub order: i32,
    /// When it hands over.
    pub rotation: Rotation,
    /// The hours of a shift, where the rotation is [`Rotation::Custom`]; at least 1.
    pub shift_hours: i32,
    /// The day of the week on which it hands over, 0 for Sunday to 6; a daily rotation does not look at it.
    pub handoff_day: i16,
    /// The hour at which it hands over, 0 to 23.
    pub handoff_hour: i16,
    /// The first shift is the first that begins on this day or after it; its responder is the first.
    pub starts_on: Date,
    /// Who follows whom. A layer without any has nobody on call.
    pub responders: Vec<String>,
}

/// Somebody who stands in for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The greater one was made later.
    pub id: i64,
    /// For whom: a layer, or the whole schedule.
    pub layer: Option<i32>,
    /// Who.
    pub responder: String,
    /// From this moment on.
    pub start: Timestamp,
    /// Until before this one.
    pub end: Timestamp,
}

/// Everything that decides who is on call.
#[derive(Clone, Debug)]
pub struct Rota {
    /// Where the clock hangs.
    pub zone: TimeZone,
    /// In their order.
    pub layers: Vec<Layer>,
    /// In any order.
    pub overrides: Vec<Override>,
}

/// Who is on call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnCall {
    /// Who.
    pub responder: String,
    /// Of which layer; none where somebody stands in for the whole schedule.
    pub layer: Option<i32>,
    /// By which override.
    pub by: Option<i64>,
    /// When it has to be asked again; none where the calendar ends.
    pub until: Option<Timestamp>,
}

impl Rota {
    /// Who is on call at this moment; nobody where no layer has a responder and nobody stands in.
    #[must_use]
    pub fn on_call(&self, now: Timestamp) -> Option<OnCall> {
        if let Some(whole) = self.standing_in(None, now) {
            let until = self.next_start(now, |other| other.layer.is_none() && other.id > whole.id);
            return Some(by(whole, until));
        }
        let layer = self.layers.iter().find(|layer| {
            !layer.responders.is_empty() || self.standing_in(Some(layer.order), now).is_some()
        })?;
        if let Some(one) = self.standing_in(Some(layer.order), now) {
            let until = self.next_start(now, |other| {
                other.layer.is_none_or(|order| order < layer.order)
                    || (other.layer == Some(layer.order) && other.id > one.id)
            });
            return Some(by(one, until));
        }
        let (responder, end) = layer.at(&self.zone, now)?;
        let next = self.next_start(now, |other| other.layer.is_none_or(|order| order <= layer.order));
        let until = end.into_iter().chain(next).min();
        Some(OnCall { responder: responder.to_owned(), layer: Some(layer.order), by: None, until })
    }

    /// Who is on call from one moment to another, in order; at most `most` turns. Times in which nobody is are left out.
    #[must_use]
    pub fn turns(&self, from: Timestamp, to: Timestamp, most: usize) -> Vec<(Timestamp, OnCall)> {
        let mut turns: Vec<(Timestamp, OnCall)> = Vec::new();
        let mut at = from;
        while at < to && turns.len() < most {
            let turn = self.on_call(at);
            let until = match &turn {
                Some(turn) => turn.until,
                None => self.next_start(at, |_| true),
            };
            match (turn, turns.last_mut()) {
                (Some(next), Some((_, last)))
                    if last.until == Some(at)
                        && (&last.responder, last.layer, last.by)
                            == (&next.responder, next.layer, next.by) =>
                {
                    last.until = next.until;
                }
                (Some(next), _) => turns.push((at, next)),
                (None, _) => {}
            }
            match until {
                Some(until) => at = until,
                None => break,
            }
        }
        turns
    }

    /// The last made of those who stand in now.
    fn standing_in(&self, layer: Option<i32>, now: Timestamp) -> Option<&Override> {
        let stands = |one: &&Override| one.layer == layer && one.start <= now && now < one.end;
        self.overrides.iter().filter(stands).max_by_key(|one| one.id)
    }

    /// When the next of those begins that would change the answer.
    fn next_start(&self, now: Timestamp, matters: impl Fn(&Override) -> bool) -> Option<Timestamp> {
        self.overrides.iter().filter(|one| one.start > now && matters(one)).map(|one| one.start).min()
    }
}

fn by(one: &Override, next: Option<Timestamp>) -> OnCall {
    let until = next.map_or(one.end, |next| next.min(one.end));
    OnCall { responder: one.responder.clone(), layer: one.layer, by: Some(one.id), until: Some(until) }
}

impl Layer {
    /// Whose shift it is, and when it ends.
    fn at(&self, zone: &TimeZone, now: Timestamp) -> Option<(&str, Option<Timestamp>)> {
        let first = self.first_shift()?;
        let hours = i64::from(self.hours());
        let since = zone.to_datetime(now).duration_since(first).as_hours();
        // As the clock on the wall has it; where that was put forward or back, the shift may be a few away.
        let mut shift = since.div_euclid(hours);
        while begin(zone, first, hours, shift)? > now {
            shift -= 1;
        }
        let mut end = begin(zone, first, hours, shift + 1);
        while end.is_some_and(|end| end <= now) {
            shift += 1;
            end = begin(zone, first, hours, shift + 1);
        }
        let count = i64::try_from(self.responders.len()).ok()?;
        let whose = usize::try_from(shift.checked_rem_euclid(count)?).ok()?;
        Some((self.responders.get(whose)?, end))
    }

    /// The hours of a shift on the wall.
    fn hours(&self) -> i32 {
        match self.rotation {
            Rotation::Daily => 24,
            Rotation::Weekly => 7 * 24,
            Rotation::Custom => self.shift_hours.max(1),
        }
    }

    /// When the first shift begins, on the wall.
    fn first_shift(&self) -> Option<DateTime> {
        let hour = Time::new(i8::try_from(self.handoff_hour).ok()?, 0, 0, 0).ok()?;
        let weekday = i16::from(self.starts_on.weekday().to_sunday_zero_offset());
        let later = match self.rotation {
            Rotation::Daily => 0,
            Rotation::Weekly | Rotation::Custom => (self.handoff_day - weekday).rem_euclid(7),
        };
        let day = self.starts_on.checked_add(Span::new().try_days(later).ok()?).ok()?;
        Some(day.to_datetime(hour))
    }
}

/// When a shift begins; none beyond the calendar.
fn begin(zone: &TimeZone, first: DateTime, hours: i64, shift: i64) -> Option<Timestamp> {
    let later = SignedDuration::from_secs(hours.checked_mul(shift)?.checked_mul(3600)?);
    shown(zone, first.checked_add(later).ok()?)
}

/// The first moment at which the clock on the wall shows this or something later.
fn shown(zone: &TimeZone, wall: DateTime) -> Option<Timestamp> {
    let found = zone.to_ambiguous_timestamp(wall);
    match found.offset() {
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => found.earlier().ok(),
        // The clock never shows it: it goes on later, at the change that lies before.
        AmbiguousOffset::Gap { .. } => {
            let after = found.later().ok()?.checked_add(SignedDuration::from_secs(1)).ok()?;
            zone.preceding(after).next().map(|change| change.timestamp())
        }
    }
}

#[cfg(test)]
mod tests;
