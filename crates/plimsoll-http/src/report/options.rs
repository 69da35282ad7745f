//! What the report tells, and where it is written.

use super::stderr::Stderr;
use std::fmt;
use std::io::Write;
use tokio::runtime::Handle;

/// Lines of one kind.
const MOST: usize = 20;
/// What may be asked for at the most, so that a report stays one that can be read.
const MOST_OF_ALL: usize = 1_000;

/// What the report on SIGUSR1 tells, and where it is written.
pub struct ReportOptions {
    pub(super) is_enabled: bool,
    pub(super) most: usize,
    pub(super) statement_texts: bool,
    pub(super) runtime: Option<Handle>,
    pub(super) writer: Box<dyn Write + Send>,
}

impl Default for ReportOptions {
    fn default() -> Self {
        ReportOptions {
            is_enabled: true,
            most: MOST,
            statement_texts: false,
            runtime: None,
            writer: Box::new(Stderr),
        }
    }
}

impl ReportOptions {
    /// Whether it is printed, for the configuration of a service. Switched off, SIGUSR1 is ignored, and does not end the
    /// program as it would by itself. It can be switched while the program runs:
    /// [`ReportGuard::set_enabled`](super::ReportGuard::set_enabled).
    #[must_use]
    pub fn enabled(mut self, is_enabled: bool) -> Self {
        self.is_enabled = is_enabled;
        self
    }

    /// How many requests, leases and waiters are told of one by one, the oldest first: 20 unless this is said, at the most
    /// 1,000. The others are counted.
    #[must_use]
    pub fn most(mut self, lines: usize) -> Self {
        self.most = lines.clamp(1, MOST_OF_ALL);
        self
    }

    /// Tells the text of the last statement of each lease, without any constant, and not only its fingerprint.
    #[must_use]
    pub fn statement_texts(mut self) -> Self {
        self.statement_texts = true;
        self
    }

    /// The runtime to tell of, if it is not the one in which [`on_sigusr1`](super::on_sigusr1) is called.
    #[must_use]
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Where the report is written, instead of stderr: each in one call. It is written by a thread that has no runtime. What
    /// does not come back holds up the reports after it, and nothing else.
    #[must_use]
    pub fn writer(mut self, writer: impl Write + Send + 'static) -> Self {
        self.writer = Box::new(writer);
        self
    }
}

impl fmt::Debug for ReportOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReportOptions")
            .field("is_enabled", &self.is_enabled)
            .field("most", &self.most)
            .field("statement_texts", &self.statement_texts)
            .finish_non_exhaustive()
    }
}
