//! `plimsoll timeouts` reads the limits from where they are set, and tells which lie the wrong way round.

use crate::command::{Run, is_the_screen, output_of, plimsoll, ran};
use plimsoll_embedded::{Cluster, PgBouncer, PoolMode, test_server};
use serde_json::Value;
use std::path::Path;

const NGINX: &str = "\
server {
    location / {
        proxy_pass http://service;
        proxy_read_timeout 30s;
    }
}
";

fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_server_a_pooler_and_a_proxy_are_held_against_each_other() {
    let cluster = Cluster::start().await.unwrap();
    cluster
        .execute(
            "postgres",
            "CREATE ROLE app LOGIN PASSWORD 'pw'; ALTER ROLE app SET statement_timeout = '60s'; \
             ALTER ROLE app IN DATABASE postgres SET lock_timeout = '90s'; \
             ALTER DATABASE postgres SET idle_in_transaction_session_timeout = '30s'",
        )
        .await
        .unwrap();
    let pooler = PgBouncer::in_front_of(&cluster)
        .pool_mode(PoolMode::Transaction)
        .setting("query_wait_timeout", "120")
        .start()
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let nginx = file(folder.path(), "site.conf", NGINX);
    let drawing = folder.path().join("limits.svg");
    let (url, console) = (cluster.url("postgres"), pooler.url("pgbouncer"));
    let all = ["timeouts", "-d", &url, "--role", "app", "--nginx", &nginx, "--pooler", &console];
    let run = output_of(&[&all[..], &["--svg", drawing.to_str().unwrap()]].concat());
    assert_eq!(run.status, 2, "{run:?}");
    for line in [
        "statement_timeout 60 s (role app) is not shorter than proxy_read_timeout 30 s (site.conf, line 4): the proxy gives up \
         while the statement goes on for nobody",
        "lock_timeout 90 s (role app in this database) is not shorter than statement_timeout 60 s (role app)",
        "query_wait_timeout 2 min (PgBouncer's default) is not shorter than proxy_read_timeout 30 s",
        "client_connection_check_interval (default): a statement whose client is gone goes on to its end",
        "ALTER ROLE \"app\" SET statement_timeout = '24s';  -- 24 s instead of 60 s",
        // What is set for the role in the database is stronger than what is set for the role.
        "ALTER ROLE \"app\" IN DATABASE \"postgres\" SET lock_timeout = '19s';  -- 19 s instead of 90 s",
        "query_wait_timeout = 19    (pgbouncer.ini, then RELOAD)",
    ] {
        assert!(run.out.contains(line), "{line:?} in {}", run.out);
    }
    assert!(!run.out.contains('\u{1b}'), "no colours in a pipe");
    let svg = std::fs::read_to_string(&drawing).unwrap();
    assert!(svg.contains("class=\"wrong\"") && svg.contains("site.conf, line 4"), "{svg}");

    // What it says to set brings everything into order.
    cluster
        .execute(
            "postgres",
            "ALTER ROLE app SET statement_timeout = '24s'; ALTER ROLE app IN DATABASE postgres SET lock_timeout = '5s'; \
             ALTER ROLE app SET client_connection_check_interval = '2s'",
        )
        .await
        .unwrap();
    pooler.admin("SET query_wait_timeout = 10").await.unwrap();
    pooler.admin("SET server_connect_timeout = 5").await.unwrap();
    let run = output_of(&all);
    assert_eq!(run.status, 0, "{run:?}");
    assert!(run.out.contains("Every limit that was found lies inside the one around it."), "{}", run.out);
}

/// The screen of a made-up set of files is what it was.
#[test]
fn the_screen_is_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let nginx = file(folder.path(), "site.conf", NGINX);
    let ini = file(folder.path(), "pgbouncer.ini", "[pgbouncer]\nquery_timeout = 20\n");
    let env = file(
        folder.path(),
        "app.env",
        "DATABASE_URL=postgres://a:neverprinted-1@h/d\nPGOPTIONS='-c statement_timeout=25s -clock_timeout=0'\n",
    );
    let all = [
        "timeouts",
        "--no-server",
        "--role",
        "app",
        "--nginx",
        &nginx,
        "--pgbouncer",
        &ini,
        "--env",
        &env,
        "--assume",
        "request=15s",
    ];
    let run = output_of(&all);
    assert_eq!(run.status, 2, "{run:?}");
    is_the_screen("timeouts.txt", &run.out);
    assert!(!format!("{run:?}").contains("neverprinted"));
}

#[test]
fn a_service_on_plimsoll_is_read_with_its_own_settings() {
    let folder = tempfile::tempdir().unwrap();
    let env = file(folder.path(), "app.env", "PLIMSOLL_URL=postgres://a@h/d\nPLIMSOLL_POOL_TIMEOUT=40s\n");
    let nginx = file(folder.path(), "site.conf", NGINX);
    let run = output_of(&[
        "timeouts",
        "--no-server",
        "--env",
        &env,
        "--nginx",
        &nginx,
        "--assume",
        "request=15s",
        "--json",
    ]);
    let found: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((run.status, &found["deadlines_travel"]), (2, &Value::Bool(true)), "{run:?}");
    // Inside a request the shorter counts, so a statement may have longer than the request; the pool's own limit is told by the
    // proxy.
    let wrong: Vec<&str> = found["inversions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["inner"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(wrong, ["pool_timeout"], "{}", run.out);
    assert_eq!(found["inversions"][0]["inner"]["place"], "app.env, PLIMSOLL_POOL_TIMEOUT");
    assert_eq!(found["schema_version"], 1);
}

#[tokio::test]
async fn what_cannot_be_known_is_said() {
    let db = test_server::database().await.unwrap();
    let role = format!("{}_asker", db.name());
    let setup = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'pw'; ALTER ROLE {role} SET lock_timeout = '7s'; CREATE ROLE {role}_other"
    );
    db.execute(&setup).await.unwrap();
    let url = format!("postgres://{role}:pw@{}:{}/{}", db.server().host(), db.server().port(), db.name());
    let run = output_of(&["timeouts", "-d", &url, "--role", &format!("{role}_other")]);
    assert!(run.out.contains(&format!("lock_timeout of role {role}_other cannot be known")), "{run:?}");
    let run = output_of(&["timeouts", "-d", &url, "--role", "nobody_at_all"]);
    assert_eq!((run.status, run.error.contains("there is no role \"nobody_at_all\"")), (3, true), "{run:?}");
    db.execute(&format!("DROP ROLE {role}; DROP ROLE {role}_other")).await.unwrap();
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let nginx = file(folder.path(), "site.conf", "proxy_read_timeout soon;\n");
    let ini = file(folder.path(), "pgbouncer.ini", "[pgbouncer]\nquery_timeout = 5s\n");
    let env = file(folder.path(), "app.env", "not a line with neverprinted-2\n");
    let hosts = file(folder.path(), "hosts", "127.0.0.1 localhost\n");
    for (arguments, says) in [
        (["--nginx", nginx.as_str()], "site.conf, line 1: proxy_read_timeout \"soon\" is no time"),
        (
            ["--pgbouncer", ini.as_str()],
            "pgbouncer.ini, line 2: query_timeout \"5s\" is no number of seconds",
        ),
        (["--nginx", "/no/such"], "/no/such cannot be read"),
        (["--nginx", ini.as_str()], "pgbouncer.ini is no file of nginx that proxies: it has no proxy_pass"),
        (["--nginx", hosts.as_str()], "hosts is no file of nginx that proxies"),
        (
            ["--pgbouncer", nginx.as_str()],
            "site.conf is no configuration of a PgBouncer: it has no section [pgbouncer]",
        ),
        (["--pgbouncer", hosts.as_str()], "hosts is no configuration of a PgBouncer"),
        (["--env", env.as_str()], "has a line that is not NAME=VALUE"),
        (["--assume", "request"], "is not NAME=TIME"),
        (["--assume", "requests=1s"], "the names are client, request"),
        (["--assume", "request=15"], "is no time: write 15s"),
    ] {
        let run = output_of(&[&["timeouts", "--no-server"], &arguments[..]].concat());
        assert_eq!((run.status, run.out.as_str()), (3, ""), "{run:?}");
        assert!(run.error.contains(says) && run.error.lines().count() == 1, "{says:?} in {}", run.error);
        assert!(!run.error.contains("neverprinted"));
    }
}

/// What the application's connection string says is stronger than what its role has, and is put right where it stands.
#[tokio::test]
async fn options_of_a_connection_are_a_level_of_their_own() {
    let db = test_server::database().await.unwrap();
    let role = format!("{}_opts", db.name());
    db.execute(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'pw'; ALTER ROLE {role} SET statement_timeout = '9s'; \
         ALTER ROLE {role} SET lock_timeout = '2s'"
    ))
    .await
    .unwrap();
    let url = format!("postgres://{role}:pw@{}:{}/{}", db.server().host(), db.server().port(), db.name());
    let limit = |run: &Run, name: &str| {
        let found: Value = serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {run:?}"));
        let limits = found["limits"].as_array().unwrap().clone();
        let of: Vec<Value> = limits.into_iter().filter(|it| it["name"] == name).collect();
        assert_eq!(of.len(), 1, "{name}: {run:?}");
        (of[0]["after_ms"].clone(), of[0]["place"].as_str().unwrap().to_owned())
    };
    let in_url = "?options=-c%20statement_timeout%3D25s%20--lock-timeout%3D3%5C%20s&connect_timeout=7";
    let folder = tempfile::tempdir().unwrap();
    for scheme in ["postgres", "postgresql+asyncpg", "jdbc:postgresql"] {
        // PGOPTIONS says nothing beside the options of a URL.
        let text = format!(
            "DATABASE_URL={scheme}://a:neverprinted-3@h/d{in_url}\nPGOPTIONS='-c statement_timeout=1s'\n"
        );
        let env = file(folder.path(), "app.env", &text);
        let run = output_of(&["timeouts", "-d", &url, "--env", &env, "--json"]);
        assert_eq!(limit(&run, "statement_timeout"), (25_000.into(), "app.env, DATABASE_URL".to_owned()));
        assert_eq!(limit(&run, "lock_timeout"), (3_000.into(), "app.env, DATABASE_URL".to_owned()));
        assert_eq!(limit(&run, "connect_timeout"), (7_000.into(), "app.env, DATABASE_URL".to_owned()));
        assert!(!format!("{run:?}").contains("neverprinted"));
    }
    let env = file(
        folder.path(),
        "app.env",
        "DATABASE_URL=postgres://a@h/d\nPGOPTIONS='-c statement_timeout=40s'\n",
    );
    let run = output_of(&["timeouts", "-d", &url, "--env", &env, "--assume", "request=15s"]);
    assert!(run.out.contains("statement_timeout = 12s    (in app.env, PGOPTIONS)"), "{}", run.out);
    // The connection that was given is the application's where it logs in as it, by its URL or by PGOPTIONS.
    let run = output_of(&["timeouts", "-d", &format!("{url}{in_url}"), "--json"]);
    assert_eq!(limit(&run, "statement_timeout"), (25_000.into(), "options of this connection".to_owned()));
    let found: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(found["notes"], Value::Array(Vec::new()));
    let mut command = plimsoll(&["timeouts", "-d", &url, "--json"]);
    let run = ran(command.env("PGOPTIONS", "-c statement_timeout=26s"));
    assert_eq!(limit(&run, "statement_timeout"), (26_000.into(), "options of this connection".to_owned()));
    assert_eq!(limit(&run, "lock_timeout"), (2_000.into(), format!("role {role}")));
    // Of another role they say nothing.
    let run = output_of(&[
        "timeouts",
        "-d",
        &format!("{}?options=-c%20statement_timeout%3D25s", db.url()),
        "--role",
        &role,
    ]);
    assert!(run.out.contains("9 s") && !run.out.contains("25 s"), "{}", run.out);
    db.execute(&format!("DROP ROLE {role}")).await.unwrap();
}

/// No limit is advised for a superuser: the application ought to have a role of its own.
#[tokio::test]
async fn a_superuser_is_given_no_limits() {
    let db = test_server::database().await.unwrap();
    let role = format!("{}_plain", db.name());
    db.execute(&format!("CREATE ROLE {role} LOGIN")).await.unwrap();
    let superuser = db.server().superuser();
    let run = output_of(&["timeouts", "-d", &db.url()]);
    for words in [
        format!("Role {superuser} is a superuser"),
        "plimsoll apply --profile roles --role NAME".to_owned(),
        "plimsoll timeouts --role NAME".to_owned(),
        "ALTER ROLE <the application's role> SET statement_timeout = '30s';".to_owned(),
    ] {
        assert!(run.out.contains(&words), "{words:?} in {}", run.out);
    }
    assert!(!run.out.contains(&format!("ALTER ROLE \"{superuser}\"")), "{}", run.out);
    let run = output_of(&["timeouts", "-d", &db.url(), "--role", &role]);
    assert!(run.out.contains(&format!("ALTER ROLE \"{role}\" SET statement_timeout")), "{}", run.out);
    assert!(!run.out.contains("is a superuser"), "{}", run.out);
    db.execute(&format!("DROP ROLE {role}")).await.unwrap();
}

#[test]
fn what_an_environment_does_not_say_is_told() {
    let folder = tempfile::tempdir().unwrap();
    // A URL that cannot be read, and a file that says nothing, are told.
    let env = file(folder.path(), "app.env", "DATABASE_URL=mysql://a:neverprinted-4@h/d\n");
    let run = output_of(&["timeouts", "--no-server", "--env", &env]);
    assert!(run.out.contains("DATABASE_URL in app.env, which libpq would not understand"), "{run:?}");
    assert!(!format!("{run:?}").contains("neverprinted"));
    let env = file(folder.path(), "app.env", "PORT=80\n");
    assert!(output_of(&["timeouts", "--no-server", "--env", &env]).out.contains("any limit in app.env"));
}
