//! Whether the server takes the values of `--set`, asked before the first step is shown.
//!
//! The server judges: each value is set in a transaction of its own that sets nothing else and is rolled back. Where the role that
//! asks may not set it itself, what the server tells of the setting (its kind, its range, its words) judges instead.

use super::server::{First, Server, columns, soon};
use crate::closest::meant;
use anyhow::{Result, bail};
use plimsoll_inspect::checks::run::NotAsked;
use plimsoll_inspect::checks::subject::literal;
use plimsoll_inspect::profiles::situation;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::{DbError, SqlState};

const SETTINGS: &str = "SELECT lower(name), context, vartype, COALESCE(unit, ''), COALESCE(min_val, ''), COALESCE(max_val, ''), \
                        COALESCE(pg_catalog.array_to_string(enumvals, ' '), '') FROM pg_catalog.pg_settings";

/// Limits that would act on the question itself, or on its transaction, and the one by which they are judged: its kind, unit and
/// range are theirs.
const ACT_AT_ONCE: [&str; 4] = [
    "statement_timeout",
    "transaction_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
];
const JUDGES: &str = "lock_timeout";

/// Lists of names: in one string their commas would be part of a name.
const LISTS: [&str; 6] = [
    "search_path",
    "temp_tablespaces",
    "local_preload_libraries",
    "session_preload_libraries",
    "shared_preload_libraries",
    "unix_socket_directories",
];

/// A setting as the server describes it.
#[derive(Debug, Default)]
struct Known {
    name: String,
    context: String,
    kind: String,
    unit: String,
    range: [String; 2],
    words: String,
}

impl Known {
    fn read(row: First) -> Self {
        let mut texts = row.0.into_iter().map(Option::unwrap_or_default);
        let mut next = || texts.next().unwrap_or_default();
        Known {
            name: next(),
            context: next(),
            kind: next(),
            unit: next(),
            range: [next(), next()],
            words: next(),
        }
    }

    /// Why this is no value of it, as far as its description tells.
    fn refuses(&self, value: &str) -> Option<String> {
        let range = || {
            let unit = if self.unit.is_empty() { String::new() } else { format!(" {}", self.unit) };
            format!("it is a number from {} to {}{unit}", self.range[0], self.range[1])
        };
        let is_one_of = |words: &str| words.split(' ').any(|word| word.eq_ignore_ascii_case(value));
        match self.kind.as_str() {
            "bool" if !is_one_of("on off true false yes no 1 0") => Some("it is on or off".to_owned()),
            "enum" if !is_one_of(&self.words) => {
                Some(format!("it is one of {}", self.words.replace(' ', ", ")))
            }
            "integer" | "real" if !situation::is_within(value, &self.unit, &self.range) => Some(range()),
            _ => None,
        }
    }
}

/// Refuses all that the server would refuse, in one line.
///
/// # Errors
/// A value or a name is refused; the server does not answer.
pub(super) async fn are_taken(server: &Server, said: &[(String, String)]) -> Result<()> {
    if said.is_empty() {
        return Ok(());
    }
    let answer = situation::ask(server.direct.client(), SETTINGS, &server.subject.role, soon()).await?;
    let known: Vec<Known> = answer
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) if row.len() == 7 => Some(Known::read(columns(row))),
            _ => None,
        })
        .collect();
    let mut refused = Vec::new();
    for (name, value) in said {
        let told = match known.iter().find(|known| known.name == *name) {
            None => {
                let like = meant(name, known.iter().map(|known| known.name.as_str()));
                Some(format!("PostgreSQL {} has no setting {name}{like}", server.subject.major()))
            }
            Some(known) => refusal(server, known, value).await?,
        };
        refused.extend(told.map(|told| format!("--set {name}={value}: {told}")));
    }
    if !refused.is_empty() {
        bail!("{} (nothing was begun)", refused.join("; "));
    }
    Ok(())
}

async fn refusal(server: &Server, known: &Known, value: &str) -> Result<Option<String>> {
    let name = known.name.as_str();
    let place = match known.context.as_str() {
        "user" | "superuser" => None,
        "internal" => Some("it is fixed when the server is built or its files are made".to_owned()),
        "postmaster" => {
            Some(format!("it is the whole server's: ALTER SYSTEM SET {name} = .., then a restart"))
        }
        "sighup" => Some(format!("it is the whole server's: ALTER SYSTEM SET {name} = .., then a reload")),
        _ => {
            Some("it counts when a connection is opened: it belongs into the connection's options".to_owned())
        }
    };
    if place.is_some() {
        return Ok(place.map(|place| format!("it can be set for no role and no database: {place}")));
    }
    if LISTS.contains(&name) && value.contains([',', '"']) {
        let role = &server.subject.role;
        return Ok(Some(format!(
            "a list is not set here, since all of it would become one name: ALTER ROLE {role} SET {name} = .., .."
        )));
    }
    let asked = if ACT_AT_ONCE.contains(&name) { JUDGES } else { name };
    let question = format!("SET LOCAL {asked} = {}", literal(value));
    let role = &server.subject.role;
    match situation::ask(server.direct.client(), &question, role, soon()).await {
        Ok(_) => Ok(None),
        Err(NotAsked::Refused(error)) => match error.as_db_error() {
            Some(said) if *said.code() == SqlState::INSUFFICIENT_PRIVILEGE => Ok(known.refuses(value)),
            Some(said) => Ok(Some(in_words(said).replace(&format!("\"{asked}\""), &format!("\"{name}\"")))),
            None => Err(error.into()),
        },
        Err(other) => Err(other.into()),
    }
}

fn in_words(said: &DbError) -> String {
    let hint = said.hint().map(|hint| format!(" ({})", hint.trim_end_matches('.'))).unwrap_or_default();
    format!("{}{hint}", said.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(kind: &str, unit: &str, range: [&str; 2], words: &str) -> Known {
        let text = str::to_owned;
        Known {
            kind: text(kind),
            unit: text(unit),
            range: range.map(text),
            words: text(words),
            ..Known::default()
        }
    }

    #[test]
    fn what_cannot_be_tried_is_judged_by_its_description() {
        let millis = known("integer", "ms", ["-1", "2147483647"], "");
        for value in ["-1", "0", "5s", "1.5min", "2 h", "1000"] {
            assert_eq!(millis.refuses(value), None, "{value}");
        }
        for value in ["", "soon", "5 parsecs", "-2", "99999999999", "5MB"] {
            let told = millis.refuses(value).unwrap_or_else(|| panic!("{value} is taken"));
            assert_eq!(told, "it is a number from -1 to 2147483647 ms");
        }
        let bytes = known("integer", "8kB", ["16", "1000"], "");
        assert_eq!((bytes.refuses("128kB"), bytes.refuses("16")), (None, None));
        assert!(bytes.refuses("64kB").is_some() && bytes.refuses("1GB").is_some());
        let real = known("real", "", ["0", "1"], "");
        assert!(
            real.refuses("0.5").is_none() && real.refuses("1.5").is_some() && real.refuses("0.5s").is_some()
        );
        let word = known("enum", "", ["", ""], "none ddl mod all");
        assert_eq!(word.refuses("DDL"), None);
        assert_eq!(word.refuses("some").as_deref(), Some("it is one of none, ddl, mod, all"));
        let switch = known("bool", "", ["", ""], "");
        assert!(switch.refuses("off").is_none() && switch.refuses("maybe").is_some());
        assert_eq!(known("string", "", ["", ""], "").refuses("anything"), None);
    }
}
