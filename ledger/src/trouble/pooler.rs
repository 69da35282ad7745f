//! Troubles of the pooler: what its administrators do in the middle of the day.

use super::Scene;
use anyhow::Result;
use futures_util::future::join_all;

/// One thing after another, on every lane's pooler at one time.
pub(super) async fn is_administered(scene: &Scene<'_>) -> Result<()> {
    let mut dice = scene.dice();
    while !scene.is_over() {
        match dice.u8(0..4) {
            0 => tell(scene, "RELOAD").await,
            1 => tell(scene, "RECONNECT").await,
            2 => {
                // It waits until every transaction has ended, and what comes meanwhile waits for RESUME.
                let pausing = tell(scene, "PAUSE");
                let patience = scene.pause(&mut dice, 200..600);
                tokio::join!(
                    async { drop(tokio::time::timeout(std::time::Duration::from_secs(2), pausing).await) },
                    patience
                );
                tell(scene, "RESUME").await;
            }
            _ => scene.stage.restart_poolers().await?,
        }
        scene.pause(&mut dice, 100..500).await;
    }
    Ok(())
}

/// What cannot be done now (RESUME where nothing is paused) is not done.
async fn tell(scene: &Scene<'_>, command: &str) {
    join_all(scene.stage.poolers().map(|pooler| pooler.admin(command))).await;
}
