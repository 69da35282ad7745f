//! The files in `deploy/` do what they say: a server with `fleet.conf` and `roles.sql`, `fleet migrate` as the owner that these
//! make, PgBouncer with the settings of `pgbouncer.ini`, and the service behind it with its own role.

use crate::process::Process;
use crate::service::Device;
use fleet::boot::demo::Credentials;
use plimsoll_embedded::{Cluster, PgBouncer, PoolMode};
use std::fs;
use std::path::{Path, PathBuf};
use tokio::process::Command;

const OWNER: &str = "of-the-owner";
const APP: &str = "of-the-service";

const GUIDE: &str = "docs/guides/fleet.md";
/// Where the guide's table of variables begins, with which it ends.
const HEAD: &str = "| variable | default | what it says |\n|---|---|---|\n";

fn file(path: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(path)).unwrap_or_else(|problem| panic!("{path}: {problem}"))
}

/// `name = value` lines, without what is behind a mark of a comment.
fn pairs(text: &str, comment: char) -> Vec<(String, String)> {
    let lines = text.lines().map(|line| line.split(comment).next().unwrap().trim());
    let split = lines.filter_map(|line| line.split_once(" = "));
    split.map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned())).collect()
}

/// The server with the settings of the file.
async fn server() -> Cluster {
    let settings = pairs(&file("deploy/postgres/fleet.conf"), '#');
    assert!(settings.len() > 10, "{settings:?}");
    let builder =
        settings.into_iter().fold(Cluster::builder(), |builder, (name, value)| builder.setting(name, value));
    builder.start().await.unwrap()
}

/// Runs the file as psql does: a statement at a time, in another database from `\connect` on.
async fn run_roles(server: &Cluster) {
    let text = file("deploy/postgres/roles.sql").replace(":'owner_password'", &format!("'{OWNER}'"));
    let without_comments: Vec<&str> = text.lines().filter(|line| !line.starts_with("--")).collect();
    let text = without_comments.join("\n");
    let (first, second) = text.split_once("\\connect fleet\n").unwrap();
    for (database, part) in [("postgres", first), ("fleet", second)] {
        for statement in part.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
            server.execute(database, statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
    }
}

async fn migrate(server: &Cluster, folder: &Path) {
    let url = format!("postgresql://fleet_owner:{OWNER}@{}:{}/fleet", server.host(), server.port());
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
    command.arg("migrate").env("DATABASE_URL", url).env("FLEET_APP_PASSWORD", APP);
    command.env("FLEET_DATA", folder).env("FLEET_DEMO", "on").env("RUST_LOG", "warn");
    let done = command.output().await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

async fn shown(server: &Cluster, name: &str) -> String {
    let rows = server.execute("fleet", &format!("SELECT current_setting('{name}') AS value")).await.unwrap();
    rows[0]["value"].to_owned()
}

#[tokio::test]
async fn behind_a_pooler_without_the_owners_login() {
    let (server, folder) = (server().await, tempfile::tempdir().unwrap());
    run_roles(&server).await;
    for (name, value) in [
        ("idle_in_transaction_session_timeout", "30s"),
        ("lock_timeout", "5s"),
        ("log_min_duration_statement", "1s"),
        ("log_lock_waits", "on"),
        ("deadlock_timeout", "1s"),
    ] {
        assert_eq!(shown(&server, name).await, value, "{name}");
    }
    migrate(&server, folder.path()).await;

    let ini = file("deploy/pgbouncer/pgbouncer.ini");
    let own = [
        "listen_addr",
        "listen_port",
        "auth_type",
        "auth_file",
        "pool_mode",
        "fleet",
        "max_prepared_statements",
    ];
    let settings = pairs(&ini, ';').into_iter().filter(|(name, _)| !own.contains(&name.as_str()));
    let bouncer = PgBouncer::in_front_of(&server).pool_mode(PoolMode::Transaction).user("fleet_app", APP);
    let bouncer = settings.fold(bouncer, |bouncer, (name, value)| bouncer.setting(name, value));
    let bouncer = bouncer.start().await.unwrap();

    let said = [("FLEET_MIGRATE", "off"), ("FLEET_DEMO", "off")];
    let url = format!("postgresql://fleet_app:{APP}@{}:{}/fleet", bouncer.host(), bouncer.port());
    let process = Process::start(&url, &said).await;
    let device = Device::of(process.device.url.clone(), Credentials::of_folder(folder.path()).unwrap());
    device.send("d1", r#"{"t": 1}"#).await.accepted();
    assert_eq!(device.get("/customer/devices").await.body["devices"][0]["device_id"], "d1");
    // The owner is bound by the policies too; for the overview of the sites it sees all tenants' rows.
    for statement in [
        "SET ROLE fleet_app; SELECT public.refresh_site_overview()",
        "SELECT sum(devices) AS n FROM site_overview",
    ] {
        let rows = server.execute("fleet", statement).await.unwrap();
        assert!(statement.starts_with("SET") || rows[0]["n"] == "1", "{rows:?}");
    }
}

/// Lines that say something, as words.
fn lines(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.filter(|words| words.first().is_some_and(|word| !word.starts_with('#'))).collect()
}

/// The file of the guide is tried behind nginx itself; this one differs from it only where the guide says *yours*.
#[test]
fn with_the_proxy_of_the_guide() {
    let (guide, own) = (file("docs/guides/nginx.conf"), file("deploy/compose/nginx.conf"));
    let of_the_reader =
        |line: &str| line.contains("# yours") || line.trim_start().starts_with("server fleet-");
    let rest = |text: &str| {
        let lines = text.lines().filter(|line| !of_the_reader(line) && !line.trim_start().starts_with('#'));
        let lines = lines.filter(|line| !["listen      80;", "server_name _;"].contains(&line.trim()));
        lines.filter(|line| !line.trim().is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(rest(&guide), rest(&own));
    assert!(own.contains("server fleet-1:8080;") && own.contains("server fleet-2:8080;"));
}

/// What the guide explains of a unit, the service's own unit says too.
#[test]
fn with_the_unit_of_the_guide() {
    let (guide, own) = (file("docs/guides/app.service"), file("deploy/systemd/fleet.service"));
    let own = lines(&own);
    for line in lines(&guide) {
        let is_named = ["Description=", "User=", "EnvironmentFile=", "ExecStart="];
        if !is_named.iter().any(|name| line[0].starts_with(name)) {
            assert!(own.contains(&line), "fleet.service does not say {line:?}");
        }
    }
}

/// The guide lists the variables as the code does. `PLIMSOLL_BLESS=1` writes its table.
#[test]
fn with_every_variable_in_the_guide() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/boot");
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with("config.rs")).collect();
    // The service's own first, then those that are named after what they are about.
    names.sort_by_key(|name| (name.len(), name.clone()));
    let mut paths: Vec<String> = names.iter().map(|name| format!("boot/{name}")).collect();
    paths.push("identity/config.rs".to_owned());
    let code: String = paths.iter().map(|path| file(&format!("services/fleet/src/{path}"))).collect();
    let rows: Vec<&str> = code
        .lines()
        .filter_map(|line| line.strip_prefix("//! "))
        .filter(|row| row.starts_with("| `"))
        .collect();
    assert!(rows.len() > 15, "{rows:?}");
    let guide = file(GUIDE);
    let (before, table) = guide.split_once(HEAD).unwrap();
    let wanted = format!("{}\n", rows.join("\n"));
    if std::env::var_os("PLIMSOLL_BLESS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(GUIDE);
        return fs::write(path, format!("{before}{HEAD}{wanted}")).unwrap();
    }
    assert_eq!(table, wanted, "{GUIDE} is not as the code says: make docs");
}

/// What the containers are told of, the service knows, and what they must end within is longer than what it takes.
#[test]
fn with_variables_and_limits_that_the_service_has() {
    let known = file("docs/settings.md") + &file(GUIDE);
    let compose = file("deploy/compose/compose.yaml");
    let kubernetes = file("deploy/kubernetes/fleet.yaml") + &file("deploy/kubernetes/secret.example.yaml");
    let words = |text: &str| {
        let all = text.split(|c: char| !(c.is_ascii_uppercase() || c == '_')).map(str::to_owned);
        all.filter(|word| word.starts_with("FLEET_") || word.starts_with("DATABASE_")).collect::<Vec<_>>()
    };
    for name in words(&compose).into_iter().chain(words(&kubernetes)) {
        assert!(known.contains(&format!("`{name}`")), "nothing says what {name} is");
    }
    assert!(compose.contains("stop_grace_period: 35s"));
    assert!(
        kubernetes.contains("terminationGracePeriodSeconds: 40")
            && kubernetes.contains("sleep: {seconds: 5}")
    );
}
