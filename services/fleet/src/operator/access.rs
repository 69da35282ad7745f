//! Who is an operator: whoever shows the token that the service was started with.
//!
//! It is not looked up in the database, since health is asked most when the database is away.

use crate::credentials::TokenHash;
use crate::refusal::{Proof, Refusal, RefusalKind};
use std::borrow::Cow;

/// Why a token is not taken for an operator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoOperator {
    /// It is another one.
    OtherToken,
    /// The service was started without one.
    Nobody,
}

impl Refusal for NoOperator {
    fn kind(&self) -> RefusalKind {
        RefusalKind::NotProved(Proof::Bearer)
    }

    fn code(&self) -> &'static str {
        "TOKEN_INVALID"
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            NoOperator::OtherToken => "this token is not an operator's".into(),
            NoOperator::Nobody => "nobody is an operator here: start the service with OPERATOR_TOKEN".into(),
        }
    }
}

/// Lets operators pass: those who show the token of which this is kept.
pub(super) fn check(kept: Option<&TokenHash>, token: &str) -> Result<(), NoOperator> {
    match kept {
        Some(kept) if TokenHash::of(token).is(&kept.hex()) => Ok(()),
        Some(_) => Err(NoOperator::OtherToken),
        None => Err(NoOperator::Nobody),
    }
}
