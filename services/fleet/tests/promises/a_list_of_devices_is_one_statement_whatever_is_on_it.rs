//! A page of devices with their tags costs as many statements for five hundred of them as for one, and shows those that pass
//! its filters, whole, in order.

use crate::service::{self, Fleet};

const LIST: &str = "/customer/devices";

/// `d001` .. with a state, a name and tags that follow from the number, at two sites.
async fn with_devices(count: usize) -> Fleet {
    let fleet = service::start().await;
    let sql = format!(
        "INSERT INTO sites (tenant_id, site_id, name) VALUES ('test', 'roof', 'r');
         INSERT INTO device_registry (tenant_id, device_id, site_id, status, name)
         SELECT 'test', 'd' || to_char(n, 'FM000'), CASE WHEN n % 2 = 0 THEN 'roof' ELSE 'default' END,
                CASE WHEN n % 5 = 0 THEN 'SUSPENDED' ELSE 'ACTIVE' END, 'Pump ' || n || '%'
         FROM generate_series(1, {count}) n;
         INSERT INTO device_tags (tenant_id, device_id, tag)
         SELECT 'test', 'd' || to_char(n, 'FM000'), t FROM generate_series(1, {count}) n,
         LATERAL unnest(CASE WHEN n % 3 = 0 THEN ARRAY['a', 'b', 'c'] ELSE ARRAY['a'] END) t"
    );
    fleet.database.execute(&sql).await.unwrap();
    fleet
}

async fn ids(fleet: &Fleet, query: &str) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), String::new());
    loop {
        let answer = fleet.device.get(&format!("{LIST}?{query}{after}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let page = answer.body["devices"].as_array().unwrap();
        ids.extend(page.iter().map(|device| device["device_id"].as_str().unwrap().to_owned()));
        match answer.body["next"].as_str() {
            Some(cursor) => after = format!("&after={cursor}"),
            None => return ids,
        }
    }
}

fn expected(passes: impl Fn(usize) -> bool) -> Vec<String> {
    (1..=60).filter(|n| passes(*n)).map(|n| format!("d{n:03}")).collect()
}

#[tokio::test]
async fn each_filter_and_all_of_them_together() {
    let fleet = with_devices(60).await;
    assert_eq!(ids(&fleet, "status=SUSPENDED&limit=4").await, expected(|n| n % 5 == 0));
    assert_eq!(ids(&fleet, "site_id=roof&limit=7").await, expected(|n| n % 2 == 0));
    assert_eq!(ids(&fleet, "tag=b&tag=a&limit=3").await, expected(|n| n % 3 == 0));
    assert_eq!(ids(&fleet, "tags=c,a").await, expected(|n| n % 3 == 0));
    assert_eq!(ids(&fleet, "tag=nobody").await, expected(|_| false));
    // In the name and the id, in any case; % and _ stand for themselves.
    assert_eq!(ids(&fleet, "search=PUMP%207%25").await, expected(|n| n == 7));
    assert_eq!(ids(&fleet, "search=D01&limit=3").await, expected(|n| (10..20).contains(&n)));
    assert_eq!(ids(&fleet, "search=_").await, expected(|_| false));
    let all = "status=ACTIVE&site_id=roof&tag=c&search=pump&limit=2";
    assert_eq!(ids(&fleet, all).await, expected(|n| n % 5 != 0 && n % 6 == 0));
}

#[tokio::test]
async fn a_filter_that_is_none_is_refused_and_a_cursor_belongs_to_its_filter() {
    let fleet = with_devices(60).await;
    for query in ["status=GONE", "status=DELETED", "offset=5", "search=", "site_id=%00", "search=%00", "tag="]
    {
        fleet.device.get(&format!("{LIST}?{query}")).await.refused(400, "BAD_FIELD");
    }
    let first = fleet.device.get(&format!("{LIST}?status=ACTIVE&limit=3")).await;
    let cursor = first.body["next"].as_str().unwrap();
    fleet.device.get(&format!("{LIST}?limit=3&after={cursor}")).await.refused(400, "BAD_CURSOR");
    fleet
        .device
        .get(&format!("{LIST}?status=ACTIVE&limit=3&after={cursor}x"))
        .await
        .refused(400, "BAD_CURSOR");
    assert_eq!(fleet.device.get(&format!("{LIST}?status=ACTIVE&after={cursor}")).await.status, 200);
}

#[tokio::test]
async fn the_number_of_statements_does_not_follow_that_of_the_devices() {
    let fleet = with_devices(500).await;
    let pool = fleet.running.service().unwrap().pools.ui.clone();
    let executed = || pool.snapshot().statements.executed;
    let mut costs = Vec::new();
    for (limit, tags) in [(1, 1), (10, 16), (500, 500 + 166 * 2)] {
        let before = executed();
        let answer = fleet.device.get(&format!("{LIST}?limit={limit}")).await;
        costs.push(executed() - before);
        let devices = answer.body["devices"].as_array().unwrap();
        let told: usize = devices.iter().map(|device| device["tags"].as_array().unwrap().len()).sum();
        assert_eq!((devices.len(), told), (limit, tags), "every device comes with its tags");
    }
    assert_eq!(costs[0], costs[1], "{costs:?}");
    assert_eq!(costs[0], costs[2], "{costs:?}");
    assert!(costs[0] > 0);
}
