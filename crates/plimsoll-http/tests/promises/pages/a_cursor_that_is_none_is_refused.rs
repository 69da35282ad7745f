//! A cursor that was not made for this list, or was changed on the way, is answered 400 with advice, and never with the first
//! page; so is a limit that is none.

use super::with_items;
use crate::client::{self, Answer};
use crate::service::Service;

async fn asked(service: &Service, query: &str) -> Answer {
    client::get(service.at, &format!("/items?{query}"), &[("X-Request-ID", "req-7")]).await
}

#[tokio::test]
async fn over_http() {
    let service = with_items(5).await;
    let first = asked(&service, "kind=a&limit=2").await.json();
    let cursor = first["next"].as_str().unwrap();
    assert_eq!(asked(&service, &format!("kind=a&after={cursor}")).await.status, 200, "it is good");
    let (changed, cut) = (format!("B{}", &cursor[1..]), &cursor[..cursor.len() - 2]);
    let huge = "A".repeat(8000);
    for query in [
        "kind=a&after=".to_owned(),
        "kind=a&after=x".to_owned(),
        "kind=a&after=%00%FF".to_owned(),
        format!("kind=a&after={changed}"),
        format!("kind=a&after={cut}"),
        format!("kind=a&after={huge}"),
        format!("kind=a&after={cursor}&after={cursor}"),
        // The list of another kind has other pages.
        format!("kind=b&after={cursor}"),
    ] {
        let answer = asked(&service, &query).await;
        let body = answer.json();
        assert_eq!((answer.status, &body["code"]), (400, &"BAD_CURSOR".into()), "{query}");
        assert_eq!((&body["request_id"], &body["ids"]), (&"req-7".into(), &serde_json::Value::Null));
        assert!(body["advice"].as_str().unwrap().contains("Begin again"), "{body}");
    }
    for limit in ["0", "1001", "-1", "many", "1.5", "", "1&limit=1"] {
        let answer = asked(&service, &format!("kind=a&limit={limit}")).await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &"BAD_LIMIT".into()), "{limit}");
    }
    service.end().await;
}
