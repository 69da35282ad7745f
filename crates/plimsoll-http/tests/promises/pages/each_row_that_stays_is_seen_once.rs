//! Who reads a list to its end sees each row once that was there all the time, also where many rows have equal times and
//! others insert and delete rows between the pages.

use super::with_items;
use crate::client;
use crate::service::Service;
use std::collections::BTreeSet;

/// The ids of a page, and the cursor of the next.
async fn page(service: &Service, limit: i64, after: Option<&str>) -> (Vec<i64>, Option<String>) {
    let after = after.map(|cursor| format!("&after={cursor}")).unwrap_or_default();
    let answer = client::get(service.at, &format!("/items?kind=a&limit={limit}{after}"), &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    let ids = body["ids"].as_array().unwrap().iter().map(|id| id.as_i64().unwrap()).collect();
    (ids, body["next"].as_str().map(str::to_owned))
}

#[tokio::test]
async fn where_nothing_changes_all_of_them() {
    let service = with_items(50).await;
    for (limit, pages) in [(1, 50), (7, 8), (25, 2), (50, 1), (1000, 1)] {
        let (mut seen, mut next) = page(&service, limit, None).await;
        let mut read = 1;
        while let Some(cursor) = next {
            let (ids, following) = page(&service, limit, Some(&cursor)).await;
            seen.extend(ids);
            next = following;
            read += 1;
        }
        let mut expected: Vec<i64> = (1..=50).map(|n| n * 10).collect();
        expected.sort_by_key(|id| (id % 4, *id));
        assert_eq!((seen, read), (expected, pages), "{limit} on a page");
    }
    service.end().await;
}

#[tokio::test]
async fn while_others_insert_and_delete() {
    let service = with_items(200).await;
    let all: BTreeSet<i64> = (1..=200).map(|n| n * 10).collect();
    let (mut seen, mut deleted, mut made) = (Vec::new(), BTreeSet::new(), 0);
    let mut next = None;
    loop {
        let (ids, following) = page(&service, 7, next.as_deref()).await;
        // Before the cursor, behind it, with its own time, and the very row that it names.
        let last = *ids.last().unwrap();
        let mut gone = vec![ids[0], last];
        gone.extend(all.range(fastrand::i64(0..2000)..).next());
        let list = gone.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
        let change = format!(
            "DELETE FROM item WHERE id IN ({list});
             INSERT INTO item SELECT 3000000 + {made} * 10 + n, n, 'a' FROM generate_series(0, 3) n;
             INSERT INTO item SELECT -3000000 - {made} * 10 - n, n, 'a' FROM generate_series(0, 3) n"
        );
        service.fresh.execute(&change).await.unwrap();
        made += 1;
        deleted.extend(gone);
        seen.extend(ids);
        assert!(made < 1000, "a list that others add to is read to its end all the same");
        match following {
            Some(cursor) => next = Some(cursor),
            None => break,
        }
    }
    let once: BTreeSet<i64> = seen.iter().copied().collect();
    assert_eq!(once.len(), seen.len(), "no row is seen twice");
    let missed: Vec<_> = all.difference(&deleted).filter(|id| !once.contains(id)).collect();
    assert!(missed.is_empty(), "{missed:?} were there all the time");
    assert!(made > 20, "{made} pages");
    service.end().await;
}
