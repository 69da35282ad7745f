//! What is due of all tenants is found and turned once, whatever the number of instances: a grace for who pays, then the end.

use crate::asking::{created, text};
use crate::service::{self, Device, Fleet};
use fleet::subscriptions::subscription::{SubscriptionStatus, SubscriptionType};
use fleet::subscriptions::terms;
use tokio::task::JoinSet;

const ADD: &str = "
    INSERT INTO tenants (tenant_id, name) VALUES ('other', 'o');
    INSERT INTO subscriptions (tenant_id, subscription_id, subscription_type, device_limit, status, term_start, term_end)
    SELECT 'other', 'SUB-20250101-0000' || n, kind, 5, status, now() - interval '2 years', now() + ends
    FROM (VALUES (1, 'MAIN', 'ACTIVE', interval '-1 minute'), (2, 'MAIN', 'ACTIVE', interval '1 hour'),
                 (3, 'TEMPORARY', 'ACTIVE', interval '-1 day'), (4, 'TRIAL', 'TRIAL', interval '-1 day'),
                 (5, 'MAIN', 'SUSPENDED', interval '-1 day')) AS s (n, kind, status, ends)";

const STATES: &str = "SELECT string_agg(status, ' ' ORDER BY subscription_id) AS s FROM subscriptions WHERE tenant_id = 'other'";

/// As many instances as there are, at the same time.
async fn advance(fleet: &Fleet) -> u64 {
    let db = fleet.running.service().unwrap().pools.ops_worker.clone();
    let all: JoinSet<u64> = (0..8)
        .map(|_| {
            let db = db.clone();
            async move { terms::advance(&db).await.unwrap() }
        })
        .collect();
    all.join_all().await.into_iter().sum()
}

#[tokio::test]
async fn each_by_its_kind_and_of_every_tenant() {
    let fleet = service::start().await;
    let token = created(&fleet, "d1").await;
    let own = Device { key: token, ..fleet.device.clone() };
    fleet.database.execute(ADD).await.unwrap();
    let past =
        "UPDATE subscriptions SET term_start = now() - interval '2 days', term_end = now() - interval '1 day'
                WHERE tenant_id = 'test'";
    fleet.database.execute(past).await.unwrap();
    assert_eq!(advance(&fleet).await, 4, "of both tenants, each once");
    assert_eq!(text(&fleet, STATES).await, "GRACE ACTIVE EXPIRED EXPIRED SUSPENDED");
    let logged = "SELECT count(*) AS n FROM subscription_event_log WHERE event_type <> 'DEVICE_ADDED'";
    assert_eq!(fleet.number(logged).await, 4);
    let grace = "SELECT count(*) AS n FROM subscriptions WHERE status = 'GRACE'
                 AND grace_end BETWEEN now() + interval '13 days' AND now() + interval '14 days'";
    assert_eq!(fleet.number(grace).await, 2);
    // In the grace, devices go on; nothing is due until it ends.
    own.send("d1", r#"{"t": 1}"#).await.accepted();
    assert_eq!(advance(&fleet).await, 0);
    fleet
        .database
        .execute("UPDATE subscriptions SET grace_end = now() WHERE status = 'GRACE'")
        .await
        .unwrap();
    assert_eq!(advance(&fleet).await, 2);
    assert_eq!(text(&fleet, STATES).await, "SUSPENDED ACTIVE EXPIRED EXPIRED SUSPENDED");
    own.send("d1", r#"{"t": 2}"#).await.refused(403, "SUBSCRIPTION_SUSPENDED");
}

/// What was answered a week ago goes, of every tenant; what is newer stays.
#[tokio::test]
async fn and_results_of_a_week_ago_go() {
    let fleet = service::start().await;
    let add = "INSERT INTO tenants (tenant_id, name) VALUES ('other', 'o');
        INSERT INTO stored_results (tenant_id, operation, key, request_hash, result, created_at)
        SELECT t, 'renew', 'k' || days, repeat('0', 64), '{}', now() - make_interval(days => days)
        FROM unnest(ARRAY['test', 'other']) t, unnest(ARRAY[0, 6, 8, 100]) days";
    fleet.database.execute(add).await.unwrap();
    let db = &fleet.running.service().unwrap().pools.ops_worker;
    assert_eq!(terms::forget(db).await.unwrap(), 4);
    let left = "SELECT count(*) AS n FROM stored_results WHERE key IN ('k0', 'k6')";
    assert_eq!((fleet.number(left).await, terms::forget(db).await.unwrap()), (4, 0));
}

#[tokio::test]
async fn the_lists_of_states_and_kinds_are_those_of_the_table() {
    let fleet = service::start().await;
    let of_table = async |constraint: &str| {
        let sql = format!(
            "SELECT pg_get_constraintdef(oid) AS s FROM pg_constraint WHERE conname = '{constraint}'"
        );
        let text = text(&fleet, &sql).await;
        text.split('\'').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        of_table("subscriptions_status").await,
        SubscriptionStatus::ALL.map(SubscriptionStatus::as_str)
    );
    let kinds = of_table("subscriptions_subscription_type_check").await;
    assert_eq!(kinds, SubscriptionType::ALL.map(SubscriptionType::as_str));
}
