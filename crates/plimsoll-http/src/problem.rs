//! What a client is told when something fails: `application/problem+json` (RFC 9457) with a stable code, the request's id and
//! advice.
//!
//! A handler returns `Result<_, Problem>` and uses `?` on the errors of `plimsoll`. The error goes to the log whole, under the
//! request's id, and to the client by the one table from fault to status in the file `answers.rs`. Its sentence stays in the log.
//!
//! *What may have happened is said.* A write whose answer was lost may be stored. The body then says so (`outcome`), and
//! there is no `Retry-After`: a client that repeats it without a thought may do it twice.

use crate::answers;
use crate::asked::Malformed;
use crate::endpoints::SCHEMA_VERSION;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use plimsoll::{Error, Fault, Outcome, request_id};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// A failure as the client is told of it.
#[derive(Clone, Debug)]
pub struct Problem(Box<Told>);

#[derive(Clone, Debug)]
struct Told {
    status: StatusCode,
    code: &'static str,
    title: Cow<'static, str>,
    advice: Cow<'static, str>,
    outcome: Option<Outcome>,
    retry_after: Option<Duration>,
    headers: Vec<(HeaderName, HeaderValue)>,
    members: Vec<(&'static str, Value)>,
}

/// The code of the problem that a response tells of, in the response's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProblemCode(pub &'static str);

impl Problem {
    /// A refusal of the service's own, with a code that programs may rely on, and a sentence for people.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, title: impl Into<Cow<'static, str>>) -> Self {
        let advice = Cow::Borrowed("");
        let (outcome, retry_after, headers, members) = (None, None, Vec::new(), Vec::new());
        let title = title.into();
        Problem(Box::new(Told { status, code, title, advice, outcome, retry_after, headers, members }))
    }

    /// What the client should do.
    #[must_use]
    pub fn advice(mut self, advice: impl Into<Cow<'static, str>>) -> Self {
        self.0.advice = advice.into();
        self
    }

    /// It is worth asking again after this long. Clients that are refused together are told different times.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// A header that tells how it would be right, such as `WWW-Authenticate`.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// A further member of the body, such as `reasons`. Those that every problem has stay what they are.
    #[must_use]
    pub fn member(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.members.push((name, value.into()));
        self
    }

    /// The problem of an error, which goes to no log by this.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        let answer = answers::of(error.fault());
        let told = Problem::new(answer.status, error.code(), answer.title).advice(answer.advice);
        let mut told = told.with_outcome(error.outcome());
        told.0.retry_after = answer.retry_after.map(|usual| error.retry_after().unwrap_or(usual));
        match error.outcome() {
            Outcome::Unknown => told.unsure(),
            Outcome::Committed => {
                told.advice("It was done, although this is an error: do not send it again.")
            }
            _ => told,
        }
    }

    /// It may have happened.
    fn unsure(mut self) -> Self {
        self.0.retry_after = None;
        self.with_outcome(Outcome::Unknown)
            .advice("It may have been done: look before you send it again, unless twice is the same as once.")
    }

    fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.0.outcome = Some(outcome);
        self
    }

    /// The connection is not used for another request.
    fn and_closes(self) -> Self {
        self.header(header::CONNECTION, HeaderValue::from_static("close"))
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code
    }
}

fn late() -> Problem {
    let answer = answers::of(Fault::DeadlinePassed);
    Problem::new(answer.status, Fault::DeadlinePassed.code(), answer.title).advice(answer.advice)
}

/// The time of the request was over before it began.
pub(crate) fn never_began() -> Problem {
    late().with_outcome(Outcome::NotStarted)
}

/// The time of the request is over, and its handler was ended without a word. A COMMIT that was under way is let finish.
pub(crate) fn was_ended() -> Problem {
    late().unsure()
}

/// There is no handle of the database yet.
pub(crate) fn starting() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "PL-HTTP-05",
        "The service is starting: it has not reached its database yet.",
    )
    .advice("Nothing was done. Send the request again after the time in Retry-After.")
    .retry_after(Duration::from_secs(2))
}

/// A header cannot be read.
pub(crate) fn malformed(Malformed(name): Malformed) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "PL-HTTP-01", format!("The header {name} cannot be read."))
        .advice("X-Request-Timeout-Ms is a number of milliseconds; grpc-timeout is up to eight digits and one of H M S m u n.")
}

/// The body is too long.
pub(crate) fn too_large(most: usize) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "PL-HTTP-02",
        format!("The body is longer than {most} bytes."),
    )
    .advice("Send less at once.")
    .and_closes()
}

/// The body did not come in time.
pub(crate) fn too_slow(within: Duration) -> Problem {
    let seconds = within.as_secs_f64();
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "PL-HTTP-03",
        format!("The body did not come within {seconds} s."),
    )
    .advice("Send it faster, or less at once.")
    .and_closes()
}

/// The body broke off or is malformed.
pub(crate) fn unreadable() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "PL-HTTP-04", "The body cannot be read.")
        .advice("Send a whole, well-formed body.")
        .and_closes()
}

/// For `?` in handlers. The error goes to the log: as an error where the service made a mistake, else as a warning.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let problem = Problem::of(&error);
        let request = request_id::current().map(tracing::field::display);
        let (code, status) = (error.code(), problem.status().as_u16());
        if problem.status() == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(target: "plimsoll::http", request, code, status, "{error}");
        } else {
            tracing::warn!(target: "plimsoll::http", request, code, status, "{error}");
        }
        problem
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.0.status.as_u16(), self.0.code, self.0.title)
    }
}

impl std::error::Error for Problem {}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Told { status, code, title, advice, outcome, retry_after, headers: more, members } = *self.0;
        let mut body = json!({
            "type": format!("urn:plimsoll:problem:{}", code.to_ascii_lowercase()),
            "title": title,
            "status": status.as_u16(),
            "code": code,
            "schema_version": SCHEMA_VERSION,
        });
        if let Some(fields) = body.as_object_mut() {
            for (name, value) in members {
                fields.entry(name).or_insert(value);
            }
            let mut say = |name: &str, value: String| drop(fields.insert(name.to_owned(), value.into()));
            if !advice.is_empty() {
                say("advice", advice.into_owned());
            }
            if let Some(outcome) = outcome {
                say("outcome", outcome.to_string());
            }
            if let Some(id) = request_id::current() {
                say("request_id", id.to_string());
            }
        }
        let mut response = (status, body.to_string()).into_response();
        response.extensions_mut().insert(ProblemCode(code));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(after) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(in_whole_seconds(after, fastrand::f64())));
        }
        for (name, value) in more {
            headers.append(name, value);
        }
        response
    }
}

/// What `Retry-After` says: whole seconds, at least one. Clients that are refused together must not come back together, so up
/// to as many more are drawn; the header knows no parts of a second, which would do otherwise.
fn in_whole_seconds(after: Duration, draw: f64) -> u64 {
    let least = after.clamp(Duration::from_secs(1), Duration::from_secs(3600));
    let told = least.saturating_add(least.mul_f64(draw));
    told.saturating_add(Duration::from_millis(500)).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn clients_that_are_refused_together_are_told_to_come_back_at_different_times() {
        let said = |after| {
            let draws = (0..100).map(|draw| in_whole_seconds(after, f64::from(draw) / 100.0));
            draws.collect::<BTreeSet<u64>>()
        };
        assert_eq!(said(Duration::from_millis(20)), [1, 2].into());
        assert_eq!(said(Duration::from_secs(2)), [2, 3, 4].into());
        assert_eq!(said(Duration::from_secs(5)), (5..=10).collect());
        assert!(said(Duration::MAX).iter().all(|seconds| (3600..=7200).contains(seconds)));
    }

    #[test]
    fn a_problem_fits_into_a_result() {
        assert!(size_of::<Result<Response, Problem>>() <= size_of::<Response>() + 8);
        assert!(size_of::<Problem>() <= 8);
    }
}
