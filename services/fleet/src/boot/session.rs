//! What a session of this service stands under, whatever the login or the database prefers.
//!
//! `ALTER ROLE .. SET` and `ALTER DATABASE .. SET` decide how a text is read as a time, which table an unqualified name
//! means, and whether row-level security is asked at all. None of that may change what is stored. Three things see to it:
//! - values go to the server and come back typed, in binary, never as text; tables are named with their schema;
//! - on a direct connection the list below goes with start-up, which is stronger than what a role or a database says;
//! - what decides over a transaction's rows is stated in the transaction too (see `tenants::transaction`), because a
//!   pooler takes no start-up options, and its sessions are everybody's.
//!
//! | setting | why it is in |
//! |---|---|
//! | `search_path` | an unqualified name (in the migrations, in a policy to come) would mean another table |
//! | `DateStyle`, `TimeZone`, `IntervalStyle` | a time or a span that SQL turns into text or back would be another one |
//! | `standard_conforming_strings` | a backslash in a migration would mean something else |
//! | `bytea_output`, `extra_float_digits` | a value turned into text would be written otherwise, or with fewer digits |
//! | `row_security` | off, it makes an error of every query that a policy would filter |
//! | `default_transaction_isolation` | the work here is written for READ COMMITTED and locks what it counts |
//! | `app.tenant_id` | a session outside of a tenant's transaction sees no tenant's rows |
//!
//! | setting | why it is out |
//! |---|---|
//! | `default_transaction_read_only` | somebody froze all writing, and that is respected: it is refused with 503, nothing is lost |
//! | `session_replication_role` | only a superuser may set it; each transaction looks at it and refuses to go on without triggers |
//! | `synchronous_commit` | a stronger one than ours is kept; `off`, under which an acknowledged row can be lost, is raised in the transaction |
//! | limits (`statement_timeout` and its like) | the library sets and verifies them |
//! | `client_encoding` | the driver says UTF8 at start-up |
//! | `default_tablespace`, planner and logging settings | they change where and how fast, not what |

use plimsoll::settings::{Plan, Settings};
use plimsoll::{Database, Error, Pooler, Result};

/// What goes with start-up, written as it stands there: a blank within a value has a backslash before it.
pub const PINNED: [(&str, &str); 10] = [
    ("search_path", "public,pg_temp"),
    ("DateStyle", "ISO,YMD"),
    ("TimeZone", "UTC"),
    ("IntervalStyle", "postgres"),
    ("standard_conforming_strings", "on"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "1"),
    ("row_security", "on"),
    ("default_transaction_isolation", "read\\ committed"),
    ("app.tenant_id", ""),
];

/// The settings with the list above behind whatever options were said: of two values, the last one counts.
#[must_use]
pub fn pinned(settings: Settings, plan: &Plan) -> Settings {
    let pins = PINNED.iter().map(|(name, value)| format!("-c {name}={value}"));
    let said = Some(plan.options().to_owned()).filter(|said| !said.is_empty());
    settings.options(said.into_iter().chain(pins).collect::<Vec<_>>().join(" "))
}

/// Whether the list can go with start-up: nothing that pools stands between.
#[must_use]
pub fn takes_options(db: &Database) -> bool {
    db.pooler() == Some(Pooler::None)
}

/// Where nothing could be pinned, the migrations still have to make their tables in `public`.
///
/// # Errors
/// When the login's search path leads elsewhere.
///
/// # Cancel safety
/// Only reads.
pub async fn creates_in_public(owner: &Database) -> Result<()> {
    let row = owner.query_one("SELECT pg_catalog.current_schema()::pg_catalog.text", &[]).await?;
    match row.try_get::<_, Option<String>>(0)?.as_deref() {
        Some("public") => Ok(()),
        found => Err(Error::abort(format!(
            "the schema of this service is public, and the search_path of the login {} leads to {} instead; behind a \
             pooler that cannot be set for one session: say ALTER ROLE {0} IN DATABASE {2} SET search_path = public, or \
             name the server itself in DATABASE_URL",
            owner.plan().user(),
            found.unwrap_or("no schema at all"),
            owner.plan().dbname(),
        ))),
    }
}
