//! What must hold in a drill, in sentences. Whether it did is found in `judge`.

use super::drill::Health;
use crate::columns::counted;
use plimsoll_inspect::layers::in_words;
use serde::Serialize;
use std::time::Duration;

/// What a drill is held against.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub(super) answer_within: Duration,
    pub(super) recover_within: Duration,
    pub(super) unready_within: Duration,
    /// Sessions at the end; without it, as many as before.
    pub(super) connections: Option<u64>,
    /// `None` where the service has no address for its health.
    pub(super) health: Option<Health>,
}

/// The promises, by what they are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Promise {
    Answers,
    Refusals,
    Recovery,
    Health,
    Leftovers,
    Sessions,
}

/// What became of a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Judgement {
    Held,
    Broken,
    /// It could not be seen.
    Unknown,
}

/// A promise, whether it was held, and the numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Verdict {
    pub(super) promise: Promise,
    pub(super) said: String,
    pub(super) held: Judgement,
    pub(super) told: String,
}

impl Expected {
    /// All that must hold, each in a sentence.
    pub(super) fn promises(&self) -> Vec<(Promise, String)> {
        let recover = in_words(self.recover_within);
        let mut all = vec![
            (Promise::Answers, format!("every question is answered within {}", in_words(self.answer_within))),
            (
                Promise::Refusals,
                "what is not served is refused as a trouble that passes: 503, 504, 429, or with Retry-After"
                    .to_owned(),
            ),
            (Promise::Recovery, format!("every question is served again {recover} after the fault")),
        ];
        match self.health {
            None => {}
            Some(Health::Stays) => {
                all.push((Promise::Health, "health stays ready, since the database answers".to_owned()));
            }
            Some(Health::GoesAndComes) => {
                let unready = in_words(self.unready_within);
                let said = format!(
                    "health says not ready within {unready}, and ready again {recover} after the fault"
                );
                all.push((Promise::Health, said));
            }
            Some(Health::Comes) => {
                all.push((
                    Promise::Health,
                    format!("health answers, and is ready {recover} after the fault"),
                ));
            }
        }
        let left =
            "no session is left idle in a transaction, and no statement of the fault's time still runs";
        all.push((Promise::Leftovers, left.to_owned()));
        all.push((
            Promise::Sessions,
            match self.connections {
                Some(most) => {
                    format!("at the end the database has at most {}", counted(most, "session", "sessions"))
                }
                None => "at the end the database has no more sessions than before".to_owned(),
            },
        ));
        all
    }
}

/// What all of it comes to: broken if one is, else unknown if one is.
pub(super) fn all_held<'a>(verdicts: impl IntoIterator<Item = &'a Verdict>) -> Judgement {
    let mut worst = Judgement::Held;
    for verdict in verdicts {
        worst = match (worst, verdict.held) {
            (Judgement::Broken, _) | (_, Judgement::Broken) => Judgement::Broken,
            (Judgement::Unknown, _) | (_, Judgement::Unknown) => Judgement::Unknown,
            _ => Judgement::Held,
        };
    }
    worst
}
