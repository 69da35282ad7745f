//! The part of the report on requests in flight: which, since when, and what each does on a database.

use super::text::{Seen as SeenDatabase, clean, line, more, span};
use crate::underway::{Seen, Underway};
use plimsoll::WaiterStatus;
use std::collections::HashMap;
use std::fmt::Write;

/// Which requests wait for a connection, and of which database.
type Waiting<'a> = HashMap<&'a str, (&'a str, &'a WaiterStatus)>;

pub(super) fn tell(text: &mut String, seen: &Seen, databases: &[SeenDatabase]) {
    let order = if seen.oldest.is_empty() { "" } else { ", oldest first" };
    line(text, format_args!("requests: {} in flight{order}", seen.total));
    let waiting = waiting(databases);
    for request in &seen.oldest {
        let id = request.scope.id();
        let mut told = format!(
            "{:>10}  {} {}  request {id}",
            span(request.age()),
            request.method,
            clean(request.route())
        );
        if let Some(user) = request.user() {
            let _ = write!(told, " of user {}", clean(user));
        }
        let does = does(request, waiting.get(id.as_str()));
        line(text, format_args!("{told}: {does}"));
    }
    more(text, seen.oldest.len() + seen.unlisted, seen.total);
    if seen.unlisted > 0 {
        line(text, format_args!("    .. and {} that were too many to be listed", seen.unlisted));
    }
    if seen.locked > 0 {
        line(
            text,
            format_args!(
                "    lists of requests that were locked, so that what is in them is missing: {}",
                seen.locked
            ),
        );
    }
}

fn waiting(databases: &[SeenDatabase]) -> Waiting<'_> {
    let mut all = HashMap::new();
    for database in databases {
        let pools = database.now.servers.iter().filter_map(|server| server.pool.as_ref());
        for waiter in pools.flat_map(|pool| &pool.waiting.oldest) {
            if let Some(id) = &waiter.request_id {
                all.insert(id.as_str(), (&*database.name, waiter));
            }
        }
    }
    all
}

/// What it does: where it waits, which statement it runs, or which it ran last.
fn does(request: &Underway, waits: Option<&(&str, &WaiterStatus)>) -> String {
    let Some(totals) = request.scope.totals_within(super::text::LIMIT) else {
        return "what it does is not known, since it is locked".to_owned();
    };
    let mut told = match (waits, &totals.last, totals.last_ago) {
        (Some((database, waiter)), _, _) => {
            let (work, waited) = (clean(&waiter.work), span(waiter.waited));
            format!("waits for a connection of \"{}\" for {waited}, for {work}", clean(database))
        }
        (None, Some(work), Some(ago)) => {
            let (work, ago) = (work.to_string(), span(ago));
            match totals.running {
                0 => format!("runs no statement; the last was {}, begun {ago} ago", clean(&work)),
                1 => format!("runs {}, begun {ago} ago", clean(&work)),
                count => format!("runs {count} statements, the latest {}, begun {ago} ago", clean(&work)),
            }
        }
        _ => "has run no statement".to_owned(),
    };
    if totals.statements > 0 {
        let _ = write!(told, ", {} ended before", totals.statements);
    }
    if let Some(status) = request.status() {
        let _ = write!(told, ", sends its answer {status}");
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_read_is_said() {
        let said = |total, unlisted, locked| {
            let mut text = String::new();
            tell(&mut text, &Seen { total, oldest: Vec::new(), unlisted, locked }, &[]);
            text
        };
        assert_eq!(said(0, 0, 0), "requests: 0 in flight\n");
        let partly = said(9, 2, 1);
        assert!(partly.contains("and 7 more\n") && partly.contains("and 2 that were too many"), "{partly}");
        assert!(
            partly.contains("lists of requests that were locked, so that what is in them is missing: 1"),
            "{partly}"
        );
    }
}
