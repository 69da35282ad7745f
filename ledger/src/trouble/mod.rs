//! How each fault is played: again and again until the time is over, by dice that a seed has set.
//!
//! What is broken at the end is made whole by whoever called ([`Stage::heal`]), so each of these may stop anywhere.

mod pooler;
mod program;
mod server;
mod sessions;
mod standby;
mod wire;

use crate::fault::Fault;
use crate::stage::Stage;
use crate::work::Desk;
use anyhow::Result;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{sleep, sleep_until};

/// What a fault is played on.
pub(crate) struct Scene<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) desks: &'a [Arc<Desk>],
    pub(crate) seed: u64,
    /// When it is over.
    pub(crate) until: Instant,
    /// The program of this crate, to be started and killed.
    pub(crate) program: Option<&'a Path>,
    /// The programs of the lanes that run now, where each has its own.
    pub(crate) lives: &'a Lives,
}

impl Scene<'_> {
    fn dice(&self) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.seed)
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// A pause of so many milliseconds, or what is left.
    async fn pause(&self, dice: &mut fastrand::Rng, ms: std::ops::Range<u64>) {
        let pause = sleep(Duration::from_millis(dice.u64(ms)));
        tokio::select! {
            () = pause => {}
            () = sleep_until(self.until.into()) => {}
        }
    }

    /// Plays it to the end of its time.
    pub(crate) async fn play(&self, fault: Fault) -> Result<()> {
        match fault {
            Fault::WireCut => wire::cuts(self).await,
            Fault::AnswerLost => wire::loses_answers(self).await,
            Fault::Silence => wire::falls_silent(self).await,
            Fault::ConnectStorm => wire::makes_all_connect(self).await,
            Fault::SlowNetwork => wire::is_slow(self).await,
            Fault::ServerFrozen => server::freezes(self).await?,
            Fault::BackendKilled => server::loses_a_backend(self).await?,
            Fault::ServerKilled => server::is_killed(self).await?,
            Fault::ServerStopped => server::is_stopped(self).await?,
            Fault::EndedAtRandom => sessions::are_ended(self).await,
            Fault::NoSlotsLeft => sessions::take_all(self).await?,
            Fault::LockPileUp => sessions::hold_a_row(self).await?,
            Fault::ForeignState => sessions::leave_state_behind(self).await,
            Fault::SchemaChange => sessions::change_the_schema(self).await,
            Fault::PoolerRestarted => pooler::is_administered(self).await?,
            Fault::ProgramStalled => program::stalls(self).await,
            Fault::ProgramKilled => program::is_killed(self).await?,
            Fault::ClockJump => program::stands_still(self).await?,
            Fault::Failover => standby::takes_over(self).await?,
            Fault::ReplicaLag => standby::is_behind(self).await?,
            Fault::AddressAndPassword => program::moves_on(self).await?,
            Fault::Shutdown => program::shuts_its_pools_down(self).await?,
            // Their trouble is in the calls themselves.
            Fault::Calm
            | Fault::CallerLeaves
            | Fault::CancelsAstray
            | Fault::DeadlineStorm
            | Fault::Poisoned
            | Fault::Collisions
            | Fault::ResourcesOut
            | Fault::Overload => {}
        }
        sleep_until(self.until.into()).await;
        Ok(())
    }
}

pub use program::live_until_killed;
pub(crate) use program::{Life, Lives};
