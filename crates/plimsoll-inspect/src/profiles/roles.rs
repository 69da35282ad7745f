//! The rule of the profile `roles`: three login roles with the least that each needs.
//!
//! | role | what it may |
//! |---|---|
//! | the application's | read and write the rows of the schema's tables, use its sequences; own nothing, create nothing |
//! | `.._migrations` | create in the schema; what it makes, the application may use by itself (default privileges) |
//! | `.._monitoring` | `pg_monitor`, in transactions that only read, five connections at most |
//!
//! They are roles that log in, without a password: a session takes the limits of the role that logs in and not those of a group
//! (`SET ROLE` and membership bring rights, never settings), so a group could not carry them. Until a password is set
//! (`\password`), they come in only where `pg_hba.conf` asks for none. Nothing is taken from `PUBLIC`, since that
//! can stop a program that is running; it is advice.

use super::level::{Level, Place};
use super::role_there::{self, There};
use super::situation::{Situation, ask};
use super::step::{Planned, Probe, Reading, Step};
use crate::answer::rows;
use crate::checks::finding::Effect;
use crate::checks::run::NotAsked;
use crate::checks::subject::{literal, quoted};
use std::collections::BTreeMap;
use tokio::time::Instant;
use tokio_postgres::Client;

/// What `docs/db.md` says of it.
pub(crate) const PAGE: &str = "
## Roles

`plimsoll apply --profile roles --role app` (or `--create-roles` beside the profile `service`) makes three roles that log in, with
the least that each needs in the schema `public` (`--schema` names another). It runs as a superuser; any other role gets the SQL.

| role | may | may not | its sessions |
|---|---|---|---|
| `app` | read and write rows, use sequences: what is there, and what `app_migrations` makes later | make, alter, drop or truncate anything | as above |
| `app_migrations` | make things in the schema; they are its own | alter or drop what another role owns | `lock_timeout` 5 s, no `statement_timeout` |
| `app_monitoring` | see all sessions, settings and statistics (`pg_monitor`); 5 connections | read a row of a table | read only; `statement_timeout` 10 s, `lock_timeout` 1 s |

- They log in, and are no groups, because a session takes the limits of the role that logs in and of no other. They have no
  password until somebody sets one (`\\password app` in psql); until then they come in only where `pg_hba.conf` asks for none.
- What the application may do with tables that are made later comes by `ALTER DEFAULT PRIVILEGES FOR ROLE app_migrations`: so
  migrations log in as that role. Tables that are there and belong to another role stay its own.
- What `PUBLIC` may is left, since programs that run may rely on it; the plan shows the `REVOKE` to run when none does. PostgreSQL 15
  and later let `PUBLIC` make nothing in `public` in a new database.
";

/// How many relations one statement names.
const IN_ONE_STATEMENT: usize = 200;

/// How many bytes a name may have.
const LONGEST_NAME: usize = 63;

/// What the roles are made for.
#[derive(Clone, Copy, Debug)]
pub struct Cast<'a> {
    /// The application's role.
    pub app: &'a str,
    /// The schema that it works in.
    pub schema: &'a str,
    /// The database.
    pub database: &'a str,
}

impl Cast<'_> {
    fn migrations(&self) -> String {
        format!("{}_migrations", self.app)
    }

    fn monitoring(&self) -> String {
        format!("{}_monitoring", self.app)
    }
}

/// What it takes to have these roles. It asks the server what there is already.
///
/// # Errors
/// The server does not answer, or refuses.
///
/// # Cancel safety
/// As [`ask`].
pub async fn plan(
    client: &Client,
    situation: &Situation,
    cast: &Cast<'_>,
    until: Instant,
) -> Result<Vec<Planned>, NotAsked> {
    let mut all = Vec::new();
    let (migrations, monitoring) = (cast.migrations(), cast.monitoring());
    let names = [cast.app, migrations.as_str(), monitoring.as_str()];
    let there = role_there::of(client, cast.app, &names, until).await?;
    for step in steps(cast, &missing(client, cast, until).await?) {
        let Probe::Sql { sql } = &step.after else { continue };
        let answer = ask(client, &format!("SELECT ({sql}) AS is_so"), cast.app, until).await?;
        let mut is_so = false;
        for row in rows(&answer) {
            is_so = row.flag("is_so")?;
        }
        all.push(if is_so {
            let role = step.what.strip_prefix("role ").and_then(|role| there.get(role));
            let is = role.map_or(step.will, There::in_words);
            Planned::Already { what: step.what, is, from: step.from, reading: step.reading }
        } else if situation.rights.all {
            Planned::Step(Box::new(step))
        } else {
            Planned::Missing {
                what: step.what,
                is: step.is,
                from: step.from,
                will: step.will,
                why: format!(
                    "role {} is no superuser, and no lesser role may do all of this; superusers: {}",
                    situation.subject.login, situation.rights.superusers
                ),
                grant: Vec::new(),
                sql: step.run,
            }
        });
    }
    all.push(Planned::Advice {
        what: format!("PUBLIC, database {} and schema {}", cast.database, cast.schema),
        is: "not looked at".to_owned(),
        text: format!(
            "what every role may is left as it is, since programs that run may rely on it; to take it away:\n\
             REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC;\nREVOKE CREATE ON SCHEMA {} FROM PUBLIC;",
            quoted(cast.database),
            quoted(cast.schema)
        ),
    });
    all.extend(role_there::passwords(&names, &there));
    Ok(all)
}

/// Why these roles cannot be made for this schema, if they cannot: told before anything is begun.
///
/// # Errors
/// The server does not answer, or refuses.
///
/// # Cancel safety
/// As [`ask`].
pub async fn impossible(
    client: &Client,
    cast: &Cast<'_>,
    until: Instant,
) -> Result<Option<String>, NotAsked> {
    for name in [cast.app.to_owned(), cast.migrations(), cast.monitoring()] {
        if name.len() > LONGEST_NAME {
            return Ok(Some(format!(
                "a role cannot be called {name}: PostgreSQL's names have at most {LONGEST_NAME} bytes, and this has {}",
                name.len()
            )));
        }
        if name.starts_with("pg_") || ["public", "none"].contains(&name.as_str()) || name.is_empty() {
            return Ok(Some(format!(
                "a role cannot be called {name:?}: PostgreSQL keeps that name for itself"
            )));
        }
    }
    let question = format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = {}) AS is_there",
        literal(cast.schema)
    );
    let answer = ask(client, &question, cast.app, until).await?;
    for row in rows(&answer).filter(|row| row.has("is_there")) {
        if !row.flag("is_there")? {
            return Ok(Some(format!(
                "there is no schema {} in database {}: make it (CREATE SCHEMA {}), or name another by --schema",
                cast.schema,
                cast.database,
                quoted(cast.schema)
            )));
        }
    }
    Ok(None)
}

/// The relations of the schema for which the application's role has not all it needs, by what it lacks.
async fn missing(
    client: &Client,
    cast: &Cast<'_>,
    until: Instant,
) -> Result<BTreeMap<(String, String), Vec<String>>, NotAsked> {
    let question = include_str!("roles.sql")
        .replace("{app}", &literal(cast.app))
        .replace("{schema}", &literal(cast.schema));
    let answer = ask(client, &question, cast.app, until).await?;
    let mut found: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for row in rows(&answer) {
        let text = |column| row.text(column).map(|text| text.unwrap_or_default().to_owned());
        found.entry((text("kind")?, text("lacks")?)).or_default().push(text("relation")?);
    }
    Ok(found)
}

fn step(what: String, why: &str, [is, will]: [&str; 2], [run, undo]: [String; 2], after: &str) -> Step {
    Step {
        what,
        why: why.to_owned(),
        is: is.to_owned(),
        from: "the catalogs".to_owned(),
        will: will.to_owned(),
        run: vec![run],
        undo: vec![undo],
        effect: Effect::Now,
        before: Probe::sql(format!("SELECT NOT ({after})")),
        after: Probe::sql(format!("SELECT {after}")),
        reading: Reading::Probe { probe: Probe::sql(format!("SELECT {after}")) },
        note: None,
    }
}

/// All steps, whether they are needed or not.
fn steps(cast: &Cast<'_>, missing: &BTreeMap<(String, String), Vec<String>>) -> Vec<Step> {
    let mut all = making(cast);
    all.extend(of_database_and_schema(cast));
    let app = quoted(cast.app);
    for ((kind, lacks), relations) in missing {
        for some in relations.chunks(IN_ONE_STATEMENT) {
            let names = some.join(", ");
            let list: Vec<String> = some.iter().map(|name| literal(name)).collect();
            let rights: Vec<String> = lacks.split(", ").map(literal).collect();
            let counted = format!(
                "(SELECT count(DISTINCT (c.oid, a.privilege_type)) FROM pg_catalog.pg_class AS c \
                 CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS a JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee \
                 WHERE r.rolname = {} AND c.oid = ANY (ARRAY[{}]::pg_catalog.regclass[]::pg_catalog.oid[]) \
                 AND a.privilege_type IN ({}))",
                literal(cast.app),
                list.join(", "),
                rights.join(", ")
            );
            let grant = [
                format!("GRANT {lacks} ON {kind} {names} TO {app}"),
                format!("REVOKE {lacks} ON {kind} {names} FROM {app}"),
            ];
            let what = format!(
                "{lacks} on {} of schema {}, role {}",
                count(some.len(), kind),
                cast.schema,
                cast.app
            );
            let mut step = step(what, "it works with the rows that are there", ["no", "yes"], grant, "");
            let all_of_them = some.len() * rights.len();
            step =
                step.told_by(&format!("SELECT {counted} = 0"), &format!("SELECT {counted} = {all_of_them}"));
            all.push(step);
        }
    }
    all.extend(defaults(cast));
    all.extend(limits(cast));
    all
}

fn count(number: usize, kind: &str) -> String {
    let kind = kind.to_ascii_lowercase();
    if number == 1 { format!("1 {kind}") } else { format!("{number} {kind}s") }
}

fn making(cast: &Cast<'_>) -> Vec<Step> {
    const NOTHING: &str = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS";
    let (migrations, monitoring) = (cast.migrations(), cast.monitoring());
    let roles = [
        (
            cast.app,
            NOTHING.to_owned(),
            "the application logs in as a role that owns nothing and may make nothing",
        ),
        (&migrations, NOTHING.to_owned(), "what changes the schema is another role than what uses it"),
        (
            &monitoring,
            format!("{NOTHING} CONNECTION LIMIT 5"),
            "who looks at the server needs no right to its rows",
        ),
    ];
    let mut all: Vec<Step> = roles
        .into_iter()
        .map(|(role, options, why)| {
            let name = quoted(role);
            let statements = [format!("CREATE ROLE {name} {options}"), format!("DROP ROLE {name}")];
            let after = format!("EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {})", literal(role));
            step(format!("role {role}"), why, ["not there", "there, without a password"], statements, &after)
        })
        .collect();
    let name = quoted(&monitoring);
    let after = format!(
        "EXISTS (SELECT FROM pg_catalog.pg_auth_members WHERE roleid = 'pg_monitor'::pg_catalog.regrole AND member = \
         (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = {}))",
        literal(&monitoring)
    );
    let statements = [format!("GRANT pg_monitor TO {name}"), format!("REVOKE pg_monitor FROM {name}")];
    all.push(step(
        format!("pg_monitor, role {monitoring}"),
        "it sees all sessions, settings and statistics",
        ["no", "yes"],
        statements,
        &after,
    ));
    all
}

fn of_database_and_schema(cast: &Cast<'_>) -> Vec<Step> {
    let (migrations, monitoring) = (cast.migrations(), cast.monitoring());
    let database = (
        format!("DATABASE {}", quoted(cast.database)),
        format!(
            "pg_catalog.pg_database AS o CROSS JOIN LATERAL pg_catalog.aclexplode(o.datacl) AS a WHERE o.datname = {}",
            literal(cast.database)
        ),
    );
    let schema = (
        format!("SCHEMA {}", quoted(cast.schema)),
        format!(
            "pg_catalog.pg_namespace AS o CROSS JOIN LATERAL pg_catalog.aclexplode(o.nspacl) AS a WHERE o.nspname = {}",
            literal(cast.schema)
        ),
    );
    let why_connect = "it comes in whatever PUBLIC may";
    let grants = [
        (cast.app, "CONNECT", &database, why_connect),
        (&migrations, "CONNECT", &database, why_connect),
        (&monitoring, "CONNECT", &database, why_connect),
        (cast.app, "USAGE", &schema, "it uses what is in the schema"),
        (&migrations, "USAGE", &schema, "it uses what is in the schema"),
        (&migrations, "CREATE", &schema, "it makes tables there"),
    ];
    let one = |(role, right, (object, acl), why): (&str, &str, &(String, String), &str)| {
        let name = quoted(role);
        let statements = [
            format!("GRANT {right} ON {object} TO {name}"),
            format!("REVOKE {right} ON {object} FROM {name}"),
        ];
        let after = format!(
            "EXISTS (SELECT FROM {acl} AND a.privilege_type = '{right}' AND a.grantee = \
             (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = {}))",
            literal(role)
        );
        step(format!("{right} on {object}, role {role}"), why, ["no", "yes"], statements, &after)
    };
    grants.into_iter().map(one).collect()
}

/// What the migrations' role makes later, the application may use by itself.
fn defaults(cast: &Cast<'_>) -> Vec<Step> {
    let migrations = cast.migrations();
    let (by, schema, app) = (quoted(&migrations), quoted(cast.schema), quoted(cast.app));
    [("TABLES", "r", "SELECT, INSERT, UPDATE, DELETE", 4), ("SEQUENCES", "S", "USAGE, SELECT", 2)]
        .into_iter()
        .map(|(kind, letter, rights, count)| {
            let alter = format!("ALTER DEFAULT PRIVILEGES FOR ROLE {by} IN SCHEMA {schema}");
            let after = format!(
                "(SELECT count(DISTINCT a.privilege_type) FROM pg_catalog.pg_default_acl AS d \
                 JOIN pg_catalog.pg_roles AS m ON m.oid = d.defaclrole \
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = d.defaclnamespace \
                 CROSS JOIN LATERAL pg_catalog.aclexplode(d.defaclacl) AS a \
                 JOIN pg_catalog.pg_roles AS g ON g.oid = a.grantee WHERE m.rolname = {} AND n.nspname = {} \
                 AND d.defaclobjtype = '{letter}' AND g.rolname = {} AND a.privilege_type IN ('{}')) = {count}",
                literal(&migrations),
                literal(cast.schema),
                literal(cast.app),
                rights.replace(", ", "', '")
            );
            let statements = [
                format!("{alter} GRANT {rights} ON {kind} TO {app}"),
                format!("{alter} REVOKE {rights} ON {kind} FROM {app}"),
            ];
            let what = format!("{rights} on future {} of {migrations}, role {}", kind.to_ascii_lowercase(), cast.app);
            step(what, "a new table needs no grant of its own", ["no", "yes"], statements, &after)
        })
        .collect()
}

/// What holds for sessions of the roles beside the application's, whose limits are the profile `service`'s.
fn limits(cast: &Cast<'_>) -> Vec<Step> {
    let (migrations, monitoring) = (cast.migrations(), cast.monitoring());
    let settings = [
        (&migrations, "lock_timeout", "5s", "a migration that waits for a lock makes all behind it wait"),
        (&migrations, "statement_timeout", "0", "an index takes as long as its table is large"),
        (&monitoring, "statement_timeout", "10s", "a question about the server is no burden to it"),
        (&monitoring, "lock_timeout", "1s", "who looks makes nobody wait"),
        (&monitoring, "default_transaction_read_only", "on", "who looks changes nothing by mistake"),
    ];
    settings
        .into_iter()
        .map(|(role, name, value, why)| {
            let place = Place { level: Level::Role, database: cast.database, role };
            let statements = [place.statement(name, Some(value)), place.statement(name, None)];
            let mut step = step(format!("{name}, role {role}"), why, ["not set", value], statements, "");
            step.effect = Effect::NewSessions;
            step.told_by(&place.is(name, None), &place.is(name, Some(value)))
        })
        .collect()
}
