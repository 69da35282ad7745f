//! What a statement needs, read from its text: whose right it is, and on what.
//!
//! Only the statements that profiles and checks write are read, whose names are quoted where that is needed. What is not known
//! needs nothing here, and the server judges it when it is run.

/// What a statement needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// `ALTER ROLE .. SET`, also `IN DATABASE`.
    RoleSetting { role: String, setting: String },
    /// `ALTER DATABASE .. SET`.
    DatabaseSetting { database: String, setting: String },
    /// `ALTER SYSTEM SET`.
    ServerSetting { setting: String },
    /// `ALTER ROLE` with what is no setting, or `DROP ROLE`. Whether a role passes row-level security is a right of its own.
    Role { role: String, is_about_bypassing: bool },
    /// `CREATE ROLE`.
    NewRole,
    /// `GRANT role TO ..` and `REVOKE role FROM ..`.
    Membership { granted: String },
    /// `CREATE EXTENSION`.
    NewExtension { name: String },
    /// `ALTER EXTENSION .. UPDATE` and `DROP EXTENSION`.
    Extension { name: String, is_update: bool },
    /// What only the owner of a table, an index or a sequence may.
    Own(Relation),
    /// Dropping one: the owner of its schema may too.
    Drop(Relation),
    /// `CREATE INDEX`: a table of one's own, in a schema where one may create.
    Index(Relation),
    /// `VACUUM`, `ANALYZE`, `REINDEX` of one table or index. The owner of the database may too, except for `REINDEX`.
    Maintain { relation: Relation, is_reindex: bool },
    /// `VACUUM` of all tables.
    MaintainAll,
    /// Dropping a replication slot.
    Slot,
    /// Cancelling or terminating a session.
    Signal { pid: String },
    /// A function that is granted, by its name and the types of its arguments.
    Call { function: &'static str },
}

/// A table, an index or a sequence, by its names as the catalogs have them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Relation {
    pub(super) schema: Option<String>,
    pub(super) name: String,
}

impl Relation {
    fn read(token: &str) -> Self {
        let mut parts = names(token);
        let name = parts.pop().unwrap_or_default();
        Relation { schema: parts.pop(), name }
    }
}

/// What this statement needs, if it is one that is known here.
pub(super) fn need_of(statement: &str) -> Option<Need> {
    if statement.trim_start().to_ascii_uppercase().starts_with("SELECT") {
        return of_call(statement);
    }
    let tokens = tokens(statement);
    let words: Vec<String> = tokens.iter().map(|token| token.to_ascii_uppercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let name = |at: usize| tokens.get(at).map(|token| Relation::read(token).name).unwrap_or_default();
    // The first that is none of the words which may stand before a name.
    let named = |from: usize| {
        let before = ["CONCURRENTLY", "IF", "NOT", "EXISTS", "ONLY", "INDEX", "TABLE"];
        (from..words.len()).find(|at| words.get(*at).is_some_and(|word| !before.contains(word)))
    };
    let relation = |from: usize| Some(Relation::read(tokens.get(named(from)?)?));
    match words.as_slice() {
        ["ALTER", "ROLE", _, "IN", "DATABASE", _, "SET" | "RESET", ..] => {
            Some(Need::RoleSetting { role: name(2), setting: setting(tokens.get(7)?) })
        }
        ["ALTER", "ROLE", _, "SET" | "RESET", ..] => {
            Some(Need::RoleSetting { role: name(2), setting: setting(tokens.get(4)?) })
        }
        ["ALTER", "ROLE", _, attribute, ..] => Some(Need::Role {
            role: name(2),
            is_about_bypassing: ["BYPASSRLS", "NOBYPASSRLS"].contains(attribute),
        }),
        ["DROP", "ROLE", _] => Some(Need::Role { role: name(2), is_about_bypassing: false }),
        ["CREATE", "ROLE", ..] => Some(Need::NewRole),
        ["GRANT", _, "TO", ..] | ["REVOKE", _, "FROM", ..] => Some(Need::Membership { granted: name(1) }),
        ["ALTER", "DATABASE", _, "SET" | "RESET", ..] => {
            Some(Need::DatabaseSetting { database: name(2), setting: setting(tokens.get(4)?) })
        }
        ["ALTER", "SYSTEM", "SET" | "RESET", ..] => {
            Some(Need::ServerSetting { setting: setting(tokens.get(3)?) })
        }
        ["CREATE", "EXTENSION", ..] => Some(Need::NewExtension { name: name(named(2)?) }),
        [what @ ("ALTER" | "DROP"), "EXTENSION", ..] => {
            Some(Need::Extension { name: name(named(2)?), is_update: *what == "ALTER" })
        }
        ["CREATE", "INDEX", ..] | ["CREATE", "UNIQUE", "INDEX", ..] => {
            let on = words.iter().position(|word| *word == "ON")?;
            Some(Need::Index(relation(on + 1)?))
        }
        ["ALTER", "TABLE" | "INDEX" | "SEQUENCE", ..] => Some(Need::Own(relation(2)?)),
        ["DROP", "TABLE" | "INDEX" | "SEQUENCE", ..] => Some(Need::Drop(relation(2)?)),
        ["REINDEX", ..] => {
            Some(Need::Maintain { relation: relation(after_options(statement, 1))?, is_reindex: true })
        }
        ["VACUUM" | "ANALYZE", ..] => match relation(after_options(statement, 1)) {
            Some(relation) => Some(Need::Maintain { relation, is_reindex: false }),
            None => Some(Need::MaintainAll),
        },
        _ => None,
    }
}

/// A function that changes something.
fn of_call(statement: &str) -> Option<Need> {
    let calls = |name: &str| statement.contains(&format!("{name}("));
    if calls("pg_terminate_backend") || calls("pg_cancel_backend") {
        let (_, rest) = statement.split_once("WHERE pid = ")?;
        let pid: String = rest.chars().take_while(char::is_ascii_digit).collect();
        return (!pid.is_empty()).then_some(Need::Signal { pid });
    }
    if calls("pg_drop_replication_slot") {
        return Some(Need::Slot);
    }
    ["pg_reload_conf", "pg_wal_replay_resume", "pg_wal_replay_pause"]
        .into_iter()
        .find(|name| calls(name))
        .map(|name| Need::Call {
            function: match name {
                "pg_reload_conf" => "pg_catalog.pg_reload_conf()",
                "pg_wal_replay_resume" => "pg_catalog.pg_wal_replay_resume()",
                _ => "pg_catalog.pg_wal_replay_pause()",
            },
        })
}

/// Behind how many tokens the options in parentheses end, where they come after the first.
fn after_options(statement: &str, first: usize) -> usize {
    let Some((before, rest)) = statement.split_once('(') else { return first };
    if tokens(before).len() > first {
        return first;
    }
    first + rest.split_once(')').map_or(0, |(options, _)| tokens(options).len())
}

fn setting(token: &str) -> String {
    token.to_ascii_lowercase()
}

/// Names and words, in which quotes hold together what is in them.
fn tokens(statement: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut token = String::new();
    let mut quote = None;
    for character in statement.chars() {
        match (quote, character) {
            (Some(open), _) => {
                quote = (character != open).then_some(open);
                token.push(character);
            }
            (None, '"' | '\'') => {
                quote = Some(character);
                token.push(character);
            }
            (None, ' ' | '\n' | '\t' | '(' | ')' | ',' | ';' | '=') => {
                if !token.is_empty() {
                    all.push(std::mem::take(&mut token));
                }
            }
            (None, _) => token.push(character),
        }
    }
    if !token.is_empty() {
        all.push(token);
    }
    all
}

/// The parts of a name with dots, without their quotes: what is not quoted is in lower case for the server.
fn names(token: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut name = String::new();
    let mut is_quoted = false;
    let mut characters = token.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                characters.next();
                name.push('"');
            }
            '"' => is_quoted = !is_quoted,
            '.' if !is_quoted => all.push(std::mem::take(&mut name)),
            other if is_quoted => name.push(other),
            other => name.extend(other.to_lowercase()),
        }
    }
    all.push(name);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn relation(schema: &str, name: &str) -> Relation {
        Relation { schema: (!schema.is_empty()).then(|| schema.to_owned()), name: name.to_owned() }
    }

    #[test]
    fn statements_are_read_with_their_names() {
        let text = str::to_owned;
        let maintain =
            |schema, name, is_reindex| Need::Maintain { relation: relation(schema, name), is_reindex };
        let cases = [
            (
                r#"ALTER ROLE "o'app ""x" IN DATABASE "my db" SET lock_timeout = '5s'"#,
                Need::RoleSetting { role: text("o'app \"x"), setting: text("lock_timeout") },
            ),
            (
                "ALTER ROLE \"app\" RESET Work_Mem",
                Need::RoleSetting { role: text("app"), setting: text("work_mem") },
            ),
            (
                "ALTER ROLE \"app\" CONNECTION LIMIT 5",
                Need::Role { role: text("app"), is_about_bypassing: false },
            ),
            ("ALTER ROLE \"app\" NOBYPASSRLS", Need::Role { role: text("app"), is_about_bypassing: true }),
            ("CREATE ROLE \"app\" LOGIN", Need::NewRole),
            ("GRANT pg_monitor TO \"app\"", Need::Membership { granted: text("pg_monitor") }),
            ("REVOKE \"Mine\" FROM \"app\"", Need::Membership { granted: text("Mine") }),
            (
                "ALTER DATABASE \"shop\" SET lock_timeout = '5s'",
                Need::DatabaseSetting { database: text("shop"), setting: text("lock_timeout") },
            ),
            ("ALTER SYSTEM RESET fsync", Need::ServerSetting { setting: text("fsync") }),
            (
                "CREATE EXTENSION IF NOT EXISTS pg_stat_statements",
                Need::NewExtension { name: text("pg_stat_statements") },
            ),
            ("ALTER EXTENSION x UPDATE", Need::Extension { name: text("x"), is_update: true }),
            (
                "CREATE INDEX CONCURRENTLY orders_id ON public.orders (a, b)",
                Need::Index(relation("public", "orders")),
            ),
            ("CREATE UNIQUE INDEX i ON ONLY \"A b\".\"C.d\" (a)", Need::Index(relation("A b", "C.d"))),
            ("DROP INDEX CONCURRENTLY public.i", Need::Drop(relation("public", "i"))),
            ("ALTER TABLE public.t ALTER COLUMN a TYPE bigint", Need::Own(relation("public", "t"))),
            ("ALTER SEQUENCE s AS bigint NO MAXVALUE", Need::Own(relation("", "s"))),
            ("REINDEX INDEX CONCURRENTLY public.i", maintain("public", "i", true)),
            ("REINDEX (VERBOSE) TABLE public.t", maintain("public", "t", true)),
            ("VACUUM (FULL, ANALYZE) public.t", maintain("public", "t", false)),
            ("VACUUM public.\"(x)\"", maintain("public", "(x)", false)),
            ("ANALYZE public.t", maintain("public", "t", false)),
            ("VACUUM (FREEZE)", Need::MaintainAll),
            ("SELECT pg_catalog.pg_reload_conf()", Need::Call { function: "pg_catalog.pg_reload_conf()" }),
            ("SELECT pg_catalog.pg_drop_replication_slot('s')", Need::Slot),
            (
                "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE pid = 47 AND x",
                Need::Signal { pid: text("47") },
            ),
        ];
        for (statement, need) in cases {
            assert_eq!(need_of(statement), Some(need), "{statement}");
        }
        assert_eq!(need_of("SELECT 1"), None);
        assert_eq!(need_of("GRANT SELECT ON TABLE t TO app"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(ALTER|VACUUM|CREATE INDEX|SELECT|REINDEX)? ?\\PC{0,80}") {
            let _ = need_of(&text);
        }

        #[test]
        fn a_quoted_name_is_read_as_it_was(schema in "[^\\x00]{1,12}", name in "[^\\x00]{1,12}") {
            let quoted = |name: &str| crate::checks::subject::quoted(name);
            let statement = format!("ALTER TABLE {}.{} RESET (a)", quoted(&schema), quoted(&name));
            let own = Need::Own(Relation { schema: Some(schema), name });
            prop_assert_eq!(need_of(&statement), Some(own));
        }
    }
}
