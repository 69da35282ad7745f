use super::*;
use proptest::prelude::*;

const NOW: u64 = 3_600_000_000_000;

fn ago(millis: u64) -> Moment {
    Moment::numbered(NOW).earlier_by(millis * 1_000_000)
}

fn following(as_of: u64) -> Candidate {
    Candidate {
        standing: Standing::Following,
        timeline: Timeline(1),
        replayed: Lsn::numbered(1_000),
        as_of: Some(ago(as_of)),
    }
}

fn primary(asked: u64) -> PrimaryView {
    PrimaryView { timeline: Some(Timeline(1)), asked: Some(ago(asked)) }
}

fn within(millis: u64) -> Demand {
    Demand { lag: Some(LagLimit::Demanded(Duration::from_millis(millis))), after: None }
}

fn usual(millis: u64) -> Demand {
    Demand { lag: Some(LagLimit::Usual(Duration::from_millis(millis))), after: None }
}

fn judge(candidate: &Candidate, demand: &Demand, primary: &PrimaryView) -> Result<Fitness, Unfit> {
    fitness(candidate, demand, primary, ago(0))
}

#[test]
fn a_demand_is_proven_now_and_the_usual_limit_as_of_the_last_answer() {
    let late = |millis| Err(Unfit::Late(Some(Duration::from_millis(millis))));
    assert_eq!(judge(&following(300), &within(500), &primary(250)), Ok(Fitness::Ready));
    assert_eq!(judge(&following(600), &within(500), &primary(250)), late(600));
    // The primary has been silent for a minute, and the replica had all that was known of it.
    assert_eq!(judge(&following(60_000), &within(5_000), &primary(60_000)), late(60_000));
    assert_eq!(judge(&following(60_000), &usual(5_000), &primary(60_000)), Ok(Fitness::Ready));
    assert_eq!(judge(&following(70_000), &usual(5_000), &primary(60_000)), late(10_000));
    let unknown = Candidate { as_of: None, ..following(0) };
    assert_eq!(judge(&unknown, &usual(5_000), &primary(0)), Err(Unfit::Late(None)));
    assert_eq!(judge(&unknown, &Demand { lag: None, after: None }, &primary(0)), Ok(Fitness::Ready));
}

#[test]
fn a_commit_is_seen_where_it_was_replayed_and_on_no_other_timeline() {
    let after = |text: &str| Demand { after: Some(text.parse().unwrap()), ..usual(5_000) };
    assert_eq!(judge(&following(0), &after("1-3e8"), &primary(0)), Ok(Fitness::Ready));
    assert_eq!(judge(&following(0), &after("1-3e9"), &primary(0)), Ok(Fitness::Behind));
    assert_eq!(judge(&following(0), &after("2-1"), &primary(0)), Err(Unfit::OldToken));
    let promoted = PrimaryView { timeline: Some(Timeline(2)), ..primary(0) };
    let moved = Candidate { timeline: Timeline(2), ..following(0) };
    assert_eq!(judge(&moved, &after("1-1"), &promoted), Err(Unfit::OldToken), "also one that was replayed");
    assert_eq!(judge(&moved, &after("2-3e8"), &promoted), Ok(Fitness::Ready));
    assert_eq!(judge(&following(0), &usual(5_000), &promoted), Err(Unfit::OtherTimeline));
}

#[test]
fn only_what_follows_serves() {
    for standing in
        [Standing::Unknown, Standing::Away, Standing::Promoted, Standing::Foreign, Standing::Untold]
    {
        let candidate = Candidate { standing, ..following(0) };
        assert_eq!(judge(&candidate, &usual(5_000), &primary(0)), Err(Unfit::Standing(standing)));
    }
    assert_eq!(judge(&following(0), &usual(5_000), &PrimaryView::default()), Err(Unfit::NoPrimary));
}

proptest! {
    #[test]
    fn the_chosen_one_may_serve_and_one_is_chosen_if_any_may(
        fits in prop::collection::vec(
            prop::option::of(prop_oneof![Just(Fitness::Ready), Just(Fitness::Behind)]), 0..=MOST),
        loads in prop::collection::vec(0_usize..50, MOST),
        seed: u64,
    ) {
        let mut random = fastrand::Rng::with_seed(seed);
        let chosen = choose(fits.iter().copied(), |index| loads[index], |below| random.u32(0..below.max(1)));
        let is_there = |wanted| fits.contains(&Some(wanted));
        match chosen {
            None => prop_assert!(!is_there(Fitness::Ready) && !is_there(Fitness::Behind)),
            Some(index) => {
                let fitness = fits[index].unwrap();
                prop_assert!(fitness == Fitness::Ready || !is_there(Fitness::Ready));
                let same: Vec<usize> = (0..fits.len()).filter(|at| fits[*at] == Some(fitness)).collect();
                let most = same.iter().map(|at| loads[*at]).max();
                let is_alone_at_the_top = same.iter().filter(|at| Some(loads[**at]) == most).count() == 1;
                if same.len() > 1 && is_alone_at_the_top {
                    prop_assert!(Some(loads[index]) != most, "of two that are drawn the busier one is left alone");
                }
            }
        }
    }

    /// Where all are as busy, each gets its share.
    #[test]
    fn equal_replicas_get_equal_shares(count in 1_usize..6, seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut hits = vec![0_usize; count];
        for _ in 0..count * 1_000 {
            let fits = (0..count).map(|_| Some(Fitness::Ready));
            let index = choose(fits, |_| 3, |below| random.u32(0..below.max(1))).unwrap();
            hits[index] += 1;
        }
        prop_assert!(hits.iter().all(|hits| (800..1_200).contains(hits)), "{:?}", hits);
    }
}
