//! What `docs/guides/deployment.md` has an operator do on PostgreSQL does what the page says: its role has the limits, and
//! what it writes into `postgresql.conf` are parameters of the server with values that it takes.

use crate::server::{bare, text};
use plimsoll_embedded::test_server;
use std::path::Path;
use tokio_postgres::{Client, SimpleQueryMessage};

/// The blocks of this kind on the page.
fn blocks(kind: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides/deployment.md");
    let page = std::fs::read_to_string(path).unwrap();
    let begin = format!("```{kind}\n");
    let blocks = page.split(&begin).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
    let blocks: Vec<String> = blocks.collect();
    assert!(!blocks.is_empty(), "the page has no {kind}");
    blocks
}

async fn column(session: &Client, sql: &str) -> Vec<String> {
    let messages = session.simple_query(sql).await.unwrap_or_else(|error| panic!("{error:?} in\n{sql}"));
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    rows.collect()
}

#[tokio::test]
async fn the_role_has_the_limits() {
    let db = test_server::database().await.unwrap();
    let session = bare(&db.url()).await;
    let blocks = blocks("sql");
    let [role, asked] = &blocks[..] else { panic!("a block makes the role, another asks what holds") };
    // Roles belong to the whole server, which other tests use.
    session.batch_execute("BEGIN").await.unwrap();
    session.batch_execute(role).await.unwrap();
    let of_role = "SELECT unnest(setconfig) FROM pg_db_role_setting JOIN pg_roles ON oid = setrole WHERE rolname = 'app'";
    let mut limits = column(&session, of_role).await;
    limits.sort();
    let wanted = [
        "client_connection_check_interval=2s",
        "idle_in_transaction_session_timeout=30s",
        "lock_timeout=5s",
        "log_min_duration_statement=1s",
        "statement_timeout=30s",
    ];
    assert_eq!(limits, wanted);
    assert_eq!(column(&session, asked).await.len(), 4);
    session.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(text(&db, "SELECT count(*)::text FROM pg_roles WHERE rolname = 'app'").await, "0");
}

#[tokio::test]
async fn the_lines_for_the_servers_file_are_parameters_of_the_server() {
    let db = test_server::database().await.unwrap();
    let session = bare(&db.url()).await;
    let mut seen = 0;
    for line in blocks("conf").iter().flat_map(|block| block.lines()) {
        let (name, value) = line.split_once(" = ").unwrap();
        let context = text(&db, &format!("SELECT context FROM pg_settings WHERE name = '{name}'")).await;
        let value = value.trim_matches('\'');
        match context.as_str() {
            // Takes effect at the start, so the server does not look at it before.
            "postmaster" | "sighup" => {}
            _ => session.batch_execute(&format!("SET {name} = '{value}'")).await.unwrap(),
        }
        assert!(!context.is_empty(), "the server knows no {name}");
        seen += 1;
    }
    assert!(seen >= 5, "only {seen} lines were found: the test does not look");
}
