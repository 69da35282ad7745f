//! Troubles of two servers, one of which follows the other.

use super::Scene;
use anyhow::Result;

/// The primary goes for good and its standby takes its place, in each of the orders that are seen: after the old one has
/// gone, while the old one still serves, and with callers who come to the new one before it takes writes. Then another
/// standby is made, and again.
pub(super) async fn takes_over(scene: &Scene<'_>) -> Result<()> {
    let mut dice = scene.dice();
    let servers = &scene.stage.servers;
    loop {
        scene.pause(&mut dice, 300..900).await;
        let standby = servers.standby()?;
        match dice.u8(0..3) {
            0 => {
                standby.promote().await?;
                scene.pause(&mut dice, 30..400).await;
                servers.process().kill().await?;
                servers.lead_to(&[&standby])?;
            }
            1 => {
                servers.process().kill().await?;
                servers.lead_to(&[&standby])?;
                scene.pause(&mut dice, 30..400).await;
                standby.promote().await?;
            }
            _ => {
                servers.process().kill().await?;
                standby.promote().await?;
                servers.lead_to(&[&standby])?;
            }
        }
        servers.succeed()?;
        if scene.is_over() {
            return Ok(());
        }
        servers.follow().await?;
    }
}

/// Every other connection leads to a standby that has stopped to replay what it is sent; then the balancer takes it out,
/// ends its connections, and it catches up.
pub(super) async fn is_behind(scene: &Scene<'_>) -> Result<()> {
    let mut dice = scene.dice();
    let servers = &scene.stage.servers;
    let (primary, standby) = (servers.primary(), servers.standby()?);
    while !scene.is_over() {
        standby.execute("postgres", "SELECT pg_wal_replay_pause()").await?;
        servers.lead_to(&[&primary, &standby])?;
        servers.cut();
        scene.pause(&mut dice, 200..700).await;
        servers.lead_to(&[&primary])?;
        servers.cut();
        standby.execute("postgres", "SELECT pg_wal_replay_resume()").await?;
        scene.pause(&mut dice, 50..400).await;
    }
    Ok(())
}
