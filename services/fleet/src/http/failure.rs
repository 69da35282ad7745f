//! The one place where a refusal of this service becomes an HTTP answer. What the library's errors are told as is decided by
//! [`plimsoll_http::Problem`], whose form all answers have.

use crate::refusal::{NotDone, Proof, Refusal, RefusalKind};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use plimsoll::Error;
use plimsoll_http::Problem;
use std::borrow::Cow;

/// What a handler gives back.
pub type Reply<T = Response> = Result<T, Failure>;

/// Why a request was not done, as its client is told.
#[derive(Clone, Debug)]
pub struct Failure(Problem);

impl Failure {
    /// As it is told.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.0
    }
}

/// The request itself is wrong; sending it again changes nothing.
pub(crate) fn bad_request(code: &'static str, title: impl Into<Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, code, title)
}

/// The client has shown nothing that proves who it is: which header is missing is said.
pub(crate) fn token_missing(proof: Proof) -> Problem {
    let (title, challenge) = match proof {
        Proof::Bearer => ("missing header Authorization: Bearer <token>", "Bearer realm=\"fleet\""),
        Proof::ProvisionToken => {
            ("missing header X-Provision-Token: <token>", "X-Provision-Token realm=\"fleet\"")
        }
    };
    unproved("TOKEN_MISSING", title, challenge)
}

/// What was shown proves nothing.
pub(crate) fn not_proved(proof: Proof, code: &'static str, title: impl Into<Cow<'static, str>>) -> Problem {
    let challenge = match proof {
        Proof::Bearer => "Bearer realm=\"fleet\", error=\"invalid_token\"",
        Proof::ProvisionToken => "X-Provision-Token realm=\"fleet\", error=\"invalid_token\"",
    };
    unproved(code, title, challenge)
}

fn unproved(code: &'static str, title: impl Into<Cow<'static, str>>, challenge: &'static str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, code, title)
        .header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

impl<R: Refusal> From<R> for Failure {
    fn from(refusal: R) -> Self {
        let (code, title) = (refusal.code(), refusal.detail());
        Failure(match refusal.kind() {
            RefusalKind::Malformed => bad_request(code, title),
            RefusalKind::TooLarge => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, code, title),
            RefusalKind::NotProved(proof) => not_proved(proof, code, title),
            RefusalKind::Forbidden => Problem::new(StatusCode::FORBIDDEN, code, title),
            RefusalKind::NotFound => Problem::new(StatusCode::NOT_FOUND, code, title),
            RefusalKind::Conflict => Problem::new(StatusCode::CONFLICT, code, title),
            RefusalKind::NotNow(after) => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, title).retry_after(after)
            }
            RefusalKind::OwnMistake => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, code, title),
        })
    }
}

impl<R: Refusal> From<NotDone<R>> for Failure {
    fn from(why: NotDone<R>) -> Self {
        match why {
            NotDone::Refused(refusal) => refusal.into(),
            NotDone::Failed(error) => error.into(),
            // The log has been told once for all of them.
            NotDone::FailedForAll(error) => Failure(Problem::of(&error)),
        }
    }
}

/// The log is told too, where the request's id is known.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure(error.into())
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Failure(problem)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}
