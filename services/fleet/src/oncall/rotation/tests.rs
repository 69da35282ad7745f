//! The rule against a simulation that only looks at the clock on the wall, and the days on which people noticed.

use super::*;
use jiff::civil::date;
use proptest::prelude::*;

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn layer(rotation: Rotation, day: i16, hour: i16, who: &[&str]) -> Layer {
    Layer {
        order: 0,
        rotation,
        shift_hours: 168,
        handoff_day: day,
        handoff_hour: hour,
        starts_on: date(1970, 1, 4),
        responders: who.iter().map(|one| (*one).to_owned()).collect(),
    }
}

fn rota(zone_name: &str, layers: Vec<Layer>) -> Rota {
    Rota { zone: zone(zone_name), layers, overrides: Vec::new() }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn who(rota: &Rota, time: &str) -> String {
    rota.on_call(at(time)).map(|turn| turn.responder).unwrap_or_default()
}

#[test]
fn a_week_of_168_hours_hands_over_each_week() {
    let mut weekly = layer(Rotation::Weekly, 1, 9, &["ann", "bob", "cy"]);
    weekly.starts_on = date(2026, 1, 5);
    let custom = Layer { rotation: Rotation::Custom, ..weekly.clone() };
    for layer in [weekly, custom] {
        let rota = rota("UTC", vec![layer]);
        let weeks =
            ["2026-01-05T09:00:00Z", "2026-01-12T09:00:00Z", "2026-01-19T09:00:00Z", "2026-01-26T09:00:00Z"];
        assert_eq!(weeks.map(|week| who(&rota, week)), ["ann", "bob", "cy", "ann"]);
        assert_eq!(who(&rota, "2026-01-12T08:59:59Z"), "ann");
        assert_eq!(who(&rota, "2026-01-05T08:59:59Z"), "cy", "the count goes on before the first day too");
    }
}

#[test]
fn sunday_and_midnight_are_values() {
    let mut layer = layer(Rotation::Weekly, 0, 0, &["ann", "bob"]);
    layer.starts_on = date(2026, 1, 4);
    let rota = rota("UTC", vec![layer]);
    assert_eq!(who(&rota, "2026-01-10T23:59:59Z"), "ann");
    let turn = rota.on_call(at("2026-01-11T00:00:00Z")).unwrap();
    assert_eq!((turn.responder.as_str(), turn.until), ("bob", Some(at("2026-01-18T00:00:00Z"))));
}

#[test]
fn nine_in_the_morning_stays_so_over_both_changes_of_the_clock() {
    let mut layer = layer(Rotation::Daily, 1, 9, &["ann", "bob"]);
    layer.starts_on = date(2026, 3, 28);
    let rota = rota("Europe/Berlin", vec![layer]);
    // UTC+1 until the 29th of March, then UTC+2 until the 25th of October.
    let until = |time| rota.on_call(at(time)).unwrap().until.unwrap().to_string();
    assert_eq!(until("2026-03-28T08:00:00Z"), "2026-03-29T07:00:00Z");
    assert_eq!(until("2026-03-29T07:00:00Z"), "2026-03-30T07:00:00Z");
    assert_eq!(until("2026-10-24T07:00:00Z"), "2026-10-25T08:00:00Z");
    assert_eq!(who(&rota, "2026-03-29T06:59:59Z"), "ann");
    assert_eq!(who(&rota, "2026-03-29T07:00:00Z"), "bob");
}

#[test]
fn an_hour_that_is_left_out_and_one_that_comes_twice() {
    let mut layer = layer(Rotation::Daily, 1, 2, &["ann", "bob"]);
    layer.starts_on = date(2026, 3, 28);
    let rota = rota("Europe/Berlin", vec![layer]);
    let until = |time| rota.on_call(at(time)).unwrap().until.unwrap().to_string();
    assert_eq!(until("2026-03-28T12:00:00Z"), "2026-03-29T01:00:00Z", "two o'clock is three o'clock");
    assert_eq!(until("2026-10-24T12:00:00Z"), "2026-10-25T00:00:00Z", "the first two o'clock");
    // Hours of work that begin in a day that never was: Samoa went from the 29th to the 31st of December 2011.
    let mut shifts = super::tests::layer(Rotation::Custom, 5, 9, &["ann", "bob"]);
    (shifts.starts_on, shifts.shift_hours) = (date(2011, 12, 23), 12);
    let rota = super::tests::rota("Pacific/Apia", vec![shifts]);
    let turn = rota.on_call(at("2011-12-30T09:59:59Z")).unwrap();
    assert_eq!(turn.until, Some(at("2011-12-30T10:00:00Z")), "the clock goes from midnight to midnight");
    assert_eq!(rota.on_call(at("2011-12-30T10:00:00Z")).unwrap().until, Some(at("2011-12-30T19:00:00Z")));
}

fn stands(id: i64, layer: Option<i32>, who: &str, start: &str, end: &str) -> Override {
    Override { id, layer, responder: who.to_owned(), start: at(start), end: at(end) }
}

#[test]
fn who_stands_in_comes_first_and_the_last_made_of_several() {
    let first = Layer { order: 0, ..layer(Rotation::Daily, 1, 0, &[]) };
    let second = Layer { order: 1, ..layer(Rotation::Daily, 1, 0, &["ann"]) };
    let mut rota = rota("UTC", vec![first, second]);
    assert_eq!(who(&rota, "2026-01-01T12:00:00Z"), "ann", "a layer without responders is passed over");
    rota.overrides = vec![
        stands(1, None, "whole", "2026-01-01T10:00:00Z", "2026-01-01T14:00:00Z"),
        stands(2, Some(1), "second", "2026-01-01T08:00:00Z", "2026-01-01T16:00:00Z"),
        stands(3, Some(0), "first", "2026-01-01T15:00:00Z", "2026-01-01T15:30:00Z"),
        stands(4, None, "late", "2026-01-01T12:00:00Z", "2026-01-01T13:00:00Z"),
    ];
    let turns = rota.turns(at("2026-01-01T07:00:00Z"), at("2026-01-01T17:00:00Z"), 100);
    let told: Vec<_> = turns
        .iter()
        .map(|(from, turn)| (from.to_string()[11..16].to_owned(), turn.responder.as_str()))
        .collect();
    let expected = [
        ("07:00", "ann"),
        ("08:00", "second"),
        ("10:00", "whole"),
        ("12:00", "late"),
        ("13:00", "whole"),
        ("14:00", "second"),
        ("15:00", "first"),
        ("15:30", "second"),
        ("16:00", "ann"),
    ];
    assert_eq!(told, expected.map(|(time, who)| (time.to_owned(), who)));
    for pair in turns.windows(2) {
        assert_eq!(pair[0].1.until, Some(pair[1].0), "each turn ends where the next begins");
    }
}

#[test]
fn nobody_is_on_call_where_nobody_is_named() {
    let mut rota = rota("UTC", vec![layer(Rotation::Weekly, 1, 9, &[])]);
    assert_eq!(rota.on_call(at("2026-01-01T12:00:00Z")), None);
    rota.overrides = vec![stands(1, None, "eve", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z")];
    let turns = rota.turns(at("2026-01-01T00:00:00Z"), at("2026-01-05T00:00:00Z"), 10);
    assert_eq!(turns.len(), 1, "{turns:?}");
    assert_eq!(turns[0].0, at("2026-01-02T00:00:00Z"));
}

/// Half an hour: every zone's clock is put forward or back by a multiple of it.
const STEP: i64 = 1800;

/// Who is on call at each half hour, by looking at the clock on the wall and at nothing else: when it shows the hour of the
/// next handing over, or a later one, the next responder takes over.
fn simulate(layer: &Layer, zone: &TimeZone, begin: Timestamp, steps: i64) -> Vec<usize> {
    let hour = Time::new(i8::try_from(layer.handoff_hour).unwrap(), 0, 0, 0).unwrap();
    let mut day = layer.starts_on;
    while layer.rotation != Rotation::Daily
        && i16::from(day.weekday().to_sunday_zero_offset()) != layer.handoff_day
    {
        day = day.tomorrow().unwrap();
    }
    let hours = match layer.rotation {
        Rotation::Daily => 24,
        Rotation::Weekly => 168,
        Rotation::Custom => i64::from(layer.shift_hours),
    };
    let mut next = day.to_datetime(hour);
    let mut current = layer.responders.len() - 1;
    (0..steps)
        .map(|step| {
            let wall = zone.to_datetime(begin + SignedDuration::from_secs(step * STEP));
            while wall >= next {
                current = (current + 1) % layer.responders.len();
                next += SignedDuration::from_hours(hours);
            }
            current
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Over five months, which hold a change of the clock wherever there are any, or over a year.
    #[test]
    fn the_rule_is_what_the_clock_on_the_wall_says(
        name in prop::sample::select(vec![
            "UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kolkata",
            "Asia/Kathmandu", "Africa/Casablanca", "America/Sao_Paulo", "Pacific/Apia", "Pacific/Auckland",
        ]),
        rotation in prop::sample::select(Rotation::ALL.to_vec()),
        shift_hours in prop_oneof![Just(1), Just(8), Just(12), Just(24), Just(168), 1..1000_i32],
        handoff_day in 0..=6_i16,
        handoff_hour in 0..=23_i16,
        count in 1..5_usize,
        (year, month, day) in (2009..2030_i16, 1..=12_i8, 1..=28_i8),
        days in prop_oneof![9 => Just(150_i64), 1 => Just(400_i64)],
    ) {
        let zone = zone(name);
        let starts_on = date(year, month, day);
        let responders: Vec<String> = (0..count).map(|number| number.to_string()).collect();
        let layer = Layer { order: 0, rotation, shift_hours, handoff_day, handoff_hour, starts_on, responders };
        let rota = Rota { zone: zone.clone(), layers: vec![layer.clone()], overrides: Vec::new() };
        // Nine days later the first has handed over, wherever that is.
        let begin = starts_on.to_zoned(TimeZone::UTC).unwrap().timestamp() + SignedDuration::from_hours(9 * 24);
        let simulated = simulate(&layer, &zone, begin, days * 48);
        let mut until: Option<Timestamp> = None;
        for (step, expected) in (0..).zip(&simulated) {
            let now = begin + SignedDuration::from_secs(step * STEP);
            let turn = rota.on_call(now).unwrap();
            prop_assert_eq!(&turn.responder, &expected.to_string(), "{} in {}", now, name);
            // The end that was told is the one that comes.
            if let Some(until) = until {
                prop_assert!(now >= until || turn.until == Some(until), "{} {:?} {}", now, turn, until);
            }
            prop_assert!(turn.until.unwrap() > now);
            until = turn.until;
        }
    }
}
