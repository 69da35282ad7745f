//! A request that is being answered, and the one place where it is over.
//!
//! It ends in one of few ways. It is answered, and if its answer is a stream, that has ended. Its deadline passes. Or what
//! answers it is dropped: the server does so as soon as the client has left, and the library then stops on the database
//! whatever ran for it. The value here is dropped after that work, so it knows what the work took; dropped before it was
//! told of anything else, it tells that the client has left.

use crate::access::{AccessLog, AccessRecord, Ended};
use crate::patience::Patience;
use crate::problem::ProblemCode;
use crate::underway::Listed;
use crate::user::User;
use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::response::Response;
use plimsoll::Fault;
use plimsoll::request_id::{RequestId, RequestScope, RequestTotals};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tracing::Span;
use tracing::field::{Empty, display};

/// What a proxy logs where the client left before it was answered.
const CLIENT_LEFT: u16 = 499;

/// A request that is being answered.
pub(crate) struct InFlight {
    began: Instant,
    method: Method,
    /// Among those that a report tells of. It has the route too.
    listed: Listed,
    user: Option<User>,
    status: Option<u16>,
    code: Option<&'static str>,
    is_over: bool,
    pub(crate) scope: RequestScope,
    pub(crate) patience: Patience,
    pub(crate) span: Span,
    log: Arc<dyn AccessLog>,
}

impl InFlight {
    pub(crate) fn begin(
        request: &Request,
        id: RequestId,
        began: Instant,
        patience: Patience,
        log: Arc<dyn AccessLog>,
    ) -> Self {
        let route = request.extensions().get::<MatchedPath>().cloned();
        let span = tracing::info_span!(
            target: "plimsoll::http", "request",
            otel.kind = "server",
            http.request.method = %request.method(),
            http.route = route.as_ref().map(MatchedPath::as_str),
            http.response.status_code = Empty,
            request_id = %id,
        );
        let method = request.method().clone();
        let user = request.extensions().get::<User>().cloned();
        let scope = RequestScope::new(id);
        InFlight {
            began,
            listed: Listed::begin(began, method.clone(), route, user.clone(), scope.clone()),
            method,
            user,
            status: None,
            code: None,
            is_over: false,
            scope,
            patience,
            span,
            log,
        }
    }

    /// There is a response; its body may be still to come.
    pub(crate) fn responded(&mut self, response: &Response) {
        self.status = Some(response.status().as_u16());
        self.code = response.extensions().get::<ProblemCode>().map(|code| code.0);
        if let Some(user) = response.extensions().get::<User>() {
            self.user = Some(user.clone());
        }
        self.listed.responded(response.status().as_u16(), self.user.as_ref());
    }

    /// It is over, and its client has all of the answer that there is.
    pub(crate) fn over(mut self, ended: Ended) {
        let is_late = self.code == Some(Fault::DeadlinePassed.code());
        self.tell(if is_late { Ended::DeadlinePassed } else { ended });
    }

    fn tell(&mut self, ended: Ended) {
        self.is_over = true;
        let took = self.began.elapsed();
        let totals = self.scope.totals();
        let _inside = self.span.enter();
        match ended {
            Ended::ClientLeft => self.tell_that_it_left(took, &totals),
            Ended::DeadlinePassed => self.tell_that_it_is_late(took, &totals),
            _ => {}
        }
        let status = self.status.unwrap_or(match ended {
            Ended::ClientLeft => CLIENT_LEFT,
            _ => 500,
        });
        self.span.record("http.response.status_code", status);
        self.log.log(&AccessRecord {
            method: self.method.as_str(),
            route: self.route(),
            user: self.user.as_ref().map(User::as_str),
            status,
            ended,
            code: self.code,
            ms: in_ms(took),
            sql_ms: in_ms(totals.sql),
            wait_ms: in_ms(totals.waited),
            statements: totals.statements,
            rows: totals.rows,
            retries: totals.retries,
            request: self.scope.id().as_str(),
        });
    }

    fn tell_that_it_left(&self, took: Duration, totals: &RequestTotals) {
        let (method, route, request) = (self.method.as_str(), self.route(), self.scope.id());
        let statement = totals.last.as_ref().map(display);
        tracing::info!(
            target: "plimsoll::http",
            method, route, %request, age_ms = in_ms(took), statement, stopped = totals.dropped,
            "client went away, or its connection was ended; what ran for it on the database is stopped"
        );
    }

    fn tell_that_it_is_late(&self, took: Duration, totals: &RequestTotals) {
        let (method, route, request) = (self.method.as_str(), self.route(), self.scope.id());
        let statement = totals.last.as_ref().map(display);
        let limit_ms = self.patience.span().map(in_ms);
        tracing::warn!(
            target: "plimsoll::http",
            method, route, %request, limit_ms, age_ms = in_ms(took), sql_ms = in_ms(totals.sql),
            wait_ms = in_ms(totals.waited), statement, stopped = totals.dropped,
            "the request's deadline passed"
        );
    }

    fn route(&self) -> &str {
        self.listed.route()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if !self.is_over {
            self.tell(if std::thread::panicking() { Ended::Panicked } else { Ended::ClientLeft });
        }
    }
}

fn in_ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}
