//! Whether the promises were held. It is pure: what was seen goes in, sentences with numbers come out.

use super::drill::Health;
use super::promises::{Expected, Judgement, Promise, Verdict};
use super::record::{Answer, Probe, Sample, Seen};
use crate::columns::counted;
use plimsoll_inspect::layers::in_words;
use plimsoll_inspect::span::rough;
use std::collections::BTreeMap;

type Found = (Judgement, String);

impl Expected {
    /// Holds what was seen against all of it.
    pub(super) fn judge(&self, seen: &Seen) -> Vec<Verdict> {
        let judged = |(promise, said)| {
            let (held, told) = match promise {
                Promise::Answers => self.answers(seen),
                Promise::Refusals => refusals(seen),
                Promise::Recovery => self.recovery(seen),
                Promise::Health => self.health_held(seen),
                Promise::Leftovers => self.leftovers(seen),
                Promise::Sessions => self.sessions(seen),
            };
            Verdict { promise, said, held, told }
        };
        self.promises().into_iter().map(judged).collect()
    }

    /// Whether a question was answered in time, whatever the answer says.
    fn is_in_time(&self, probe: &Probe) -> bool {
        probe.took <= self.answer_within && !matches!(probe.answer, Answer::None | Answer::Broken(_))
    }

    fn answers(&self, seen: &Seen) -> Found {
        let asked = seen.probes.len();
        let slowest = seen.probes.iter().map(|probe| probe.took).max().unwrap_or_default();
        let is_ended = |probe: &&Probe| matches!(probe.answer, Answer::Broken(_));
        let ended = seen.probes.iter().filter(is_ended).count();
        let late = seen.probes.iter().filter(|probe| !self.is_in_time(probe) && !is_ended(probe)).count();
        if asked == 0 {
            return (Judgement::Unknown, "nothing was asked".to_owned());
        }
        if late + ended == 0 {
            return (
                Judgement::Held,
                format!("{} asked, the slowest answer took {}", many(asked), rough(slowest)),
            );
        }
        let mut told = Vec::new();
        if late > 0 {
            let within = in_words(self.answer_within);
            told.push(format!("{late} of {asked} had no answer within {within}"));
        }
        if let Some(Answer::Broken(why)) = seen.probes.iter().find(is_ended).map(|probe| &probe.answer) {
            told.push(format!("{ended} of {asked} found no service ({why})"));
        }
        (Judgement::Broken, format!("{}; the longest was waited for {}", told.join(", "), rough(slowest)))
    }

    fn recovery(&self, seen: &Seen) -> Found {
        let limit = seen.ended + self.recover_within;
        if !seen.probes.iter().any(|probe| probe.at > limit) {
            return (Judgement::Unknown, "it was not watched for long enough".to_owned());
        }
        let is_bad = |probe: &&Probe| !probe.answer.is_served() || !self.is_in_time(probe);
        let after = || seen.probes.iter().filter(|probe| probe.at >= seen.ended);
        match after().rfind(is_bad) {
            None => (Judgement::Held, "all were served from the fault's end on".to_owned()),
            Some(last) => {
                let later = rough(last.at.saturating_sub(seen.ended));
                let told = format!("the last that was not served was asked {later} after the fault");
                if last.at <= limit {
                    return (Judgement::Held, told);
                }
                let bad = after().filter(is_bad).count();
                (Judgement::Broken, format!("{told}; {bad} of {} since then were not", after().count()))
            }
        }
    }

    fn health_held(&self, seen: &Seen) -> Found {
        let mute = |probe: &&Probe| matches!(probe.answer, Answer::None | Answer::Broken(_));
        let silent = seen.health.iter().filter(mute).count();
        let asked = seen.health.len();
        if asked == 0 {
            return (Judgement::Unknown, "health was not asked".to_owned());
        }
        if silent > 0 {
            return (Judgement::Broken, format!("health itself gave no answer {silent} of {asked} times"));
        }
        let is_unready = |probe: &&Probe| !probe.answer.is_served();
        let first = seen.health.iter().filter(|probe| probe.at >= seen.began).find(is_unready);
        let last = seen.health.iter().rfind(is_unready).filter(|last| last.at >= seen.ended);
        let unready = seen.health.iter().filter(is_unready).count();
        let late = last.filter(|last| last.at > seen.ended + self.recover_within);
        if let Some(last) = late {
            let later = rough(last.at.saturating_sub(seen.ended));
            return (Judgement::Broken, format!("not ready even {later} after the fault"));
        }
        let back = last.map_or("ready at its end".to_owned(), |last| {
            format!("not ready until {} after it", rough(last.at.saturating_sub(seen.ended)))
        });
        match (self.health, first) {
            (Some(Health::GoesAndComes), None) => (
                Judgement::Broken,
                format!("ready all {asked} times, though the database could not be reached"),
            ),
            (Some(Health::GoesAndComes), Some(first)) => {
                let after = first.at.saturating_sub(seen.began);
                let held = if after <= self.unready_within { Judgement::Held } else { Judgement::Broken };
                (held, format!("not ready {} after the fault began, {back}", rough(after)))
            }
            (Some(Health::Stays), Some(first)) => {
                let after = rough(first.at.saturating_sub(seen.began));
                (
                    Judgement::Broken,
                    format!("not ready {unready} of {asked} times, first {after} after the fault began"),
                )
            }
            (_, None) => (Judgement::Held, format!("ready all {asked} times")),
            (_, Some(_)) => (Judgement::Held, format!("not ready {unready} of {asked} times, {back}")),
        }
    }

    fn leftovers(&self, seen: &Seen) -> Found {
        let last = match self.last_sample(seen) {
            Ok(last) => last,
            Err(why) => return (Judgement::Unknown, why),
        };
        if last.hidden > 0 {
            let hidden = counted(last.hidden, "session is", "sessions are");
            return (Judgement::Unknown, format!("{hidden} hidden from this role: GRANT pg_read_all_stats"));
        }
        let before = |of: fn(&Sample) -> u64| {
            seen.samples.iter().filter(|sample| sample.at < seen.began).map(of).max().unwrap_or(0)
        };
        let idle = last.idle_in_transaction.saturating_sub(before(|sample| sample.idle_in_transaction));
        let began = last.at.saturating_sub(last.oldest_statement);
        let runs = last.active > 0 && began >= seen.began && began < seen.ended;
        let mut told = Vec::new();
        if idle > 0 {
            told.push(format!("{} idle in a transaction", counted(idle, "session is", "sessions are")));
        }
        if runs {
            told.push(format!("a statement has run for {}", rough(last.oldest_statement)));
        }
        match told.is_empty() {
            true => (Judgement::Held, "none was".to_owned()),
            false => (Judgement::Broken, told.join(", ")),
        }
    }

    fn sessions(&self, seen: &Seen) -> Found {
        let last = match self.last_sample(seen) {
            Ok(last) => last,
            Err(why) => return (Judgement::Unknown, why),
        };
        let before = seen.samples.iter().filter(|sample| sample.at < seen.began).map(|it| it.sessions).max();
        let Some(allowed) = self.connections.or(before) else {
            return (Judgement::Unknown, "the sessions before the fault were not seen".to_owned());
        };
        let most = seen.samples.iter().map(|sample| sample.sessions).max().unwrap_or(0);
        let before = before.map_or("?".to_owned(), |before| before.to_string());
        let told = format!("{before} before, {most} at most, {} at the end", last.sessions);
        if last.sessions <= allowed {
            return (Judgement::Held, told);
        }
        let advice = match self.connections {
            Some(_) => String::new(),
            None => format!("; if that is what its pools may keep, say --connections {}", last.sessions),
        };
        (Judgement::Broken, format!("{told}{advice}"))
    }

    /// The last look at the sessions, if it was late enough.
    fn last_sample<'a>(&self, seen: &'a Seen) -> Result<&'a Sample, String> {
        let last = seen.samples.last().ok_or("the server did not say who is connected")?;
        if last.at < seen.ended + self.recover_within {
            return Err("the server did not say any more who is connected after the fault".to_owned());
        }
        Ok(last)
    }
}

fn refusals(seen: &Seen) -> Found {
    let mut refused: BTreeMap<u16, usize> = BTreeMap::new();
    let mut failed: BTreeMap<u16, usize> = BTreeMap::new();
    for probe in &seen.probes {
        match probe.answer {
            Answer::Refused(status) => *refused.entry(status).or_default() += 1,
            Answer::Failed(status) => *failed.entry(status).or_default() += 1,
            _ => {}
        }
    }
    let list = |of: &BTreeMap<u16, usize>| {
        of.iter().map(|(status, count)| format!("{count} with {status}")).collect::<Vec<_>>().join(", ")
    };
    match (refused.is_empty(), failed.is_empty()) {
        (true, true) => (Judgement::Held, "none was refused".to_owned()),
        (false, true) => (Judgement::Held, format!("refused: {}", list(&refused))),
        (true, false) => (Judgement::Broken, format!("failed: {}", list(&failed))),
        (false, false) => {
            (Judgement::Broken, format!("failed: {}; refused: {}", list(&failed), list(&refused)))
        }
    }
}

fn many(count: usize) -> String {
    crate::columns::count(count as u64)
}

#[cfg(test)]
mod tests {
    use super::super::promises::all_held;
    use super::*;
    use std::time::Duration;

    fn secs(count: f64) -> Duration {
        Duration::from_secs_f64(count)
    }

    fn expected(health: Option<Health>) -> Expected {
        Expected {
            answer_within: secs(5.0),
            recover_within: secs(5.0),
            unready_within: secs(5.0),
            connections: None,
            health,
        }
    }

    /// A question each second of twenty; the fault lasts from the third to the tenth.
    fn seen(answer: impl Fn(u64) -> (Answer, f64), health: impl Fn(u64) -> u16) -> Seen {
        let all = 0..20_u64;
        let probe = |at, (answer, took)| Probe { at: secs(at as f64), took: secs(took), answer };
        let samples = (0..20).map(|at| Sample { at: secs(f64::from(at)), sessions: 8, ..Sample::default() });
        Seen {
            probes: all.clone().map(|at| probe(at, answer(at))).collect(),
            health: all.map(|at| probe(at, (Answer::of(health(at), false), 0.01))).collect(),
            samples: samples.collect(),
            began: secs(3.0),
            ended: secs(10.0),
        }
    }

    fn well(_: u64) -> (Answer, f64) {
        (Answer::Served(200), 0.01)
    }

    fn held(expected: &Expected, seen: &Seen, promise: Promise) -> (Judgement, String) {
        let verdicts = expected.judge(seen);
        let verdict = verdicts.iter().find(|verdict| verdict.promise == promise).unwrap();
        (verdict.held, verdict.told.clone())
    }

    #[test]
    fn what_is_served_or_refused_in_time_is_held() {
        let during = |at| match at {
            3..=9 => (Answer::of(503, false), 1.0),
            _ => well(at),
        };
        let verdicts = expected(Some(Health::Stays)).judge(&seen(during, |_| 200));
        assert_eq!(all_held(&verdicts), Judgement::Held, "{verdicts:?}");
        assert_eq!(verdicts[0].told, "20 asked, the slowest answer took 1.0 s");
        assert_eq!(verdicts[1].told, "refused: 7 with 503");
    }

    #[test]
    fn each_promise_can_be_broken_and_tells_its_numbers() {
        let all = expected(None);
        let late = seen(|at| if at < 6 { well(at) } else { (Answer::None, 6.0) }, |_| 200);
        let (verdict, told) = held(&all, &late, Promise::Answers);
        assert_eq!(verdict, Judgement::Broken);
        assert_eq!(told, "14 of 20 had no answer within 5 s; the longest was waited for 6.0 s");
        let (verdict, told) = held(&all, &late, Promise::Recovery);
        assert_eq!(
            (verdict, told.contains("was asked 9.0 s after the fault")),
            (Judgement::Broken, true),
            "{told}"
        );
        let failed = seen(|at| if at == 4 { (Answer::of(500, false), 0.1) } else { well(at) }, |_| 200);
        assert_eq!(
            held(&all, &failed, Promise::Refusals),
            (Judgement::Broken, "failed: 1 with 500".to_owned())
        );
        assert_eq!(held(&all, &failed, Promise::Recovery).0, Judgement::Held);
        let gone = seen(
            |at| if at == 4 { (Answer::Broken("no connection".into()), 0.1) } else { well(at) },
            |_| 200,
        );
        let (verdict, told) = held(&all, &gone, Promise::Answers);
        assert!(
            verdict == Judgement::Broken && told.starts_with("1 of 20 found no service (no connection)"),
            "{told}"
        );
        let mut more = seen(well, |_| 200);
        more.samples.last_mut().unwrap().sessions = 12;
        more.samples.last_mut().unwrap().idle_in_transaction = 2;
        let (verdict, told) = held(&all, &more, Promise::Sessions);
        assert!(verdict == Judgement::Broken && told.ends_with("say --connections 12"), "{told}");
        let enough = Expected { connections: Some(12), ..all.clone() };
        assert_eq!(held(&enough, &more, Promise::Sessions).0, Judgement::Held);
        assert_eq!(held(&all, &more, Promise::Leftovers).1, "2 sessions are idle in a transaction");
        // It began in the fault and still runs; one that began before it is not the fault's.
        for (oldest, verdict) in [(12.0, Judgement::Broken), (18.0, Judgement::Held), (2.0, Judgement::Held)]
        {
            let mut runs = seen(well, |_| 200);
            let last = runs.samples.last_mut().unwrap();
            (last.active, last.oldest_statement) = (1, secs(oldest));
            assert_eq!(held(&all, &runs, Promise::Leftovers).0, verdict, "{oldest}");
        }
    }

    #[test]
    fn health_is_judged_by_what_the_fault_does() {
        let cases = [
            (Health::Stays, [0, 0], Judgement::Held),
            (Health::Stays, [4, 5], Judgement::Broken),
            (Health::GoesAndComes, [4, 11], Judgement::Held),
            (Health::GoesAndComes, [0, 0], Judgement::Broken),
            (Health::GoesAndComes, [9, 11], Judgement::Broken),
            (Health::GoesAndComes, [4, 17], Judgement::Broken),
            (Health::Comes, [0, 0], Judgement::Held),
            (Health::Comes, [4, 11], Judgement::Held),
            (Health::Comes, [4, 17], Judgement::Broken),
        ];
        for (health, [from, to], verdict) in cases {
            let seen = seen(well, |at| if (from..to).contains(&at) { 503 } else { 200 });
            let found = held(&expected(Some(health)), &seen, Promise::Health);
            assert_eq!(found.0, verdict, "{health:?} {from} {to}: {}", found.1);
        }
    }

    #[test]
    fn what_was_not_seen_is_not_held() {
        let mut seen = seen(well, |_| 200);
        seen.samples.truncate(9);
        seen.probes.truncate(9);
        let all = expected(None);
        for promise in [Promise::Recovery, Promise::Leftovers, Promise::Sessions] {
            assert_eq!(held(&all, &seen, promise).0, Judgement::Unknown, "{promise:?}");
        }
        assert_eq!(all_held(&all.judge(&seen)), Judgement::Unknown);
        assert_eq!(all_held(&all.judge(&Seen::default())), Judgement::Unknown);
    }
}
