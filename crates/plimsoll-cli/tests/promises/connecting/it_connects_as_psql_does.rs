//! psql and this command are given the same string, variables, service file and password file, and connect as the same role to
//! the same database, or neither does.

use crate::command::{Run, plimsoll, program, ran};
use plimsoll_embedded::{Binaries, Cluster};
use std::path::{Path, PathBuf};
use std::process::Command;

/// One way to say where.
#[derive(Default)]
struct Case {
    name: &'static str,
    string: Option<String>,
    variables: Vec<(&'static str, String)>,
    /// `~/.pgpass`, and who may read it.
    passwords: Option<(String, u32)>,
    /// `~/.pg_service.conf`
    services: Option<String>,
    /// Who connects to what; nothing where neither is to connect.
    connects: Option<(&'static str, &'static str)>,
}

/// A server whose roles log in by password, and the words in which it is spoken of.
struct Scene {
    cluster: Cluster,
    home: tempfile::TempDir,
    psql: PathBuf,
    me: String,
}

const ALICE: &str = r"al:ice\pw";

async fn scene() -> Scene {
    let cluster = Cluster::start().await.unwrap();
    let me = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    let me = me.trim().to_owned();
    let mine = format!("CREATE ROLE \"{me}\" LOGIN PASSWORD 'mine'");
    for sql in [
        &format!("CREATE ROLE alice LOGIN PASSWORD '{ALICE}'"),
        "CREATE ROLE bob LOGIN PASSWORD 'bob'",
        &mine,
    ] {
        cluster.execute("postgres", sql).await.unwrap();
    }
    for database in ["alice", "orders", &me] {
        cluster.create_database(database).await.unwrap();
    }
    Scene { psql: psql(), cluster, home: tempfile::tempdir().unwrap(), me }
}

/// PostgreSQL's own psql, and not the wrapper that Debian puts before it, if there is one.
fn psql() -> PathBuf {
    let binaries = Binaries::find().unwrap();
    let of_debian = PathBuf::from(format!("/usr/lib/postgresql/{}/bin/psql", binaries.major()));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others = std::env::split_paths(&path).map(|folder| folder.join("psql"));
    let mut known = [binaries.folder().join("psql"), of_debian].into_iter().chain(others);
    known.find(|path| path.exists()).expect("psql is installed beside the server")
}

impl Scene {
    fn put(&self, name: &str, text: Option<&str>, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.home.path().join(name);
        let _ = std::fs::remove_file(&path);
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    /// Runs a program in the case's environment.
    fn run(&self, mut command: Command, case: &Case) -> Run {
        command.env("HOME", self.home.path());
        for (name, value) in &case.variables {
            command.env(name, value);
        }
        ran(&mut command)
    }

    fn psql(&self, case: &Case) -> Option<(String, String)> {
        let mut arguments = vec!["-X", "-w", "-A", "-t", "-c", "SELECT current_user, current_database()"];
        arguments.extend(case.string.as_deref());
        let ran = self.run(program(&self.psql, &arguments), case);
        let (user, database) = ran.out.trim().split_once('|')?;
        Some((user.to_owned(), database.to_owned()))
    }

    fn ours(&self, case: &Case) -> Result<(String, String), String> {
        let mut arguments = vec!["doctor", "--json", "--only", "G01"];
        arguments.extend(case.string.as_deref());
        let ran = self.run(plimsoll(&arguments), case);
        let report: serde_json::Value = match serde_json::from_str(&ran.out) {
            Ok(report) => report,
            Err(_) => {
                assert_eq!(ran.status, 3, "{ran:?}");
                return Err(ran.error);
            }
        };
        let of = |name: &str| report["subject"][name].as_str().unwrap().to_owned();
        Ok((of("login"), of("database")))
    }

    fn is_the_same(&self, case: &Case) {
        let Case { name, passwords, services, connects, .. } = case;
        let (text, mode) =
            passwords.as_ref().map_or((None, 0o600), |(text, mode)| (Some(text.as_str()), *mode));
        self.put(".pgpass", text, mode);
        self.put(".pg_service.conf", services.as_deref(), 0o644);
        let wanted =
            connects.map(|(user, database)| (user.replace("ME", &self.me), database.replace("ME", &self.me)));
        let (psql, ours) = (self.psql(case), self.ours(case));
        assert_eq!(psql, wanted, "psql, {name}");
        assert_eq!(ours.as_ref().ok(), wanted.as_ref(), "plimsoll, {name}: {ours:?}");
        if let Err(error) = ours {
            assert!(!error.contains(ALICE) && error.lines().count() <= 2, "{name}: {error}");
        }
    }
}

fn case(name: &'static str, connects: Option<(&'static str, &'static str)>) -> Case {
    Case { name, connects, ..Case::default() }
}

impl Case {
    fn string(self, string: impl Into<String>) -> Self {
        Case { string: Some(string.into()), ..self }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    fn passwords(self, text: impl Into<String>, mode: u32) -> Self {
        Case { passwords: Some((text.into(), mode)), ..self }
    }

    fn services(self, text: impl Into<String>) -> Self {
        Case { services: Some(text.into()), ..self }
    }

    /// At the server, by variables.
    fn at(self, port: u16) -> Self {
        self.with("PGHOST", "127.0.0.1").with("PGPORT", port.to_string())
    }
}

const ORDERS: Option<(&str, &str)> = Some(("alice", "orders"));

#[tokio::test(flavor = "multi_thread")]
async fn by_its_string_and_the_variables() {
    let scene = scene().await;
    let port = scene.cluster.port();
    let alice = |case: Case| case.at(port).with("PGUSER", "alice").with("PGPASSWORD", ALICE);
    let url = format!("postgres://alice:al%3Aice%5Cpw@127.0.0.1:{port}/orders");
    let pairs = format!(r"host=127.0.0.1 port={port} user=alice dbname=orders password='al:ice\\pw'");
    for case in [
        case("a URL", ORDERS).string(&url),
        case("pairs", ORDERS).string(&pairs),
        case("variables", ORDERS).with("PGDATABASE", "orders"),
        case("the database of the user's name", Some(("alice", "alice"))),
        case("a database alone", ORDERS).string("orders"),
        case("the string is stronger", ORDERS)
            .string("dbname=orders user=alice")
            .with("PGDATABASE", "postgres"),
        case("a URL without a database", Some(("alice", "alice")))
            .string(format!("postgresql://127.0.0.1:{port}")),
        case("a wrong password", None).with("PGPASSWORD", "wrong"),
        case("no such database", None).with("PGDATABASE", "nowhere"),
        case("an empty variable", Some(("alice", "alice"))).with("PGDATABASE", ""),
        case("options", ORDERS)
            .string("orders")
            .with("PGOPTIONS", "-c statement_timeout=7s -c search_path=public"),
        case("a wrong option", None).with("PGOPTIONS", "-c no_such_setting=1"),
        case("the second host", ORDERS)
            .string(format!("host=127.0.0.1,127.0.0.1 port=1,{port} dbname=orders")),
        case("an address for a name", ORDERS)
            .string("host=db.example dbname=orders")
            .with("PGHOSTADDR", "127.0.0.1"),
        case("a name that does not exist", None).string("host=db.invalid dbname=orders"),
        case("no encryption", ORDERS).string("orders").with("PGSSLMODE", "disable"),
        case("encryption that is not offered", None).string("orders").with("PGSSLMODE", "require"),
        case("a server that takes writes", ORDERS)
            .string("orders")
            .with("PGTARGETSESSIONATTRS", "read-write"),
        case("a server that only reads", None).string("orders").with("PGTARGETSESSIONATTRS", "read-only"),
        case("a limit", ORDERS).string("orders").with("PGCONNECT_TIMEOUT", "5").with("PGAPPNAME", "by hand"),
        case("a socket", ORDERS)
            .string(format!("host={} dbname=orders", scene.cluster.socket_dir().display())),
        case("a parameter of another program", None).string("dbname=orders no_such_parameter=1"),
    ] {
        // What a case says itself comes later and holds.
        let own = case.variables.clone();
        let mut case = alice(Case { variables: Vec::new(), ..case });
        case.variables.extend(own);
        scene.is_the_same(&case);
    }
    let mine = Some(("ME", "ME"));
    scene.is_the_same(&case("the user's own name", mine).at(port).with("PGPASSWORD", "mine"));
}

#[tokio::test(flavor = "multi_thread")]
async fn by_a_service() {
    let scene = scene().await;
    let port = scene.cluster.port();
    let services = format!(
        "# ours\n[orders]\nhost=127.0.0.1\nport={port}\nuser=alice\ndbname=orders\npassword={ALICE}\n\n\
         [bob]\nhost=127.0.0.1\nport={port}\nuser=bob\npassword=bob\ndbname=postgres\n[broken]\nhost 127.0.0.1\n"
    );
    let folder = scene.home.path().join("system");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("pg_service.conf"), services.replace("[orders]", "[system]")).unwrap();
    let elsewhere = folder.join("pg_service.conf").display().to_string();
    for case in [
        case("in the string", ORDERS).string("service=orders"),
        case("in a URL", ORDERS).string("postgresql:///?service=orders"),
        case("in a variable", ORDERS).with("PGSERVICE", "orders"),
        case("the string is stronger", Some(("alice", "postgres"))).string("service=orders dbname=postgres"),
        case("variables are weaker", ORDERS)
            .string("service=orders")
            .with("PGUSER", "bob")
            .with("PGPORT", "1"),
        case("the string's service is stronger", ORDERS).string("service=orders").with("PGSERVICE", "bob"),
        case("no such service", None).string("service=nowhere"),
        case("a line that is none", None).string("service=broken"),
        case("the system's file", ORDERS)
            .string("service=system")
            .with("PGSYSCONFDIR", folder.display().to_string()),
        case("a file that is named", ORDERS).string("service=system").with("PGSERVICEFILE", &elsewhere),
        case("not in the file that is named", None)
            .string("service=orders")
            .with("PGSERVICEFILE", &elsewhere),
    ] {
        let case = case.services(&services).with("PGSYSCONFDIR", folder.display().to_string());
        scene.is_the_same(&case);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_a_password_file() {
    let scene = scene().await;
    let port = scene.cluster.port();
    let escaped = ALICE.replace('\\', r"\\").replace(':', r"\:");
    let line = |head: &str| format!("{head}:{escaped}\n");
    let all = line("127.0.0.1:*:*:alice");
    let socket = scene.cluster.socket_dir().display().to_string();
    let elsewhere = scene.home.path().join("elsewhere");
    std::fs::write(&elsewhere, &all).unwrap();
    private(&elsewhere);
    let elsewhere = elsewhere.display().to_string();
    for case in [
        case("a line", ORDERS).passwords(line(&format!("127.0.0.1:{port}:orders:alice")), 0o600),
        case("wildcards", ORDERS).passwords(&all, 0o600),
        case("comments and the first that fits", ORDERS)
            .passwords(format!("#*:*:*:*:no\n*:*:*:bob:no\n{all}*:*:*:*:no\n"), 0o400),
        case("a wrong first line", None).passwords(format!("*:*:*:*:no\n{all}"), 0o600),
        case("another database", None).passwords(line("127.0.0.1:*:alice:alice"), 0o600),
        case("another name of the host", None).passwords(line("localhost:*:*:alice"), 0o600),
        case("others may read it", None).passwords(&all, 0o644),
        case("the group may read it", None).passwords(&all, 0o640),
        case("no file", None),
        case("a variable is stronger", None).passwords(&all, 0o600).with("PGPASSWORD", "wrong"),
        case("a file that is named", ORDERS).with("PGPASSFILE", &elsewhere),
        case("a file that the string names", ORDERS)
            .string(format!("dbname=orders passfile={elsewhere}"))
            .with("PGPASSFILE", "/nonexistent"),
        case("a socket by its folder", ORDERS)
            .with("PGHOST", &socket)
            .passwords(line(&format!("{socket}:*:*:alice")), 0o600),
        case("a socket is not localhost", None)
            .with("PGHOST", &socket)
            .passwords(line("localhost:*:*:alice"), 0o600),
        case("the name and not the address", ORDERS)
            .with("PGHOST", "db.example")
            .with("PGHOSTADDR", "127.0.0.1")
            .passwords(line("db.example:*:*:alice"), 0o600),
    ] {
        let own = case.variables.clone();
        let string = case.string.clone().unwrap_or("orders".to_owned());
        let mut case = Case { variables: Vec::new(), ..case }.at(port).with("PGUSER", "alice").string(string);
        case.variables.extend(own);
        scene.is_the_same(&case);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn and_warns_of_a_password_file_that_others_may_read() {
    let scene = scene().await;
    let port = scene.cluster.port();
    scene.put(".pgpass", Some("*:*:*:*:no\n"), 0o644);
    let case = case("", None).at(port).with("PGUSER", "bob").with("PGDATABASE", "postgres");
    let refused = scene.run(plimsoll(&["doctor"]), &case);
    assert!(refused.error.contains("chmod 0600") && refused.error.lines().count() == 1, "{refused:?}");
    scene.cluster.execute("postgres", "ALTER ROLE bob PASSWORD 'bob'").await.unwrap();
    let case = case.with("PGPASSWORD", "bob");
    let silent = scene.run(plimsoll(&["doctor", "--only", "G01"]), &case);
    assert_eq!(silent.error, "", "with a password in a variable it is not looked at");
}

#[tokio::test(flavor = "multi_thread")]
async fn and_by_database_url_where_nothing_else_says_where() {
    let scene = scene().await;
    let port = scene.cluster.port();
    let url = format!("postgres://bob:bob@127.0.0.1:{port}/orders");
    let ours = |case: Case| scene.ours(&case);
    let bob = |database: &str| Ok(("bob".to_owned(), database.to_owned()));
    assert_eq!(ours(case("", None).with("DATABASE_URL", &url)), bob("orders"));
    let beside = case("", None).with("DATABASE_URL", "postgres://x@127.0.0.1:1/x").at(port);
    assert_eq!(
        ours(beside.with("PGUSER", "bob").with("PGPASSWORD", "bob").with("PGDATABASE", "postgres")),
        bob("postgres")
    );
}

fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}
