//! Without `DATABASE_URL` the service brings a PostgreSQL of its own, which is gone with it, and each command that it prints
//! works as printed.

use crate::started::Started;

#[tokio::test]
async fn the_commands_work_as_printed() {
    let started = Started::with(env!("CARGO_BIN_EXE_content"), &[]).await;
    let said = started.run_what_it_printed().await;
    let [page, late, left, queries] = said.as_slice() else { panic!("{said:?}") };
    assert!(page.0 == Some(0) && page.1.matches("\"night\"").count() == 3, "{page:?}");
    assert!(late.1.starts_with("HTTP/1.1 504") && late.1.contains("PL-DEA-01"), "{late:?}");
    assert_eq!(left.0, Some(28), "curl has given up: {left:?}");
    assert!(queries.0 == Some(0) && queries.1.contains("\"query_template\""), "{queries:?}");
    assert!(started.stop().await.success());
}
