//! The token of people, as a header carries it.

use super::failure::{self, Reply};
use crate::refusal::Proof;
use axum::http::{HeaderMap, header};

const LONGEST: usize = 512;

/// The token of `Authorization: Bearer <token>`.
///
/// # Errors
/// 401 with what is missing.
pub(crate) fn bearer(headers: &HeaderMap) -> Reply<&str> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(failure::token_missing(Proof::Bearer).into());
    };
    let token = value.to_str().ok().and_then(|value| {
        let (scheme, token) = value.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let refused = || {
        let title = "the header Authorization does not have the form Bearer <token>";
        failure::not_proved(Proof::Bearer, "TOKEN_INVALID", title).into()
    };
    token.filter(|token| (1..=LONGEST).contains(&token.len())).ok_or_else(refused)
}
