//! The question whether the role that asks has what a statement needs: one row at most, with `may`, and what tells why not.

use super::need::{Need, Relation};
use crate::checks::subject::literal;

/// How many superusers are named.
const NAMED: u32 = 3;

/// Whether it owns the relation `c`, or is a member of the role that does.
const OWNS: &str = "pg_catalog.pg_has_role(me.oid, c.relowner, 'USAGE')";

/// The question. It has no row where what the statement is about does not exist.
pub(super) fn of(need: &Need, major: u32) -> String {
    let asked = match need {
        Need::RoleSetting { role, setting } => role_setting(role, setting, major),
        Need::DatabaseSetting { database, setting } => database_setting(database, setting, major),
        Need::ServerSetting { setting } => server_setting(setting, major),
        Need::Role { role, is_about_bypassing } => of_role(role, *is_about_bypassing, major),
        Need::NewRole => plain("me.rolcreaterole"),
        Need::Membership { granted } => membership(granted, major),
        Need::NewExtension { name } => new_extension(name),
        Need::Extension { name, is_update } => extension(name, *is_update),
        Need::Own(relation) => of_relation(relation, &[OWNS]),
        Need::Drop(relation) => of_relation(
            relation,
            &[&format!("({OWNS} OR pg_catalog.pg_has_role(me.oid, n.nspowner, 'USAGE'))")],
        ),
        Need::Index(relation) => {
            of_relation(relation, &[OWNS, "pg_catalog.has_schema_privilege(me.oid, n.oid, 'CREATE')"])
        }
        Need::Maintain { relation, is_reindex } => of_relation(relation, &[&maintains(*is_reindex, major)]),
        Need::MaintainAll => maintain_all(major),
        Need::Slot => plain("me.rolreplication"),
        Need::Signal { pid } => signal(pid),
        Need::Call { function } => {
            plain(&format!("pg_catalog.has_function_privilege(me.oid, {}, 'EXECUTE')", literal(function)))
        }
    };
    format!(
        "SELECT asked.*, (SELECT pg_catalog.string_agg(s.rolname, ', ') FROM (SELECT rolname FROM pg_catalog.pg_roles \
         WHERE rolsuper AND rolcanlogin ORDER BY oid LIMIT {NAMED}) AS s) AS superusers, \
         COALESCE((SELECT o.rolsuper FROM pg_catalog.pg_roles AS o WHERE o.rolname = asked.owner), false) AS owner_is_super FROM ({asked}) AS asked"
    )
}

/// The row: whether it may, and what tells why not. Not all of it matters to each.
struct Columns<'a> {
    may: &'a str,
    may_whom: &'a str,
    owner: &'a str,
    is_high: &'a str,
    is_off: &'a str,
    is_trusted: &'a str,
    schema: &'a str,
    table_name: &'a str,
    from: &'a str,
}

const NOTHING: Columns<'static> = Columns {
    may: "false",
    may_whom: "false",
    owner: "NULL",
    is_high: "false",
    is_off: "false",
    is_trusted: "false",
    schema: "NULL",
    table_name: "NULL",
    from: "(SELECT 1) AS one ON true",
};

impl Columns<'_> {
    /// `from` is what the row of the role that asks is joined with, and which.
    fn question(&self) -> String {
        let Columns { may, may_whom, owner, is_high, is_off, is_trusted, schema, table_name, from } = self;
        format!(
            "SELECT COALESCE({may}, false) AS may, COALESCE({may_whom}, false) AS may_whom, {owner} AS owner, \
             COALESCE({is_high}, false) AS is_high, COALESCE({is_off}, false) AS is_off, \
             COALESCE({is_trusted}, false) AS is_trusted, {schema} AS schema, {table_name} AS table_name \
             FROM pg_catalog.pg_roles AS me JOIN {from} WHERE me.rolname = current_user LIMIT 1"
        )
    }
}

/// What is a matter of the role that asks alone.
fn plain(may: &str) -> String {
    Columns { may, ..NOTHING }.question()
}

/// Whether it may set this for a role or a database: what only superusers set is granted by parameter since 15.
fn may_set(setting: &str, major: u32) -> String {
    let setting = literal(setting);
    let granted = if major >= 15 {
        format!(" OR pg_catalog.has_parameter_privilege(me.oid, {setting}, 'SET')")
    } else {
        String::new()
    };
    format!(
        "(me.rolsuper OR COALESCE((SELECT p.context = 'user' FROM pg_catalog.pg_settings AS p WHERE lower(p.name) = {setting}), \
         true){granted})"
    )
}

/// Whether CREATEROLE reaches the role `r`: since 16 with ADMIN OPTION on it alone.
fn reaches(major: u32) -> &'static str {
    if major >= 16 {
        "(me.rolcreaterole AND pg_catalog.pg_has_role(me.oid, r.oid, 'MEMBER WITH ADMIN OPTION'))"
    } else {
        "me.rolcreaterole"
    }
}

fn role_setting(role: &str, setting: &str, major: u32) -> String {
    let whom = format!("NOT r.rolsuper AND (r.oid = me.oid OR {})", reaches(major));
    let may = format!("{whom} AND {}", may_set(setting, major));
    let from = format!("pg_catalog.pg_roles AS r ON r.rolname = {}", literal(role));
    Columns { may: &may, may_whom: &whom, is_high: "r.rolsuper", from: &from, ..NOTHING }.question()
}

fn of_role(role: &str, is_about_bypassing: bool, major: u32) -> String {
    let mut may = format!("NOT r.rolsuper AND {}", reaches(major));
    let mut is_high = "r.rolsuper".to_owned();
    if major < 16 {
        // Before 16, these take a superuser.
        may.push_str(" AND NOT r.rolreplication");
        is_high = format!("r.rolsuper OR r.rolreplication OR {is_about_bypassing}");
    }
    if is_about_bypassing {
        may.push_str(if major >= 16 { " AND me.rolbypassrls" } else { " AND false" });
    }
    let from = format!("pg_catalog.pg_roles AS r ON r.rolname = {}", literal(role));
    Columns { may: &may, is_high: &is_high, from: &from, ..NOTHING }.question()
}

fn membership(granted: &str, major: u32) -> String {
    let admin = "pg_catalog.pg_has_role(me.oid, r.oid, 'MEMBER WITH ADMIN OPTION')";
    let may = if major >= 16 {
        format!("NOT r.rolsuper AND {admin}")
    } else {
        format!("NOT r.rolsuper AND (me.rolcreaterole OR {admin})")
    };
    let from = format!("pg_catalog.pg_roles AS r ON r.rolname = {}", literal(granted));
    Columns { may: &may, from: &from, ..NOTHING }.question()
}

fn database_setting(database: &str, setting: &str, major: u32) -> String {
    let whom = "pg_catalog.pg_has_role(me.oid, d.datdba, 'USAGE')";
    let may = format!("{whom} AND {}", may_set(setting, major));
    let from = format!("pg_catalog.pg_database AS d ON d.datname = {}", literal(database));
    let owner = "pg_catalog.pg_get_userbyid(d.datdba)";
    Columns { may: &may, may_whom: whom, owner, from: &from, ..NOTHING }.question()
}

fn server_setting(setting: &str, major: u32) -> String {
    let off =
        "(SELECT p.setting = 'off' FROM pg_catalog.pg_settings AS p WHERE p.name = 'allow_alter_system')";
    let granted = if major >= 15 {
        format!("pg_catalog.has_parameter_privilege(me.oid, {}, 'ALTER SYSTEM')", literal(setting))
    } else {
        "false".to_owned()
    };
    let may = format!("(me.rolsuper OR {granted}) AND NOT COALESCE({off}, false)");
    Columns { may: &may, is_off: off, ..NOTHING }.question()
}

/// The version that would be installed; one that needs no superuser for its script needs CREATE on the database.
fn new_extension(name: &str) -> String {
    let creates = "pg_catalog.has_database_privilege(me.oid, pg_catalog.current_database(), 'CREATE')";
    let may = format!("(NOT v.superuser OR v.trusted) AND {creates}");
    let from = format!(
        "pg_catalog.pg_available_extension_versions AS v ON v.name = {0} AND v.version = \
         (SELECT e.default_version FROM pg_catalog.pg_available_extensions AS e WHERE e.name = {0})",
        literal(name)
    );
    Columns { may: &may, is_trusted: "NOT v.superuser OR v.trusted", from: &from, ..NOTHING }.question()
}

/// An update that changes nothing needs no more than its owner.
fn extension(name: &str, is_update: bool) -> String {
    let owns = "pg_catalog.pg_has_role(me.oid, x.extowner, 'USAGE')";
    let mut may = owns.to_owned();
    if is_update {
        may.push_str(
            " AND NOT EXISTS (SELECT FROM pg_catalog.pg_available_extensions AS e \
             JOIN pg_catalog.pg_available_extension_versions AS v ON v.name = e.name AND v.version = e.default_version \
             WHERE e.name = x.extname AND e.default_version <> x.extversion AND v.superuser AND NOT v.trusted)",
        );
    }
    let from = format!("pg_catalog.pg_extension AS x ON x.extname = {}", literal(name));
    let owner = "pg_catalog.pg_get_userbyid(x.extowner)";
    Columns { may: &may, may_whom: owns, owner, from: &from, ..NOTHING }.question()
}

/// All of these have to hold of the relation `c` in the schema `n`; the first tells whether it is about its owner.
fn of_relation(relation: &Relation, all: &[&str]) -> String {
    let Relation { schema, name } = relation;
    let which = match schema {
        Some(schema) => format!("n.nspname = {}", literal(schema)),
        None => "pg_catalog.pg_table_is_visible(c.oid)".to_owned(),
    };
    let from = format!(
        "pg_catalog.pg_class AS c ON c.relname = {} JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND {which} \
         LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid \
         LEFT JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid \
         LEFT JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace",
        literal(name)
    );
    Columns {
        may: &all.join(" AND "),
        may_whom: all.first().copied().unwrap_or("false"),
        owner: "pg_catalog.pg_get_userbyid(c.relowner)",
        schema: "n.nspname",
        table_name: "pg_catalog.format('%I.%I', COALESCE(tn.nspname, n.nspname), COALESCE(t.relname, c.relname))",
        from: &from,
        ..NOTHING
    }
    .question()
}

/// Whether it may vacuum, analyze or rebuild the relation `c`; the table `t` where that is an index.
fn maintains(is_reindex: bool, major: u32) -> String {
    let owns_database = "(NOT c.relisshared AND EXISTS (SELECT FROM pg_catalog.pg_database AS d \
                         WHERE d.datname = pg_catalog.current_database() AND pg_catalog.pg_has_role(me.oid, d.datdba, 'USAGE')))";
    let own = if major >= 17 {
        "pg_catalog.has_table_privilege(me.oid, COALESCE(t.oid, c.oid), 'MAINTAIN')"
    } else {
        OWNS
    };
    if is_reindex { own.to_owned() } else { format!("({own} OR {owns_database})") }
}

fn maintain_all(major: u32) -> String {
    let owns = "pg_catalog.pg_has_role(me.oid, d.datdba, 'USAGE')";
    let may = if major >= 17 {
        format!("({owns} OR pg_catalog.pg_has_role(me.oid, 'pg_maintain', 'USAGE'))")
    } else {
        owns.to_owned()
    };
    let from = "pg_catalog.pg_database AS d ON d.datname = pg_catalog.current_database()";
    Columns { may: &may, owner: "pg_catalog.pg_get_userbyid(d.datdba)", from, ..NOTHING }.question()
}

/// The session's role; of a superuser's session only a superuser disposes.
fn signal(pid: &str) -> String {
    let may = "NOT r.rolsuper AND (pg_catalog.pg_has_role(me.oid, r.oid, 'USAGE') \
               OR pg_catalog.pg_has_role(me.oid, 'pg_signal_backend', 'USAGE'))";
    let from = format!(
        "pg_catalog.pg_stat_activity AS a ON a.pid = {pid} JOIN pg_catalog.pg_roles AS r ON r.oid = a.usesysid"
    );
    Columns { may, owner: "r.rolname", is_high: "r.rolsuper", from: &from, ..NOTHING }.question()
}
