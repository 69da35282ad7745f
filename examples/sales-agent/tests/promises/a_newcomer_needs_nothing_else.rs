//! Without `DATABASE_URL` the service brings a PostgreSQL of its own, and each command that it prints works as printed.

use crate::started::{Started, until};

#[tokio::test]
async fn the_commands_work_as_printed() {
    let started = Started::with(env!("CARGO_BIN_EXE_sales-agent"), &[]).await;
    let probe = serde_json::json!({ "buyer_ref": "probe", "budget_cents": 1 });
    until("there is a schema", async || started.http.post("/media-buys", &probe).await.status < 300).await;
    let said = started.run_what_it_printed().await;
    assert!(said.iter().all(|(status, _)| *status == Some(0)), "{said:?}");
    assert!(said[0].1.contains("media_buy_id"), "{said:?}");
    assert!(
        said[1].1.starts_with("HTTP/1.1 200") && said[1].1.contains(r#""message":"healthy""#),
        "{said:?}"
    );
    for name in ["size", "checked_in", "checked_out", "overflow", "total_connections", "circuit_breaker"] {
        assert!(said[2].1.contains(&format!("\"{name}\":")), "{name}: {said:?}");
    }
    assert!(started.stop().await.success());
}
