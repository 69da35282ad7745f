//! What the slow log says of a statement, at the target `plimsoll::slow` of `tracing`.
//!
//! Everything here runs only for a statement that was slow. No constant of its text and no parameter that may be a secret
//! is told: see `sql::fingerprint` and [`shown`](super::shown).

use super::end::Running;
use super::query::Params;
use super::shown;
use crate::moment::Moment;
use crate::name::WorkName;
use crate::record::slow_log::PlanWanted;
use crate::record::statement::End;
use crate::record::{PREPARED, slow_log::SlowLog};
use crate::request_id;
use crate::rules::slow_kinds::{More, Told};
use crate::sql::explain;
use crate::sql::fingerprint::{Normalised, normalise};
use std::borrow::Cow;
use std::time::Duration;
use tokio_postgres::Statement;

/// Where the slow log is.
macro_rules! slow {
    ($($said:tt)+) => { tracing::warn!(target: "plimsoll::slow", $($said)+) };
}
pub(crate) use slow;

/// The parameters of a statement, as far as they are at hand when it ends.
pub(super) enum Given<'a> {
    /// It has none.
    Nothing,
    /// The caller's; and the statement, if it was prepared when it began.
    Params(Option<&'a Statement>, Params<'a>),
    /// A stream may outlive its parameters, so what is shown of them was written down when it began.
    Shown(String),
}

impl Running<'_> {
    /// Tells that this statement was slow, or counts it.
    #[cold]
    pub(super) fn tell_slow(&self, took: Duration) {
        let Running { connection, work, .. } = *self;
        let log = &connection.server.slow_log;
        let strings = connection.link.state.strings();
        let text = self.text.as_deref();
        let Normalised { fingerprint, text: shown } = normalise(text.unwrap_or(PREPARED), strings);
        match log.add(fingerprint, took, Moment::now()) {
            Told::Counted => return,
            Told::Whole(more) => more.iter().for_each(tell_more),
        }
        self.tell(work, took, fingerprint, &shown, &self.parameters(log));
        let plannable =
            text.filter(|_| log.wants_plans()).and_then(|text| Some((text, explain::read(text)?)));
        if let Some((text, readable)) = plannable {
            log.want_plan(PlanWanted {
                fingerprint,
                text: text.into(),
                has_parameters: readable.has_parameters,
            });
        }
    }

    fn tell(&self, work: &WorkName, took: Duration, fingerprint: u64, statement: &str, parameters: &str) {
        let (ended, rows, code, outcome) = match self.end {
            End::Answered { rows } => ("answered", Some(rows), None, None),
            End::Failed { fault, outcome } => {
                ("failed", None, Some(fault.code()), Some(tracing::field::display(outcome)))
            }
            End::Dropped => ("dropped", None, None, None),
        };
        let (name, site) = (one_line(work.name().unwrap_or_default()), work.site());
        let request = request_id::current().map(tracing::field::display);
        slow!(
            work = %name, site = %format_args!("{}:{}", site.file(), site.line()), request,
            pid = self.connection.pid(), fingerprint = %format_args!("{fingerprint:016x}"),
            ms = took.as_millis(), rows, code, outcome, statement = %one_line(statement), parameters,
            "slow statement, {ended} after {:.3} s", took.as_secs_f64()
        );
    }

    fn parameters<'s>(&'s self, log: &SlowLog) -> Cow<'s, str> {
        match &self.given {
            // The code of a parameter may have begun this panic.
            Given::Params(..) if !log.shows_parameters() || std::thread::panicking() => Cow::Borrowed(""),
            Given::Nothing => Cow::Borrowed(""),
            Given::Params(Some(statement), params) => {
                Cow::Owned(shown::show(params, Some(statement.params())))
            }
            Given::Params(None, params) => {
                let known = self.text.as_deref().and_then(|text| self.connection.sent_with(text));
                Cow::Owned(shown::show(params, known.as_ref().map(|known| &*known.params)))
            }
            Given::Shown(shown) => Cow::Borrowed(shown),
        }
    }
}

/// Tells how many more were slow.
pub(crate) fn tell_more(more: &More) {
    let More { fingerprint, count, longest } = *more;
    let ms = longest.as_millis();
    match fingerprint {
        Some(fingerprint) => slow!(
            fingerprint = %format_args!("{fingerprint:016x}"), count, longest_ms = ms,
            "and {count} more in the last minute"
        ),
        None => slow!(count, longest_ms = ms, "and {count} more of other statements in the last minute"),
    }
}

/// A text from elsewhere, which must not begin a line of its own in the log.
fn one_line(text: &str) -> Cow<'_, str> {
    match text.contains(char::is_control) {
        true => Cow::Owned(text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()),
        false => Cow::Borrowed(text),
    }
}
