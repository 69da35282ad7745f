//! The pages of a list together hold every device once, in order, and a cursor that was not made here is refused.

use crate::service::{self, Fleet};

const LIST: &str = "/api/v1/customer/devices";

async fn with_devices(count: usize) -> Fleet {
    let fleet = service::start().await;
    let sql = format!(
        "INSERT INTO device_registry (tenant_id, device_id, site_id, status)
         SELECT 'test', 'd' || n, 'default', 'ACTIVE' FROM generate_series(1, {count}) n"
    );
    fleet.database.execute(&sql).await.unwrap();
    fleet
}

/// The ids of a page, and the cursor of the next.
async fn page(fleet: &Fleet, path: &str) -> (Vec<String>, Option<String>) {
    let answer = fleet.device.get(path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let devices = answer.body["devices"].as_array().unwrap();
    let ids = devices.iter().map(|device| device["device_id"].as_str().unwrap().to_owned()).collect();
    (ids, answer.body["next"].as_str().map(str::to_owned))
}

#[tokio::test]
async fn every_device_is_on_one_page() {
    let fleet = with_devices(250).await;
    let mut expected: Vec<String> = (1..=250).map(|n| format!("d{n}")).collect();
    expected.sort();
    for (limit, pages) in [(None, 3), (Some(1000), 1), (Some(250), 1), (Some(125), 2), (Some(7), 36)] {
        let query = limit.map(|limit| format!("limit={limit}&")).unwrap_or_default();
        let (mut seen, mut next) = page(&fleet, &format!("{LIST}?{query}")).await;
        let mut read = 1;
        while let Some(cursor) = next {
            let (ids, following) = page(&fleet, &format!("{LIST}?{query}after={cursor}")).await;
            seen.extend(ids);
            next = following;
            read += 1;
        }
        assert_eq!((seen, read), (expected.clone(), pages), "with {limit:?} on a page");
    }
    let (old_path, _) = page(&fleet, "/customer/devices?limit=3").await;
    assert_eq!(old_path, expected[..3]);
}

#[tokio::test]
async fn devices_that_come_and_go_in_between_shift_nothing() {
    let fleet = with_devices(10).await;
    let (first, next) = page(&fleet, &format!("{LIST}?limit=4")).await;
    let change = "DELETE FROM device_registry WHERE device_id IN ('d1', 'd3');
                  INSERT INTO device_registry (tenant_id, device_id, site_id) VALUES ('test', 'a', 'default')";
    fleet.database.execute(change).await.unwrap();
    let (second, end) = page(&fleet, &format!("{LIST}?after={}", next.unwrap())).await;
    assert_eq!(
        (first.join(" "), second.join(" "), end),
        ("d1 d10 d2 d3".into(), "d4 d5 d6 d7 d8 d9".into(), None)
    );
}

#[tokio::test]
async fn a_cursor_that_is_none_is_refused() {
    let fleet = with_devices(5).await;
    let (_, next) = page(&fleet, &format!("{LIST}?limit=2")).await;
    let good = next.unwrap();
    let middle = good.len() / 2;
    let other = if &good[middle..=middle] == "A" { "B" } else { "A" };
    let changed = format!("{}{other}{}", &good[..middle], &good[middle + 1..]);
    for bad in ["x", "ZDI", &changed, &good[1..], &good[..good.len() - 2], &"A".repeat(4000), "%00", ""] {
        fleet.device.get(&format!("{LIST}?after={bad}")).await.refused(400, "BAD_CURSOR");
    }
    for bad in ["0", "1001", "-1", "many", "1.5", "99999999999"] {
        fleet.device.get(&format!("{LIST}?limit={bad}")).await.refused(400, "BAD_LIMIT");
    }
}

#[tokio::test]
async fn nobody_reads_without_the_tenants_token() {
    let fleet = with_devices(1).await;
    let secret = fleet.device.token.strip_prefix("test.").unwrap();
    let of_another = format!("other.{secret}");
    fleet.device.get_as(LIST, None).await.refused(401, "TOKEN_MISSING");
    for token in ["x", "test.x", secret, &of_another, &fleet.device.key, &"t".repeat(2000)] {
        let answer = fleet.device.get_as(LIST, Some(token)).await;
        assert_eq!(answer.status, 401, "{answer:?}");
    }
    fleet.database.execute("UPDATE tenant_access_tokens SET revoked_at = now()").await.unwrap();
    fleet.device.get(LIST).await.refused(401, "TOKEN_INVALID");
}
