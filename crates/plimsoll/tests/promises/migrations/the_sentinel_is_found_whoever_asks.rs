//! Whether a schema is there is asked of the catalog: a role without any rights on the sentinel finds it as well, in
//! the schemas of its search path or in the one that is named, and quoted names are meant as they are written.

use crate::log::Log;
use plimsoll::migrate::{Initialisation, Migrations};
use plimsoll::{Database, Fault, Outcome, Settings};
use plimsoll_embedded::test_server::{self, TestDatabase};
use tracing::Level;

/// Bears to be run on a schema that is there, so that a sentinel which is not found is seen by what is made.
static FILES: Migrations =
    Migrations::embedded(&[("001_made.sql", "CREATE TABLE IF NOT EXISTS made (id int)")]);

/// A role that may make things in `public` and has no rights on what others have made.
struct Role {
    database: TestDatabase,
    name: String,
}

impl Role {
    async fn new(setup: &str) -> Self {
        let database = test_server::database().await.unwrap();
        let name = format!("nobody_{:08x}", fastrand::u32(..));
        let sql = format!(
            "CREATE ROLE {name} LOGIN PASSWORD 'x'; GRANT CREATE, USAGE ON SCHEMA public TO {name}; {setup}"
        );
        database.execute(&sql).await.unwrap();
        Role { database, name }
    }

    async fn connect(&self, search_path: Option<&str>) -> Database {
        let settings = Settings::from_url(self.database.url()).unwrap().user(&self.name).password("x");
        let settings = match search_path {
            Some(path) => settings.options(format!("-c search_path={path}")),
            None => settings,
        };
        Database::connect(settings).await.unwrap()
    }

    async fn has(&self, table: &str) -> bool {
        let sql = format!("SELECT (to_regclass('{table}') IS NOT NULL)::text AS it");
        self.database.execute(&sql).await.unwrap()[0]["it"] == "true"
    }

    /// Roles are of the whole server, and this one owns what it has made.
    async fn remove(self) {
        let sql = format!("DROP OWNED BY {0} CASCADE; DROP ROLE {0}", self.name);
        self.database.execute(&sql).await.unwrap();
    }
}

#[tokio::test]
async fn a_role_without_rights_finds_the_sentinel_and_makes_nothing() {
    for setup in [
        "CREATE TABLE exploits (id int)",
        "CREATE VIEW exploits AS SELECT 1 AS id",
        "CREATE MATERIALIZED VIEW exploits AS SELECT 1 AS id",
        "CREATE TABLE exploits (id int) PARTITION BY RANGE (id)",
        "CREATE TABLE exploits (id int); REVOKE ALL ON exploits FROM PUBLIC",
    ] {
        let role = Role::new(setup).await;
        let db = role.connect(None).await;
        let done = db.auto_initialize(&FILES, "exploits").await;
        assert!(matches!(done, Initialisation::AlreadyThere), "{setup}: {done:?}");
        assert!(!role.has("made").await && !role.has("plimsoll_migrations").await, "{setup}");
        role.remove().await;
    }
}

#[tokio::test]
async fn a_schema_that_the_role_may_not_even_use_is_there_all_the_same() {
    let role = Role::new("CREATE SCHEMA app; CREATE TABLE app.exploits (id int)").await;
    let db = role.connect(Some("app,public")).await;
    for sentinel in ["exploits", "app.exploits", "APP.Exploits", "\"app\".\"exploits\"", " app . exploits "] {
        let done = db.auto_initialize(&FILES, sentinel).await;
        assert!(matches!(done, Initialisation::AlreadyThere), "{sentinel}: {done:?}");
    }
    assert!(!role.has("made").await && !role.has("plimsoll_migrations").await);

    // Nor any schema at all.
    let db = role.connect(Some("app")).await;
    let (log, _guard) = Log::start();
    assert!(db.auto_initialize(&FILES, "exploits").await.is_ready());
    assert!(
        log.text().contains("WARN plimsoll: Database schema already initialized, as far as"),
        "{}",
        log.text()
    );
    role.remove().await;
}

#[tokio::test]
async fn a_history_that_the_role_may_not_read_is_told_in_the_log() {
    let role = Role::new("").await;
    let owner = Database::connect(Settings::from_url(role.database.url()).unwrap()).await.unwrap();
    let done = owner.auto_initialize(&FILES, "made").await;
    assert!(matches!(done, Initialisation::Initialised(_)), "{done:?}");

    let db = role.connect(None).await;
    let (log, _guard) = Log::start();
    let done = db.auto_initialize(&FILES, "made").await;
    assert!(matches!(done, Initialisation::AlreadyThere), "{done:?}");
    let advice = format!("GRANT SELECT ON public.plimsoll_migrations TO {}", role.name);
    assert!(log.text().contains(&advice), "{}", log.text());

    role.database.execute(&format!("GRANT SELECT ON plimsoll_migrations TO {}", role.name)).await.unwrap();
    let done = db.auto_initialize(&FILES, "made").await;
    assert!(matches!(done, Initialisation::AlreadyThere), "{done:?}");
    assert!(log.has(Level::DEBUG, "Database schema already initialized"), "{}", log.text());
    role.remove().await;
}

#[tokio::test]
async fn a_sentinel_is_looked_for_in_the_search_path() {
    let setup = "CREATE SCHEMA \"Tenant 1\"; CREATE SCHEMA other; CREATE TABLE other.made (id int)";
    let role = Role::new(setup).await;
    let sql = format!("GRANT CREATE, USAGE ON SCHEMA \"Tenant 1\" TO {}", role.name);
    role.database.execute(&sql).await.unwrap();
    // What is in a schema outside of the path is not it.
    let db = role.connect(Some("\"Tenant\\ 1\"")).await;
    let done = db.auto_initialize(&FILES, "made").await;
    assert!(matches!(done, Initialisation::Initialised(_)), "{done:?}");
    assert!(role.has("\"Tenant 1\".made").await);
    assert!(matches!(db.auto_initialize(&FILES, "made").await, Initialisation::AlreadyThere));
    let done = db.auto_initialize(&FILES, "\"Tenant 1\".made").await;
    assert!(matches!(done, Initialisation::AlreadyThere), "{done:?}");

    // A schema of the role's own name stands for "$user".
    role.database
        .execute(&format!("CREATE SCHEMA {0} AUTHORIZATION {0}; CREATE TABLE {0}.own (id int)", role.name))
        .await
        .unwrap();
    let db = role.connect(None).await;
    assert!(matches!(db.auto_initialize(&FILES, "own").await, Initialisation::AlreadyThere));
    role.remove().await;
}

#[tokio::test]
async fn a_name_is_meant_as_it_is_quoted() {
    let role = Role::new("CREATE TABLE \"Exploits\" (id int); CREATE TABLE \"odd.na\"\"me\" (id int)").await;
    let db = role.connect(None).await;
    for sentinel in
        ["\"Exploits\"", "Exploits", "public.\"Exploits\"", "\"odd.na\"\"me\"", "public.\"odd.na\"\"me\""]
    {
        let done = db.auto_initialize(&FILES, sentinel).await;
        assert!(matches!(done, Initialisation::AlreadyThere), "{sentinel}: {done:?}");
    }
    assert!(!role.has("made").await);
    assert!(db.auto_initialize(&FILES, "MADE").await.is_ready(), "without quotes, case does not matter");
    assert!(role.has("made").await);

    for sentinel in ["\"exploits\"", "exploits"] {
        let Initialisation::Failed(error) = db.auto_initialize(&FILES, sentinel).await else {
            panic!("{sentinel}")
        };
        assert!(error.to_string().contains("public.exploits still does not exist"), "{error}");
    }
    for sentinel in ["", "a.b.c", "\"open"] {
        let Initialisation::Failed(error) = db.auto_initialize(&FILES, sentinel).await else {
            panic!("{sentinel}")
        };
        assert_eq!((error.fault(), error.outcome()), (Fault::Usage, Outcome::NotStarted), "{error}");
    }
    role.remove().await;
}
