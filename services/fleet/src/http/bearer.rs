//! The token of people, as a header carries it.

use super::failure::{self, Reply};
use crate::identity::refusal::TokenRefusal;
use crate::identity::verify::LONGEST;
use crate::refusal::Proof;
use axum::http::{HeaderMap, header};

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
    let refused = || -> failure::Failure {
        let title = "the header Authorization does not have the form Bearer <token>";
        failure::not_proved(Proof::Bearer, "TOKEN_INVALID", title).into()
    };
    let token = token.filter(|token| !token.is_empty()).ok_or_else(refused)?;
    if token.len() > LONGEST { Err(TokenRefusal::TooLong.into()) } else { Ok(token) }
}
