//! `plimsoll timeouts` reads the limits from where they are set, and tells which lie the wrong way round.

use crate::command::{is_the_screen, output_of};
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
    for (arguments, says) in [
        (["--nginx", nginx.as_str()], "site.conf, line 1: proxy_read_timeout \"soon\" is no time"),
        (
            ["--pgbouncer", ini.as_str()],
            "pgbouncer.ini, line 2: query_timeout \"5s\" is no number of seconds",
        ),
        (["--nginx", "/no/such"], "/no/such cannot be read"),
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
