//! `/operator/system/*`: how this instance does. `health` and `capacity` are the library's; these are the rest.
//!
//! | path | |
//! |---|---|
//! | `GET /operator/system/metrics` | each pool as it is now |
//! | `GET /operator/system/metrics/latest` | the latest sample that was kept |
//! | `GET /operator/system/metrics/history?minutes=60` | the samples of up to two hours |
//! | `GET /operator/system/errors` | what has failed since the start: by pool, and the statements that failed most |
//! | `GET /operator/system/aggregates` | how many tenants, devices, subscriptions and alerts there are, of all tenants; on record |
//!
//! All but the last are answered from memory, so they answer while the database is away.

use super::caller::OperatorCaller;
use super::history::{self, Sample};
use super::transaction::audited;
use super::{OperatorRefusal, OperatorTx, lists};
use crate::http::failure::Reply;
use crate::service::{Ready, Service};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Json, Response};
use jiff::Timestamp;
use plimsoll_http::User;
use serde::Serialize;
use serde_json::{Value, json};

/// The statements that are told of each pool.
const MOST_STATEMENTS: usize = 20;

type Asked = Result<Query<Vec<(String, String)>>, QueryRejection>;

pub(super) async fn metrics(State(service): State<Service>, headers: HeaderMap) -> Reply<(User, Response)> {
    let caller = OperatorCaller::of(&service, &headers)?;
    Ok((caller.user(), told(&json!({ "metrics": Sample::of(&service, Timestamp::now()) }))))
}

pub(super) async fn latest(State(service): State<Service>, headers: HeaderMap) -> Reply<(User, Response)> {
    let caller = OperatorCaller::of(&service, &headers)?;
    Ok((caller.user(), told(&json!({ "sample": service.history().latest(1).pop() }))))
}

pub(super) async fn samples(
    State(service): State<Service>,
    headers: HeaderMap,
    query: Asked,
) -> Reply<(User, Reply)> {
    let caller = OperatorCaller::of(&service, &headers)?;
    let reply = minutes(query).map(|minutes| {
        let every = history::EVERY.as_secs();
        let wanted = usize::try_from(minutes * 60 / every).unwrap_or(history::MOST);
        told(&json!({ "interval_seconds": every, "samples": service.history().latest(wanted) }))
    });
    Ok((caller.user(), reply.map_err(Into::into)))
}

/// 1 to 120, and 60 where nothing is said.
fn minutes(query: Asked) -> Result<u64, OperatorRefusal> {
    let wrong = || super::filter::invalid("minutes is a whole number from 1 to 120");
    let Query(query) = query.map_err(|_| wrong())?;
    match query.as_slice() {
        [] => Ok(60),
        [(name, said)] if name == "minutes" && said.bytes().all(|byte| byte.is_ascii_digit()) => {
            said.parse().ok().filter(|minutes| (1..=120).contains(minutes)).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

pub(super) async fn errors(State(service): State<Service>, headers: HeaderMap) -> Reply<(User, Response)> {
    let caller = OperatorCaller::of(&service, &headers)?;
    let not_taken = json!({
        "from_strangers": service.quarantine().strangers(),
        "counted_and_not_kept": service.quarantine().not_kept(),
    });
    let pools: Vec<Value> = pools(caller.ready);
    Ok((caller.user(), told(&json!({ "pools": pools, "messages": not_taken }))))
}

/// What has failed in each pool. The texts of statements are normalised: no value is in them.
fn pools(ready: &Ready) -> Vec<Value> {
    let of = |(name, db): (&str, &plimsoll::Database)| {
        let pulse = db.monitor().pulse();
        let kinds = db.monitor().top_statements(history::MOST);
        let mut failed: Vec<_> = kinds.into_iter().filter(|kind| kind.error_count > 0).collect();
        failed.sort_by_key(|kind| std::cmp::Reverse(kind.error_count));
        failed.truncate(MOST_STATEMENTS);
        let statements: Vec<Value> = failed
            .into_iter()
            .map(|kind| {
                json!({
                    "query_hash": kind.query_hash,
                    "statement": kind.query_template,
                    "errors": kind.error_count,
                    "executions": kind.execution_count,
                })
            })
            .collect();
        json!({
            "pool": name,
            "statements_failed": pulse.failed,
            "statements": pulse.executed,
            "acquisitions_refused": pulse.pool.failed,
            "connects_failed": pulse.pool.connect_failures,
            "most_failed": statements,
        })
    };
    ready.pools.all().into_iter().map(of).collect()
}

pub(super) async fn aggregates(State(service): State<Service>, headers: HeaderMap) -> Reply<(User, Reply)> {
    let caller = OperatorCaller::of(&service, &headers)?;
    let reply = async {
        let access = caller.access("system.aggregates", "tenants");
        let call = caller.ready.pools.ui.named("aggregates of all tenants");
        let read = async |tx: OperatorTx| lists::aggregates(&tx).await.map(Ok::<_, OperatorRefusal>);
        Ok(told(&audited(call, &access, read).await?))
    };
    Ok((caller.user(), reply.await))
}

/// What is true now is not what was true when it was asked last.
fn told(what: &impl Serialize) -> Response {
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(what)).into_response()
}
