//! A role that was named and does not exist.

use crate::closest::like;
use plimsoll_inspect::checks::run::{self, Asking};
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::{Client, SimpleQueryMessage};

/// How long the question for other names may take.
const LIMIT: Duration = Duration::from_secs(2);

/// The most names that are told.
const SHOWN: usize = 3;

const ROLES: &str = "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_' ORDER BY rolcanlogin DESC, rolname LIMIT 1000";

/// `there is no role "ap" on this server; did you mean app?`, or, if none is like it, which roles there are.
pub(crate) async fn missing(client: &Client, role: &str) -> String {
    let none = format!("there is no role {role:?} on this server");
    let answer = run::question(client, ROLES, &Asking::default(), Instant::now() + LIMIT).await;
    let Ok(answer) = answer else { return none };
    let names: Vec<&str> = answer
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row)
                if row.columns().first().is_some_and(|it| it.name() == "rolname") =>
            {
                row.get(0)
            }
            _ => None,
        })
        .collect();
    told(&none, role, &names)
}

fn told(none: &str, role: &str, names: &[&str]) -> String {
    let near = like(role, names.iter().copied(), SHOWN);
    if !near.is_empty() {
        return format!("{none}; did you mean {}?", near.join(" or "));
    }
    let more = if names.len() > SHOWN { " .." } else { "" };
    let some: Vec<&str> = names.iter().copied().take(SHOWN).collect();
    if some.is_empty() { none.to_owned() } else { format!("{none}; there are {}{more}", some.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn the_names_that_are_like_it_are_told_or_else_some() {
        assert_eq!(told("none", "ap", &["app", "apq", "monitor"]), "none; did you mean app or apq?");
        assert_eq!(told("none", "zzzzzz", &["app", "monitor"]), "none; there are app, monitor");
        assert_eq!(told("none", "zzzzzz", &["a1", "b1", "c1", "d1"]), "none; there are a1, b1, c1 ..");
        assert_eq!(told("none", "zzzzzz", &[]), "none");
    }
}
