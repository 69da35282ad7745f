//! Puts together what each transaction behind a transaction pooler states at its beginning.
//!
//! There a server session bears what its previous clients have left. A `SET search_path` of another client of the same
//! login, or a temporary table that hides a real one, decides where the next client's rows go, without any notice. So the
//! message with BEGIN states every setting that decides what is stored, seen or promised, at the login's own values.
//!
//! | stated | because left over it would |
//! |---|---|
//! | `search_path`, with `pg_temp` last | write to another schema's table, or to a temporary one of that name |
//! | `role` | write as another, or be refused |
//! | `row_security` | fail where rows were to be filtered |
//! | `DateStyle`, `IntervalStyle`, `TimeZone` | read the same text as another time |
//! | `standard_conforming_strings` | read the same text as another string |
//! | `extra_float_digits`, `bytea_output` | store other digits where a value is cast to text |
//! | `synchronous_commit` | acknowledge what a crash may still lose |
//! | isolation, read only, deferrable (in BEGIN itself) | see other rows, or refuse each write |
//! | the limits of [`guardrails`](super::guardrails) | let a statement run without an end |
//!
//! | not stated | because |
//! |---|---|
//! | `client_encoding`, `application_name` | the pooler keeps them for each client; the name of a transaction ends with it |
//! | `session_replication_role`, `session_authorization` | only a superuser may set them; the [`CANARY`] looks |
//! | `transform_null_equals` and others that are hardly ever set | the [`CANARY`] looks |
//! | planner, memory and logging settings | they change how fast, and not what |
//! | settings with a dot | they are an application's own, which states them with `SET LOCAL` where it needs them |
//! | settings for new objects (`default_tablespace`, ..) | they concern the schema's owner, who connects directly |
//!
//! The statements cost an eighth of a small transaction; three times as many would cost a third. What is the same for every
//! transaction of a login goes by `SET LOCAL`, which costs the server least. What differs between transactions (a limit
//! that a deadline has tightened, the name of the session) is put as [`varying`](super::varying) tells.

use super::guardrails::Guardrail;
use std::fmt::Write;

/// The settings that are stated, beside the limits.
pub(crate) const STATED: [&str; 10] = [
    "search_path",
    "role",
    "row_security",
    "DateStyle",
    "IntervalStyle",
    "TimeZone",
    "standard_conforming_strings",
    "extra_float_digits",
    "bytea_output",
    "synchronous_commit",
];

/// Asks for the login's own values: those to which a RESET goes back, whatever the session has now. One row a setting.
pub(crate) const ASK: &str = "SELECT name, reset_val FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) \
     ANY (ARRAY['search_path', 'role', 'row_security', 'DateStyle', 'IntervalStyle', 'TimeZone', \
     'standard_conforming_strings', 'extra_float_digits', 'bytea_output', \
     'synchronous_commit', 'default_transaction_isolation', 'default_transaction_read_only', \
     'default_transaction_deferrable']) \
     UNION ALL SELECT 'in_recovery', pg_catalog.pg_is_in_recovery()::text";

/// What a session outside of any transaction has that its login does not: settings, temporary objects, session locks.
/// One row each. What the pooler itself sets for each client is left out.
pub(crate) const CANARY: &str = "SELECT name FROM pg_catalog.pg_settings WHERE setting IS DISTINCT FROM reset_val \
     AND source OPERATOR(pg_catalog.=) 'session' AND name OPERATOR(pg_catalog.<>) \
     ALL (ARRAY['application_name', 'client_encoding']) \
     UNION ALL SELECT 'temporary ' || relname FROM pg_catalog.pg_class \
     WHERE relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema() \
     AND relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'v', 'S']::pg_catalog.\"char\"[]) \
     UNION ALL SELECT 'an advisory lock' FROM pg_catalog.pg_locks WHERE locktype OPERATOR(pg_catalog.=) 'advisory' \
     AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() LIMIT 8";

/// The login's own values.
#[derive(Clone, Debug, Default)]
pub(crate) struct SessionDefaults {
    values: Vec<(String, String)>,
}

impl SessionDefaults {
    pub(crate) fn of(rows: impl IntoIterator<Item = (String, String)>) -> Self {
        SessionDefaults { values: rows.into_iter().collect() }
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether the server, or the login, only reads.
    pub(crate) fn only_reads(&self) -> bool {
        self.value("in_recovery") == Some("true") || self.is_on("default_transaction_read_only")
    }

    /// Whether each statement of a transaction takes its own snapshot, unless the transaction asks for another isolation.
    pub(crate) fn is_read_committed(&self) -> bool {
        self.value("default_transaction_isolation").is_some_and(takes_snapshots_anew)
    }

    fn is_on(&self, name: &str) -> bool {
        self.value(name) == Some("on")
    }

    /// What stands behind BEGIN: what was asked for, else what the login has. A server that only reads does not let
    /// a transaction ask for more.
    pub(crate) fn mode(&self, asked: Mode) -> String {
        let mut mode = String::new();
        let isolation = asked.isolation.map(str::to_owned);
        let own = || self.value("default_transaction_isolation").map(str::to_ascii_uppercase);
        if let Some(isolation) = isolation.or_else(own) {
            let _ = write!(mode, " ISOLATION LEVEL {isolation}");
        }
        match asked.read_only || self.only_reads() {
            true => mode.push_str(" READ ONLY"),
            false => mode.push_str(" READ WRITE"),
        }
        match asked.deferrable || self.is_on("default_transaction_deferrable") {
            true => mode.push_str(" DEFERRABLE"),
            false => mode.push_str(" NOT DEFERRABLE"),
        }
        mode
    }

    /// The statements that state what is the same for most transactions, for the one that is open: these limits, and what
    /// the login has.
    pub(crate) fn statements(&self, usual: &[Guardrail]) -> String {
        let mut sql = String::with_capacity(700);
        for Guardrail { name, millis } in usual {
            let _ = write!(sql, " SET LOCAL {name} = {millis};");
        }
        for name in STATED {
            let Some(value) = self.value(name) else { continue };
            let _ = match name {
                "search_path" => write!(sql, " {}", path(&temporary_last(value))),
                _ => write!(sql, " SET LOCAL {name} = {};", quoted(value)),
            };
        }
        sql
    }
}

/// States a search path, which is a list of names and not a string. One that is not plain goes by a function.
fn path(path: &str) -> String {
    let plain = |schema: &str| {
        let name = schema.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(schema);
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '$';
        (!name.is_empty() && name.chars().all(is_plain)).then(|| format!("\"{name}\""))
    };
    let names: Option<Vec<String>> = path.split(',').map(|schema| plain(schema.trim())).collect();
    match names {
        Some(names) => format!("SET LOCAL search_path = {};", names.join(", ")),
        None => format!("SELECT pg_catalog.set_config('search_path', {}, true);", quoted(path)),
    }
}

/// Whether each statement takes its own snapshot, by the server's name of the isolation.
pub(super) fn takes_snapshots_anew(isolation: &str) -> bool {
    matches!(isolation, "read committed" | "read uncommitted")
}

/// What was asked of a transaction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mode {
    pub(crate) isolation: Option<&'static str>,
    pub(crate) read_only: bool,
    pub(crate) deferrable: bool,
}

/// Unless it is named, `pg_temp` is looked in first. In an empty path it would be where new objects go.
fn temporary_last(path: &str) -> String {
    let is_named = path.split(',').any(|schema| schema.trim().trim_matches('"') == "pg_temp");
    match path.trim() {
        "" | "\"\"" => "pg_catalog, pg_temp".to_owned(),
        path if is_named => path.to_owned(),
        path => format!("{path}, pg_temp"),
    }
}

/// A constant that is read alike whatever `standard_conforming_strings` says.
pub(super) fn quoted(value: &str) -> String {
    let doubled = value.replace('\'', "''");
    match doubled.contains('\\') {
        true => format!("E'{}'", doubled.replace('\\', "\\\\")),
        false => format!("'{doubled}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(values: &[(&str, &str)]) -> SessionDefaults {
        SessionDefaults::of(values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn what_was_asked_for_goes_before_what_the_login_has() {
        let own = own(&[
            ("default_transaction_isolation", "repeatable read"),
            ("default_transaction_read_only", "off"),
        ]);
        let plain = own.mode(Mode::default());
        assert_eq!(plain, " ISOLATION LEVEL REPEATABLE READ READ WRITE NOT DEFERRABLE");
        let asked = Mode { isolation: Some("SERIALIZABLE"), read_only: true, deferrable: true };
        assert_eq!(own.mode(asked), " ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE");
        let standby = SessionDefaults::of([("in_recovery".to_owned(), "true".to_owned())]);
        assert_eq!(standby.mode(Mode::default()), " READ ONLY NOT DEFERRABLE");
    }

    #[test]
    fn temporary_objects_are_looked_for_last_and_never_made_by_the_way() {
        assert_eq!(temporary_last("\"$user\", public"), "\"$user\", public, pg_temp");
        assert_eq!(temporary_last("pg_temp, public"), "pg_temp, public");
        assert_eq!(temporary_last(""), "pg_catalog, pg_temp");
    }

    #[test]
    fn no_value_breaks_out() {
        let own = own(&[("search_path", "\"$user\", public"), ("TimeZone", "a'b\\c")]);
        assert_eq!(
            own.statements(&[Guardrail { name: "lock_timeout", millis: 5 }]),
            " SET LOCAL lock_timeout = 5; SET LOCAL search_path = \"$user\", \"public\", \"pg_temp\"; \
             SET LOCAL TimeZone = E'a''b\\\\c';"
        );
        assert_eq!(SessionDefaults::default().statements(&[]), "");
    }

    #[test]
    fn a_path_that_is_not_plain_goes_by_a_function() {
        assert_eq!(path("a, \"$user\""), "SET LOCAL search_path = \"a\", \"$user\";");
        for odd in ["A B, pg_temp", "\"a\"\"b\", pg_temp", "a; drop table t", "a,,b"] {
            assert!(path(odd).starts_with("SELECT pg_catalog.set_config("), "{odd}");
        }
    }

    #[test]
    fn every_stated_setting_is_asked_for() {
        assert!(STATED.iter().all(|name| ASK.contains(&format!("'{name}'"))));
    }
}
