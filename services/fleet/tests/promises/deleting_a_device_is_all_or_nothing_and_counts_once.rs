//! A deleted device is gone in one transaction with its place in the subscription and the event that tells of it; it counts
//! once, however many ask, and it is not let in any more.

use crate::asking::{Ask, all_at_once, created, delete, text, with_status};
use crate::boundaries;
use crate::service::{self, Device, Fleet};
use plimsoll::{Database, Settings};
use reqwest::Method;

const COUNT: &str = "SELECT active_device_count AS n FROM subscriptions";
const REMOVED: &str = "SELECT count(*) AS n FROM subscription_event_log WHERE event_type = 'DEVICE_REMOVED'";

async fn status(fleet: &Fleet, device: &str) -> String {
    text(fleet, &format!("SELECT status AS s FROM device_registry WHERE device_id = '{device}'")).await
}

#[tokio::test]
async fn its_three_writes_are_there() {
    let fleet = service::start().await;
    let token = created(&fleet, "d1").await;
    created(&fleet, "d2").await;
    let own = Device { key: token, ..fleet.device.clone() };
    own.send("d1", r#"{"t": 1}"#).await.accepted();
    fleet.database.execute("UPDATE subscriptions SET updated_at = '2020-01-01'").await.unwrap();

    let answer = delete(&fleet, "/customer/devices/d1").await;
    assert_eq!(
        (answer.status, &answer.body["device_id"], &answer.body["status"]),
        (200, &"d1".into(), &"deleted".into())
    );
    assert_eq!((status(&fleet, "d1").await, status(&fleet, "d2").await), ("DELETED".into(), "ACTIVE".into()));
    assert_eq!((fleet.number(COUNT).await, fleet.number(REMOVED).await), (1, 1));
    let touched = "SELECT count(*) AS n FROM subscriptions WHERE updated_at > '2020-01-01'";
    assert_eq!(fleet.number(touched).await, 1);
    own.send("d1", r#"{"t": 2}"#).await.refused(403, "DEVICE_REVOKED");
    fleet.device.get("/customer/devices/d1").await.refused(404, "DEVICE_NOT_FOUND");
}

#[tokio::test]
async fn one_that_is_not_there_is_404() {
    let fleet = service::start().await;
    created(&fleet, "d1").await;
    let before = "INSERT INTO tenants (tenant_id, name) VALUES ('other', 'o');
                  INSERT INTO sites (tenant_id, site_id, name) VALUES ('other', 'default', 'd');
                  INSERT INTO device_registry (tenant_id, device_id, site_id, status)
                  VALUES ('other', 'theirs', 'default', 'ACTIVE')";
    fleet.database.execute(before).await.unwrap();
    assert_eq!(delete(&fleet, "/api/v1/customer/devices/d1").await.status, 200);
    for path in ["d1", "nobody", "theirs", "no%20id", "%ff"] {
        let answer = delete(&fleet, &format!("/customer/devices/{path}")).await;
        answer.refused(404, "DEVICE_NOT_FOUND");
        assert_eq!(answer.body["title"], "Device not found");
    }
    assert_eq!((fleet.number(COUNT).await, fleet.number(REMOVED).await), (0, 1));
    assert_eq!(status(&fleet, "theirs").await, "ACTIVE");
    let ask = Ask::new(&fleet, Method::DELETE, "/customer/devices/d1").token("test.wrong");
    ask.send().await.refused(401, "TOKEN_INVALID");
}

#[tokio::test]
async fn a_hundred_at_once_count_once() {
    let fleet = service::start().await;
    for device in ["d1", "d2", "d3"] {
        created(&fleet, device).await;
    }
    let ask = Ask::new(&fleet, Method::DELETE, "/customer/devices/d2");
    let answers = all_at_once((0..100).map(|_| ask.clone().send())).await;
    assert_eq!((with_status(&answers, 200), with_status(&answers, 404)), (1, 99), "{answers:?}");
    assert_eq!((fleet.number(COUNT).await, fleet.number(REMOVED).await), (2, 1));
}

#[tokio::test]
async fn the_count_never_falls_below_zero_and_who_was_put_aside_is_not_counted_again() {
    let fleet = service::start().await;
    for device in ["d1", "d2"] {
        created(&fleet, device).await;
    }
    let aside = Ask::new(&fleet, Method::PATCH, "/customer/devices/d1/decommission");
    assert_eq!(aside.send().await.status, 200);
    assert_eq!(fleet.number(COUNT).await, 1);
    assert_eq!(delete(&fleet, "/customer/devices/d1").await.status, 200);
    assert_eq!((fleet.number(COUNT).await, fleet.number(REMOVED).await), (1, 1));
    fleet.database.execute("UPDATE subscriptions SET active_device_count = 0").await.unwrap();
    assert_eq!(delete(&fleet, "/customer/devices/d2").await.status, 200);
    assert_eq!((fleet.number(COUNT).await, fleet.number(REMOVED).await), (0, 2));
}

#[tokio::test]
async fn one_without_a_subscription_leaves_the_count_alone() {
    let fleet = service::start().await;
    created(&fleet, "d1").await;
    let free = "INSERT INTO device_registry (tenant_id, device_id, site_id, status)
                VALUES ('test', 'free', 'default', 'SUSPENDED')";
    fleet.database.execute(free).await.unwrap();
    assert_eq!(delete(&fleet, "/customer/devices/free").await.status, 200);
    assert_eq!((fleet.number(COUNT).await, fleet.number(REMOVED).await), (1, 1));
    assert_eq!(status(&fleet, "free").await, "DELETED");
}

/// While a delete waits for the subscription, the device is moved to another: that one is given its place back.
#[tokio::test]
async fn one_that_is_moved_meanwhile_is_counted_where_it_is() {
    let fleet = service::start().await;
    created(&fleet, "d1").await;
    let other =
        "INSERT INTO subscriptions (tenant_id, subscription_id, subscription_type, device_limit, term_end,
                                            active_device_count)
                 VALUES ('test', 'SUB-20250101-00009', 'MAIN', 5, now() + interval '1 year', 3)";
    fleet.database.execute(other).await.unwrap();
    let owner = Database::connect(Settings::from_url(fleet.database.url()).unwrap()).await.unwrap();
    let hold = owner.begin().await.unwrap();
    hold.batch_execute("SELECT FROM subscriptions WHERE subscription_id <> 'SUB-20250101-00009' FOR UPDATE")
        .await
        .unwrap();
    let deleting = tokio::spawn(Ask::new(&fleet, Method::DELETE, "/customer/devices/d1").send());
    let waits = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()
                 AND wait_event_type = 'Lock' AND query LIKE '%public.subscriptions%'";
    service::until("the delete waits", async || fleet.number(waits).await == 1).await;
    let moves = "UPDATE device_registry SET subscription_id = 'SUB-20250101-00009';
                 UPDATE subscriptions SET active_device_count = 0 WHERE subscription_id <> 'SUB-20250101-00009'";
    hold.batch_execute(moves).await.unwrap();
    hold.commit().await.unwrap();
    assert_eq!(deleting.await.unwrap().status, 200);
    let counts =
        "SELECT string_agg(active_device_count::text, ' ' ORDER BY subscription_id) AS s FROM subscriptions";
    assert_eq!(text(&fleet, counts).await, "2 0");
    assert_eq!(fleet.number(REMOVED).await, 1);
}

/// A constraint that fails in the second or the third write, as the document has it.
#[tokio::test]
async fn a_constraint_that_fails_leaves_the_device_as_it_was() {
    let fleet = service::start().await;
    created(&fleet, "d1").await;
    for table in ["subscriptions", "subscription_event_log"] {
        let fail = format!("ALTER TABLE {table} ADD CONSTRAINT nothing_more CHECK (false) NOT VALID");
        fleet.database.execute(&fail).await.unwrap();
        let answer = delete(&fleet, "/customer/devices/d1").await;
        assert!(answer.status >= 400, "{answer:?}");
        assert_eq!((status(&fleet, "d1").await, fleet.number(COUNT).await), ("ACTIVE".into(), 1));
        assert_eq!(fleet.number(REMOVED).await, 0);
        fleet.database.execute(&format!("ALTER TABLE {table} DROP CONSTRAINT nothing_more")).await.unwrap();
    }
    assert_eq!(delete(&fleet, "/customer/devices/d1").await.status, 200);
}

#[tokio::test]
async fn and_so_does_a_fault_at_any_boundary() {
    let fleet = service::start().await;
    created(&fleet, "d1").await;
    boundaries::install(&fleet).await;
    let operation = async || delete(&fleet, "/customer/devices/d1").await;
    let boundaries =
        boundaries::all_or_nothing(&fleet, "delete", |answer| answer.status == 200, operation).await;
    assert_eq!(boundaries, 9, "three writes, each before, after and at COMMIT");
}
