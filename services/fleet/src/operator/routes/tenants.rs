//! Tenants.

use super::lists::{Asked, Listing, Paged, filter, page_of};
use crate::credentials::{TokenHash, new_token};
use crate::http::body;
use crate::http::failure::Reply;
use crate::operator::caller::OperatorCaller;
use crate::operator::tenant::{Change, NewTenant, TenantChange, TenantStatus};
use crate::operator::transaction::audited;
use crate::operator::{OperatorRefusal, OperatorTx, tenants};
use crate::service::Service;
use crate::tenants::TenantId;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json};
use plimsoll::Error;
use plimsoll_http::User;
use serde_json::json;

type TenantPath = Result<Path<String>, PathRejection>;

/// `GET /operator/tenants`.
pub(super) async fn page(
    State(service): State<Service>,
    headers: HeaderMap,
    page: Paged,
    query: Asked,
) -> Reply<(User, Reply)> {
    let caller = OperatorCaller::of(&service, &headers)?;
    let reply = async {
        let filter = filter(query, &["status", "search"])?;
        let status = filter.word("status", &TenantStatus::ALL.map(TenantStatus::as_str))?;
        let search = filter.get("search");
        let listing = Listing { name: "tenants", order: "tenant_id", action: "tenants.list" };
        let read = async |tx: OperatorTx, after: Option<String>, limit: i64| {
            // Every id comes behind the empty text.
            tenants::page(&tx, status, search, &after.unwrap_or_default(), limit).await
        };
        page_of(&caller, page, &filter, listing, read).await
    };
    Ok((caller.user(), reply.await))
}

/// `POST /operator/tenants`: 201 with its secrets, of which the service keeps only the hashes.
pub(super) async fn create(
    State(service): State<Service>,
    headers: HeaderMap,
    body: Bytes,
) -> Reply<(User, Reply)> {
    let caller = OperatorCaller::acting(&service, &headers)?;
    let reply = async {
        let draft = body::json::<NewTenant>(&headers, &body)?.checked()?;
        let secret = || new_token().map_err(|problem| Error::abort(problem.to_string()));
        let (id, key) = (draft.id.as_str(), secret()?);
        let token = format!("{id}.{}", secret()?);
        let (key_hash, token_hash) = (TokenHash::of(&key).hex(), TokenHash::of(&token).hex());
        let access = caller.access("tenants.create", "tenants").of_tenant(Some(id)).with(id);
        let call = caller.ready.pools.ui.named("create tenant").resolvable();
        let work = async |tx: OperatorTx| tenants::create(&tx, &draft, &key_hash, &token_hash).await;
        audited(call, &access, work).await?;
        let told = json!({
            "tenant_id": id,
            "name": draft.name,
            "status": "ACTIVE",
            "provisioning_key": key,
            "access_token": token,
        });
        let not_kept = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
        Ok((StatusCode::CREATED, not_kept, Json(told)).into_response())
    };
    Ok((caller.user(), reply.await))
}

/// `GET /operator/tenants/{tenant}`.
pub(super) async fn one(
    State(service): State<Service>,
    headers: HeaderMap,
    path: TenantPath,
) -> Reply<(User, Reply)> {
    let caller = OperatorCaller::of(&service, &headers)?;
    let reply = async {
        let tenant = tenant(path)?;
        let id = tenant.as_str();
        let access = caller.access("tenants.show", "tenants").of_tenant(Some(id)).with(id);
        let call = caller.ready.pools.ui.named("show tenant");
        let found = audited(call, &access, async |tx: OperatorTx| tenants::one(&tx, id).await).await?;
        Ok(Json(found).into_response())
    };
    Ok((caller.user(), reply.await))
}

/// `PATCH /operator/tenants/{tenant}`: `name`, `status`; answers with the tenant as it is then.
pub(super) async fn change(
    State(service): State<Service>,
    headers: HeaderMap,
    path: TenantPath,
    body: Bytes,
) -> Reply<(User, Reply)> {
    let caller = OperatorCaller::acting(&service, &headers)?;
    let reply = async {
        let tenant = tenant(path)?;
        let change = body::json::<TenantChange>(&headers, &body)?.checked()?;
        changed(&caller, &tenant, &change).await
    };
    Ok((caller.user(), reply.await))
}

/// `DELETE /operator/tenants/{tenant}`: it is let in no more; its rows stay.
pub(super) async fn delete(
    State(service): State<Service>,
    headers: HeaderMap,
    path: TenantPath,
) -> Reply<(User, Reply)> {
    let caller = OperatorCaller::acting(&service, &headers)?;
    let reply = async {
        let tenant = tenant(path)?;
        changed(&caller, &tenant, &Change::deletion()).await
    };
    Ok((caller.user(), reply.await))
}

async fn changed(caller: &OperatorCaller<'_>, tenant: &TenantId, change: &Change) -> Reply {
    let id = tenant.as_str();
    let access = caller.access(change.action(), "tenants").of_tenant(Some(id)).with(id);
    let call = caller.ready.pools.ui.named(change.action()).resolvable();
    let work = async |tx: OperatorTx| tenants::change(&tx, id, change).await;
    Ok(Json(audited(call, &access, work).await?).into_response())
}

/// The tenant of a path. An id that cannot be one is no tenant's.
pub(super) fn tenant(path: TenantPath) -> Result<TenantId, OperatorRefusal> {
    let Path(tenant) = path.map_err(|_| OperatorRefusal::TenantNotFound)?;
    TenantId::parse(&tenant).ok_or(OperatorRefusal::TenantNotFound)
}
