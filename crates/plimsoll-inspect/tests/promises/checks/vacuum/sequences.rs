//! B10: a sequence that runs out is found with the column that it fills, and both are widened.

use super::{database, does};
use crate::session::session;
use plimsoll_inspect::checks::{Remedy, State};

#[tokio::test]
async fn serial_and_identity_fire_and_are_widened_and_back() {
    let (_db, scene) = database().await;
    does(&scene, &[
        "CREATE TABLE orders (id serial PRIMARY KEY)",
        "CREATE TABLE items (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, other smallserial, big bigserial)",
        "CREATE SEQUENCE shared; CREATE TABLE uses (id int DEFAULT nextval('shared'))",
        "CREATE SEQUENCE short MAXVALUE 100; CREATE SEQUENCE round MAXVALUE 100 CYCLE",
        "ANALYZE",
    ])
    .await;
    scene.finds_nothing("B10").await;
    does(&scene, &["SELECT setval('orders_id_seq', 1600000000), setval('items_id_seq', 1900000000), setval('items_big_seq', 1900000000000)"]).await;
    let serial = scene.finds("B10", "sequence public.orders_id_seq", State::Warn).await;
    assert_eq!(
        serial.value,
        "it stands at 1600000000, 74.5 % of the way to 2147483647, which fills public.orders.id (integer)"
    );
    scene.is_remedied("B10", &serial).await;
    let identity = scene.finds("B10", "sequence public.items_id_seq", State::Crit).await;
    scene.is_remedied("B10", &identity).await;

    // A bigint sequence that fills an int column ends where the column does.
    does(&scene, &["SELECT setval('shared', 1600000000), setval('items_other_seq', 30000), setval('short', 90), setval('round', 90)"]).await;
    let column = scene.finds("B10", "sequence public.shared", State::Warn).await;
    assert!(
        column.value.contains("of the way to the end of that column's type, which fills public.uses.id"),
        "{}",
        column.value
    );
    scene.is_remedied("B10", &column).await;
    let small = scene.finds("B10", "sequence public.items_other_seq", State::Crit).await;
    scene.is_remedied("B10", &small).await;
    let short = scene.finds("B10", "sequence public.short", State::Crit).await;
    scene.is_remedied("B10", &short).await;
    scene.is_silent("B10", "sequence public.round").await;
}

#[tokio::test]
async fn what_is_not_rewritten_in_one_go_gets_a_plan_and_a_blind_role_no_answer() {
    let (db, mut scene) = database().await;
    does(
        &scene,
        &[
            "CREATE TABLE large (id serial) PARTITION BY RANGE (id)",
            "SELECT setval('large_id_seq', 2000000000)",
        ],
    )
    .await;
    does(
        &scene,
        &["CREATE SEQUENCE down INCREMENT -1 MINVALUE -100 MAXVALUE -1; SELECT setval('down', -90)"],
    )
    .await;
    let finding = scene.finds("B10", "sequence public.large_id_seq", State::Crit).await;
    let Some(Remedy::Advice { text }) = &finding.remedy else { panic!("{finding:?}") };
    assert!(text.starts_with("public.large is locked, or not stored here: add a bigint column"), "{text}");
    let down = scene.finds("B10", "sequence public.down", State::Crit).await;
    assert!(down.value.starts_with("it stands at -90, 89.9 % of the way to -100"), "{}", down.value);
    let role = format!("{}_blind", db.name());
    does(&scene, &[&format!("CREATE ROLE {role} LOGIN PASSWORD 'pw'")]).await;
    scene.asker = session(&db, Some(&role), "blind").await;
    let skipped = scene.finds("B10", "sequences", State::Skipped).await;
    assert!(skipped.value.starts_with("of 2 sequences the role that asks may not see"), "{}", skipped.value);
    scene.asker = session(&db, None, "asker").await;
    does(&scene, &[&format!("DROP ROLE {role}")]).await;
}
