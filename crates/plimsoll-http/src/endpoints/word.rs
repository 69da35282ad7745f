//! How something is, in one word.

use plimsoll::HealthState;
use serde::Serialize;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub(super) enum Word {
    /// It works.
    Healthy,
    /// It works, but something is wrong.
    Degraded,
    /// It does not work.
    Down,
}

impl From<HealthState> for Word {
    fn from(state: HealthState) -> Self {
        match state {
            HealthState::Healthy => Word::Healthy,
            HealthState::Down => Word::Down,
            _ => Word::Degraded,
        }
    }
}
