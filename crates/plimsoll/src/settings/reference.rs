//! `docs/settings.md`, made from the table.
//!
//! A reference that is written by hand is correct only on the day it is written. A test compares this one with the
//! file in the repository, and writes the file if it is told to (`PLIMSOLL_BLESS=1`).

use super::definition::{Definition, Kind};
use super::table::table;
use super::words::Profile;

const HEAD: &str = "\
<!-- Made from crates/plimsoll/src/settings/table/; written by `make docs`. -->

# Settings

Every setting has one name. It is the key in a TOML or JSON file, the method of `Settings` in code, and, in capitals and
after `PLIMSOLL_`, the environment variable: `pool_max`, `.pool_max(20)`, `PLIMSOLL_POOL_MAX=20`.

If a setting is set in several places, the strongest counts: code over the environment, the environment over the file,
the file over a profile, a profile over the default. All problems are reported at once, before the first connect.

## How values are written

- A duration is a whole number followed by `ms`, `s`, `min` or `h`. A number without a unit is refused, except in the
  `DATABASE_*` variables and in a connection URL, where it means seconds (`tcp_user_timeout` in a URL: milliseconds).
- `off` means no limit, where it is allowed. Zero does not mean that.
- In a file, numbers and `true` or `false` are written without quotes, everything else in quotes. A file whose name ends in `.json` is
  JSON (`base.json`), any other TOML. If the file has a table `[plimsoll]` (in JSON a member `\"plimsoll\"`), only that
  is read.
- A variable that is empty counts as not set. A variable that begins with `PLIMSOLL_` and is not listed here is
  refused, except `PLIMSOLL_PG_BIN`, `PLIMSOLL_PG_VERSION`, `PLIMSOLL_PGBOUNCER`, `PLIMSOLL_BLESS` and those that begin
  with `PLIMSOLL_TEST_`, which belong to tools and tests.

## Where the database is

The first of these of which anything is set counts, and the others are ignored:

1. `PLIMSOLL_URL`, then `DATABASE_URL`: `postgres://user:password@host1:5432,host2:5433/database?sslmode=verify-full`, or
   `host=host1 port=5432 user=…` in libpq's form. Characters such as `/ ? # @ %` inside a user or password are written
   percent-encoded. Parameters: `sslmode`, `sslrootcert`, `channel_binding`, `target_session_attrs`,
   `application_name`, `options`, `connect_timeout`, `keepalives`, `keepalives_idle`, `keepalives_interval`,
   `keepalives_count`, `tcp_user_timeout`, and `host`, `port`, `user`, `password`, `dbname`. Any other is refused.
2. `PG_HOST`, `PG_PORT`, `PG_DB`, `PG_USER`, `PG_PASS`
3. `POSTGRES_HOST`, `POSTGRES_PORT`, `POSTGRES_DB`, `POSTGRES_USER`, `POSTGRES_PASSWORD` (or `POSTGRES_PASS`)

In a file the key is `url`, in code `Settings::url`. The single settings (`hosts`, `port`, `user` ...) of the same source
are stronger than the URL.

`USE_PGBOUNCER=true` means `pooler = \"transaction\"`; `false` means nothing.

## Order

Each of these must be less than the next, and those that are not set follow those that are:

- `lock_timeout` < `statement_timeout` < `client_statement_timeout` < `transaction_timeout`
- `idle_in_transaction_session_timeout` < `transaction_timeout`
- `client_connection_check_interval` and `deadline_margin` < `statement_timeout`
- `tcp_user_timeout` < `pool_timeout`
- `check_after_idle` < `idle_timeout` < `max_lifetime`
- `pool_min` at most `pool_max`

`off` takes no part in this.
";

const PROFILES: &str = "
| profile | what it stands for |
|---|---|
";

/// The text of `docs/settings.md`.
pub fn reference() -> String {
    let mut text = HEAD.to_owned();
    let mut section = "";
    for definition in table() {
        if definition.section != section {
            section = definition.section;
            text.push_str(&format!("\n## {section}\n"));
        }
        text.push_str(&entry(definition));
        if definition.name == "profile" {
            text.push_str(&profiles());
        }
    }
    text
}

fn profiles() -> String {
    let mut text = PROFILES.to_owned();
    for word in Profile::WORDS {
        if let Some(profile) = Profile::from_word(word) {
            text.push_str(&format!("| `{word}` | {} |\n", values_of(profile)));
        }
    }
    text
}

fn values_of(profile: Profile) -> String {
    let settings = profile.settings();
    let said = table().iter().filter_map(|definition| Some((definition.name, definition.said(&settings)?)));
    said.map(|(name, value)| format!("`{name}` {value}")).collect::<Vec<_>>().join(", ")
}

fn entry(definition: &Definition) -> String {
    let doc: Vec<&str> = definition.doc.lines().map(str::trim).collect();
    let default = match (definition.otherwise, (definition.default)()) {
        (Some(words), _) => words.to_owned(),
        (None, value) => format!("`{}`", value.unwrap_or_default()),
    };
    let values = match definition.kind {
        Kind::Word(words) | Kind::Words(words) => {
            words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
        }
        _ => definition.allowed(),
    };
    let mut variables = vec![format!("`{}`", definition.variable())];
    variables.extend(definition.also.iter().map(|key| format!("`{key}`")));
    format!(
        "\n### {}\n\n{}\n\n- Values: {values}\n- Variable: {}\n- Default: {default}\n",
        definition.name,
        doc.join("\n").trim(),
        variables.join(", "),
    )
}
