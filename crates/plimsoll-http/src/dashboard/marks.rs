//! Marks on the time axis: what happened and explains a bend in the curves.
//!
//! Some come from the database handle's own events, some from operators' actions, and the service adds its own.

use parking_lot::Mutex;
use plimsoll::event::Event;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Marks that are kept.
const MOST: usize = 100;
/// The longest text of a mark, in bytes.
const TEXT: usize = 300;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum MarkKind {
    /// The service was started, or its schema was changed.
    Deploy,
    /// Something broke, or was broken on purpose.
    Fault,
    /// It is over.
    Healed,
    /// An operator acted.
    Action,
    /// Anything else.
    Note,
}

/// One mark.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Mark {
    /// In milliseconds since 1970.
    pub(super) at: u64,
    pub(super) kind: MarkKind,
    pub(super) text: String,
}

/// The latest hundred marks of a service, for its [`dashboard()`](super::dashboard()). Clones are the same list.
///
/// ```
/// use plimsoll_http::{DashboardOptions, MarkKind, Marks};
///
/// let marks = Marks::default();
/// let options = DashboardOptions::default().service("fleet").version("1.4.2").marks(&marks);
/// // Later, wherever it happens:
/// marks.add(MarkKind::Note, "the nightly import has begun");
/// # let _ = options;
/// ```
#[derive(Clone, Debug, Default)]
pub struct Marks(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    latest: VecDeque<Mark>,
    /// How many there have ever been.
    count: u64,
}

impl Marks {
    /// Marks that this happens now. Of the text 300 bytes are kept.
    pub fn add(&self, kind: MarkKind, text: &str) {
        self.push(Mark { at: millis(SystemTime::now()), kind, text: shortened(text, TEXT) });
    }

    pub(super) fn push(&self, mark: Mark) {
        let mut kept = self.0.lock();
        if kept.latest.len() >= MOST {
            kept.latest.pop_front();
        }
        kept.latest.push_back(mark);
        kept.count += 1;
    }

    /// All of them, oldest first.
    pub(super) fn all(&self) -> Vec<Mark> {
        self.0.lock().latest.iter().cloned().collect()
    }

    /// How many there have ever been.
    pub(super) fn count(&self) -> u64 {
        self.0.lock().count
    }
}

/// The mark of an event, if it explains anything.
pub(super) fn of_event(event: &Event) -> Option<(MarkKind, String)> {
    let told = match event {
        Event::BreakerOpened { reason, is_dark: false } => {
            (MarkKind::Fault, format!("calls are refused: {reason}"))
        }
        Event::BreakerClosed { after, .. } => {
            (MarkKind::Healed, format!("the database answers again, after {:.1} s", after.as_secs_f64()))
        }
        Event::LockPileUp { told, .. } => (MarkKind::Fault, told.clone()),
        Event::SelfDeadlock { leases } => {
            (MarkKind::Fault, format!("each lease waits for another one: {leases}"))
        }
        Event::Demoted { server, reason } => {
            (MarkKind::Fault, format!("{server} takes no writes any more: {reason}"))
        }
        Event::RoleChanged { server, role, .. } => {
            (MarkKind::Note, format!("{server} has another role: {role:?}"))
        }
        Event::ReplicaLost { server, reason } => {
            (MarkKind::Fault, format!("no reads go to {server}: {reason}"))
        }
        Event::ReplicaBack { server, .. } => (MarkKind::Healed, format!("reads go to {server} again")),
        Event::Stalled { by } => {
            (MarkKind::Fault, format!("this program stood still for {:.1} s", by.as_secs_f64()))
        }
        Event::LeaseReclaimed { work, held, .. } => {
            (MarkKind::Fault, format!("a connection was taken back from {work} after {} s", held.as_secs()))
        }
        // A slow statement is told where statements are; on a frozen server there is one on each lease.
        Event::HeldLong { work, held, hold, .. } if hold.is_idle() => {
            (MarkKind::Note, format!("{work} has held a connection for {} s ({hold})", held.as_secs()))
        }
        Event::Migrated { applied } => (MarkKind::Deploy, format!("{applied} migrations were applied")),
        _ => return None,
    };
    Some(told)
}

/// In milliseconds since 1970.
pub(super) fn millis(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// So many bytes of a text at the most, with an ellipsis where it was longer.
pub(super) fn shortened(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_marks_are_kept_and_none_is_long() {
        let marks = Marks::default();
        (0..250).for_each(|number| marks.add(MarkKind::Note, &format!("{number} {}", "é".repeat(400))));
        let all = marks.all();
        assert_eq!((all.len(), all[0].text.starts_with("150 ")), (MOST, true));
        assert!(all.iter().all(|mark| mark.text.len() <= TEXT + '…'.len_utf8()));
    }

    #[test]
    fn only_what_explains_something_is_marked() {
        let reason = "the server has owed answers".to_owned();
        let opened = |is_dark| of_event(&Event::BreakerOpened { reason: reason.clone(), is_dark });
        assert_eq!(opened(false), Some((MarkKind::Fault, format!("calls are refused: {reason}"))));
        assert_eq!(opened(true), None, "no call is refused where it is dark");
        assert_eq!(of_event(&Event::Connected { pid: 1, took: std::time::Duration::ZERO }), None);
    }
}
