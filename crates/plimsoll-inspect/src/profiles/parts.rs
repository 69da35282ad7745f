//! Which statements of a step go into one transaction, and which go alone.

use serde::{Deserialize, Serialize};

/// What is sent to the server as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "snake_case")]
pub enum Part {
    /// One transaction: all of it or nothing.
    Transaction {
        /// The statements.
        statements: Vec<String>,
    },
    /// A statement that PostgreSQL refuses inside a transaction.
    Alone {
        /// The statement.
        statement: String,
    },
    /// The server reads its configuration again. Done twice it is as if done once.
    Reload,
}

impl Part {
    /// It has to have a session of its own, which a transaction pooler does not give: it takes long, and its limits are the
    /// session's.
    #[must_use]
    pub fn needs_session(&self) -> bool {
        matches!(self, Part::Alone { statement } if !is_begun_with(statement, &["ALTER", "SYSTEM"]))
    }
}

/// What asks the server to read its configuration again.
pub const RELOAD: &str = "SELECT pg_catalog.pg_reload_conf()";

/// The statements of a step as what is sent together: neighbours that may be in one transaction are.
#[must_use]
pub fn parts(statements: &[String]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for statement in statements {
        if is_reload(statement) {
            parts.push(Part::Reload);
        } else if stands_alone(statement) {
            parts.push(Part::Alone { statement: statement.clone() });
        } else if let Some(Part::Transaction { statements }) = parts.last_mut() {
            statements.push(statement.clone());
        } else {
            parts.push(Part::Transaction { statements: vec![statement.clone()] });
        }
    }
    parts
}

fn words(statement: &str) -> impl Iterator<Item = String> {
    statement
        .split(|c: char| c.is_whitespace() || c == '(' || c == ';')
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_uppercase)
}

fn is_begun_with(statement: &str, begin: &[&str]) -> bool {
    let mut words = words(statement);
    begin.iter().all(|wanted| words.next().is_some_and(|word| word == *wanted))
}

fn is_reload(statement: &str) -> bool {
    let text: String = statement.chars().filter(|c| !c.is_whitespace()).collect();
    let text = text.trim_end_matches(';').to_ascii_lowercase();
    ["selectpg_reload_conf()", "selectpg_catalog.pg_reload_conf()"].contains(&text.as_str())
}

/// PostgreSQL refuses it inside a transaction.
fn stands_alone(statement: &str) -> bool {
    let begins = |begin: &[&str]| is_begun_with(statement, begin);
    let is_concurrent = || words(statement).take(8).any(|word| word == "CONCURRENTLY");
    begins(&["ALTER", "SYSTEM"])
        || begins(&["VACUUM"])
        || begins(&["CREATE", "DATABASE"])
        || begins(&["DROP", "DATABASE"])
        || ((begins(&["CREATE"]) || begins(&["DROP", "INDEX"]) || begins(&["REINDEX"])) && is_concurrent())
        || begins(&["REINDEX", "DATABASE"])
        || begins(&["REINDEX", "SYSTEM"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alone(statement: &str) -> bool {
        matches!(parts(&[statement.to_owned()]).as_slice(), [Part::Alone { .. }])
    }

    #[test]
    fn what_refuses_a_transaction_goes_alone() {
        for statement in [
            "ALTER SYSTEM SET log_lock_waits = on",
            "create  index concurrently i on t (a)",
            "CREATE UNIQUE INDEX CONCURRENTLY \"i\" ON t (a)",
            "DROP INDEX CONCURRENTLY IF EXISTS i",
            "REINDEX INDEX CONCURRENTLY i",
            "REINDEX (VERBOSE) TABLE CONCURRENTLY t",
            "VACUUM (FREEZE) t",
        ] {
            assert!(alone(statement), "{statement}");
        }
        for statement in [
            "ALTER ROLE app SET lock_timeout = '5s'",
            "ALTER TABLE system RESET (a)",
            "ANALYZE t",
            "CREATE INDEX i ON t (a)",
        ] {
            assert!(!alone(statement), "{statement}");
        }
    }

    #[test]
    fn neighbours_are_one_transaction() {
        let texts = ["SELECT 1", "SELECT 2", "ALTER SYSTEM RESET a", "SELECT pg_reload_conf();", "SELECT 3"];
        let all = parts(&texts.map(str::to_owned));
        let first = Part::Transaction { statements: vec!["SELECT 1".to_owned(), "SELECT 2".to_owned()] };
        assert_eq!(all.len(), 4);
        assert_eq!(all.first(), Some(&first));
        assert_eq!(all.get(2), Some(&Part::Reload));
        assert!(all.iter().all(|part| !part.needs_session()), "{all:?}");
    }

    #[test]
    fn what_takes_long_needs_a_session() {
        assert!(parts(&["CREATE INDEX CONCURRENTLY i ON t (a)".to_owned()]).iter().all(Part::needs_session));
    }
}
