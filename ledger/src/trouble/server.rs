//! Troubles of the server.

use super::Scene;
use anyhow::Result;
use plimsoll_embedded::StopMode;
use plimsoll_faults::Process;
use std::time::Duration;
use tokio::time::timeout;

/// How long a server that is to stop when its clients have gone waits for them here.
const SMART: Duration = Duration::from_millis(700);

/// Stands still and goes on.
pub(super) async fn freezes(scene: &Scene<'_>) -> Result<()> {
    let mut dice = scene.dice();
    while !scene.is_over() {
        scene.pause(&mut dice, 100..500).await;
        let server = scene.stage.servers.process();
        server.freeze().await?;
        scene.pause(&mut dice, 100..1_200).await;
        server.thaw()?;
    }
    Ok(())
}

/// One backend is killed, upon which the server ends the others and recovers.
pub(super) async fn loses_a_backend(scene: &Scene<'_>) -> Result<()> {
    let mut dice = scene.dice();
    while !scene.is_over() {
        scene.pause(&mut dice, 300..900).await;
        let sql = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'
            AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1";
        let rows = scene.stage.servers.ask("postgres", sql).await.unwrap_or_default();
        let Some(pid) = rows.first().and_then(|row| row.get("pid")?.parse().ok()) else { continue };
        // It may have gone by itself since.
        if let Ok(backend) = Process::attach(pid) {
            let _ = backend.kill().await;
        }
    }
    Ok(())
}

/// Everything is killed at once and started again.
pub(super) async fn is_killed(scene: &Scene<'_>) -> Result<()> {
    let mut dice = scene.dice();
    while !scene.is_over() {
        scene.pause(&mut dice, 400..1_000).await;
        scene.stage.servers.process().kill().await?;
        scene.pause(&mut dice, 50..600).await;
        scene.stage.servers.primary().start_again().await?;
        scene.stage.servers.is_another()?;
    }
    Ok(())
}

/// Stopped in each mode. The patient one waits for clients who do not leave, and is then hurried.
pub(super) async fn is_stopped(scene: &Scene<'_>) -> Result<()> {
    let mut dice = scene.dice();
    while !scene.is_over() {
        scene.pause(&mut dice, 400..1_000).await;
        let cluster = scene.stage.servers.primary();
        match dice.u8(0..3) {
            0 => cluster.stop_mode(StopMode::Immediate).await?,
            1 => cluster.stop_mode(StopMode::Fast).await?,
            _ => {
                if !matches!(timeout(SMART, cluster.stop_mode(StopMode::Smart)).await, Ok(Ok(()))) {
                    cluster.stop_mode(StopMode::Fast).await?;
                }
            }
        }
        scene.pause(&mut dice, 50..400).await;
        cluster.start_again().await?;
        scene.stage.servers.is_another()?;
    }
    Ok(())
}
