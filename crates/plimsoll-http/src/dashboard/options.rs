//! What a service says of its dashboard.

use super::marks::Marks;
use std::sync::Arc;

/// So many readers are sent the stream at the same time, unless the service says otherwise.
const READERS: usize = 16;

/// How a [`dashboard()`](super::dashboard()) is. The default shows everything and lets operators act.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DashboardOptions {
    pub(super) service: Arc<str>,
    pub(super) version: Option<Arc<str>>,
    pub(super) marks: Marks,
    pub(super) is_read_only: bool,
    pub(super) readers: usize,
}

impl Default for DashboardOptions {
    fn default() -> Self {
        DashboardOptions {
            service: "plimsoll".into(),
            version: None,
            marks: Marks::default(),
            is_read_only: false,
            readers: READERS,
        }
    }
}

impl DashboardOptions {
    /// The name of the service, which the page has in its title.
    #[must_use]
    pub fn service(mut self, name: &str) -> Self {
        self.service = name.into();
        self
    }

    /// Which version of the service this is. The page marks on its time axis that it started.
    #[must_use]
    pub fn version(mut self, version: &str) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Where the service itself marks what happens: a deploy, a fault that it plays, a job that began.
    #[must_use]
    pub fn marks(mut self, marks: &Marks) -> Self {
        self.marks = marks.clone();
        self
    }

    /// No action is offered, and none is taken: what operators do elsewhere is only shown.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.is_read_only = true;
        self
    }

    /// So many readers are sent the stream at the same time, 16 by default and at least one; another is refused with 503.
    /// All of them together cost the pools no more than one does.
    #[must_use]
    pub fn readers(mut self, readers: usize) -> Self {
        self.readers = readers.max(1);
        self
    }
}
