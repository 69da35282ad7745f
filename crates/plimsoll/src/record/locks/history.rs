//! The same record of pile-ups, for programs that look at a server from outside and have no pool there.

use super::{LockEpisode, LockRecord, Look};
use plimsoll_inspect::blocking::Blocking;
use std::collections::HashMap;
use std::time::SystemTime;
use tokio::time::Instant;

/// Makes episodes of looks at who blocks whom. What was seen in one look and in the next is the same episode if they have a
/// session in common. Episodes are kept for 15 minutes after their end, at most 64.
///
/// ```no_run
/// # async fn example(client: &tokio_postgres::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use plimsoll::monitor::LockHistory;
/// use plimsoll_inspect::blocking::{BLOCKING, Blocking};
///
/// let mut history = LockHistory::default();
/// let seen = Blocking::read(&client.simple_query(BLOCKING).await?)?;
/// for episode in history.look(&seen, tokio::time::Instant::now(), std::time::SystemTime::now()) {
///     println!("{episode}");
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
pub struct LockHistory(LockRecord);

impl LockHistory {
    /// Takes in one look, which was taken now; `at` is the same by the calendar. It gives all episodes that are kept, oldest
    /// first.
    pub fn look(&mut self, seen: &Blocking, now: Instant, at: SystemTime) -> Vec<LockEpisode> {
        let now = now.into();
        let _ = self.0.observe(&Look { seen, names: &HashMap::new(), now, at }, None);
        self.0.episodes(now)
    }
}
