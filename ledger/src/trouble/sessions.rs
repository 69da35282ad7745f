//! Troubles that other sessions make.

use super::Scene;
use anyhow::Result;
use plimsoll::{Database, PooledConnection, Settings};
use std::time::Duration;

/// Cancels or ends one in ten, past wires and poolers.
pub(super) async fn are_ended(scene: &Scene<'_>) {
    let mut dice = scene.dice();
    while !scene.is_over() {
        let what = if dice.bool() { "pg_cancel_backend" } else { "pg_terminate_backend" };
        let sql = format!(
            "SELECT {what}(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' \
             AND pid <> pg_backend_pid() AND random() < 0.1"
        );
        let _ = scene.stage.servers.ask("postgres", &sql).await;
        scene.pause(&mut dice, 10..60).await;
    }
}

/// Takes every connection that the server has, while all pools have to connect anew; lets go, and again.
pub(super) async fn take_all(scene: &Scene<'_>) -> Result<()> {
    let mut dice = scene.dice();
    let cluster = scene.stage.servers.primary();
    let settings = Settings::default()
        .hosts(format!("{}:{}", cluster.host(), cluster.port()))
        .user(cluster.superuser())
        .password(cluster.password())
        .dbname("postgres")
        .pool_min(0)
        .pool_max(100)
        .max_overflow(0)
        .pool_timeout(Duration::from_millis(300));
    let others = Database::connect(settings).await?;
    while !scene.is_over() {
        scene.stage.wires(|wire| {
            wire.cut_all();
        });
        let mut held: Vec<PooledConnection> = Vec::new();
        // Until the server has no more.
        while let Ok(connection) = others.named("others").acquire().await {
            held.push(connection);
            if scene.is_over() {
                break;
            }
        }
        scene.stage.wires(|wire| {
            wire.cut_all();
        });
        scene.pause(&mut dice, 200..700).await;
        drop(held);
        scene.pause(&mut dice, 100..400).await;
    }
    others.close().await;
    Ok(())
}

/// Holds the row that most callers want, in every lane's database at once.
pub(super) async fn hold_a_row(scene: &Scene<'_>) -> Result<()> {
    let mut dice = scene.dice();
    while !scene.is_over() {
        let seconds = dice.f64() * 0.7;
        let sql = format!("BEGIN; UPDATE hot SET n = n WHERE id = 4; SELECT pg_sleep({seconds:.3}); COMMIT");
        let holding =
            scene.stage.tracks.iter().map(|track| scene.stage.servers.ask(track.lane.database(), &sql));
        futures_util::future::join_all(holding).await;
        scene.pause(&mut dice, 20..200).await;
    }
    Ok(())
}

/// Comes through the pooler with the same login, and leaves its own state on the session that it was lent.
pub(super) async fn leave_state_behind(scene: &Scene<'_>) {
    const STATES: [&str; 4] = [
        "SET search_path = elsewhere, public",
        "CREATE TEMP TABLE IF NOT EXISTS entry (LIKE public.entry)",
        "SET default_transaction_read_only = on",
        "SET DateStyle = 'German'; SET statement_timeout = '15ms'",
    ];
    let mut dice = scene.dice();
    while !scene.is_over() {
        let state = dice.choice(STATES).unwrap_or_default();
        let strangers = scene.stage.tracks.iter().filter_map(|track| {
            let pooler = track.poolers.first()?;
            Some(stranger(scene, pooler.port(), track.lane.database(), state))
        });
        futures_util::future::join_all(strangers).await;
        scene.pause(&mut dice, 150..500).await;
        if dice.u8(0..3) == 0 {
            for pooler in scene.stage.poolers() {
                let _ = pooler.admin("RECONNECT").await;
            }
        }
    }
}

/// A client that nothing guards: a guarded one would clean up after itself.
#[expect(clippy::disallowed_methods, reason = "somebody else's client, whose manners are the point")]
async fn stranger(scene: &Scene<'_>, port: u16, database: &str, sql: &str) {
    let mut config = tokio_postgres::Config::new();
    let cluster = scene.stage.servers.primary();
    config
        .host("127.0.0.1")
        .port(port)
        .user(cluster.superuser())
        .password(cluster.password())
        .dbname(database);
    let visit = async {
        let Ok((client, connection)) = config.connect(tokio_postgres::NoTls).await else { return };
        let session = tokio::spawn(connection);
        let _ = client.batch_execute(sql).await;
        drop(client);
        let _ = session.await;
    };
    let _ = tokio::time::timeout(Duration::from_secs(2), visit).await;
}

/// Changes the tables that everybody writes: what was prepared is old, and locks are waited for.
pub(super) async fn change_the_schema(scene: &Scene<'_>) {
    const CHANGES: [&str; 7] = [
        "ALTER TABLE entry ADD COLUMN IF NOT EXISTS more int",
        "ALTER TABLE entry DROP COLUMN IF EXISTS more",
        "ALTER TABLE entry ALTER COLUMN note TYPE varchar(40)",
        "ALTER TABLE entry ALTER COLUMN note TYPE text",
        "ALTER TABLE entry ALTER COLUMN id TYPE numeric; ALTER TABLE entry ALTER COLUMN id TYPE bigint",
        "ALTER TABLE entry RENAME COLUMN note TO remark; ALTER TABLE entry RENAME COLUMN remark TO note",
        "DROP INDEX IF EXISTS entry_id; CREATE INDEX entry_id ON entry (id)",
    ];
    let mut dice = scene.dice();
    while !scene.is_over() {
        let change = dice.choice(CHANGES).unwrap_or_default();
        let held = dice.f64() * 0.15;
        let sql = format!("BEGIN; {change}; SELECT pg_sleep({held:.3}); COMMIT");
        let changing =
            scene.stage.tracks.iter().map(|track| scene.stage.servers.ask(track.lane.database(), &sql));
        futures_util::future::join_all(changing).await;
        scene.pause(&mut dice, 20..150).await;
    }
}
