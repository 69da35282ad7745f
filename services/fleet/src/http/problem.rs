//! What a client is told when something fails: the one place where a failure becomes an HTTP answer.
//!
//! Every refusal has the form of RFC 9457 (`application/problem+json`) with a stable `code` and the request's id, by
//! which whoever runs the service finds the whole story in the log. Nothing that a server or a driver said goes into
//! an answer: their texts hold SQL, parameters and names of machines.

use super::request_id;
use crate::refusal::{NotDone, Proof, Refusal, RefusalKind};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use plimsoll::{Error, Fault, Outcome};
use serde_json::json;
use std::borrow::Cow;
use std::time::Duration;

/// What a handler gives back.
pub type Reply<T = Response> = Result<T, Problem>;

/// A failure as the client is told of it.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    retry_after: Option<Duration>,
    header: Option<(HeaderName, &'static str)>,
}

impl Problem {
    /// A refusal with a code that programs may rely on, and a sentence for people.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Problem { status, code, detail: detail.into(), retry_after: None, header: None }
    }

    /// The request itself is wrong; sending it again changes nothing.
    pub fn bad_request(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// Whoever asks has shown nothing that proves who they are: which header is missing is said.
    #[must_use]
    pub fn token_missing(proof: Proof) -> Self {
        let (detail, challenge) = match proof {
            Proof::Bearer => ("missing header Authorization: Bearer <token>", "Bearer realm=\"fleet\""),
            Proof::ProvisionToken => {
                ("missing header X-Provision-Token: <token>", "X-Provision-Token realm=\"fleet\"")
            }
        };
        Problem::new(StatusCode::UNAUTHORIZED, "TOKEN_MISSING", detail)
            .with_header(header::WWW_AUTHENTICATE, challenge)
    }

    /// What was shown proves nothing: `TOKEN_INVALID`.
    pub fn token_invalid(proof: Proof, detail: impl Into<Cow<'static, str>>) -> Self {
        Problem::not_proved(proof, "TOKEN_INVALID", detail)
    }

    fn not_proved(proof: Proof, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        let challenge = match proof {
            Proof::Bearer => "Bearer realm=\"fleet\", error=\"invalid_token\"",
            Proof::ProvisionToken => "X-Provision-Token realm=\"fleet\", error=\"invalid_token\"",
        };
        Problem::new(StatusCode::UNAUTHORIZED, code, detail).with_header(header::WWW_AUTHENTICATE, challenge)
    }

    /// A header that tells how it would be right.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }

    /// It cannot be done now, and may be asked for again after a while.
    pub fn unavailable(code: &'static str, detail: impl Into<Cow<'static, str>>, after: Duration) -> Self {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(after)
    }

    /// It is worth asking again after this long.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The time of the request is over.
    pub fn deadline() -> Self {
        Problem::new(StatusCode::GATEWAY_TIMEOUT, "DEADLINE", "the request was not done within its time")
    }

    /// The status it is told with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The sentence for people.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }
}

/// The place where a rule's refusal becomes an HTTP answer.
impl<R: Refusal> From<R> for Problem {
    fn from(refusal: R) -> Self {
        let (code, detail) = (refusal.code(), refusal.detail());
        match refusal.kind() {
            RefusalKind::Malformed => Problem::bad_request(code, detail),
            RefusalKind::TooLarge => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, code, detail),
            RefusalKind::NotProved(proof) => Problem::not_proved(proof, code, detail),
            RefusalKind::Forbidden => Problem::new(StatusCode::FORBIDDEN, code, detail),
            RefusalKind::NotNow(after) => Problem::unavailable(code, detail, after),
            RefusalKind::OwnMistake => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, code, detail),
        }
    }
}

impl<R: Refusal> From<NotDone<R>> for Problem {
    fn from(why: NotDone<R>) -> Self {
        match why {
            NotDone::Refused(refusal) => Problem::from(refusal),
            NotDone::Failed(error) => Problem::from(error),
            NotDone::FailedForAll(error) => Problem::from(&*error),
        }
    }
}

/// What cannot be told is told first; the rest stands in a table from fault to answer.
impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        if error.outcome() == Outcome::Unknown {
            return Problem::unavailable(
                "OUTCOME_UNKNOWN",
                "the database was lost before it said whether this was stored: send it again, what was stored already is not stored twice",
                Duration::from_secs(1),
            );
        }
        answer(error.fault(), error.retry_after())
    }
}

/// The table itself, for what was not stored.
fn answer(fault: Fault, retry_after: Option<Duration>) -> Problem {
    let away = |seconds| {
        Problem::unavailable(
            "DATABASE_AWAY",
            "the database cannot be reached now; send again later",
            Duration::from_secs(seconds),
        )
    };
    match fault {
        Fault::PoolExhausted | Fault::QueueFull | Fault::Overloaded | Fault::SelfDeadlock => {
            Problem::unavailable(
                "OVERLOADED",
                "more is asked of the database than it can take now; send again later",
                retry_after.unwrap_or(Duration::from_secs(1)),
            )
        }
        Fault::CircuitOpen
        | Fault::Unreachable
        | Fault::ConnectTimeout
        | Fault::ConnectionLost
        | Fault::ServerShutdown
        | Fault::IdleSessionEnded
        | Fault::NotAccepting
        | Fault::TooManyConnections
        | Fault::CancelledByOther
        | Fault::CancelStrayed
        | Fault::NotReplicated => away(2),
        Fault::PoolClosed
        | Fault::ReadOnlyServer
        | Fault::ServerResources
        | Fault::Tls
        | Fault::Authentication
        | Fault::GuardrailMissing => away(5),
        Fault::DeadlinePassed | Fault::StatementTimeout | Fault::TransactionTimeout => Problem::deadline(),
        Fault::LockTimeout | Fault::SerializationFailure | Fault::Deadlock => Problem::new(
            StatusCode::CONFLICT,
            "BUSY",
            "others are changing the same thing; nothing was changed, send again",
        )
        .retry_after(Duration::from_secs(1)),
        Fault::Constraint | Fault::Data => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "NOT_STORABLE",
            "the database does not take these values; nothing was stored",
        ),
        // Ours to mend: the test below names every one of them, so that a new fault is thought about.
        _ => Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL",
            "the service made a mistake; its log has the rest under the request's id",
        ),
    }
}

/// For `?` in handlers: told to the log in full, and to the client in general.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let problem = Problem::from(&error);
        let request = request_id::current();
        if problem.status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(request, status = problem.status.as_u16(), "{error}");
        } else {
            tracing::warn!(request, status = problem.status.as_u16(), "{error}");
        }
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": format!("urn:fleet:problem:{}", self.code.to_ascii_lowercase()),
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id::current(),
        });
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(in_whole_seconds(after, fastrand::f64())));
        }
        if let Some((name, value)) = self.header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// What `Retry-After` says: whole seconds, at least one. Clients that are refused together must not come back together,
/// so up to as many more are drawn; the header knows no parts of a second, which would do otherwise.
fn in_whole_seconds(after: Duration, draw: f64) -> u64 {
    let least = after.max(Duration::from_secs(1));
    let told = least.saturating_add(least.mul_f64(draw));
    told.saturating_add(Duration::from_millis(500)).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_that_are_refused_together_are_told_to_come_back_at_different_times() {
        let said = |after| {
            let draws = (0..100).map(|draw| in_whole_seconds(after, f64::from(draw) / 100.0));
            draws.collect::<std::collections::BTreeSet<u64>>()
        };
        assert_eq!(said(Duration::from_millis(20)), [1, 2].into());
        assert_eq!(said(Duration::from_secs(2)), [2, 3, 4].into());
        assert_eq!(said(Duration::from_secs(5)), (5..=10).collect());
    }

    /// The faults that are the service's own mistake, or its operator's.
    const OURS: [Fault; 14] = [
        Fault::Settings,
        Fault::BadStatement,
        Fault::Raised,
        Fault::Privilege,
        Fault::TransactionState,
        Fault::StalePlan,
        Fault::Server,
        Fault::ForeignServer,
        Fault::Conversion,
        Fault::RowCount,
        Fault::Usage,
        Fault::Driver,
        Fault::Migration,
        Fault::Aborted,
    ];

    #[test]
    fn every_fault_has_an_answer_that_somebody_chose() {
        let internal: Vec<Fault> =
            Fault::ALL.into_iter().filter(|fault| answer(*fault, None).code() == "INTERNAL").collect();
        assert_eq!(internal, OURS);
    }
}
