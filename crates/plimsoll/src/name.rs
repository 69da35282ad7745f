//! The name of a piece of work.
//!
//! When a pool is exhausted, the one question is which work holds its connections. So each call carries either the
//! name that its author gave it, or the place in the source where it was made. Errors, events and the leak report
//! print that.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::Location;
use std::sync::Arc;

/// The name of a piece of work: the given name, else the call site. Cheap to clone.
#[derive(Clone, Debug)]
pub struct WorkName {
    given: Given,
    site: &'static Location<'static>,
}

#[derive(Clone, Debug)]
enum Given {
    Nothing,
    Static(&'static str),
    Shared(Arc<str>),
}

impl WorkName {
    /// Names a piece of work after the caller of this function.
    #[track_caller]
    #[must_use]
    pub fn here() -> Self {
        WorkName { given: Given::Nothing, site: Location::caller() }
    }

    /// Gives a piece of work this name; the call site is kept beside it.
    #[track_caller]
    #[must_use]
    pub fn given(name: impl Into<Cow<'static, str>>) -> Self {
        let given = match name.into() {
            Cow::Borrowed(name) => Given::Static(name),
            Cow::Owned(name) => Given::Shared(name.into()),
        };
        WorkName { given, site: Location::caller() }
    }

    /// The name that was given, if any.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match &self.given {
            Given::Nothing => None,
            Given::Static(name) => Some(name),
            Given::Shared(name) => Some(name),
        }
    }

    /// The name where it has something that can be read in ASCII, else the place in the source as `orders.rs:88`.
    pub(crate) fn in_ascii(&self) -> Cow<'_, str> {
        match self.name() {
            Some(name) if name.bytes().any(|byte| byte.is_ascii_alphanumeric()) => Cow::Borrowed(name),
            _ => Cow::Owned(format!("{}:{}", self.file(), self.site.line())),
        }
    }

    fn file(&self) -> &'static str {
        self.site.file().rsplit(['/', '\\']).next().unwrap_or_default()
    }

    /// The place in the source where the work was asked for.
    #[must_use]
    pub fn site(&self) -> &'static Location<'static> {
        self.site
    }
}

impl PartialEq for WorkName {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name() && self.site == other.site
    }
}

impl Eq for WorkName {}

impl Hash for WorkName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
        self.site.hash(state);
    }
}

impl fmt::Display for WorkName {
    /// `"place order" (orders.rs:88)`, or `orders.rs:88` when no name was given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file();
        match self.name() {
            Some(name) => write!(f, "\"{name}\" ({file}:{})", self.site.line()),
            None => write!(f, "{file}:{}", self.site.line()),
        }
    }
}
