//! Subscriptions.

use super::lists::{Asked, Listing, Paged, filter, page_of};
use crate::http::body;
use crate::http::failure::Reply;
use crate::operator::caller::OperatorCaller;
use crate::operator::subscriptions::{self, NewSubscription, SubscriptionChange};
use crate::operator::transaction::audited;
use crate::operator::{OperatorRefusal, OperatorTx};
use crate::service::Service;
use crate::subscriptions::subscription::{self, SubscriptionStatus, SubscriptionType};
use crate::tenants::TenantId;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json};
use plimsoll_http::User;

/// `GET /operator/subscriptions`.
pub(super) async fn page(
    State(service): State<Service>,
    headers: HeaderMap,
    page: Paged,
    query: Asked,
) -> Reply<(User, Reply)> {
    let caller = OperatorCaller::of(&service, &headers)?;
    let reply = async {
        let filter = filter(query, &["tenant_id", "status", "type"])?;
        let status = filter.word("status", &SubscriptionStatus::ALL.map(SubscriptionStatus::as_str))?;
        let kind = filter.word("type", &SubscriptionType::ALL.map(SubscriptionType::as_str))?;
        let tenant = filter.get("tenant_id");
        let order = "tenant_id, subscription_id";
        let listing = Listing { name: "subscriptions", order, action: "subscriptions.list" };
        let read = async |tx: OperatorTx, after: Option<(String, String)>, limit: i64| {
            subscriptions::page(&tx, tenant, status, kind, &after.unwrap_or_default(), limit).await
        };
        page_of(&caller, page, &filter, listing, read).await
    };
    Ok((caller.user(), reply.await))
}

/// `POST /operator/subscriptions`: 201 with the subscription.
pub(super) async fn create(
    State(service): State<Service>,
    headers: HeaderMap,
    body: Bytes,
) -> Reply<(User, Reply)> {
    let caller = OperatorCaller::acting(&service, &headers)?;
    let reply = async {
        let draft = body::json::<NewSubscription>(&headers, &body)?.checked()?;
        let access = caller.access("subscriptions.create", "subscriptions");
        let access = access.of_tenant(Some(draft.tenant.as_str()));
        let call = caller.ready.pools.ui.named("create subscription").resolvable();
        let work = async |tx: OperatorTx| subscriptions::create(&tx, &draft).await;
        let made = audited(call, &access, work).await?;
        Ok((StatusCode::CREATED, Json(made)).into_response())
    };
    Ok((caller.user(), reply.await))
}

/// `PATCH /operator/subscriptions/{tenant}/{subscription}`: `device_limit`, `status`; answers with the subscription as it is then.
pub(super) async fn change(
    State(service): State<Service>,
    headers: HeaderMap,
    path: Result<Path<(String, String)>, PathRejection>,
    body: Bytes,
) -> Reply<(User, Reply)> {
    let caller = OperatorCaller::acting(&service, &headers)?;
    let reply = async {
        let (tenant, id) = named(path)?;
        let (tenant, id) = (tenant.as_str(), id.as_str());
        let change = body::json::<SubscriptionChange>(&headers, &body)?.checked()?;
        let access = caller.access("subscriptions.change", "subscriptions").of_tenant(Some(tenant)).with(id);
        let call = caller.ready.pools.ui.named("change subscription").resolvable();
        let work = async |tx: OperatorTx| subscriptions::change(&tx, tenant, id, &change).await;
        Ok(Json(audited(call, &access, work).await?).into_response())
    };
    Ok((caller.user(), reply.await))
}

/// What a path names. What cannot be an id is none.
fn named(path: Result<Path<(String, String)>, PathRejection>) -> Result<(TenantId, String), OperatorRefusal> {
    let Path((tenant, id)) = path.map_err(|_| OperatorRefusal::SubscriptionNotFound)?;
    let tenant = TenantId::parse(&tenant).ok_or(OperatorRefusal::SubscriptionNotFound)?;
    if subscription::is_id(&id) { Ok((tenant, id)) } else { Err(OperatorRefusal::SubscriptionNotFound) }
}
