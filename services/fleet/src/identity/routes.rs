//! `POST /operator/revocations`, with and without `/api/v1`: ends tokens before their time.
//!
//! | body | what it ends |
//! |---|---|
//! | `{"tenant_id": "acme", "jti": ".."}` | that signed token |
//! | `{"tenant_id": "acme", "sub": ".."}` | what that person was given until now |
//! | `{"tenant_id": "acme", "all": true}` | what anyone of the tenant was given until now |
//! | `{"tenant_id": "acme", "access_token": ".."}` | the service's own tokens of that label |
//!
//! Without `tenant_id` the first three are about operators. The answer is 204.

use super::claims;
use super::revocations::{self, What};
use crate::http::body;
use crate::http::failure::{self, Reply};
use crate::operator::caller::OperatorCaller;
use crate::service::Service;
use crate::tenants::TenantId;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use plimsoll_http::{Databases, NeedsDatabase, Problem, User};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevokeBody {
    tenant_id: Option<String>,
    jti: Option<String>,
    sub: Option<String>,
    #[serde(default)]
    all: bool,
    access_token: Option<String>,
}

pub(crate) fn all(databases: &Databases) -> Router<Service> {
    let revoke = || post(revoke).route_layer(NeedsDatabase::named(databases, "ui"));
    Router::new().route("/operator/revocations", revoke()).route("/api/v1/operator/revocations", revoke())
}

async fn revoke(State(service): State<Service>, headers: HeaderMap, sent: Bytes) -> Reply<(User, Reply)> {
    let caller = OperatorCaller::acting(&service, &headers)?;
    Ok((caller.user(), revoked(&service, &caller, &headers, &sent).await))
}

async fn revoked(service: &Service, caller: &OperatorCaller<'_>, headers: &HeaderMap, sent: &[u8]) -> Reply {
    let (tenant, what) = asked(body::json(headers, sent)?)?;
    let (db, by) = (&caller.ready.pools.ui, caller.name());
    let life = service.identity().longest_life();
    revocations::revoke(db, tenant.as_ref(), &what, by, life).await?;
    // Of the token itself nothing is known here but its name.
    tracing::info!(
        operator = by,
        tenant = tenant.as_ref().map(TenantId::as_str),
        ?what,
        "tokens were revoked"
    );
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn asked(body: RevokeBody) -> Result<(Option<TenantId>, What), Problem> {
    let bad = |title: &'static str| failure::bad_request("BAD_REVOCATION", title);
    let tenant = body
        .tenant_id
        .as_deref()
        .map(|name| TenantId::parse(name).ok_or(bad("tenant_id is no tenant's name")));
    let tenant = tenant.transpose()?;
    let what = [
        body.jti.map(What::Token),
        body.sub.map(What::Subject),
        body.all.then_some(What::Everyone),
        body.access_token.map(What::AccessTokens),
    ];
    let mut what = what.into_iter().flatten();
    let (Some(what), None) = (what.next(), what.next()) else {
        return Err(bad("name one of jti, sub, access_token and \"all\": true"));
    };
    match (&what, &tenant) {
        (What::AccessTokens(_), None) => Err(bad("access_token needs tenant_id")),
        (What::Token(name) | What::Subject(name) | What::AccessTokens(name), _) if !claims::is_name(name) => {
            Err(bad("a name has 1 to 255 bytes and no control characters"))
        }
        _ => Ok((tenant, what)),
    }
}
