//! The signed token of an operator: judged from what is known at the moment, since an operator asks most when the database is away.

use super::claims::MayAct;
use super::provider::Identity;
use super::refusal::TokenRefusal;
use super::revocations::Revoked;
use super::verify::is_signed;
use crate::refusal::{Refusal, RefusalKind};
use axum::http::{HeaderValue, StatusCode, header};
use plimsoll_http::{Operator, Problem};
use std::time::{Duration, Instant};

/// Whose token this is, if it is an operator's. One of a tenant's person is no operator's, however good it is.
pub(crate) fn operator(identity: &Identity, token: &str) -> Result<Option<Operator>, Problem> {
    if !identity.is_on() || !is_signed(token) {
        return Ok(None);
    }
    let claims = identity.claims(token).map_err(problem)?;
    let Some(MayAct(acts)) = claims.operator else { return Ok(None) };
    match identity.revoked().judge(&claims, Instant::now()) {
        Revoked::No => {}
        Revoked::Yes => return Err(problem(TokenRefusal::Revoked)),
        Revoked::NotKnown => {
            let title = "which tokens were revoked has not been read from the database lately";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "TOKEN_REVOCATIONS_UNKNOWN", title)
                .advice("Send it again later, or show the OPERATOR_TOKEN with which the service was started.")
                .retry_after(Duration::from_secs(5)));
        }
    }
    let operator = Operator::new(&claims.subject);
    Ok(Some(if acts { operator } else { operator.only_looks() }))
}

fn problem(refusal: TokenRefusal) -> Problem {
    let (code, title) = (refusal.code(), refusal.detail());
    match refusal.kind() {
        RefusalKind::NotNow(after) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, title).retry_after(after)
        }
        _ => {
            let challenge = HeaderValue::from_static("Bearer realm=\"operators\", error=\"invalid_token\"");
            Problem::new(StatusCode::UNAUTHORIZED, code, title).header(header::WWW_AUTHENTICATE, challenge)
        }
    }
}
