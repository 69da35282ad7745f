//! `docs/db.md`: the configuration of PostgreSQL, made of the profiles, so that it says what `plimsoll apply` does.
//!
//! A test compares the page with the one in the repository, runs the SQL that it shows on a real server, and writes it if it is
//! told to (`PLIMSOLL_BLESS=1`).

use super::guards::{Guard, SERVICE, STATEMENTS, WHY_STATEMENTS};
use super::level::{Level, Place};
use super::parts::RELOAD;
use super::roles;
use std::fmt::Write;

/// The names that the page uses.
const DATABASE: &str = "shop";
const ROLE: &str = "app";

const HEAD: &str = "<!-- Made from crates/plimsoll-inspect/src/profiles/; written by `make docs`. -->

# PostgreSQL's configuration

What a server and a database are told so that a service cannot hang on them, and so that it can be seen afterwards what it
did. It holds for programs in any language: the server keeps it, not the client. What a service on Plimsoll says besides, on each
of its connections, is in [guides/timeouts.md](guides/timeouts.md); what it means for a service that is not, in
[guides/without-rust.md](guides/without-rust.md).

`plimsoll apply` does all of it. It shows first what is there, where that comes from, each statement and its inverse:

```sh
plimsoll apply -d postgresql://postgres@db/shop --profile service --role app          # shows it, and changes nothing
plimsoll apply -d postgresql://postgres@db/shop --profile service --role app --run    # asks before each step
plimsoll apply -d postgresql://postgres@db/shop --undo plimsoll-apply-shop-20261130T101500000Z.jsonl --run
```

Every value is read back on a new connection: the application's own, through its pooler, with
`--through postgresql://app:..@pooler/shop`. A value that does not arrive is told with the reason, and the status is 2. What was done
is in a journal, on the disk before the next step: a run that was killed goes on with `--resume FILE`. In the examples the
database is `shop` and the application logs in as `app`.
";

const LEVELS: &str = "
## Which level counts

The same setting can be said at several levels. A later one is stronger:

| level | said by | who may | holds for |
|---|---|---|---|
| server | `postgresql.conf`, `ALTER SYSTEM` | a superuser, or who was granted `ALTER SYSTEM` on it (PostgreSQL 15 and later) | all sessions, when the server has read its files again |
| database | `ALTER DATABASE .. SET` | the database's owner | sessions that begin after it |
| role | `ALTER ROLE .. SET` | `CREATEROLE`, or the role itself | the same, of the role that logs in: neither `SET ROLE` nor membership brings it |
| role in database | `ALTER ROLE .. IN DATABASE .. SET` | the same | the same |
| session | `SET`, start-up options | the program | itself, until it ends |

Behind a pooler in transaction mode the last one is no use: start-up options are refused or dropped, and what one client `SET`s
another one gets. The others hold there too, as soon as the pooler has renewed its connections to the server (`RECONNECT` in its
console, or its `server_lifetime`).

Where the role that applies may not write a setting of the server, it is said for the database, if that is allowed; if not, the plan
has the right that is missing, the SQL for a role that may, and the line for `postgresql.conf`.
";

/// The page.
#[must_use]
pub fn page() -> String {
    let mut text = HEAD.to_owned();
    text.push_str("\n## In short\n\n| setting | value | level | why |\n|---|---|---|---|\n");
    for guard in SERVICE {
        let _ = writeln!(text, "| `{}` | {} | {} | {} |", guard.name, guard.shown, guard.level, guard.why);
    }
    let _ = writeln!(
        text,
        "| extension `{STATEMENTS}` | installed, and loaded | database, server | {WHY_STATEMENTS} |"
    );
    text.push_str(LEVELS);
    text.push_str("\n## Each setting\n");
    for guard in SERVICE {
        text.push_str(&section(guard));
    }
    text.push_str(&extension());
    text.push_str(&by_hand());
    text.push_str(ROLES);
    text
}

fn place(level: Level) -> Place<'static> {
    Place { level, database: DATABASE, role: ROLE }
}

fn section(guard: &Guard) -> String {
    let place = place(guard.level);
    let mut text = format!("\n### {}, {}\n\n", guard.name, guard.level);
    let _ = writeln!(text, "{}: {}.\n", guard.shown, guard.why);
    let reload = if guard.level == Level::Server { format!("; {RELOAD};") } else { ";".to_owned() };
    let _ = writeln!(text, "- Set: `{}{reload}`", place.statement(guard.name, Some(guard.value)));
    if guard.level == Level::Server {
        let _ = writeln!(
            text,
            "- In `postgresql.conf` instead: `{} = {}`, then a reload",
            guard.name, guard.shown
        );
    }
    let _ = writeln!(
        text,
        "- Read back, in a new session of the application's role: `SHOW {};` answers `{}`",
        guard.name, guard.shown
    );
    let _ = writeln!(
        text,
        "- Undo: `{}{reload}` (or `SET` to what was there; the journal has it)",
        place.statement(guard.name, None)
    );
    text
}

fn extension() -> String {
    format!(
        "\n### {STATEMENTS}, extension\n\nInstalled: {WHY_STATEMENTS}.\n\n\
         - Set: `CREATE EXTENSION IF NOT EXISTS {STATEMENTS};` as a superuser, and in `postgresql.conf`, which takes a restart: \
         `shared_preload_libraries = '{STATEMENTS}'`, behind what is there\n\
         - Read back: `SELECT count(*) FROM {STATEMENTS};` answers, and fails as long as the library is not loaded\n\
         - Undo: `DROP EXTENSION {STATEMENTS};`\n"
    )
}

fn by_hand() -> String {
    let mut text = "\n## By hand\n\nAll of it, as a superuser in the database:\n\n```sql\n".to_owned();
    for guard in SERVICE {
        let _ = writeln!(text, "{};", place(guard.level).statement(guard.name, Some(guard.value)));
    }
    let _ = writeln!(text, "{RELOAD};\nCREATE EXTENSION IF NOT EXISTS {STATEMENTS};\n```\n");
    text.push_str("Read back, in a new session of the application's role; every row says `t`:\n\n```sql\n");
    let rows: Vec<String> = shown().iter().map(|(name, shown)| format!("('{name}', '{shown}')")).collect();
    let _ = writeln!(
        text,
        "SELECT name, pg_catalog.current_setting(name) AS shown, pg_catalog.current_setting(name) = wanted AS is_so\n\
         FROM (VALUES {}) AS wanted (name, wanted);\n```\n",
        rows.join(",\n             ")
    );
    text.push_str("Where each comes from:\n\n```sql\n");
    let names: Vec<String> = shown().iter().map(|(name, _)| format!("'{name}'")).collect();
    let _ = writeln!(
        text,
        "SELECT name, setting, unit, source FROM pg_catalog.pg_settings\nWHERE name IN ({});\n```\n",
        names.join(", ")
    );
    text.push_str("And taken back:\n\n```sql\n");
    let _ = writeln!(text, "DROP EXTENSION IF EXISTS {STATEMENTS};");
    for guard in SERVICE.iter().rev() {
        let _ = writeln!(text, "{};", place(guard.level).statement(guard.name, None));
    }
    let _ = writeln!(text, "{RELOAD};\n```");
    text
}

/// What `SHOW` answers, each setting once.
fn shown() -> Vec<(&'static str, &'static str)> {
    let mut all: Vec<(&str, &str)> = Vec::new();
    for guard in SERVICE {
        if !all.iter().any(|(name, _)| *name == guard.name) {
            all.push((guard.name, guard.shown));
        }
    }
    all
}

const ROLES: &str = roles::PAGE;
