use super::*;
use crate::rules::request::tests::request;

const MS: Duration = Duration::from_millis(1);

fn ago(span: Duration, now: Moment) -> Moment {
    Moment::from(now.instant() - span)
}

/// What was recorded at the hand-overs of a pool of four connections while 600 callers came at once, on PostgreSQL 15: the
/// microseconds since the hand-over before, and those for which the connection had been held. Of each case the first 450.
const RECORDED: &str = include_str!("recorded.txt");

/// The name of a case, and its hand-overs.
type Recording = (&'static str, Vec<(Duration, Duration)>);

fn recordings() -> Vec<Recording> {
    let mut recordings: Vec<Recording> = Vec::new();
    for line in RECORDED.lines() {
        if let Some(name) = line.strip_prefix("# ") {
            recordings.push((name, Vec::new()));
            continue;
        }
        let (gap, held) = line.split_once(' ').expect("two numbers");
        let micros = |text: &str| Duration::from_micros(text.parse().expect("a number"));
        recordings.last_mut().expect("a name comes first").1.push((micros(gap), micros(held)));
    }
    recordings
}

/// A pool of ten whose leases last 10 ms, after so many hand-overs.
fn paced(count: u32) -> (Pace, Moment) {
    let (mut pace, mut now) = (Pace::default(), Moment::now());
    for _ in 0..count {
        now = now + MS;
        pace.handed_over(Some(ago(10 * MS, now)), 10, now);
    }
    (pace, now)
}

fn limited(now: Moment, wait: Duration, deadline: Option<Duration>) -> Request {
    Request { until: now + wait, deadline: deadline.map(|span| now + span), ..request(now) }
}

#[test]
fn a_newcomer_is_told_its_wait_by_its_place() {
    let (pace, now) = paced(100);
    let forecast = pace.forecast(49, now).expect("enough is known");
    assert_eq!((forecast.place, forecast.wait(), forecast.service()), (50, 50 * MS, 10 * MS));
}

#[test]
fn nothing_is_forecast_from_too_little_or_from_old() {
    let (pace, now) = paced(ENOUGH);
    assert_eq!(pace.forecast(1000, now), None, "sixteen hand-overs are fifteen gaps");
    let (pace, now) = paced(ENOUGH + 1);
    assert!(pace.forecast(1000, now).is_some(), "sixteen gaps are enough");
    let (mut pace, now) = paced(100);
    assert!(pace.forecast(0, now + Duration::from_nanos(STALE)).is_some());
    assert_eq!(pace.forecast(1000, now + Duration::from_nanos(STALE + 1)), None);
    pace.begin();
    assert_eq!(pace.forecast(1000, now), None, "another queue");
}

#[test]
fn gaps_without_a_lease_say_nothing_of_how_long_one_is_held() {
    let (mut pace, mut now) = (Pace::default(), Moment::now());
    for _ in 0..100 {
        now = now + MS;
        pace.handed_over(None, 10, now);
    }
    assert_eq!(pace.forecast(0, now), None);
    pace.handed_over(Some(ago(7 * MS, now)), 10, now);
    assert_eq!(pace.forecast(0, now).expect("a lease has ended").service(), 7 * MS);
}

#[test]
fn the_first_spans_make_a_plain_mean_and_later_ones_count_a_thirty_second_each() {
    let mut mean = Mean::default();
    for nanos in 1..=32 {
        mean.add(nanos * 64);
    }
    // The mean of 1 to 32 is 16.5; each step is rounded towards zero.
    assert!((1_040..=1_056).contains(&mean.span()), "{mean:?}");
    assert_eq!(mean.count, 32);
    let before = mean.span();
    mean.add(before + 3_200);
    assert_eq!((mean.span(), mean.count), (before + 100, 32));
    mean.add(before + 100 - 320);
    assert_eq!(mean.span(), before + 90);
}

#[test]
fn wait_and_work_must_fit_before_the_deadline_but_only_the_wait_into_the_patience() {
    let (pace, now) = paced(100);
    let margin = 100 * MS;
    let forecast = pace.forecast(49, now).expect("enough is known");
    let refuse = |wait, deadline| forecast.refuse(&limited(now, wait, deadline), margin, now);
    assert_eq!(refuse(50 * MS, None), None);
    let refusal = refuse(49 * MS, None).expect("50 ms do not fit into 49");
    assert_eq!(refusal, Refusal::Overloaded { forecast, remaining: 49 * MS });
    assert_eq!(forecast.retry_after(), 50 * MS);
    // 10 ms of work, and a third more because a statement is stopped a little before its deadline.
    assert_eq!(refuse(90 * MS, Some(63 * MS)), Some(Refusal::Overloaded { forecast, remaining: 63 * MS }));
    assert_eq!(refuse(90 * MS, Some(64 * MS)), None);
    assert_eq!(forecast.refuse(&limited(now, 90 * MS, Some(60 * MS)), Duration::ZERO, now), None);
}

#[test]
fn when_the_turn_has_come_only_the_deadline_counts() {
    let (pace, now) = paced(100);
    let forecast = pace.forecast(49, now).expect("enough is known").at_once();
    assert_eq!((forecast.place, forecast.wait(), forecast.service()), (0, Duration::ZERO, 10 * MS));
    assert_eq!(forecast.retry_after(), 10 * MS);
    let refuse = |deadline| forecast.refuse(&limited(now, MS, Some(deadline)), Duration::ZERO, now);
    assert_eq!(refuse(10 * MS), None);
    assert_eq!(refuse(9 * MS), Some(Refusal::Overloaded { forecast, remaining: 9 * MS }));
}

#[test]
fn a_caller_comes_back_after_a_millisecond_at_the_earliest() {
    assert_eq!(Forecast { place: 0, wait: 0, service: 10 }.retry_after(), MS);
}

#[test]
fn one_long_lease_among_short_ones_says_nothing_of_the_next() {
    let (mut pace, mut now) = paced(100);
    now = now + MS;
    pace.handed_over(Some(ago(Duration::from_secs(60), now)), 10, now);
    let forecast = pace.forecast(0, now).expect("enough is known");
    // It counts as 21 ms: an eleventh more than 10 ms, divided by 32.
    assert_eq!(forecast.service(), 10 * MS + 11 * MS / 32);
    // When all are long, it is soon believed.
    for _ in 0..300 {
        now = now + MS;
        pace.handed_over(Some(ago(Duration::from_secs(60), now)), 10, now);
    }
    assert!(pace.forecast(0, now).expect("known").service() > Duration::from_secs(20));
}

#[test]
fn a_recorded_queue_is_forecast_as_it_moved_and_a_stall_is_no_pace() {
    const AHEAD: usize = 100;
    let recordings = recordings();
    assert_eq!(recordings.len(), 6);
    for (name, hand_overs) in recordings {
        // Begun later, the queue meets its stall among the first gaps.
        for start in (0..300).step_by(7) {
            let (mut pace, mut now, mut forecasts) =
                (Pace::default(), Moment::now() + Duration::from_secs(60), 0);
            let hand_overs = &hand_overs[start..];
            for (index, (gap, held)) in hand_overs.iter().enumerate() {
                now = now + *gap;
                pace.handed_over(Some(ago(*held, now)), 4, now);
                let Some(next) = hand_overs.get(index + 1..index + 1 + AHEAD) else { break };
                let Some(forecast) = pace.forecast(AHEAD - 1, now) else { continue };
                let needed: Duration = next.iter().map(|(gap, _)| *gap).sum();
                let without_a_stall = needed - next.iter().map(|(gap, _)| *gap).max().unwrap_or_default();
                let wait = forecast.wait();
                assert!(wait <= 2 * needed, "{name} from {start} at {index}: {wait:?} instead of {needed:?}");
                assert!(
                    wait >= without_a_stall * 3 / 10,
                    "{name} from {start} at {index}: {wait:?} is too little"
                );
                forecasts += 1;
            }
            assert!(forecasts > 20, "{name} from {start}: {forecasts}");
        }
    }
}

#[test]
fn leases_that_end_at_once_do_not_make_the_gaps_between_them_look_shorter() {
    // Under overload many a lease ends unused, because its caller has no time left, while the others are being stopped.
    let (mut pace, mut now) = (Pace::default(), Moment::now());
    for number in 0..200 {
        now = now + 4 * MS;
        pace.handed_over((number % 2 == 0).then_some(now), 10, now);
    }
    assert_eq!(pace.forecast(99, now).expect("enough is known").wait(), 400 * MS);
    // In bursts, too.
    let (mut pace, mut now) = (Pace::default(), Moment::now());
    for number in 0..600 {
        now = now + if number % 10 == 0 { 40 * MS } else { Duration::ZERO };
        pace.handed_over(Some(now), 10, now);
    }
    let wait = pace.forecast(99, now).expect("enough is known").wait();
    assert!((250 * MS..600 * MS).contains(&wait), "{wait:?} instead of 400 ms");
}

#[test]
fn of_the_first_gaps_the_longest_is_left_out_and_later_ones_count_no_more_than_a_lease() {
    let second = Duration::from_secs(1);
    let (mut pace, mut now) = (Pace::default(), Moment::now() + 2 * second);
    for number in 0..=ENOUGH {
        // The second hand-over comes a second after the first.
        now = now + if number == 1 { second } else { MS };
        pace.handed_over(Some(ago(10 * MS, now)), 10, now);
    }
    assert_eq!(pace.forecast(99, now).expect("enough is known").wait(), 100 * MS);
    let (mut pace, mut now) = paced(100);
    now = now + second;
    pace.handed_over(Some(ago(10 * MS, now)), 10, now);
    // It counts as 21 ms, twice a lease and one: 20 ms more than usual, divided by 32.
    assert_eq!(pace.forecast(0, now).expect("known").wait(), MS + 20 * MS / 32);
    // A server that has become slow is believed, as its leases are.
    for _ in 0..600 {
        now = now + second;
        pace.handed_over(Some(ago(second, now)), 10, now);
    }
    assert!(pace.forecast(0, now).expect("known").wait() > second / 2);
}
