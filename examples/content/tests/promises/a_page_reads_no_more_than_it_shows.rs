//! A page is one statement, tags included, and reads what it shows: the hot filter is answered by an index that covers it, a
//! page deep in the list costs what the first one costs, and ten times as many rows change nothing. So there is nothing that a
//! materialised view would save.

use crate::service;
use crate::started::until;
use plimsoll_embedded::test_server::TestDatabase;
use std::fmt::Write;

/// A page's plan, with what it has read: blocks of 8 KiB.
async fn plan(database: &TestDatabase, page: &str, before: i64, tags: &str) -> (String, usize) {
    let page =
        page.replace("$1", &before.to_string()).replace("$2", "100").replace("$3", &format!("'{tags}'"));
    let rows = database.execute(&format!("EXPLAIN (ANALYZE, BUFFERS, TIMING off) {page}")).await.unwrap();
    let mut text = String::new();
    for row in &rows {
        writeln!(text, "{}", row["QUERY PLAN"]).unwrap();
    }
    // The first line with buffers is that of the whole.
    let of_all = text.lines().find(|line| line.contains("Buffers:")).unwrap_or_default();
    let of_word = |word: &str| -> usize {
        let found = of_all.split_whitespace().find_map(|part| part.strip_prefix(word));
        found.map_or(0, |number| number.parse().unwrap())
    };
    (text.clone(), of_word("hit=") + of_word("read="))
}

#[tokio::test]
async fn the_hot_filter_is_answered_by_an_index_that_covers_it() {
    let content = service::start().await;
    // Other databases of the same server have transactions, which may hold up what VACUUM can mark.
    until("the index need not look into the table", async || {
        content.database.execute("VACUUM (ANALYZE) content, content_tag").await.unwrap();
        !plan(&content.database, content::PAGE_OF_TAGS, i64::MAX, "{night}")
            .await
            .0
            .contains("Heap Fetches: 1")
    })
    .await;
    for tags in ["{night}", "{comet}", "{night,forest}"] {
        let (plan, _) = plan(&content.database, content::PAGE_OF_TAGS, i64::MAX, tags).await;
        assert!(plan.contains("Index Only Scan Backward using content_tag_pkey"), "{tags}: {plan}");
        assert!(plan.contains("Index Only Scan using content_tag_of_item"), "{tags}: {plan}");
        for wrong in ["Seq Scan on content ", "Seq Scan on content_tag", "Sort Key: c.id", "Heap Fetches: 1"]
        {
            assert!(!plan.contains(wrong), "{wrong}: {plan}");
        }
    }
    content.end().await;
}

#[tokio::test]
async fn however_deep_it_is_and_however_much_there_is() {
    let content = service::start().await;
    let database = &content.database;
    let costs = async || {
        database.execute("VACUUM (ANALYZE) content, content_tag").await.unwrap();
        let mut costs = Vec::new();
        for before in [i64::MAX, 1_000] {
            costs.push(plan(database, content::PAGE, before, "{}").await.1);
            costs.push(plan(database, content::PAGE_OF_TAGS, before, "{night}").await.1);
        }
        costs
    };
    let few = costs().await;
    let more = "WITH new AS (INSERT INTO content (owner, title, is_generated)
                             SELECT 'u', 'More', false FROM generate_series(1, 27000) n RETURNING id)
                INSERT INTO content_tag (tag, content_id)
                SELECT tag, id FROM new, unnest('{night,more}'::text[]) AS tag";
    database.execute(more).await.unwrap();
    let many = costs().await;
    println!("blocks that a page of 100 reads: {few:?} of 3,000 items, {many:?} of 30,000");
    // A hundred items, the way down to each item's tags, and no more.
    for cost in few.iter().chain(&many) {
        assert!(*cost < 1_000, "{few:?} {many:?}");
    }
    content.end().await;
}

#[tokio::test]
async fn one_page_is_one_statement() {
    let content = service::start().await;
    for query in ["limit=100", "tags=night,forest&limit=100"] {
        assert_eq!(content.started.http.get(&format!("/content/unified?{query}")).await.status, 200);
    }
    crate::started::until("both are in the access log", async || {
        content.started.log_at("plimsoll::access").len() == 2
    })
    .await;
    for record in content.started.log_at("plimsoll::access") {
        // One row more than the page shows tells whether there is another.
        assert_eq!((&record["statements"], &record["rows"]), (&1.into(), &101.into()), "{record}");
    }
    content.end().await;
}
