//! A limit that follows what a kind of statement usually takes, for calls that ask for it.

use super::builder::Call;
use super::postgres::Connection;
use crate::rules::suggestion::suggest;
use std::time::Duration;

impl Call<'_> {
    /// Limits the statement by what its kind usually takes, where that is known and shorter than the configured limit: by
    /// the limit that `Monitoring::suggested_limits` tells for it. So a statement that suddenly takes ten times as long
    /// does not hold its connection for all of `statement_timeout`.
    ///
    /// It is for `query`, `query_one`, `query_opt` and `execute`; transactions and leases are not limited so. While
    /// monitoring is off nothing is known, and the configured limit holds.
    ///
    /// ```no_run
    /// # async fn example(db: &plimsoll::Database) -> plimsoll::Result<()> {
    /// let rows = db.named("list devices").adaptive().query("SELECT id FROM device LIMIT 50", &[]).await?;
    /// # Ok(()) }
    /// ```
    pub fn adaptive(mut self) -> Self {
        self.is_adaptive = true;
        self
    }
}

/// The limit that is suggested for a statement with this text; none where the configured one stays.
#[cold]
pub(super) fn limit(connection: &Connection, text: Option<&str>) -> Option<Duration> {
    let server = &connection.server;
    let observed = server.monitor.observed(text?, connection.link.state.strings())?;
    let configured = server.limits.configured();
    suggest(observed, configured).limit.filter(|limit| Some(*limit) != configured)
}
