//! G12: the server notices a client whose machine or network is gone without a word.

use crate::answer::Unreadable;
use crate::checks::check::{Answers, Check, Threshold, Thresholds};
use crate::checks::finding::{Finding, State};
use crate::checks::role_settings::{self, ROLE_SETTINGS, RoleSetting, set_all};
use crate::checks::subject::Subject;
use std::collections::BTreeMap;

const LATEST: Threshold = Threshold {
    name: "dead_peer_warn",
    default: 180.0,
    unit: "s",
    meaning: "a client that fell silent and is noticed later than that is a warning",
};

pub(super) const G12: Check = Check {
    id: "G12",
    title: "A client whose machine or network is gone is noticed",
    why: "until then its session keeps its connection, its locks and its transaction, by default for more than two hours",
    ask: &[ROLE_SETTINGS, include_str!("dead_peers.sql")],
    needs_role: true,
    thresholds: &[LATEST],
    read,
    ..Check::USUAL
};

/// The settings that tell how long a silence lasts, and what the remedy sets.
const KEEPALIVES: [(&str, &str); 3] =
    [("tcp_keepalives_idle", "60"), ("tcp_keepalives_interval", "10"), ("tcp_keepalives_count", "6")];

fn read(
    answers: &Answers<'_>,
    subject: &Subject,
    thresholds: &Thresholds,
) -> Result<Vec<Finding>, Unreadable> {
    let settings = role_settings::read(answers)?;
    let mut of_system = BTreeMap::new();
    for row in answers.rows().filter(|row| row.has("tcp_name")) {
        if let (Some(name), Some(number)) = (row.text("tcp_name")?, row.number::<f64>("tcp_of_system")?) {
            of_system.insert(name.to_owned(), number);
        }
    }
    let latest = thresholds.get(&LATEST);
    let Some((unsent, timeout)) =
        settings.get("tcp_user_timeout").and_then(|setting| Some((setting, setting.number()?)))
    else {
        return Ok(vec![Finding::skipped(
            subject.the_role(),
            "tcp_user_timeout is hidden from this session",
        )]);
    };
    let silence = silence(&settings, &of_system);
    let mut changes = Vec::new();
    if timeout == 0.0 || timeout > latest * 1_000.0 {
        changes.push((unsent, "30s".to_owned()));
    }
    if silence.is_some_and(|seconds| seconds > latest) {
        let pairs =
            KEEPALIVES.iter().filter_map(|(name, value)| Some((settings.get(*name)?, (*value).to_owned())));
        changes.extend(pairs);
    }
    Ok(vec![finding(unsent, silence, changes, subject, latest)])
}

fn finding(
    unsent: &RoleSetting,
    silence: Option<f64>,
    changes: Vec<(&RoleSetting, String)>,
    subject: &Subject,
    latest: f64,
) -> Finding {
    let idle = silence.map_or_else(
        || "when one that is idle is noticed cannot be seen: the operating system decides, and this session is no TCP \
            connection without settings of its own"
            .to_owned(),
        |seconds| format!("one that is idle is noticed after {seconds} s (tcp_keepalives_*)"),
    );
    let state = match (changes.is_empty(), silence) {
        (false, _) => State::Warn,
        (true, None) => State::Skipped,
        (true, Some(_)) => State::Ok,
    };
    let finding = Finding::new(
        state,
        subject.the_role(),
        format!(
            "tcp_user_timeout, for a client that does not take its answer, is {}; {idle}",
            unsent.shown()
        ),
    )
    .source(unsent.source.as_str())
    .threshold(format!("above 0, at most {latest} s each"));
    if changes.is_empty() { finding } else { finding.remedy(set_all(changes, subject)) }
}

/// How long a connection that is idle may be silent, in seconds; `None` if that cannot be known.
fn silence(settings: &BTreeMap<String, RoleSetting>, of_system: &BTreeMap<String, f64>) -> Option<f64> {
    let number = |name: &str, unit: f64| match settings.get(name)?.number()? / unit {
        0.0 => of_system.get(name).copied().filter(|number| *number > 0.0),
        said => Some(said),
    };
    let [(idle, _), (interval, _), (count, _)] = KEEPALIVES;
    Some(number(idle, 1_000.0)? + number(interval, 1_000.0)? * number(count, 1.0)?)
}
