//! The secret that is shared with a receiver, as people write it.
//!
//! It goes in and does not come out: answers show stars in its place. So what is read and written back keeps it: a secret that is
//! left out, or is those stars, stays.

use crate::text;

/// What is shown in the place of a secret.
pub const STARS: &str = "********";

/// What becomes of the secret.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretChange {
    /// What is there stays.
    Stays,
    /// It becomes this.
    Becomes(String),
    /// There is none any more.
    Goes,
}

impl SecretChange {
    /// What was said; `None` where that can be no secret.
    #[must_use]
    pub fn said(said: Option<String>) -> Option<Self> {
        match said {
            None => Some(SecretChange::Stays),
            Some(said) if said == STARS => Some(SecretChange::Stays),
            Some(said) if said.is_empty() => Some(SecretChange::Goes),
            Some(said) if text::line(&said, 256).is_some() && said.chars().nth(15).is_some() => {
                Some(SecretChange::Becomes(said))
            }
            Some(_) => None,
        }
    }

    /// The new one.
    #[must_use]
    pub fn new_one(&self) -> Option<&str> {
        match self {
            SecretChange::Becomes(secret) => Some(secret),
            SecretChange::Stays | SecretChange::Goes => None,
        }
    }

    /// Whether what is there stays.
    #[must_use]
    pub fn stays(&self) -> bool {
        *self == SecretChange::Stays
    }
}
