//! Who is an operator: whoever shows the token that the service was started with.
//!
//! It is not looked up in the database, since health is asked most when the database is away.

use crate::credentials::TokenHash;
use crate::http::problem::{Problem, Proof, Reply};
use crate::service::Service;
use crate::tenants::access::bearer;
use axum::http::HeaderMap;

/// Lets operators pass.
pub(super) fn check(service: &Service, headers: &HeaderMap) -> Reply<()> {
    let shown = TokenHash::of(bearer(headers)?);
    match service.operator() {
        Some(kept) if shown.is(&kept.hex()) => Ok(()),
        Some(_) => Err(Problem::token_invalid(Proof::Bearer, "this token is not an operator's")),
        None => {
            let detail = "nobody is an operator here: start the service with OPERATOR_TOKEN";
            Err(Problem::token_invalid(Proof::Bearer, detail))
        }
    }
}
