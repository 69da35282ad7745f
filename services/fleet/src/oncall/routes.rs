//! Schedules over HTTP: `/api/v1/customer/oncall/schedules` and the same without `/api/v1`.

use super::refusal::ScheduleRefusal;
use super::rotation::{Layer, OnCall};
use super::schedule::{OverrideBody, ScheduleBody, moment};
use super::store::{self, Stored, StoredOverride};
use crate::affected::{self, NothingThere};
use crate::caller::Caller;
use crate::foreign_key;
use crate::http::failure::{self, Reply};
use crate::http::{body, path};
use crate::service::Service;
use crate::tenants::TenantTx;
use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json};
use jiff::{SignedDuration, Timestamp};
use plimsoll_http::{Page, Problem, User};
use serde::Deserialize;
use serde_json::{Value, json};

/// The most turns of a timeline.
const MOST_TURNS: usize = 2000;

type Id = Result<Path<String>, PathRejection>;

/// `POST`: 201 with the schedule.
pub(crate) async fn create(
    State(service): State<Service>,
    headers: HeaderMap,
    body: Bytes,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let draft = body::json::<ScheduleBody>(&headers, &body)?.checked(caller.ready.sender.networks())?;
        let work = async |tx: TenantTx| {
            let id = store::create(&tx, &draft).await?;
            store::get(&tx, id).await
        };
        let made = caller.write("create schedule", work).await?;
        let made = made.ok_or(NothingThere)?;
        Ok((StatusCode::CREATED, Json(schedule(&made))).into_response())
    })
    .await
}

/// `GET`: a page of the tenant's schedules with their layers.
pub(crate) async fn list(
    State(service): State<Service>,
    headers: HeaderMap,
    page: Result<Page, Problem>,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let page = page?;
        let list =
            caller.ready.cursors.list::<i64>(caller.tenant.as_str(), "oncall schedules", "schedule_id");
        let (after, wanted) = (page.after(&list)?.unwrap_or_default(), page.rows_to_ask());
        let read = async |tx: TenantTx| store::page(&tx, after, wanted).await;
        let mut found = caller.read("list schedules", read).await?;
        let next = page.next(&list, &mut found, |last| last.id)?;
        let rows: Vec<_> = found.iter().map(schedule).collect();
        Ok(Json(json!({ "schedules": rows, "next": next })).into_response())
    })
    .await
}

/// `GET {id}`: one schedule with its layers.
pub(crate) async fn get(State(service): State<Service>, headers: HeaderMap, id: Id) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let id = path::number(&path::parts(id)?)?;
        let read = async |tx: TenantTx| store::get(&tx, id).await;
        let found = caller.read("get schedule", read).await?.ok_or(NothingThere)?;
        Ok(Json(schedule(&found)).into_response())
    })
    .await
}

/// `PUT {id}`: the schedule anew; layers of which nothing is said stay.
pub(crate) async fn update(
    State(service): State<Service>,
    headers: HeaderMap,
    id: Id,
    body: Bytes,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let id = path::number(&path::parts(id)?)?;
        let draft = body::json::<ScheduleBody>(&headers, &body)?.checked(caller.ready.sender.networks())?;
        let work = async |tx: TenantTx| {
            let changed = store::update(&tx, id, &draft).await?;
            Ok((changed, store::get(&tx, id).await?))
        };
        let (changed, made) = caller.write("update schedule", work).await?;
        affected::any(changed)?;
        Ok(Json(schedule(&made.ok_or(NothingThere)?)).into_response())
    })
    .await
}

/// `DELETE {id}`: 204; 409 while a level of an escalation policy asks it.
pub(crate) async fn delete(
    State(service): State<Service>,
    headers: HeaderMap,
    id: Id,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let id = path::number(&path::parts(id)?)?;
        let work = async |tx: TenantTx| store::delete(&tx, id).await;
        let deleted = caller.write("delete schedule", work).await;
        let deleted = deleted.map_err(|error| foreign_key::refused(error, ScheduleRefusal::InUse))?;
        affected::any(deleted)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

/// A moment about which is asked; now, if nothing is said.
#[derive(Deserialize)]
pub(crate) struct At {
    at: Option<String>,
    days: Option<i64>,
}

impl At {
    fn moment(&self) -> Result<Timestamp, Problem> {
        let Some(said) = &self.at else { return Ok(Timestamp::now()) };
        moment(said)
            .ok_or_else(|| failure::bad_request("INVALID_TIME", "at is a time such as 2026-01-05T09:00:00Z"))
    }
}

fn at(query: Result<Query<At>, QueryRejection>) -> Result<At, Problem> {
    query.map(|Query(at)| at).map_err(|_| {
        failure::bad_request(
            "INVALID_QUERY",
            "at is a time such as 2026-01-05T09:00:00Z, days a number from 1 to 60",
        )
    })
}

/// `GET {id}/current?at=`: who is on call, of which layer, and until when; `null` where nobody is.
pub(crate) async fn current(
    State(service): State<Service>,
    headers: HeaderMap,
    id: Id,
    query: Result<Query<At>, QueryRejection>,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let (id, at) = (path::number(&path::parts(id)?)?, at(query)?.moment()?);
        let read = async |tx: TenantTx| store::rota(&tx, id, at).await;
        let rota = caller.read("who is on call", read).await?.ok_or(NothingThere)?;
        let who = rota.on_call(at);
        let told = json!({
            "schedule_id": id,
            "at": at.to_string(),
            "responder": who.as_ref().map(|who| who.responder.as_str()),
            "layer": who.as_ref().and_then(|who| who.layer),
            "override_id": who.as_ref().and_then(|who| who.by),
            "until": who.and_then(|who| who.until).map(|until| until.to_string()),
        });
        Ok(Json(told).into_response())
    })
    .await
}

/// `GET {id}/timeline?days=14&at=`: who is on call from a moment on, turn by turn.
pub(crate) async fn timeline(
    State(service): State<Service>,
    headers: HeaderMap,
    id: Id,
    query: Result<Query<At>, QueryRejection>,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let (id, query) = (path::number(&path::parts(id)?)?, at(query)?);
        let days = query.days.unwrap_or(14);
        if !(1..=60).contains(&days) {
            return Err(failure::bad_request("INVALID_QUERY", "days is a number from 1 to 60").into());
        }
        let from = query.moment()?;
        let to = from.checked_add(SignedDuration::from_hours(days * 24)).unwrap_or(Timestamp::MAX);
        let read = async |tx: TenantTx| store::rota(&tx, id, from).await;
        let rota = caller.read("who will be on call", read).await?.ok_or(NothingThere)?;
        let turns = rota.turns(from, to, MOST_TURNS);
        let turns: Vec<_> = turns.iter().map(|(from, who)| turn(*from, who)).collect();
        let told =
            json!({ "schedule_id": id, "from": from.to_string(), "to": to.to_string(), "turns": turns });
        Ok(Json(told).into_response())
    })
    .await
}

/// `POST {id}/overrides`: 201 with the number.
pub(crate) async fn add_override(
    State(service): State<Service>,
    headers: HeaderMap,
    id: Id,
    body: Bytes,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let id = path::number(&path::parts(id)?)?;
        let draft = body::json::<OverrideBody>(&headers, &body)?.checked(caller.ready.sender.networks())?;
        let work = async |tx: TenantTx| store::add_override(&tx, id, &draft).await;
        let made = caller.write("add override", work).await?;
        let made = made.ok_or(NothingThere)?;
        Ok((StatusCode::CREATED, Json(json!({ "override_id": made, "schedule_id": id }))).into_response())
    })
    .await
}

/// `GET {id}/overrides`: those that are not over; the first thousand to begin.
pub(crate) async fn overrides(
    State(service): State<Service>,
    headers: HeaderMap,
    id: Id,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let id = path::number(&path::parts(id)?)?;
        let read = async |tx: TenantTx| {
            let known = store::get(&tx, id).await?.is_some();
            Ok((known, store::overrides(&tx, id, Timestamp::now()).await?))
        };
        let (known, found) = caller.read("list overrides", read).await?;
        let rows: Vec<_> = found.iter().map(one_override).collect();
        if known { Ok(Json(json!({ "overrides": rows })).into_response()) } else { Err(NothingThere.into()) }
    })
    .await
}

/// `DELETE {id}/overrides/{override}`: 204.
pub(crate) async fn delete_override(
    State(service): State<Service>,
    headers: HeaderMap,
    ids: Result<Path<(String, String)>, PathRejection>,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let (id, number) = path::parts(ids)?;
        let (id, number) = (path::number(&id)?, path::number(&number)?);
        let work = async |tx: TenantTx| store::delete_override(&tx, id, number).await;
        affected::any(caller.write("delete override", work).await?)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

fn schedule(one: &Stored) -> Value {
    let layers: Vec<_> = one.layers.iter().map(layer).collect();
    json!({
        "schedule_id": one.id,
        "name": one.name,
        "description": one.description,
        "timezone": one.timezone,
        "layers": layers,
        "created_at": one.created_at.to_string(),
        "updated_at": one.updated_at.to_string(),
    })
}

fn layer(one: &Layer) -> Value {
    json!({
        "layer_order": one.order,
        "rotation": one.rotation.as_str(),
        "shift_duration_hours": one.shift_hours,
        "handoff_day": one.handoff_day,
        "handoff_hour": one.handoff_hour,
        "starts_on": one.starts_on.to_string(),
        "responders": one.responders,
    })
}

fn turn(from: Timestamp, who: &OnCall) -> Value {
    json!({
        "from": from.to_string(),
        "until": who.until.map(|until| until.to_string()),
        "responder": who.responder,
        "layer": who.layer,
        "override_id": who.by,
    })
}

fn one_override(stored: &StoredOverride) -> Value {
    let one = &stored.one;
    json!({
        "override_id": one.id,
        "layer_order": one.layer,
        "responder": one.responder,
        "start": one.start.to_string(),
        "end": one.end.to_string(),
        "reason": stored.reason,
    })
}
