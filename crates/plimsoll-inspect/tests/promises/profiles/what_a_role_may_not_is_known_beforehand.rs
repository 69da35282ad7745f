//! Whether a role may run a statement is told before it is run, as the server then decides; and what is said to allow it does.

use crate::session::session_at;
use plimsoll_embedded::{Auth, Cluster};
use plimsoll_inspect::checks::run::{self, Asking};
use plimsoll_inspect::profiles::rights::{Lacking, lacking};
use std::process::Command;
use std::time::Duration;
use tokio::time::Instant;

const SETUP: &str = "
    CREATE ROLE app LOGIN; CREATE ROLE high SUPERUSER; CREATE ROLE tables; CREATE ROLE databases;
    CREATE ROLE replicator REPLICATION; CREATE ROLE worker LOGIN;
    CREATE ROLE plain LOGIN; CREATE ROLE maker LOGIN CREATEROLE; CREATE ROLE bypasser LOGIN CREATEROLE BYPASSRLS;
    CREATE ROLE holder LOGIN; GRANT tables TO holder; CREATE ROLE keeper LOGIN; GRANT databases TO keeper;
    CREATE ROLE stopper LOGIN REPLICATION; GRANT pg_signal_backend TO stopper;
    GRANT pg_monitor TO stopper WITH ADMIN OPTION;
    ALTER DATABASE shop OWNER TO databases;";

const TABLES: &str = "
    CREATE TABLE public.\"my Table\" (a int, b int); CREATE INDEX ia ON public.\"my Table\" (a); CREATE SEQUENCE s;
    CREATE EXTENSION pg_stat_statements;
    ALTER TABLE public.\"my Table\" OWNER TO tables; ALTER SEQUENCE s OWNER TO tables;
    GRANT CREATE ON SCHEMA public TO tables;";

const ROLES: [&str; 7] = ["plain", "maker", "bypasser", "holder", "keeper", "stopper", "app"];

/// What checks and profiles have as statements: each kind, and what differs within a kind. Those that PostgreSQL takes in a
/// transaction are rolled back.
const STATEMENTS: &[&str] = &[
    "ALTER ROLE \"app\" SET lock_timeout = '5s'",
    "ALTER ROLE \"app\" RESET lock_timeout",
    "ALTER ROLE \"app\" IN DATABASE \"shop\" SET lock_timeout = '5s'",
    "ALTER ROLE \"app\" SET log_lock_waits = 'on'",
    "ALTER ROLE \"high\" SET lock_timeout = '5s'",
    "ALTER ROLE \"replicator\" SET lock_timeout = '5s'",
    "ALTER ROLE \"app\" CONNECTION LIMIT 5",
    "ALTER ROLE \"replicator\" CONNECTION LIMIT 5",
    "ALTER ROLE \"high\" CONNECTION LIMIT 5",
    "ALTER ROLE \"app\" NOBYPASSRLS",
    "ALTER ROLE \"app\" BYPASSRLS",
    "CREATE ROLE \"new\" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS",
    "DROP ROLE \"worker\"",
    "GRANT pg_monitor TO \"app\"",
    "REVOKE pg_monitor FROM \"app\"",
    "ALTER DATABASE \"shop\" SET lock_timeout = '5s'",
    "ALTER DATABASE \"shop\" SET log_lock_waits = 'on'",
    "ALTER SYSTEM RESET log_lock_waits",
    "SELECT pg_catalog.pg_reload_conf()",
    "CREATE EXTENSION pg_trgm",
    "CREATE EXTENSION pgstattuple",
    "ALTER EXTENSION pg_stat_statements UPDATE",
    "DROP EXTENSION pg_stat_statements",
    "ALTER TABLE public.\"my Table\" SET (autovacuum_vacuum_scale_factor = 0.1)",
    "ALTER TABLE public.\"my Table\" ALTER COLUMN a TYPE bigint",
    "ALTER SEQUENCE public.s AS bigint NO MAXVALUE",
    "ALTER INDEX public.ia SET TABLESPACE pg_default",
    "CREATE INDEX ib ON public.\"my Table\" (b)",
    "DROP INDEX public.ia",
    "REINDEX INDEX public.ia",
    "VACUUM public.\"my Table\"",
    "VACUUM (FULL, ANALYZE) public.\"my Table\"",
    "ANALYZE public.\"my Table\"",
    "SELECT pg_catalog.pg_drop_replication_slot('not_there')",
];

struct Scene {
    server: Cluster,
}

impl Scene {
    async fn start() -> Self {
        let server = Cluster::builder().auth(Auth::Trust).start().await.unwrap();
        server.create_database("shop").await.unwrap();
        server.execute("shop", SETUP).await.unwrap();
        server.execute("shop", TABLES).await.unwrap();
        if server.version() >= 16 {
            // CREATEROLE alone reaches only what it made.
            let admin = "GRANT app, worker, replicator TO maker WITH ADMIN OPTION; GRANT app TO bypasser WITH ADMIN OPTION";
            server.execute("shop", admin).await.unwrap();
        }
        Scene { server }
    }

    fn url(&self, role: &str) -> String {
        format!("postgresql://{role}@127.0.0.1:{}/shop?sslmode=disable", self.server.port())
    }

    async fn told(&self, role: &str, statement: &str) -> Option<Lacking> {
        let client = session_at(&self.url(role), None, "asks").await;
        let until = Instant::now() + Duration::from_secs(20);
        let asking = Asking { role: "app", ..Asking::default() };
        let subject = run::subject(&client, &asking, until).await.unwrap();
        lacking(&client, &subject, &[statement.to_owned()], until).await.unwrap()
    }

    /// Whether the server refuses it for a right that is missing. What it refuses for another reason is allowed.
    fn is_refused(&self, role: &str, statement: &str) -> bool {
        let alone = ["ALTER SYSTEM", "VACUUM", "ANALYZE"].iter().any(|begin| statement.starts_with(begin));
        let text = if alone { statement.to_owned() } else { format!("BEGIN; {statement}; ROLLBACK") };
        let output = Command::new("psql")
            .args([self.url(role).as_str(), "-X", "-q", "-v", "VERBOSITY=verbose", "-c", &text])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // VACUUM and ANALYZE warn, and skip what they may not.
        let skips = ["permission denied to", "can vacuum it", "can analyze it"];
        said.contains("42501") || (alone && skips.iter().any(|words| said.contains(words)))
    }
}

#[tokio::test]
async fn it_is_told_as_the_server_decides() {
    let scene = Scene::start().await;
    let (mut refused, mut allowed) = (0, 0);
    for statement in STATEMENTS {
        for role in ROLES {
            let told = scene.told(role, statement).await;
            let is_refused = scene.is_refused(role, statement);
            assert_eq!(told.is_some(), is_refused, "{role}: {statement}: {told:?}");
            *(if is_refused { &mut refused } else { &mut allowed }) += 1;
        }
        let told = scene.told(scene.server.superuser(), statement).await;
        assert_eq!(told, None, "a superuser may: {statement}");
    }
    assert!(refused > 100 && allowed > 30, "{refused} refused, {allowed} allowed");
}

#[tokio::test]
async fn what_is_said_to_allow_it_does() {
    let scene = Scene::start().await;
    let mut granted = 0;
    for (number, statement) in STATEMENTS.iter().enumerate() {
        let role = format!("asker_{number}");
        scene.server.execute("shop", &format!("CREATE ROLE {role} LOGIN")).await.unwrap();
        let told =
            scene.told(&role, statement).await.unwrap_or_else(|| panic!("a new role may not: {statement}"));
        assert!(told.why.contains("superuser") || told.why.contains("takes"), "{statement}: {told:?}");
        if told.grant.is_empty() {
            continue;
        }
        for grant in &told.grant {
            scene.server.execute("shop", grant).await.unwrap_or_else(|error| panic!("{grant}: {error}"));
        }
        // What is granted may be half of it: the next half is told of then.
        if let Some(more) = scene.told(&role, statement).await {
            for grant in &more.grant {
                scene.server.execute("shop", grant).await.unwrap_or_else(|error| panic!("{grant}: {error}"));
            }
        }
        assert_eq!(scene.told(&role, statement).await, None, "{statement}: {told:?}");
        assert!(!scene.is_refused(&role, statement), "{statement}: {told:?}");
        granted += 1;
    }
    assert!(granted > 20, "{granted} were granted");
}

#[tokio::test]
async fn a_session_is_stopped_by_its_role_and_by_who_may_signal() {
    let scene = Scene::start().await;
    for (whose, may) in [("worker", vec!["worker", "stopper"]), (scene.server.superuser(), vec![])] {
        let session = session_at(&scene.url(whose), None, "stays").await;
        let pid: i32 = session.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
        let statement = format!(
            "SELECT pg_catalog.pg_cancel_backend(pid) FROM pg_catalog.pg_stat_activity WHERE pid = {pid} AND usename = '{whose}'"
        );
        for role in ["plain", "worker", "stopper", "holder"] {
            let told = scene.told(role, &statement).await;
            assert_eq!(told.is_none(), may.contains(&role), "{role} of {whose}'s: {told:?}");
            assert_eq!(scene.is_refused(role, &statement), told.is_some(), "{role} of {whose}'s");
        }
        // A session that is gone needs nothing.
        drop(session);
    }
}

#[tokio::test]
async fn where_alter_system_is_off_nobody_may() {
    let server = Cluster::builder().auth(Auth::Trust).start().await.unwrap();
    if server.version() < 17 {
        return; // allow_alter_system came with 17.
    }
    drop(server);
    let server =
        Cluster::builder().auth(Auth::Trust).setting("allow_alter_system", "off").start().await.unwrap();
    server.create_database("shop").await.unwrap();
    let scene = Scene { server };
    let told = scene.told(scene.server.superuser(), "ALTER SYSTEM SET log_lock_waits = 'on'").await.unwrap();
    assert!(told.why.contains("allow_alter_system is off"), "{told:?}");
    assert!(told.instead.unwrap().contains("log_lock_waits in postgresql.conf"));
}
