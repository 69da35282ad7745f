//! The pages of the list hold each item once, in order, however many are added meanwhile; and with tags each item that has
//! them all, with all of its tags.

use crate::service::{self, Content};

/// As many items with the tag `sea`, each with another tag as well.
async fn add(content: &Content, count: usize) {
    let sql = format!(
        "WITH new AS (INSERT INTO content (owner, title, is_generated)
                      SELECT 'u', 'Sea ' || n, false FROM generate_series(1, {count}) n RETURNING id)
         INSERT INTO content_tag (tag, content_id)
         SELECT tag, id FROM new, unnest('{{sea,blue}}'::text[]) AS tag"
    );
    content.database.execute(&sql).await.unwrap();
}

/// The ids of a page, and where the next one begins.
async fn page(content: &Content, query: &str) -> (Vec<i64>, Option<String>) {
    let answer = content.started.http.get(&format!("/content/unified?{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let items = answer.body["items"].as_array().unwrap();
    let next = answer.body["next"].as_str().map(str::to_owned);
    (items.iter().map(|item| item["id"].as_i64().unwrap()).collect(), next)
}

/// All pages, with items added before each but the first.
async fn pages(content: &Content, query: &str) -> Vec<Vec<i64>> {
    let (ids, mut next) = page(content, query).await;
    let mut pages = vec![ids];
    while let Some(after) = next {
        add(content, 10).await;
        let (ids, following) = page(content, &format!("{query}&after={after}")).await;
        pages.push(ids);
        next = following;
    }
    pages
}

#[tokio::test]
async fn three_hundred_in_three_pages() {
    let content = service::start().await;
    add(&content, 300).await;
    let there = content.database.execute("SELECT max(id)::text AS max, min(content_id)::text AS min FROM content, content_tag WHERE tag = 'sea'");
    let there = there.await.unwrap();
    let [min, max] = ["min", "max"].map(|name| there[0][name].parse::<i64>().unwrap());
    let pages = pages(&content, "tags=sea&limit=100").await;
    let ids: Vec<i64> = pages.concat();
    assert_eq!(ids, (min..=max).rev().collect::<Vec<_>>(), "each once, the newest first");
    assert_eq!(ids.len(), 300);
    assert_eq!(pages.len(), 3);
    content.end().await;
}

#[tokio::test]
async fn all_there_is_without_a_filter() {
    let content = service::start().await;
    for limit in [7, 1000] {
        let count = "SELECT count(*)::text AS n FROM content";
        let there: usize = crate::started::first(&content.database, count).await.parse().unwrap();
        let mut ids = pages(&content, &format!("limit={limit}")).await.concat();
        assert_eq!(ids.len(), there, "with {limit} on a page");
        assert!(ids.is_sorted_by(|a, b| a > b));
        ids.dedup();
        assert_eq!(ids.len(), there);
    }
    content.end().await;
}

#[tokio::test]
async fn an_item_has_all_the_tags_that_were_asked_for() {
    let content = service::start().await;
    for (tags, every) in [
        ("forest", 2),
        ("forest,night", 6),
        ("night,forest,portrait", 30),
        ("night,night", 3),
        ("comet", 500),
    ] {
        let expected: Vec<i64> = (1..=3000).filter(|id| id % every == 0).rev().collect();
        let (ids, _) = page(&content, &format!("tags={tags}&limit=1000")).await;
        let shown = expected.len().min(1000);
        assert_eq!(ids, expected[..shown], "{tags}");
    }
    let answer = content.started.http.get("/content/unified?tags=portrait,forest&limit=1").await;
    assert_eq!(answer.body["items"][0]["tags"], serde_json::json!(["comet", "forest", "night", "portrait"]));
    let none = content.started.http.get("/content/unified?tags=forest,unheard-of").await;
    assert_eq!((none.status, &none.body["items"]), (200, &serde_json::json!([])));
    content.end().await;
}

#[tokio::test]
async fn a_cursor_of_other_tags_is_refused() {
    let content = service::start().await;
    let (_, next) = page(&content, "tags=forest&limit=2").await;
    let after = next.unwrap();
    for (tags, status) in [("forest", 200), ("night", 400), ("", 400)] {
        let answer = content.started.http.get(&format!("/content/unified?tags={tags}&after={after}")).await;
        assert_eq!(answer.status, status, "{tags}: {answer:?}");
    }
    content.end().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_a_400() {
    let content = service::start().await;
    let many = format!("tags={}", "t,".repeat(11));
    for query in ["limit=0", "limit=1001", "limit=x", "after=x", "after=", "slow=-1", &many] {
        let answer = content.started.http.get(&format!("/content/unified?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
        assert!(answer.head.contains("application/problem+json"), "{answer:?}");
    }
    content.end().await;
}
