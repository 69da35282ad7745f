//! G08: the limits that lie within each other are each shorter than the one around it.
//!
//! What lies outside the server (deadlines of clients, proxies and browsers) is the business of the command `timeouts`.

use super::limit::{self, Limits, shorter_than};
use crate::answer::Unreadable;
use crate::checks::check::{Answers, Check, Thresholds};
use crate::checks::finding::{Finding, State};
use crate::checks::role_settings::set_all;
use crate::checks::setting_value::SettingValue;
use crate::checks::subject::Subject;
use std::collections::BTreeMap;

/// An inner limit, the one around it, and what comes of it if the inner one is not shorter.
struct Within {
    inner: &'static str,
    outer: &'static str,
    /// What the inner one is set to, in milliseconds, unless even that is too long.
    recommended: f64,
    else_: &'static str,
}

/// From the outermost to the innermost, so that a limit that is shortened is seen by those within it.
const ORDER: [Within; 5] = [
    Within {
        inner: "statement_timeout",
        outer: "transaction_timeout",
        recommended: 30_000.0,
        else_: "a slow statement ends its session instead of failing",
    },
    Within {
        inner: "idle_in_transaction_session_timeout",
        outer: "transaction_timeout",
        recommended: 30_000.0,
        else_: "the shorter one alone counts, and its message does not say that the client was idle",
    },
    Within {
        inner: "lock_timeout",
        outer: "transaction_timeout",
        recommended: 5_000.0,
        else_: "who waits for a lock loses the session instead of the statement",
    },
    Within {
        inner: "lock_timeout",
        outer: "statement_timeout",
        recommended: 5_000.0,
        else_: "lock_timeout is never reached, and errors do not tell that it was a lock",
    },
    Within {
        inner: "client_connection_check_interval",
        outer: "statement_timeout",
        recommended: 2_000.0,
        else_: "no statement lives until the server looks whether its client is there",
    },
];

pub(super) const G08: Check = Check {
    id: "G08",
    title: "Of limits that lie within each other the inner one is the shorter",
    why: "a limit that is longer than the one around it never acts, and what happens instead does more harm or says less",
    ask: limit::ASK,
    needs_role: true,
    read,
    ..Check::USUAL
};

fn read(answers: &Answers<'_>, subject: &Subject, _: &Thresholds) -> Result<Vec<Finding>, Unreadable> {
    let limits = Limits::read(answers)?;
    let mut known = BTreeMap::new();
    let mut unknown = Vec::new();
    for name in ORDER.iter().flat_map(|within| [within.inner, within.outer]) {
        match limits.known(name, subject) {
            Ok((_, millis)) => drop(known.insert(name, millis)),
            Err(skipped) if limits.setting(name).is_some() && !unknown.contains(&*skipped) => {
                unknown.push(*skipped)
            }
            Err(_) => {}
        }
    }
    let inversions = inversions(&known);
    if inversions.is_empty() {
        return Ok(unknown);
    }
    let sentences = inversions.iter().filter_map(|within| {
        let (inner, outer) = (limits.setting(within.inner)?, limits.setting(within.outer)?);
        Some(format!(
            "{} is {} within {} of {}: {}",
            inner.name,
            inner.shown(),
            outer.name,
            outer.shown(),
            within.else_
        ))
    });
    let changes = corrected(&known);
    let changes = changes.iter().filter_map(|(name, value)| Some((limits.setting(name)?, value.clone())));
    let finding = Finding::new(State::Crit, subject.the_role(), sentences.collect::<Vec<_>>().join("; "))
        .source("pg_settings, pg_db_role_setting")
        .threshold(
            "lock_timeout and client_connection_check_interval < statement_timeout < transaction_timeout, \
                 idle_in_transaction_session_timeout < transaction_timeout",
        )
        .remedy(set_all(changes, subject));
    Ok(std::iter::once(finding).chain(unknown).collect())
}

/// Where both are set and the inner one is not the shorter.
fn inversions(known: &BTreeMap<&str, f64>) -> Vec<&'static Within> {
    let is_inverted = |within: &&Within| match (known.get(within.inner), known.get(within.outer)) {
        (Some(inner), Some(outer)) => *inner > 0.0 && *outer > 0.0 && inner >= outer,
        _ => false,
    };
    ORDER.iter().filter(is_inverted).collect()
}

/// The inner limits that have to be shorter, and how they are written.
fn corrected(known: &BTreeMap<&'static str, f64>) -> BTreeMap<&'static str, String> {
    let mut right = known.clone();
    let mut changes = BTreeMap::new();
    for within in &ORDER {
        let (Some(inner), Some(outer)) = (right.get(within.inner), right.get(within.outer)) else { continue };
        if *inner > 0.0 && *outer > 0.0 && inner >= outer {
            let text = shorter_than(*outer, within.recommended);
            if let Some(value) = SettingValue::read(&text, None) {
                right.insert(within.inner, value.0);
            }
            changes.insert(within.inner, text);
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const TIMES: [f64; 6] = [0.0, 2.0, 10.0, 4_000.0, 30_000.0, 600_000.0];

    /// Each set of limits that can be made of some times.
    fn sets() -> impl Iterator<Item = BTreeMap<&'static str, f64>> {
        let names: BTreeSet<_> = ORDER.iter().flat_map(|within| [within.inner, within.outer]).collect();
        let count = TIMES.len().pow(u32::try_from(names.len()).unwrap());
        (0..count).map(move |mut number| {
            let next = |name: &&'static str| {
                let time = TIMES[number % TIMES.len()];
                number /= TIMES.len();
                (*name, time)
            };
            names.iter().map(next).collect()
        })
    }

    #[test]
    fn what_is_corrected_has_no_inversion_and_makes_nothing_longer() {
        let mut inverted = 0;
        for set in sets() {
            let mut after = set.clone();
            for (name, text) in corrected(&set) {
                after.insert(name, SettingValue::read(&text, None).unwrap().0);
            }
            // Below 2 ms there is no room for another limit.
            let is_narrow = inversions(&after).iter().all(|within| after[within.outer] < 2.0);
            assert!(is_narrow, "{set:?} became {after:?}");
            for (name, millis) in &set {
                assert!(after[name] <= *millis, "{name} of {set:?} became longer: {after:?}");
                assert!((after[name] == 0.0) == (*millis == 0.0), "{name} of {set:?}: {after:?}");
            }
            let is_inverted = !inversions(&set).is_empty();
            assert_eq!(is_inverted, after != set, "{set:?} became {after:?}");
            inverted += u32::from(is_inverted);
        }
        assert!(inverted > 100, "{inverted} sets were inverted");
    }
}
