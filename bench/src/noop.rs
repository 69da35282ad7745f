//! Pools of connections that cost nothing, so that only the pool is measured.

use anyhow::Result;
use plimsoll::Settings;
use plimsoll::pool::{Ask, Home, Manage, Pool, Verdict};
use std::convert::Infallible;
use std::time::Duration;
use tokio::time::Instant;

/// As large as in the other benches.
pub const SIZE: usize = 16;

/// Longer than anybody waits here; that it is there is what costs.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is lent: something to look at, and nothing behind it.
#[derive(Debug)]
pub struct Nothing(pub u64);

/// Makes nothing.
pub struct Maker;

impl Manage for Maker {
    type Connection = Nothing;
    type Handle = ();

    async fn connect(&self, _until: Instant) -> plimsoll::Result<Nothing> {
        Ok(Nothing(1))
    }

    fn handle<'c>(&self, _connection: &'c Nothing) -> &'c () {
        &()
    }

    fn is_dead(&self, (): &()) -> bool {
        false
    }

    fn is_busy(&self, (): &()) -> bool {
        false
    }

    fn progress(&self, (): &()) -> u64 {
        0
    }

    async fn check(&self, _connection: &mut Nothing) -> plimsoll::Result<()> {
        Ok(())
    }

    fn verdict(&self, _connection: &mut Nothing) -> Verdict {
        Verdict::Clean
    }

    fn reclaim(&self, connection: Nothing, home: Home<Self>) {
        home.come_home(connection);
    }

    fn abandon(&self, (): &()) {}
}

/// Ours: limit on the wait, lease record with call site and task, clock, counters.
pub async fn plimsoll() -> Result<Pool<Maker>> {
    let settings = Settings::default().hosts("localhost").user("nobody").pool_min(SIZE).pool_max(SIZE);
    let pool = Pool::new(Maker, &settings.pool_timeout(PATIENCE).check()?);
    let mut leases = Vec::new();
    for _ in 0..SIZE {
        leases.push(pool.acquire(Ask::here()).await?);
    }
    Ok(pool)
}

impl deadpool::managed::Manager for Maker {
    type Type = Nothing;
    type Error = Infallible;

    async fn create(&self) -> Result<Nothing, Infallible> {
        Ok(Nothing(1))
    }

    async fn recycle(
        &self,
        _connection: &mut Nothing,
        _: &deadpool::managed::Metrics,
    ) -> deadpool::managed::RecycleResult<Infallible> {
        Ok(())
    }
}

/// deadpool as it has to be set up to never wait for ever: a limit on the wait, on the connect and on the check.
pub async fn deadpool() -> Result<deadpool::managed::Pool<Maker>> {
    let pool = deadpool::managed::Pool::builder(Maker)
        .max_size(SIZE)
        .runtime(deadpool::Runtime::Tokio1)
        .wait_timeout(Some(PATIENCE))
        .create_timeout(Some(PATIENCE))
        .recycle_timeout(Some(PATIENCE))
        .build()?;
    let mut leases = Vec::new();
    for _ in 0..SIZE {
        leases.push(pool.get().await?);
    }
    Ok(pool)
}

impl bb8::ManageConnection for Maker {
    type Connection = Nothing;
    type Error = Infallible;

    async fn connect(&self) -> Result<Nothing, Infallible> {
        Ok(Nothing(1))
    }

    async fn is_valid(&self, _connection: &mut Nothing) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _connection: &mut Nothing) -> bool {
        false
    }
}

/// bb8 without its check; its limit on the wait cannot be switched off.
pub async fn bb8() -> Result<bb8::Pool<Maker>> {
    let pool = bb8::Pool::builder()
        .max_size(u32::try_from(SIZE)?)
        .min_idle(u32::try_from(SIZE)?)
        .test_on_check_out(false)
        .connection_timeout(PATIENCE)
        .build(Maker)
        .await?;
    Ok(pool)
}
