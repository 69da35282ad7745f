//! The report as a whole, and how it says things.

use super::{databases, requests, runtime, tasks, threads};
use crate::databases::Databases;
use crate::underway;
use plimsoll::Diagnostics;
use plimsoll::monitor::Timestamp;
use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::runtime::Handle;

/// The longest that the report waits for one lock.
pub(super) const LIMIT: Duration = Duration::from_millis(200);

/// For how long workers and threads are watched.
const WATCHED: Duration = Duration::from_millis(100);

/// The longest name, text or reason in it, in bytes.
const LONGEST: usize = 500;

/// What a report is about.
pub(super) struct Subject {
    pub(super) databases: Databases,
    /// Lines of one kind.
    pub(super) most: usize,
    pub(super) statement_texts: bool,
    pub(super) runtime: Option<Handle>,
}

/// A database as the report sees it.
pub(super) struct Seen {
    pub(super) name: Arc<str>,
    pub(super) now: Diagnostics,
}

/// The report. It takes a little more than 100 ms, for which the workers are watched.
pub(super) fn report(subject: &Subject) -> String {
    let began = Instant::now();
    let workers = subject.runtime.as_ref().map(runtime::Watched::begin);
    let watched = threads::Watched::begin();
    let requests = underway::oldest(subject.most, LIMIT);
    let databases = subject.databases.all_within(LIMIT).map(|all| {
        let seen = all.into_iter().map(|(name, db)| Seen { name, now: db.diagnostics(LIMIT) });
        seen.collect::<Vec<_>>()
    });
    let mut text = format!("---- SIGUSR1: {}, {} ----\n", program(), Timestamp(SystemTime::now()));
    requests::tell(&mut text, &requests, databases.as_deref().unwrap_or_default());
    match &databases {
        None => {
            line(&mut text, format_args!("databases: not known, their list was locked for {}", ms(LIMIT)))
        }
        Some(all) if all.is_empty() => line(&mut text, format_args!("databases: none yet")),
        Some(all) => all.iter().for_each(|database| databases::tell(&mut text, database, subject)),
    }
    std::thread::sleep(WATCHED.saturating_sub(began.elapsed()));
    let workers = workers.map(runtime::Watched::end);
    let threads = threads::Watched::end(watched);
    runtime::tell(&mut text, workers.as_ref(), threads.as_ref().map(threads::Threads::cpu));
    threads::tell(&mut text, threads.as_ref());
    tasks::tell(&mut text, subject, workers.as_ref());
    line(&mut text, format_args!("---- end of the report, made in {} ----", ms(began.elapsed())));
    text
}

/// What is said once where the report is switched off.
pub(super) fn is_off() -> String {
    format!("SIGUSR1: {}: its report is switched off by the service's configuration\n", program())
}

/// Which program this is. Its arguments are not told: there may be secrets among them.
fn program() -> String {
    let name = std::env::args_os().next();
    let name = name.as_ref().and_then(|name| std::path::Path::new(name).file_name());
    let name = name.map_or_else(|| "a program".into(), |name| name.to_string_lossy());
    format!("{}, pid {}", clean(&name), std::process::id())
}

/// Adds a line.
pub(super) fn line(text: &mut String, said: std::fmt::Arguments<'_>) {
    let _ = writeln!(text, "{said}");
}

/// Says how many more there are than were told of.
pub(super) fn more(text: &mut String, told: usize, of: usize) {
    if of > told {
        line(text, format_args!("    .. and {} more", of - told));
    }
}

/// A text that comes from elsewhere, in one line that is not too long.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST && !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let is_kept = |(at, c): &(usize, char)| at + c.len_utf8() <= LONGEST;
    let kept = text.char_indices().take_while(is_kept);
    let kept: String = kept.map(|(_, c)| if c.is_control() { ' ' } else { c }).collect();
    Cow::Owned(if text.len() > LONGEST { kept + " .." } else { kept })
}

/// So many of something.
pub(super) fn count(number: u64, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

/// A span as a person says it.
pub(super) fn span(span: Duration) -> String {
    match span.as_secs() {
        0 => ms(span),
        1..=119 => format!("{:.1} s", span.as_secs_f64()),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

pub(super) fn ms(span: Duration) -> String {
    format!("{} ms", span.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_comes_from_elsewhere_is_one_line_of_bounded_length(said in "(?s).{0,600}") {
            let kept = clean(&said);
            prop_assert!(!kept.contains(char::is_control) && kept.len() <= LONGEST + 3);
            prop_assert!(said.len() > LONGEST || kept.chars().count() == said.chars().count());
        }
    }

    #[test]
    fn a_list_of_databases_that_is_locked_is_said_to_be_unknown() {
        let databases = Databases::new();
        let subject =
            Subject { databases: databases.clone(), most: 1, statement_texts: false, runtime: None };
        assert!(report(&subject).contains("\ndatabases: none yet\n"));
        let said = databases.while_locked(|| std::thread::scope(|all| all.spawn(|| report(&subject)).join()));
        let said = said.unwrap();
        assert!(said.contains("\ndatabases: not known, their list was locked for 200 ms\n"), "{said}");
    }

    #[test]
    fn spans_are_said_as_a_person_says_them() {
        let said = [7, 999, 1_250, 119_900, 120_000, 7_200_000].map(|n| span(Duration::from_millis(n)));
        assert_eq!(said, ["7 ms", "999 ms", "1.2 s", "119.9 s", "2 min", "2 h"]);
    }
}
