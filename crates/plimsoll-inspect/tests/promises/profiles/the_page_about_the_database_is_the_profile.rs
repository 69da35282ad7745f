//! `docs/db.md` is made of the profiles, and the SQL on it does on a real server what it says there.
//!
//! `make docs` writes it anew, which is this test with `PLIMSOLL_BLESS=1`.

use crate::session::session_at;
use plimsoll_embedded::{Auth, Cluster};
use plimsoll_inspect::profiles::reference::page;
use std::path::Path;

#[test]
fn the_page_in_the_repository_is_the_one_the_profiles_make() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/db.md");
    if std::env::var_os("PLIMSOLL_BLESS").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(kept == page(), "docs/db.md is out of date: run this test with PLIMSOLL_BLESS=1");
}

#[tokio::test]
async fn the_sql_on_it_does_what_it_says() {
    let page = page();
    let blocks: Vec<&str> =
        page.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let [set, read, sources, undo] = blocks.as_slice() else { panic!("{blocks:#?}") };
    let server = Cluster::builder().auth(Auth::Trust).start().await.unwrap();
    server.create_database("shop").await.unwrap();
    server.execute("shop", "CREATE ROLE app LOGIN").await.unwrap();
    let settings = "SELECT setdatabase::text, setrole::text, setconfig::text FROM pg_db_role_setting";
    let before = server.execute("shop", settings).await.unwrap();
    let run = async |text: &str| {
        for statement in text.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
            server.execute("shop", statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
    };
    run(set).await;
    let url = format!("postgresql://app@{}:{}/shop", server.host(), server.port());
    let until = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    // The files are read again a moment later, by the sessions that begin then.
    loop {
        let app = session_at(&url, None, "app").await;
        let rows = app.query(read.trim().trim_end_matches(';'), &[]).await.unwrap();
        assert_eq!(rows.len(), 5);
        if rows.iter().all(|row| row.get("is_so")) {
            break;
        }
        assert!(tokio::time::Instant::now() < until, "{rows:?}");
    }
    let app = session_at(&url, None, "app").await;
    let rows = app.query(sources.trim().trim_end_matches(';'), &[]).await.unwrap();
    let source = |name: &str| {
        let row = rows.iter().find(|row| row.get::<_, &str>("name") == name).unwrap();
        row.get::<_, String>("source")
    };
    assert_eq!(source("idle_in_transaction_session_timeout"), "database user");
    assert_eq!(source("lock_timeout"), "database");
    assert_eq!(source("log_lock_waits"), "configuration file");
    drop(app);
    run(undo).await;
    assert_eq!(server.execute("shop", settings).await.unwrap(), before);
}
