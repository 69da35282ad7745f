//! What the promises of `apply` begin with: a server of their own, the command, and a picture of all that can be set.

use plimsoll_embedded::{Auth, Cluster};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A server with a database `shop` and the application's role `app`, and a folder to write journals to.
pub(crate) struct Scene {
    pub(crate) server: Cluster,
    pub(crate) folder: tempfile::TempDir,
}

/// How a command ended and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) text: String,
}

impl Ended {
    pub(crate) fn of(output: &Output) -> Self {
        let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        Ended { status: output.status.code(), text: String::from_utf8_lossy(&text).into_owned() }
    }

    pub(crate) fn with(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "{}", self.text);
        self
    }

    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.text.contains(words), "{words:?} is not said: {}", self.text);
        self
    }
}

impl Scene {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With these lines in `postgresql.conf`.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let builder = Cluster::builder().auth(Auth::Trust);
        let builder = settings.iter().fold(builder, |builder, (name, value)| builder.setting(*name, *value));
        let server = builder.start().await.unwrap();
        server.create_database("shop").await.unwrap();
        let scene = Scene { server, folder: tempfile::tempdir().unwrap() };
        scene.sql("CREATE ROLE app LOGIN").await;
        scene
    }

    /// Runs SQL in the database as the superuser.
    pub(crate) async fn sql(&self, text: &str) -> Vec<plimsoll_embedded::Row> {
        self.server.execute("shop", text).await.unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    pub(crate) fn url(&self, role: &str) -> String {
        url_at(role, self.server.port())
    }

    pub(crate) fn journal(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The command, as the superuser.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        command(&self.url(self.server.superuser()), self.folder.path(), arguments)
    }

    /// Runs it to its end.
    pub(crate) fn apply(&self, arguments: &[&str]) -> Ended {
        Ended::of(&self.command(arguments).output().unwrap())
    }

    /// The same, as another role.
    pub(crate) fn apply_as(&self, role: &str, arguments: &[&str]) -> Ended {
        Ended::of(&command(&self.url(role), self.folder.path(), arguments).output().unwrap())
    }

    /// What `SHOW` answers to a new session of this role.
    pub(crate) fn shown(&self, role: &str, setting: &str) -> String {
        psql(&self.url(role), &format!("SHOW {setting}"))
    }

    /// All that can be set: for databases and roles, in the server's files and in its memory; and the roles, their memberships,
    /// the rights and the extensions.
    pub(crate) async fn picture(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for question in [
            "SELECT setdatabase || ' ' || setrole || ' ' || entry AS line FROM pg_db_role_setting, unnest(setconfig) AS entry",
            "SELECT name || ' = ' || setting || ' of line in ' || sourcefile AS line FROM pg_file_settings",
            "SELECT name || ' is ' || reset_val || ' from ' || source || coalesce(sourcefile, '') AS line FROM pg_settings
             WHERE name NOT LIKE 'pg_stat_statements.%' AND source <> 'client'",
            "SELECT to_jsonb(r) - 'oid' || '{}' AS line FROM pg_roles AS r WHERE rolname !~ '^pg_'",
            "SELECT roleid::regrole || ' to ' || member::regrole AS line FROM pg_auth_members",
            "SELECT extname || extversion AS line FROM pg_extension",
            "SELECT defaclrole::regrole || defaclobjtype::text || defaclacl::text AS line FROM pg_default_acl",
            "SELECT oid::regclass || ' ' || a::text AS line
             FROM pg_class, aclexplode(coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\", relowner))) AS a
             WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'S')",
            "SELECT 'schema ' || a::text AS line FROM pg_namespace, aclexplode(nspacl) AS a WHERE nspname = 'public'",
            "SELECT 'database ' || a::text AS line
             FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) AS a WHERE datname = 'shop'",
        ] {
            all.extend(self.sql(question).await.into_iter().map(|mut row| row.remove("line").unwrap_or_default()));
        }
        assert!(all.len() > 100, "{all:#?}");
        all
    }
}

pub(crate) fn url_at(role: &str, port: u16) -> String {
    format!("postgresql://{role}@127.0.0.1:{port}/shop?sslmode=disable")
}

pub(crate) fn command(url: &str, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    command.args(["apply", "--url", url]).args(arguments).current_dir(folder).stdin(Stdio::null());
    command
}

/// One value, asked by another client than ours.
pub(crate) fn psql(url: &str, sql: &str) -> String {
    let output = Command::new("psql").args([url, "-X", "-A", "-t", "-q", "-c", sql]).output().unwrap();
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// What is in one and not in the other.
pub(crate) fn differences(one: &BTreeSet<String>, other: &BTreeSet<String>) -> Vec<String> {
    one.symmetric_difference(other).cloned().collect()
}
