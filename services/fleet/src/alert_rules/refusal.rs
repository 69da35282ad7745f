//! Why a rule is refused.

use crate::refusal::{Refusal, RefusalKind};
use std::borrow::Cow;

/// Why a rule is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleRefusal {
    /// A field says what cannot be.
    Invalid(&'static str),
    /// The tenant has no policy of this number.
    UnknownPolicy,
    /// The tenant has as many rules as it may have.
    TooMany,
}

impl Refusal for RuleRefusal {
    fn kind(&self) -> RefusalKind {
        match self {
            RuleRefusal::Invalid(_) | RuleRefusal::UnknownPolicy => RefusalKind::Malformed,
            RuleRefusal::TooMany => RefusalKind::Conflict,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            RuleRefusal::Invalid(_) => "INVALID_RULE",
            RuleRefusal::UnknownPolicy => "UNKNOWN_POLICY",
            RuleRefusal::TooMany => "TOO_MANY_RULES",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            RuleRefusal::Invalid(why) => (*why).into(),
            RuleRefusal::UnknownPolicy => {
                "escalation_policy_id names no policy of this tenant; nothing was changed".into()
            }
            RuleRefusal::TooMany => {
                "a tenant has at most 200 rules: each reading is looked at by all of them".into()
            }
        }
    }
}
