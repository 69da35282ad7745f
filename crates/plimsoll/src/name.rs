//! Every piece of work has a name.
//!
//! When a pool is exhausted, the one question that matters is *who holds it*. So each call carries either the name
//! that its author gave it, or the place in the source where it was made; errors, events, the leak report and (later)
//! metrics all print that and nothing else.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;

/// What a piece of work is called: the given name, else the call site.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WorkName {
    given: Option<Cow<'static, str>>,
    site: &'static Location<'static>,
}

impl WorkName {
    /// Names a piece of work after the place that calls this.
    #[track_caller]
    #[must_use]
    pub fn here() -> Self {
        WorkName { given: None, site: Location::caller() }
    }

    /// Names a piece of work in the caller's words; the call site is kept beside it.
    #[track_caller]
    #[must_use]
    pub fn given(name: impl Into<Cow<'static, str>>) -> Self {
        WorkName { given: Some(name.into()), site: Location::caller() }
    }

    /// The name that was given, if any.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.given.as_deref()
    }

    /// Where in the source the work was asked for.
    #[must_use]
    pub fn site(&self) -> &'static Location<'static> {
        self.site
    }
}

impl fmt::Display for WorkName {
    /// `"place order" (orders.rs:88)`, or `orders.rs:88` when no name was given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.site.file().rsplit(['/', '\\']).next().unwrap_or_default();
        match &self.given {
            Some(name) => write!(f, "\"{name}\" ({file}:{})", self.site.line()),
            None => write!(f, "{file}:{}", self.site.line()),
        }
    }
}
