//! What a try has come to.

use std::time::Duration;

/// What a try to deliver a message has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has taken it.
    Sent {
        /// What it answered.
        status: u16,
    },
    /// It may be taken another time.
    Retry {
        /// What it answered, if it did.
        status: Option<u16>,
        /// Why it was not taken now.
        why: String,
        /// Not before this long, where the receiver has said so.
        after: Option<Duration>,
    },
    /// No other try would be different.
    Dead {
        /// What it answered, if it did.
        status: Option<u16>,
        /// Why.
        why: String,
    },
}

impl Outcome {
    pub(super) fn retry(why: impl Into<String>) -> Self {
        Outcome::Retry { status: None, why: why.into(), after: None }
    }

    pub(super) fn dead(why: impl Into<String>) -> Self {
        Outcome::Dead { status: None, why: why.into() }
    }

    /// As the log of the tries has it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Outcome::Sent { .. } => "SENT",
            Outcome::Retry { .. } => "RETRY",
            Outcome::Dead { .. } => "DEAD",
        }
    }

    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Outcome::Sent { status } => Some(*status),
            Outcome::Retry { status, .. } | Outcome::Dead { status, .. } => *status,
        }
    }

    pub(super) fn why(&self) -> Option<&str> {
        match self {
            Outcome::Sent { .. } => None,
            Outcome::Retry { why, .. } | Outcome::Dead { why, .. } => Some(why),
        }
    }
}
