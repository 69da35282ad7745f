//! Why something is refused, in words that belong to no protocol.
//!
//! Each room has an enum of its refusals. What they have in common is here: what kind of refusal it is, a code that
//! programs may rely on, and a sentence for people. A protocol's own part of the service makes its answers from these three
//! and from nothing else, in one place (for HTTP that is [`crate::http::failure`]); so a rule can be used by all of them.

use plimsoll::Error;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// What a client has to show who was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// `Authorization: Bearer <token>`.
    Bearer,
    /// `X-Provision-Token: <token>`.
    ProvisionToken,
}

/// What a client can do about it, as far as a protocol has a word for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// The request itself is wrong; sending it again changes nothing.
    Malformed,
    /// It is larger than what is read.
    TooLarge,
    /// What was shown proves nothing.
    NotProved(Proof),
    /// The client is known, and may not do this.
    Forbidden,
    /// What the request is about is not there, or is another tenant's, which is told in the same words.
    NotFound,
    /// It contradicts what is there already.
    Conflict,
    /// Not now; it is worth asking again after this long.
    NotNow(Duration),
    /// The service made a mistake; its log has the rest.
    OwnMistake,
}

/// A refusal, as every protocol can tell it.
pub trait Refusal {
    /// What can be done about it.
    fn kind(&self) -> RefusalKind;

    /// The stable code.
    fn code(&self) -> &'static str;

    /// The sentence for people.
    fn detail(&self) -> Cow<'static, str>;
}

/// Why something was not done.
#[derive(Debug)]
pub enum NotDone<R> {
    /// A rule refuses it.
    Refused(R),
    /// The database failed. The part that answers the client tells the log, where the request's id is known.
    Failed(Error),
    /// The database failed for several clients at once, and the log has been told.
    FailedForAll(Arc<Error>),
}

impl<R> From<Error> for NotDone<R> {
    fn from(error: Error) -> Self {
        NotDone::Failed(error)
    }
}

impl<R: Refusal> From<R> for NotDone<R> {
    fn from(refusal: R) -> Self {
        NotDone::Refused(refusal)
    }
}
